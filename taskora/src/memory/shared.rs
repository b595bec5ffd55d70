//! The store with its clock, as all adapters and listeners share it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::store::Store;
use crate::adapter::TaskName;

pub(super) struct Shared {
    store: Mutex<Store>,
    /// The wall-clock time at `started`, in milliseconds since the Unix epoch; from then on, tokio's clock counts.
    epoch: u64,
    started: Instant,
}

impl Shared {
    /// An empty store whose clock begins at this time.
    pub(super) fn new(epoch: u64) -> Self {
        Self { store: Mutex::new(Store::new()), epoch, started: Instant::now() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        // every step leaves the store consistent, or panics in a debug assertion, which fails a test
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.clock = self.now();
        store
    }

    pub(super) fn now(&self) -> u64 {
        self.epoch + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - self.epoch)
    }

    /// Makes due jobs ready, opens gates, and wakes workers for that; ends workflows past their deadline. Returns the time until the next
    /// of either.
    pub(super) fn wake_due(&self, tasks: &[TaskName]) -> Option<Duration> {
        let now = self.now();
        let mut store = self.lock();
        if store.first_due(tasks).is_some_and(|due| due <= now) {
            store.make_ready(tasks, now);
            store.wake(tasks.iter().cloned());
        }
        store.open_gates(now);
        store.open_batches(tasks, now);
        store.end_late_flows(now);
        let due = store
            .first_due(tasks)
            .into_iter()
            .chain(store.first_opening(tasks))
            .chain(store.first_batch(tasks, now));
        let next = due.chain(store.first_deadline()).min();
        next.map(|due| Duration::from_millis(due.saturating_sub(now)))
    }
}
