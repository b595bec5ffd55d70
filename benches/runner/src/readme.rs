//! The tables in the documents, which are written here and nowhere else.

use std::path::Path;

use anyhow::{Context, Result};

/// Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->` in a file.
pub fn write(file: &Path, name: &str, contents: &str) -> Result<()> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{shown}`"))?;
    let text = replaced(&text, name, contents).with_context(|| {
        format!("`{shown}` has no markers `<!-- {name}:begin -->` and `<!-- {name}:end -->`")
    })?;
    std::fs::write(file, text).with_context(|| format!("cannot write `{shown}`"))
}

fn replaced(text: &str, name: &str, contents: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", contents.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn what_is_between_the_markers_is_replaced_and_nothing_else() {
        let text = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nz\n";
        let new = replaced(text, "t", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- t:begin -->\nnew\n<!-- t:end -->\nz\n");
        assert_eq!(replaced(&new, "t", "new").unwrap(), new);
    }

    #[test]
    fn a_marker_that_is_missing_is_noticed() {
        assert_eq!(replaced("a\n<!-- t:begin -->\nz\n", "t", "new"), None);
        assert_eq!(replaced("a\n<!-- t:end -->\n<!-- t:begin -->\nz\n", "t", "new"), None);
        assert_eq!(replaced("a\n<!-- other:begin --><!-- other:end -->", "t", "new"), None);
    }
}
