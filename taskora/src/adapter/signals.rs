//! What a store pushes: work, cancellations, and the ends of jobs.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, broadcast, watch};

use super::{AdapterError, Ended, Exchange, Exchanged};
use crate::job::{JobId, JobState};

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

    /// Watches an unfinished job: the receiver gets its state and its progress as they change. Does not poll, and survives reconnects. Dropping the
    /// receiver ends the watch. A job that nobody watches pays nothing when it is stored, claimed and settled.
    ///
    /// The value is `None` until the store has answered, and stays `None` for a job that is unknown or has ended. Then it is what the store
    /// knows about the job, and is replaced, so that a slow receiver sees the newest:
    ///
    /// - when [`Jobs::note`](super::Jobs::note) has kept a progress: the job is active;
    /// - when an attempt is over and another one follows: it failed, was released, or was rescued from a dead worker;
    /// - when the connection was lost: what the store knows then.
    ///
    /// The start of an attempt is not told, nor what becomes of a job that waits. The job's end is not told either, and nothing after it:
    /// [`Signals::ended`] says how it ends, and what was told to a receiver before is in it by then.
    ///
    /// An adapter that does not support this sends nothing.
    fn watch(&self, id: &JobId) -> watch::Receiver<Option<JobNews>> {
        let _ = id;
        watch::channel(None).1
    }
}

/// What is known about an unfinished job, see [`Signals::watch`].
#[derive(Clone, PartialEq, Eq)]
pub struct JobNews {
    /// Its task.
    pub task: String,
    /// Its state, as far as it was told.
    pub state: JobState,
    /// Its latest progress, as JSON.
    pub progress: Option<Vec<u8>>,
}

impl fmt::Debug for JobNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // progress may be as confidential as the payload
        f.debug_struct("JobNews")
            .field("task", &self.task)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
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
