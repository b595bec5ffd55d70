//! The store, as the engine calls it: it repeats calls until the store answers, and notes outages.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff::StoreBackoff;
use crate::adapter::{Adapter, AdapterError, Exchange, Exchanged, Settlement};

/// A call that the store refused, and would refuse again.
pub(crate) struct Refused {
    pub(crate) error: AdapterError,
    /// What the call was to settle.
    pub(crate) settle: Vec<Settlement>,
}

impl Refused {
    /// A refused claim.
    pub(crate) const fn claim(error: AdapterError) -> Self {
        Self { error, settle: Vec::new() }
    }
}

/// Whether no call of this worker can succeed until its configuration or its version changes.
pub(crate) const fn ends_the_worker(error: &AdapterError) -> bool {
    matches!(error, AdapterError::Config(_) | AdapterError::Incompatible(_))
}

pub(crate) struct Store {
    pub(crate) adapter: Arc<dyn Adapter>,
    health: AtomicU8,
    /// When the outage began.
    away_since: Mutex<Option<Instant>>,
    /// Notified when the store can no longer be reached.
    lost: Notify,
}

/// No call has returned yet.
const UNKNOWN: u8 = 0;
/// The last call was answered.
const ANSWERS: u8 = 1;
/// No call was ever answered, and at least one has failed.
const NEVER_REACHED: u8 = 2;
/// The last call has failed, and an earlier one was answered.
const AWAY: u8 = 3;

impl Store {
    pub(crate) fn new(adapter: Arc<dyn Adapter>) -> Self {
        Self { adapter, health: AtomicU8::new(UNKNOWN), away_since: Mutex::default(), lost: Notify::new() }
    }

    /// Whether the store cannot be reached now.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.health.load(Ordering::Relaxed), NEVER_REACHED | AWAY)
    }

    /// Whether calls have failed, and none has ever been answered.
    pub(crate) fn was_never_reached(&self) -> bool {
        self.health.load(Ordering::Relaxed) == NEVER_REACHED
    }

    /// A call was answered.
    pub(crate) fn answered(&self) {
        if self.health.load(Ordering::Relaxed) == ANSWERS {
            return;
        }
        self.health.store(ANSWERS, Ordering::Relaxed);
        if let Some(since) = self.since().take() {
            tracing::info!(after = ?since.elapsed(), "the store is back");
        }
    }

    /// A call has failed. An error that is not retryable is an answer, not an outage.
    pub(crate) fn failed(&self, error: &AdapterError) {
        if !error.is_retryable() {
            return;
        }
        let health = match self.health.load(Ordering::Relaxed) {
            UNKNOWN | NEVER_REACHED => NEVER_REACHED,
            _ => AWAY,
        };
        self.health.store(health, Ordering::Relaxed);
        self.since().get_or_insert_with(Instant::now);
        self.lost.notify_one();
    }

    /// Resolves when a call has failed since this last resolved.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.away_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The backoff between two tries of a call.
pub(crate) const fn backoff() -> StoreBackoff {
    StoreBackoff::new(Duration::from_millis(50), Duration::from_secs(2))
}

/// Repeats the call until the store has answered. It is the same call each time, so nothing is done twice.
///
/// A call that the store refuses is repeated once, in case only its answer was damaged. After that, the caller has to ask
/// for less.
pub(crate) async fn until_answered(store: Arc<Store>, exchange: Exchange) -> Result<Exchanged, Refused> {
    let mut backoff = backoff();
    let mut refused = false;
    loop {
        let error = match store.adapter.jobs().exchange(exchange.clone()).await {
            Ok(answer) => {
                store.answered();
                return Ok(answer);
            }
            Err(error) => error,
        };
        store.failed(&error);
        if !error.is_retryable() {
            if refused || ends_the_worker(&error) {
                return Err(Refused { error, settle: exchange.settle });
            }
            refused = true;
        }
        tracing::warn!(%error, "cannot settle and claim yet");
        backoff.wait().await;
    }
}
