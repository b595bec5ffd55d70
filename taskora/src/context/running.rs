//! The threads of one attempt.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Counts the threads of an attempt's blocking handler.
#[derive(Default)]
pub(super) struct Threads {
    running: AtomicU8,
    ended: Notify,
}

impl Threads {
    pub(super) fn enter(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn leave(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.ended.notify_waiters();
    }

    pub(super) fn any(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// Resolves when no thread is left.
    pub(super) async fn none_left(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if !self.any() {
                return;
            }
            ended.await;
        }
    }
}
