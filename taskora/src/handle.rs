//! Handles: how callers refer to a job.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::adapter::{AdapterError, CancelOutcome, Ended, Ending, TaskName};
use crate::contract::TaskOptions;
use crate::error::JobError;
use crate::job::{JobId, JobInfo, JobState, LogEntry};
use crate::json::{self, Unreadable};
use crate::setup::Setup;
use crate::watcher::JobWatcher;

/// What a dispatch did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<Id = JobId> {
    /// The job, or the workflow, was stored.
    Enqueued,
    /// The id was already known, or an unfinished job has the key; the handle belongs to that job or workflow.
    Duplicate(Id),
    /// The payload replaced that of an earlier dispatch with the same key, whose job has not started; the handle belongs to
    /// that job.
    Replaced(Id),
    /// Nothing was stored, because the key has used up its share. The handle's id belongs to no job: its `state` is `None`,
    /// and its `result` is [`JobError::NotFound`].
    Throttled {
        /// After this time, one more job can be stored.
        retry_in: Duration,
    },
    /// Nothing was dispatched: the handle was made from an id, see [`App::job`](crate::App::job) and
    /// [`App::workflow`](crate::App::workflow).
    Attached,
}

/// How long a handle whose timeout has passed waits for the store to say what state its job is in.
pub(crate) const ASK: Duration = Duration::from_secs(1);

pub(crate) fn no_answer() -> AdapterError {
    AdapterError::Unavailable {
        address: "the store".to_owned(),
        message: format!("no answer within {ASK:?}"),
    }
}

/// A job, dispatched here or elsewhere, with a result of type `Out`. Cheap to clone.
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
/// let elsewhere: JobHandle<u32> = app.job::<Double>(handle.id());
/// assert_eq!(elsewhere.state().await?, Some(JobState::Completed));
/// worker.shutdown().await?;
/// # Ok(()) }
/// ```
pub struct JobHandle<Out> {
    setup: Setup,
    id: JobId,
    outcome: Outcome,
    /// The task that the job must belong to, if known.
    expected: Option<Expected>,
    typed: PhantomData<fn() -> Out>,
}

/// The task that a job must belong to.
#[derive(Clone)]
pub(crate) struct Expected {
    task: TaskName,
    aliases: &'static [&'static str],
}

impl Expected {
    pub(crate) const fn new(task: TaskName, contract: &TaskOptions) -> Self {
        Self { task, aliases: contract.aliases() }
    }

    /// The task's name.
    pub(crate) fn name(&self) -> &str {
        &self.task
    }

    /// Whether this name belongs to the task.
    pub(crate) fn is(&self, task: &str) -> bool {
        *self.task == *task || self.aliases.contains(&task)
    }
}

impl<Out> JobHandle<Out> {
    pub(crate) const fn dispatched(setup: Setup, outcome: Outcome, id: JobId, expected: Expected) -> Self {
        Self { setup, id, outcome, expected: Some(expected), typed: PhantomData }
    }

    pub(crate) const fn attached(setup: Setup, id: JobId, expected: Option<Expected>) -> Self {
        Self { setup, id, outcome: Outcome::Attached, expected, typed: PhantomData }
    }

