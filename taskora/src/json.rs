//! Reading and writing JSON. Errors name the field, never its value.

mod arguments;
mod fingerprint;
mod read;
mod unreadable;
mod write;

pub(crate) use arguments::arguments;
pub(crate) use fingerprint::{fingerprint, fingerprint_of};
pub use read::Unreadable;
pub(crate) use read::read;
pub(crate) use write::{write, write_text};

/// How deep values may be nested: as deep as `serde_json` reads them.
const MAX_DEPTH: usize = 127;
