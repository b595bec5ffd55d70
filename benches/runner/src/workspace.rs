//! Where the benches are.

use std::path::{Path, PathBuf};

/// The path of this workspace, which is not the one the program was started in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
