//! The composition root: an adapter, and the settings that everything shares.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::adapter::{Adapter, AdapterError, JobCounts};
use crate::check::{self, CheckReport, RepairReport};
use crate::contract::Task;
use crate::dead_letters::DeadLetters;
use crate::dispatch::{Dispatch, Dispatchable, JobRequest, Many, ManyRequest};
use crate::events::Listen;
use crate::handle::{Expected, JobHandle};
use crate::inspect::Inspect;
use crate::job::JobId;
use crate::policy::Retention;
use crate::queues::Queues;
use crate::setup::{Setup, Shared};
use crate::workers::Workers;
use crate::workflow::{Starts, WorkflowHandle, WorkflowId};

/// An application: dispatches jobs, and workers are built on it. Cheap to clone; a process may have several. You may keep it
/// in a static and use it on several tokio runtimes, for example from tests or threads with a runtime each.
///
/// ```
/// use taskora::prelude::*;
///
/// let app = App::new(MemoryAdapter::new());
/// let tuned = App::builder(MemoryAdapter::new()).max_payload(64 * 1024).build();
/// # let _ = (app, tuned);
/// ```
#[derive(Clone)]
pub struct App {
    setup: Setup,
}

impl App {
    /// The default limit of a payload or result: 8 MiB of JSON.
    pub const DEFAULT_MAX_PAYLOAD: usize = 8 * 1024 * 1024;

    /// An app with the default settings.
    pub fn new(adapter: impl Adapter) -> Self {
        Self::builder(adapter).build()
    }

    /// An app with other settings than the defaults.
    pub fn builder(adapter: impl Adapter) -> AppBuilder {
        AppBuilder {
            shared: Shared {
                adapter: Arc::new(adapter),
                max_payload: Self::DEFAULT_MAX_PAYLOAD,
                retention: Retention::default(),
                timezone: None,
                log_schedules: true,
                history: true,
            },
        }
    }

    /// Dispatches a contract, a signature with all its arguments bound, or a workflow. Set options on the returned builder,
    /// then await it:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::time::Duration;
    /// #[task]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// let app = App::new(MemoryAdapter::new());
    /// let now = app.dispatch(Greet { name: "Ada".into() }).await?;
    /// let later = app.dispatch(Greet::s().name("Bob")).delay(Duration::from_secs(60)).priority(5).await?;
    /// assert_ne!(now.id(), later.id());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When awaited: [`DispatchError`](crate::DispatchError), which says when a job may have been stored nevertheless.
    pub fn dispatch<D: Dispatchable>(&self, what: D) -> Dispatch<D::Handle>
    where
        D::Slot: Starts,
    {
        what.__into_dispatch(&self.setup)
    }

    /// Dispatches many jobs of one task, in few round trips. The handles are in the order of the jobs, and the options apply
    /// to all of them. [`results`](crate::results) waits for all of them at once.
    ///
    /// # Errors
    /// When awaited: [`DispatchError`](crate::DispatchError). If one of the payloads is refused, nothing was stored. If the
    /// store fails in between, [`DispatchError::Partial`](crate::DispatchError::Partial) says which jobs were stored.
    pub fn dispatch_many<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> Dispatch<Many<T>> {
        Dispatch::new(&self.setup, ManyRequest::new(tasks))
    }

    /// Dispatches by name and JSON, without types: for tools and dynamic callers. The worker that claims the job checks the
    /// name and the payload. If no worker knows the name, the job waits until one does.
    ///
    /// The contract's options do not apply: the job has priority 0, unless you set `.priority(..)`.
    ///
    /// # Errors
    /// When awaited: as [`App::dispatch`].
    pub fn dispatch_raw(&self, task: impl AsRef<str>, payload: Value) -> Dispatch<JobHandle<Value>> {
        Dispatch::new(&self.setup, JobRequest::raw(&self.setup, task.as_ref().into(), &payload))
    }

    /// A handle to a job that was dispatched elsewhere. This does not ask the store yet. If the id belongs to another task's
    /// job, the handle's methods return [`JobError::OtherTask`](crate::JobError::OtherTask).
    pub fn job<T: Task>(&self, id: impl Into<JobId>) -> JobHandle<T::Output> {
        JobHandle::attached(self.setup.clone(), id.into(), Some(Expected::new(T::NAME.into(), &T::OPTIONS)))
    }

    /// Like [`App::job`], for a job of any task; its result is JSON.
    pub fn job_raw(&self, id: impl Into<JobId>) -> JobHandle<Value> {
        JobHandle::attached(self.setup.clone(), id.into(), None)
    }

    /// A handle to a workflow that was dispatched elsewhere, with a result of type `Out`. This does not ask the store yet.
    pub fn workflow<Out>(&self, id: impl Into<WorkflowId>) -> WorkflowHandle<Out> {
        WorkflowHandle::attached(self.setup.clone(), id.into())
    }

