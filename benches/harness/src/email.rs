//! The payload.

use serde::{Deserialize, Serialize};

/// What every contender carries. The numbers start at [`Email::FIRST`] so that all have the same length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Email {
    pub to: String,
    pub subject: String,
    pub body: String,
    pub n: u64,
}

impl Email {
    pub const FIRST: u64 = 10_000_000;

    /// The `n`th payload, `bytes` long as JSON (at least the 75 that the fields need).
    pub fn new(n: u64, bytes: usize) -> Self {
        const EMPTY: usize =
            r#"{"to":"ada@example.com","subject":"Your receipt","body":"","n":10000000}"#.len();
        Self {
            to: "ada@example.com".into(),
            subject: "Your receipt".into(),
            body: "x".repeat(bytes.saturating_sub(EMPTY)),
            n: Self::FIRST + n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn payloads_have_the_length_asked_for() {
        for bytes in [92, 1024] {
            assert_eq!(serde_json::to_string(&Email::new(999, bytes)).unwrap().len(), bytes);
        }
    }
}
