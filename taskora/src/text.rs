//! Texts that are too long.

/// The longest beginning of a text that has at most `most` bytes and ends between two characters.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_letters() {
        for (most, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (4, "aé"), (5, "aéé"), (9, "aéé")]
        {
            assert_eq!(beginning("aéé", most), expected, "{most}");
        }
        assert_eq!(beginning("", 3), "");
    }
}
