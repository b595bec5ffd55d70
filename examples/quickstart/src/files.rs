//! Which files to summarise.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) struct File {
    /// The path to display.
    pub(crate) name: String,
    /// The path to dispatch: absolute, because the worker may run in another directory.
    pub(crate) path: PathBuf,
}

/// The files named on the command line, or this repository's Markdown files by default.
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
