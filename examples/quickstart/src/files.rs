//! Which files to summarise.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) struct File {
    /// As it is shown.
    pub(crate) name: String,
    /// As it is dispatched: absolute, since the worker may run elsewhere.
    pub(crate) path: PathBuf,
}

/// The files named on the command line, or else this repository's Markdown files.
pub(crate) fn chosen() -> io::Result<Vec<File>> {
    let named: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if named.is_empty() {
        return markdown_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?);
    }
    named
        .into_iter()
        .map(|path| Ok(File { name: path.display().to_string(), path: std::path::absolute(path)? }))
        .collect()
}

/// The Markdown files in and below `root`, without hidden, built and fetched ones.
fn markdown_of(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type()?.is_dir() {
                let is_ours = name != "target" && name != "node_modules";
                if is_ours && !name.as_encoded_bytes().starts_with(b".") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                files.push(File { name, path });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
