//! How long an attempt has waited and run.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use super::Context;
use crate::job::Timestamp;

/// When the handler of an attempt has run.
pub(super) struct Timing {
    /// Since when the job has waited, by the store's clock.
    ready_at: Option<Timestamp>,
    started: OnceLock<Instant>,
    ended: OnceLock<Instant>,
}

impl Timing {
    pub(super) const fn new(ready_at: Option<Timestamp>) -> Self {
        Self { ready_at, started: OnceLock::new(), ended: OnceLock::new() }
    }
}

impl Context {
    /// The handler starts now, for each item of a batch.
    pub(crate) fn handler_starts(&self) {
        let now = Instant::now();
        self.each_attempt(|timing| {
            timing.started.get_or_init(|| now);
        });
    }

    /// The handler has returned, or was dropped.
    pub(crate) fn handler_has_ended(&self) {
        let now = Instant::now();
        self.each_attempt(|timing| {
            timing.ended.get_or_init(|| now);
        });
    }

    fn each_attempt(&self, mark: impl Fn(&Timing)) {
        if self.items().is_empty() {
            mark(&self.attempt.timing);
        }
        self.items().iter().for_each(|item| mark(&item.context().attempt.timing));
    }

    /// How long the job has waited for its first attempt: in the store, and in this worker. `None` if it was delayed, if this is not the first
    /// attempt, or if its handler has not started.
    pub(crate) fn waited(&self) -> Option<Duration> {
        let (attempt, timing) = (&self.attempt, &self.attempt.timing);
        let here = timing.started.get()?.saturating_duration_since(attempt.claimed);
        Some(attempt.claimed_at.since(timing.ready_at?) + here)
    }

    /// How long the handler has run.
    pub(crate) fn ran(&self) -> Option<Duration> {
        let timing = &self.attempt.timing;
        Some(timing.ended.get()?.saturating_duration_since(*timing.started.get()?))
    }
}
