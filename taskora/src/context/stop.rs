//! The signal that tells an attempt to stop.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Why an attempt should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Its job was cancelled.
    Cancelled,
    /// Its lease was lost.
    LeaseLost,
    /// The grace period of its worker's shutdown is over.
    Shutdown,
    /// Its timeout has passed.
    TimedOut,
}

/// A reason that is set once, and that you can await.
#[derive(Default)]
pub(super) struct StopSignal {
    reason: AtomicU8,
    set: Notify,
}

impl StopSignal {
    const REASONS: [StopReason; 4] =
        [StopReason::Cancelled, StopReason::LeaseLost, StopReason::Shutdown, StopReason::TimedOut];

    pub(super) fn set(&self, reason: StopReason) {
        let code = Self::REASONS.iter().position(|known| *known == reason).map_or(0, |at| at as u8 + 1);
        if self.reason.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.set.notify_waiters();
        }
    }

    pub(super) fn reason(&self) -> Option<StopReason> {
        let code = self.reason.load(Ordering::Acquire);
        Self::REASONS.get(usize::from(code).checked_sub(1)?).copied()
    }

    pub(super) async fn stopped(&self) -> StopReason {
        loop {
            let mut set = std::pin::pin!(self.set.notified());
            set.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            set.await;
        }
    }
}
