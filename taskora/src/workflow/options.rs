//! Options of a single step.

use std::time::Duration;

/// Options of one step, see [`Step::with`](super::Step::with).
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct StepOptions {
    pub(super) priority: Option<i16>,
    pub(super) delay: Duration,
    pub(super) ttl: Option<Duration>,
}

impl StepOptions {
    /// Overrides the contract's priority: −1,000 to 1,000, higher goes first.
    pub const fn priority(mut self, priority: i16) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Delays the step: it becomes ready this long after it could run.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Overrides the contract's `ttl`: how long the step may wait to start once it is ready. If it is not started in time,
    /// the workflow ends as expired.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}
