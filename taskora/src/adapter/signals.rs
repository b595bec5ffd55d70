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

    /// The active jobs that were cancelled, here or in any other process. Best effort: a worker that misses one learns
    /// it when it renews or settles.
    fn cancellations(&self) -> broadcast::Receiver<Cancellation>;

    /// Waits until the job has ended, and says how; `None` if the job is not known (never dispatched, or trimmed).
    /// Does not poll; survives reconnects; dropping the future gives up the wait.
    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError>;
}

/// What [`Signals::cancellations`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// This job, which is active, was cancelled.
    Of(JobId),
    /// Some may have been missed until now, because the connection that brings them is new. A worker that renews its leases
    /// learns of them.
    Missed,
}

/// A worker's own listener for work, see [`Signals::work`].
#[async_trait]
pub trait WorkListener: Send + Sync {
    /// Blocks until one of the tasks may have work, then makes this call, which claims. Makes it anyway after `limit`
    /// has passed, or once `wake_early` is notified. Only one wait of a listener may be under way.
    ///
    /// Waits for the tasks whose [`TaskClaim::limit`](super::TaskClaim::limit) is above zero. One job wakes one worker. Because the worker that wakes
    /// claims, a signal is never lost: a claim that leaves jobs, also one with a limit of zero, signals them again. A
    /// signal that nobody waits for is kept.
    ///
    /// After an error, and when the wait was dropped, the call may have been made or may still be: repeat it with
    /// [`Jobs::exchange`](super::Jobs::exchange), or make the slot's next one.
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError>;
}
