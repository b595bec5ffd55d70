//! A shutdown that has begun.

use std::time::Duration;

use tokio::time::Instant;

use crate::adapter::Lease;
use crate::job::JobId;

/// How long after the shutdown's grace period the worker is gone, whatever the store and the handlers do.
const SHUTDOWN_REST: Duration = Duration::from_millis(900);
/// How many ids a log line names.
const NAMED: usize = 5;

pub(super) struct Stopping {
    /// When the running attempts are told to stop.
    pub(super) grace_ends: Instant,
    pub(super) told: bool,
    /// How many jobs go back, and the first few of them.
    pub(super) released: (usize, Vec<JobId>),
}

impl Stopping {
    /// The time by which the worker is gone.
    pub(super) fn last_moment(&self) -> Instant {
        self.grace_ends + SHUTDOWN_REST
    }

    /// Notes that this job was handed back.
    pub(super) fn note_release(&mut self, lease: &Lease) {
        self.released.0 += 1;
        if self.released.1.len() < NAMED {
            self.released.1.push(lease.id.clone());
        }
    }
}
