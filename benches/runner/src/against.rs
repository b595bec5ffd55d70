//! Another checkout of taskora, as a contender.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::workspace;

/// What is copied of the workspace of the benches.
const DRIVER: &[&str] = &["Cargo.toml", "Cargo.lock", "harness", "taskora"];
/// The name of the contender's package.
const PACKAGE: &str = "bench-against";

/// Builds the contender on the taskora in `checkout`, and answers where it is. It is this checkout's contender, so that both
/// are driven in the same way; where that does not compile, it is the other one's own. Nothing is written into `checkout`.
pub fn build(checkout: &Path, programs: &Path) -> Result<PathBuf> {
    let shown = checkout.display();
    let checkout = checkout.canonicalize().with_context(|| format!("there is no `{shown}`"))?;
    if !checkout.join("taskora/Cargo.toml").is_file() {
        bail!("`{shown}` is no checkout of taskora: it has no `taskora/Cargo.toml`");
    }
    let name = checkout.to_string_lossy().replace(['/', '\\', ':'], "-");
    let place = programs.join("against").join(name);
    // in one of its own: both checkouts have crates of the same names and places, which cargo would take for the same
    let target = place.join("target");
    std::fs::create_dir_all(&place)?;
    for entry in std::fs::read_dir(&checkout)? {
        let entry = entry?;
        if ![".git", "benches", "target"].iter().any(|other| entry.file_name() == *other) {
            link(&entry.path(), &place.join(entry.file_name()))?;
        }
    }
    for driver in [workspace(), checkout.join("benches")] {
        for part in DRIVER {
            copy(&driver.join(part), &place.join("benches").join(part))?;
        }
        let status = Command::new("cargo")
            .args(["build", "--release", "--quiet", "--package", PACKAGE, "--target-dir"])
            .arg(&target)
            .current_dir(place.join("benches"))
            .status()
            .context("cannot start `cargo`")?;
        if status.success() {
            return Ok(target.join("release").join(PACKAGE));
        }
        eprintln!("`{}` does not build on the taskora in `{shown}`", driver.join("taskora").display());
    }
    bail!("no contender builds on the taskora in `{shown}`")
}

/// The checkout in a few words.
pub fn describe(checkout: &Path) -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude", "*"])
        .current_dir(checkout)
        .output();
    let commit = git.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("`{}` at commit {}", checkout.display(), commit.as_deref().unwrap_or("unknown"))
}

fn link(to: &Path, at: &Path) -> Result<()> {
    match std::os::unix::fs::symlink(to, at) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.with_context(|| format!("cannot make `{}`", at.display())),
    }
}

/// Copies what has changed, so that nothing is built again without need.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let mut text =
        std::fs::read_to_string(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    if from.ends_with("Cargo.toml") {
        text = adapted(&text);
    }
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if std::fs::read_to_string(to).ok().as_deref() != Some(&text) {
        std::fs::write(to, text).with_context(|| format!("cannot write `{}`", to.display()))?;
    }
    Ok(())
}

/// A manifest of the benches, for a workspace of the contender alone.
fn adapted(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| match line {
        line if line.starts_with("members = ") => r#"members = ["harness", "taskora"]"#.to_owned(),
        line => line.replace("\"bench-taskora\"", &format!("\"{PACKAGE}\"")),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contender_is_alone_in_its_workspace_and_has_a_name_of_its_own() {
        let root = adapted(&std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap());
        assert!(root.contains(r#"members = ["harness", "taskora"]"#) && !root.contains("kojin"));
        let package = adapted(&std::fs::read_to_string(workspace().join("taskora/Cargo.toml")).unwrap());
        assert!(package.contains("name = \"bench-against\"") && package.contains("path = \"../../taskora\""));
    }
}
