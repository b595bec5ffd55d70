//! What the store has refused, and what is tried instead.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::adapter::{AdapterError, Settlement};
use crate::worker::backoff::StoreBackoff;

/// What was refused, and what is tried instead.
pub(super) struct Refusals {
    /// Outcomes of a refused call. Each is sent alone, so that one bad outcome does not affect the others.
    pub(super) singles: VecDeque<Settlement>,
    /// Nothing is claimed before this time.
    pub(super) claim_again: Option<Instant>,
    pub(super) backoff: StoreBackoff,
    /// Why the worker ends.
    pub(super) fatal: Option<AdapterError>,
}

impl Refusals {
    pub(super) const fn new() -> Self {
        Self {
            singles: VecDeque::new(),
            claim_again: None,
            backoff: StoreBackoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            fatal: None,
        }
    }

    /// A claim was answered.
    pub(super) const fn claimed(&mut self) {
        self.backoff.reset();
    }
}
