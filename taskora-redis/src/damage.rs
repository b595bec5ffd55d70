//! Whether a key of the namespace is damaged, and when somebody last looked.

use std::time::Instant;

use taskora::AdapterError;
use tokio::sync::Mutex;

/// When a search for damage last ran. A caller that arrives during a search waits for its outcome.
#[derive(Default)]
pub(crate) struct Searches {
    pub(crate) last: Mutex<Last>,
}

/// When a search last found damage, and when one last found none.
#[derive(Default)]
pub(crate) struct Last {
    pub(crate) moved: Option<Instant>,
    pub(crate) sound: Option<Instant>,
}

/// Whether a command failed because of what a key holds.
pub(crate) fn is_damage(error: &AdapterError) -> bool {
    let AdapterError::Protocol(message) = error else { return false };
    ["WRONGTYPE", "not an integer", "would overflow", "wrong kind of value"]
        .iter()
        .any(|sign| message.contains(sign))
}