    /// The queues of the tasks: change limits, pause and resume tasks, flush what gathers; find out which job owns a key, or release the key.
    #[must_use]
    pub const fn queues(&self) -> Queues<'_> {
        Queues::new(&self.setup)
    }

    /// The workers, in all processes: pause and resume one. [`Inspect::workers`] lists them.
    #[must_use]
    pub const fn workers(&self) -> Workers<'_> {
        Workers::new(&self.setup)
    }

    /// Looks into the queues of the tasks, and changes nothing.
    #[must_use]
    pub const fn inspect(&self) -> Inspect<'_> {
        Inspect::new(&self.setup)
    }

    /// The jobs of a task that have ended without completing: to retry or to discard many of them at once, and to see why they failed. Steps of
    /// workflows are not among them.
    pub fn dead_letters(&self, task: impl AsRef<str>) -> DeadLetters<'_> {
        DeadLetters::new(&self.setup, task.as_ref())
    }

    /// Listens to what happens: transitions of jobs and workflows, and pauses, in all processes. Nothing is written while nobody listens, so
    /// what happened before is not told. A listener sees each event once at most, and hears of gaps. Work that must happen belongs into a
    /// step of a workflow or a job of its own, not into a listener.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// use taskora::{Kind, What};
    ///
    /// #[task]
    /// async fn charge(cents: u32) -> Result<(), TaskError> {
    ///     if cents == 0 { Err(TaskError::msg("nothing to charge")) } else { Ok(()) }
    /// }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// # let worker = Worker::builder(&app).register::<Charge>().start().await?;
    /// let mut failures = app.events().of::<Charge>().only([Kind::Failed]).await?; // listening has begun
    /// app.dispatch(Charge { cents: 5 }).await?;
    /// let job = app.dispatch(Charge { cents: 0 }).await?;
    /// let event = failures.next().await?;
    /// assert_eq!(event.job.as_ref(), Some(job.id()));
    /// match event.what {
    ///     What::Failed { error, .. } => assert_eq!(error, "nothing to charge"),
    ///     What::Gap => println!("some failures may be missing: look at the dead letters"),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # worker.shutdown().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When awaited: if the store cannot be reached.
    pub const fn events(&self) -> Listen<'_> {
        Listen::new(&self.setup)
    }

    /// How many jobs of a task are in each state; all zero if the task is unknown.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn counts(&self, task: impl AsRef<str>) -> Result<JobCounts, AdapterError> {
        self.setup.adapter().inspection().counts(task.as_ref()).await
    }

    /// Reads everything in the store, page by page, and reports what is inconsistent. It changes nothing, and may run while
    /// the queue is busy: jobs that are merely in transit are not reported. The report has the first 1,000 violations, and
    /// prints one line for each.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// let app = App::new(MemoryAdapter::new());
    /// let report = app.check().await?;
    /// assert!(report.is_clean(), "{report}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn check(&self) -> Result<CheckReport, AdapterError> {
        check::check(&**self.setup.adapter()).await
    }

    /// Repairs what [`App::check`] reports, one violation at a time. Each repair is one atomic step that first verifies the
    /// violation. It may run while the queue is busy, and more than once. What cannot be repaired without guessing is left
    /// alone and reported. A repair may reveal further violations, so check again afterwards.
    ///
    /// # Errors
    /// If the store cannot be reached; everything repaired until then stays repaired.
    pub async fn repair(&self) -> Result<RepairReport, AdapterError> {
        check::repair(&**self.setup.adapter()).await
    }

    pub(crate) const fn setup(&self) -> &Setup {
        &self.setup
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("adapter", self.setup.adapter()).finish_non_exhaustive()
    }
}

/// Settings of an [`App`], see [`App::builder`].
pub struct AppBuilder {
    shared: Shared,
}

impl AppBuilder {
    /// The largest payload or result in bytes of JSON; [`App::DEFAULT_MAX_PAYLOAD`] by default. A larger payload is refused
    /// at the dispatch; a job with a larger result fails with a message that says so.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.shared.max_payload = bytes;
        self
    }

    /// How long finished jobs stay, per task; see [`Retention`] for the defaults. Only the setting of a worker's app counts,
    /// because workers trim.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.shared.retention = retention;
        self
    }

    /// The time zone of cron expressions without one, such as `Europe/Berlin`. By default, the environment variable
    /// `TASKORA_TIMEZONE`, or else UTC. An unknown name is an error when a schedule is stored or declared.
    #[must_use]
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        self.shared.timezone = Some(name.into());
        self
    }

    /// Whether a worker logs a line for each schedule that it declares when it starts; true by default.
    #[must_use]
    pub fn log_schedules(mut self, log: bool) -> Self {
        self.shared.log_schedules = log;
        self
    }

    /// Whether this app's workers report what they have done, for [`Inspect::history`](crate::Inspect::history); true by default. What other workers report is
    /// kept anyway.
    #[must_use]
    pub fn history(mut self, history: bool) -> Self {
        self.shared.history = history;
        self
    }

    /// Builds the app.
    #[must_use]
    pub fn build(self) -> App {
        App { setup: Setup::new(self.shared) }
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").field("adapter", &self.shared.adapter).finish_non_exhaustive()
    }
}
