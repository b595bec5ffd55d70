//! The program that runs.

use std::time::UNIX_EPOCH;

use super::Fingerprint;

/// A program that runs, for people to recognise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The name of its host; empty if unknown.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// The name of its executable; empty if unknown.
    pub name: String,
    /// Identifies its executable: a hash of its length and modification time; empty if unknown.
    pub build: String,
}

impl Program {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        Self { host: host(), pid: std::process::id(), name: name(), build: build() }
    }
}

fn host() -> String {
    let read = |path| std::fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
    name.unwrap_or_default().trim().to_owned()
}

fn name() -> String {
    let path = std::env::current_exe().ok();
    path.and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).unwrap_or_default()
}

fn build() -> String {
    let about = || {
        let file = std::env::current_exe().and_then(std::fs::metadata).ok()?;
        let written = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{} {}", file.len(), written.as_nanos()))
    };
    about().map_or_else(String::new, |about| format!("{:016x}", Fingerprint::of(about.as_bytes()).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_itself() {
        let this = Program::this();
        assert_eq!(this, Program::this());
        assert_eq!((this.pid, this.build.len()), (std::process::id(), 16));
        assert!(this.name.starts_with("taskora"), "{}", this.name);
    }
}
