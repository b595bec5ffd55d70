//! What documents say is there, is there.

use std::path::{Path, PathBuf};

/// Every file of this kind below.
fn files(below: &Path, kind: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != "target") {
            files(&entry, kind, into);
        } else if entry.extension().is_some_and(|extension| extension == kind) {
            into.push(entry);
        }
    }
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the project");
    let text = std::fs::read_to_string(root.join("docs/guarantees.md")).expect("docs/guarantees.md");
    let mut sources = Vec::new();
    // the checks of the conformance suite are tests of both adapters
    for folder in ["tests", "taskora-redis/tests", "taskora/src/conformance"] {
        files(&root.join(folder), "rs", &mut sources);
    }
    let sources: String =
        sources.iter().map(|file| std::fs::read_to_string(file).expect("a source file")).collect();
    // names of tests are the only ones in backticks with so many words
    let is_test = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 30, "the guarantees name tests: {named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "docs/guarantees.md names tests that do not exist: {missing:?}");
}
