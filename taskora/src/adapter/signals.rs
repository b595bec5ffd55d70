//! What a store pushes: work, cancellations, and the ends of jobs.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, broadcast};

use super::{AdapterError, Ended, Exchange, Exchanged};
use crate::job::JobId;

/// What is pushed: work, cancellations, and the ends of jobs.
#[async_trait]
pub trait Signals: Send + Sync {
    /// A worker's own listener for work.
    fn work(&self) -> Box<dyn WorkListener>;

    /// The active jobs that were cancelled, here or in any other process. Best effort: a worker that misses a message learns
    /// of the cancellation when it renews or settles.
    fn cancellations(&self) -> broadcast::Receiver<Cancellation>;

    /// Waits until the job has ended, and returns how; `None` if the job is unknown (never dispatched, or trimmed). Does not
    /// poll, and survives reconnects. Dropping the future ends the wait.
    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError>;
}

/// A message of [`Signals::cancellations`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// This active job was cancelled.
    Of(JobId),
    /// Messages may have been missed until now, because the connection that brings them is new. A worker learns of those
    /// cancellations when it renews its leases.
    Missed,
}

/// A worker's own listener for work, see [`Signals::work`].
#[async_trait]
pub trait WorkListener: Send + Sync {
    /// Blocks until one of the tasks may have work, then makes this call, which claims. Claims anyway after `limit`, or once
    /// `wake_early` is notified. A listener may have only one wait at a time.
    ///
    /// Waits for the tasks whose [`TaskClaim::limit`](super::TaskClaim::limit) is above zero. One job wakes one worker. A
    /// signal is never lost, because the woken worker claims, and a claim that leaves jobs (even one with a limit of zero)
    /// signals again. If no worker waits for a signal, it is kept.
    ///
    /// After an error, or if the wait was dropped, the call may have been made, or may still be made later: repeat it with
    /// [`Jobs::exchange`](super::Jobs::exchange), or make the slot's next call.
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError>;
}
