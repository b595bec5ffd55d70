//! How jobs gather, to be claimed in batches.

use std::time::Duration;

/// How the items of a key gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collect {
    /// The items of a key go this long after the last one came ..
    pub delay: Duration,
    /// .. or this long after the first one did.
    pub max_wait: Option<Duration>,
    /// The most items of a batch; with so many, the items go at once.
    pub max_size: u32,
    /// Whether the next batch of a key waits for the last one.
    pub serial: bool,
}

impl Collect {
    /// The key of all items of a task whose contract has `collect` without `key`.
    pub const NO_KEY: &'static str = "*";
    /// The most items of a batch, because a batch is one claim.
    pub const LARGEST: u32 = 500;

    /// Batches of at most so many items, `delay` after the last one came.
    #[must_use]
    pub const fn new(max_size: u32, delay: Duration) -> Self {
        Self { delay, max_wait: None, max_size, serial: false }
    }

    /// No item waits for longer than this, however many follow.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// The next batch of a key waits for the last one.
    #[must_use]
    pub const fn serial(mut self) -> Self {
        self.serial = true;
        self
    }
}