    /// The job's id.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        &self.id
    }

    pub(crate) const fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) const fn is_stored(&self) -> bool {
        !matches!(self.outcome, Outcome::Throttled { .. })
    }

    /// What the dispatch did.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The job's state; `None` if the job is unknown (never dispatched, or removed since).
    ///
    /// # Errors
    /// [`JobError::OtherTask`] if the job belongs to another task, [`JobError::Adapter`] if the store cannot be
    /// reached.
    pub async fn state(&self) -> Result<Option<JobState>, JobError> {
        Ok(self.info().await?.map(|info| info.state))
    }

    /// What is known about the job, without its payload and result; `None` if the job is unknown.
    ///
    /// # Errors
    /// As [`JobHandle::state`].
    pub async fn info(&self) -> Result<Option<JobInfo>, JobError> {
        let info = self
            .setup
            .adapter()
            .inspection()
            .job(&self.id)
            .await
            .map_err(|source| self.adapter_error(source))?;
        if let Some(info) = &info {
            self.check_task(&info.task)?;
        }
        Ok(info)
    }

    /// The latest progress that the handler reported; `None` if there is none, or if the job is unknown.
    ///
    /// # Errors
    /// As [`JobHandle::state`], and [`JobError::Undecodable`] if the progress is not a `P`.
    pub async fn progress<P: DeserializeOwned>(&self) -> Result<Option<P>, JobError> {
        let info = self.info().await?;
        let Some(progress) = info.and_then(|info| info.progress) else { return Ok(None) };
        json::read(progress.to_string().as_bytes()).map(Some).map_err(|error| self.undecodable::<P>(&error))
    }

    /// What the handler logged, oldest first; the newest 1,000 lines.
    ///
    /// # Errors
    /// As [`JobHandle::state`].
    pub async fn logs(&self) -> Result<Vec<LogEntry>, JobError> {
        self.make_sure().await?;
        self.setup.adapter().inspection().logs(&self.id).await.map_err(|source| self.adapter_error(source))
    }

    /// Cancels the job, from any process. A job that is waiting, delayed or retrying has ended when this returns. A running
    /// job is told to stop, and ends as cancelled, whatever it returns. A job that has already ended stays as it is.
    ///
    /// # Errors
    /// As [`JobHandle::state`].
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<CancelOutcome, JobError> {
        self.make_sure().await?;
        let cancelled = self.setup.adapter().jobs().cancel(&self.id, &reason.into()).await;
        cancelled.map_err(|source| self.adapter_error(source))
    }

    /// Asks the store for the job's task, unless it is known from the dispatch.
    pub(crate) async fn make_sure(&self) -> Result<(), JobError> {
        if self.expected.is_some() && self.outcome == Outcome::Attached {
            self.info().await?;
        }
        Ok(())
    }

    pub(crate) fn check_task(&self, task: &str) -> Result<(), JobError> {
        match &self.expected {
            Some(expected) if !expected.is(task) => Err(JobError::OtherTask {
                id: self.id.clone(),
                task: task.to_owned(),
                expected: expected.task.to_string(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn adapter_error(&self, source: AdapterError) -> JobError {
        JobError::Adapter { id: self.id.clone(), source }
    }

    pub(crate) fn undecodable<P>(&self, error: &Unreadable) -> JobError {
        JobError::Undecodable {
            id: self.id.clone(),
            expected: std::any::type_name::<P>(),
            message: error.to_string(),
        }
    }
}

impl<Out: DeserializeOwned> JobHandle<Out> {
    /// Waits until the job has ended, however it ends. The end is pushed, not polled. If you drop the future, the job goes
    /// on.
    ///
    /// # Errors
    /// [`JobError`], for every end other than completion. The result stays available until [`Retention`](crate::Retention)
    /// removes the job (by default after an hour, or when the task has more than 10,000); after that you get
    /// [`JobError::NotFound`]. To wait for many jobs, use [`results`](crate::results), which reads each result as soon as it
    /// is available.
    pub async fn result(&self) -> Result<Out, JobError> {
        let ended = self
            .setup
            .adapter()
            .signals()
            .ended(&self.id)
            .await
            .map_err(|source| self.adapter_error(source))?;
        let ended = ended.ok_or_else(|| JobError::NotFound { id: self.id.clone() })?;
        self.check_task(&ended.task)?;
        self.read_end(ended)
    }

    pub(crate) fn read_end(&self, ended: Ended) -> Result<Out, JobError> {
        let Ended { task, attempts, ending } = ended;
        let id = self.id.clone();
        match ending {
            Ending::Completed(json) => json::read(&json).map_err(|error| self.undecodable::<Out>(&error)),
            Ending::Failed(message) => Err(JobError::Failed { task, id, message, attempts }),
            Ending::Cancelled(reason) => Err(JobError::Cancelled { id, reason }),
            Ending::Expired => Err(JobError::Expired { id }),
            Ending::Stalled(message) => Err(JobError::Stalled { id, message }),
        }
    }

    /// Watches the job until it has ended: its progress, its state, and at last its end. What is new is pushed, not polled.
    ///
    /// See [`JobWatcher`] for what it tells.
    #[must_use]
    pub fn watch<P: DeserializeOwned>(&self) -> JobWatcher<P, Out> {
        JobWatcher::new(self.clone())
    }

    /// Like [`JobHandle::result`], with a timeout. When it has passed, the handle asks the store for the job's state, which
    /// may take another second.
    ///
    /// # Errors
    /// As [`JobHandle::result`]. [`JobError::TimedOut`], with the job's state, if the job has not ended by then; the job
    /// goes on. [`JobError::Adapter`] if the store could not be asked.
    pub async fn result_within(&self, timeout: Duration) -> Result<Out, JobError> {
        if let Ok(result) = tokio::time::timeout(timeout, self.result()).await {
            return result;
        }
        let ask = async {
            match self.info().await? {
                None => Err(JobError::NotFound { id: self.id.clone() }),
                // it has just ended
                Some(info) if info.state.is_terminal() => self.result().await,
                Some(info) => {
                    Err(JobError::TimedOut { id: self.id.clone(), waited: timeout, state: info.state })
                }
            }
        };
        tokio::time::timeout(ASK, ask).await.unwrap_or_else(|_| Err(self.adapter_error(no_answer())))
    }
}

/// Waits for many jobs at once, and returns their results in the order of the handles.
///
/// Each result is read as soon as its job has ended. If you await one handle after the other instead,
/// [retention](crate::Retention) may remove jobs that ended early while you still wait for others. If you drop the future,
/// the jobs go on.
///
/// ```
/// # use taskora::prelude::*;
/// #[task]
/// async fn double(n: u32) -> u32 {
///     n * 2
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// # let app = App::new(MemoryAdapter::new());
/// # let worker = Worker::builder(&app).register::<Double>().start().await?;
/// let handles = app.dispatch_many((0..100).map(|n| Double { n })).await?;
/// let doubles: Vec<u32> = taskora::results(&handles).await.into_iter().collect::<Result<_, _>>()?;
/// assert_eq!(doubles[99], 198);
/// # worker.shutdown().await?;
/// # Ok(()) }
/// ```
///
/// # Panics
/// Outside a tokio runtime.
pub async fn results<Out: DeserializeOwned + Send + 'static>(
    handles: impl IntoIterator<Item = impl Borrow<JobHandle<Out>>>,
) -> Vec<Result<Out, JobError>> {
    let mut waits = JoinSet::new();
    let mut results = Vec::new();
    for (at, handle) in handles.into_iter().enumerate() {
        let handle = handle.borrow().clone();
        results.push(Err(JobError::NotFound { id: handle.id.clone() }));
        waits.spawn(async move { (at, handle.result().await) });
    }
    while let Some(ended) = waits.join_next().await {
        match ended {
            Ok((at, result)) => {
                if let Some(place) = results.get_mut(at) {
                    *place = result;
                }
            }
            // a `Deserialize` implementation has panicked
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    results
}

impl<Out> Clone for JobHandle<Out> {
    fn clone(&self) -> Self {
        Self {
            setup: self.setup.clone(),
            id: self.id.clone(),
            outcome: self.outcome.clone(),
            expected: self.expected.clone(),
            typed: PhantomData,
        }
    }
}

impl<Out> fmt::Debug for JobHandle<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
