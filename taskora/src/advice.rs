//! What an error says about another attempt.

use std::time::Duration;

/// What a function's error says about another attempt; the macro generates it from `on`, `never_on` and `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advice {
    pub(crate) never: bool,
    pub(crate) after: Option<Duration>,
    /// The delay concerns all jobs of the key.
    pub(crate) for_key: bool,
}

impl Advice {
    /// `retried`: whether the error is retried at all. `after`: the delay that the error asks for.
    #[must_use]
    pub const fn new(retried: bool, after: Option<Duration>) -> Self {
        Self { never: !retried, after, for_key: false }
    }
}
