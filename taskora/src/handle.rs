//! Handles: what a caller holds of a job.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::adapter::{AdapterError, CancelOutcome, Ended, Ending};
use crate::app::App;
use crate::contract::Task;
use crate::error::JobError;
use crate::job::{JobId, JobInfo, JobState, LogEntry};
use crate::json::describe;

/// What a handle knows of its job's result: implemented by every contract, and by [`Raw`].
pub trait HasOutput: 'static {
    /// The type of the result.
    type Output: DeserializeOwned + Send + 'static;
}

impl<T: Task> HasOutput for T {
    type Output = T::Output;
}

/// Stands for the contract in the handle of a job that was dispatched by name; its result is JSON.
#[derive(Debug, Clone, Copy)]
pub enum Raw {}

impl HasOutput for Raw {
    type Output = serde_json::Value;
}

/// What a dispatch did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The job was stored.
    Enqueued,
    /// A job with this id was known already; the handle is that job's.
    Duplicate(JobId),
    /// Nothing was dispatched: the handle was made of an id, see [`App::job`].
    Attached,
}

/// A job, dispatched here or elsewhere. Cheap to clone.
///
/// ```
/// # use taskora::prelude::*;
/// #[task]
/// async fn double(n: u32) -> u32 {
///     n * 2
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// let app = App::new(MemoryAdapter::new());
/// let worker = Worker::builder(&app).register::<Double>().start().await?;
///
/// let handle = app.dispatch(Double { n: 21 }).await?;
/// assert_eq!(handle.result().await?, 42);
///
/// let elsewhere = app.job::<Double>(handle.id());
/// assert_eq!(elsewhere.state().await?, Some(JobState::Completed));
/// worker.shutdown().await?;
/// # Ok(()) }
/// ```
pub struct JobHandle<T> {
    app: App,
    id: JobId,
    outcome: Outcome,
    typed: PhantomData<fn() -> T>,
}

impl<T> JobHandle<T> {
    pub(crate) const fn dispatched(app: App, outcome: Outcome, id: JobId) -> Self {
        Self { app, id, outcome, typed: PhantomData }
    }

    pub(crate) const fn attached(app: App, id: JobId) -> Self {
        Self::dispatched(app, Outcome::Attached, id)
    }

    /// The job's id.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        &self.id
    }

    /// What the dispatch did.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Where the job is in its life; `None` if it is not known (never dispatched, or trimmed since).
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn state(&self) -> Result<Option<JobState>, AdapterError> {
        Ok(self.info().await?.map(|info| info.state))
    }

    /// What is known of the job, without its payload and its result; `None` if it is not known.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn info(&self) -> Result<Option<JobInfo>, AdapterError> {
        self.app.adapter().job(&self.id).await
    }

    /// The last progress that the handler reported; `None` if there is none, or the job is not known.
    ///
    /// # Errors
    /// [`JobError::Undecodable`] if it is not a `P`, [`JobError::Adapter`] if the store cannot be reached.
    pub async fn progress<P: DeserializeOwned>(&self) -> Result<Option<P>, JobError> {
        let info = self.info().await.map_err(|source| self.adapter_error(source))?;
        info.and_then(|info| info.progress)
            .map(|progress| serde_json::from_value(progress).map_err(|error| self.undecodable::<P>(&error)))
            .transpose()
    }

    /// What the handler logged, oldest first; the newest 1,000 lines.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn logs(&self) -> Result<Vec<LogEntry>, AdapterError> {
        self.app.adapter().logs(&self.id).await
    }

    /// Cancels the job, from any process. A job that is waiting, delayed or retrying has ended when this returns. One that
    /// is running is told to stop, and ends as cancelled whatever it returns. One that has ended stays as it is.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<CancelOutcome, AdapterError> {
        self.app.adapter().cancel(&self.id, &reason.into()).await
    }

    fn adapter_error(&self, source: AdapterError) -> JobError {
        JobError::Adapter { id: self.id.clone(), source }
    }

    fn undecodable<P>(&self, error: &serde_json::Error) -> JobError {
        JobError::Undecodable {
            id: self.id.clone(),
            expected: std::any::type_name::<P>(),
            message: describe(error),
        }
    }
}

impl<T: HasOutput> JobHandle<T> {
    /// Waits until the job has ended, however it ends. The end is pushed, not polled for; dropping the future gives up
    /// the wait and leaves the job alone.
    ///
    /// # Errors
    /// [`JobError`], for every end but completion. A result is there until the job is trimmed
    /// ([`Retention`](crate::Retention): by default an hour, and at most 1,000 of a task); after that the job is [`JobError::NotFound`].
    pub async fn result(&self) -> Result<T::Output, JobError> {
        let ended = self.app.adapter().ended(&self.id).await.map_err(|source| self.adapter_error(source))?;
        let id = self.id.clone();
        let Some(Ended { task, attempts, ending }) = ended else {
            return Err(JobError::NotFound { id });
        };
        match ending {
            Ending::Completed(json) => {
                serde_json::from_slice(&json).map_err(|error| self.undecodable::<T::Output>(&error))
            }
            Ending::Failed(message) => Err(JobError::Failed { task, id, message, attempts }),
            Ending::Cancelled(reason) => Err(JobError::Cancelled { id, reason }),
            Ending::Expired => Err(JobError::Expired { id }),
            Ending::Stalled(message) => Err(JobError::Stalled { id, message }),
        }
    }

    /// The same, for at most so long.
    ///
    /// # Errors
    /// As [`JobHandle::result`], and [`JobError::TimedOut`] if the job has not ended by then; it goes on.
    pub async fn result_within(&self, patience: Duration) -> Result<T::Output, JobError> {
        tokio::time::timeout(patience, self.result())
            .await
            .unwrap_or_else(|_| Err(JobError::TimedOut { id: self.id.clone(), waited: patience }))
    }
}

impl<T> Clone for JobHandle<T> {
    fn clone(&self) -> Self {
        Self { app: self.app.clone(), id: self.id.clone(), outcome: self.outcome.clone(), typed: PhantomData }
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
