//! The composition root: an adapter and the settings that everything shares.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::adapter::{Adapter, AdapterError, JobCounts};
use crate::check::{self, CheckReport, RepairReport};
use crate::contract::{Task, TaskOptions};
use crate::dispatch::{Dispatch, Dispatchable, JobRequest, Many, ManyRequest};
use crate::handle::{Expected, JobHandle};
use crate::job::JobId;
use crate::policy::Retention;
use crate::queues::Queues;
use crate::workflow::{Starts, WorkflowHandle, WorkflowId};

/// An application: dispatches jobs, and is what workers are built on. Cheap to clone; many may live in one process. It
/// may be kept in a static, and be used on several tokio runtimes: by tests that have one each, or by threads.
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
    shared: Arc<Shared>,
}

struct Shared {
    adapter: Arc<dyn Adapter>,
    max_payload: usize,
    retention: Retention,
}

impl App {
    /// The largest payload or result that is accepted unless the builder says otherwise: 8 MiB of JSON.
    pub const DEFAULT_MAX_PAYLOAD: usize = 8 * 1024 * 1024;

    /// An app with the default settings.
    pub fn new(adapter: impl Adapter) -> Self {
        Self::builder(adapter).build()
    }

    /// An app whose settings differ from the defaults.
    pub fn builder(adapter: impl Adapter) -> AppBuilder {
        AppBuilder {
            shared: Shared {
                adapter: Arc::new(adapter),
                max_payload: Self::DEFAULT_MAX_PAYLOAD,
                retention: Retention::default(),
            },
        }
    }

    /// Dispatches a contract, a signature with all its arguments bound, or a workflow. The returned builder takes options and is
    /// awaited:
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
    /// When awaited: [`DispatchError`](crate::DispatchError), which says when a job may have been stored all the same.
    pub fn dispatch<D: Dispatchable>(&self, what: D) -> Dispatch<D::Handle>
    where
        D::Slot: Starts,
    {
        what.__into_dispatch(self)
    }

    /// Dispatches many jobs of one task, in few round trips. The handles come in the order of the jobs, and the
    /// options hold for all of them. [`results`](crate::results) waits for all of them at once.
    ///
    /// # Errors
    /// When awaited: [`DispatchError`](crate::DispatchError). If one of the payloads is refused, nothing was stored.
    /// If the store fails in between, [`DispatchError::Partial`](crate::DispatchError::Partial) says what was.
    pub fn dispatch_many<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> Dispatch<Many<T>> {
        Dispatch::new(self, ManyRequest::new(tasks))
    }

    /// Dispatches by name and JSON: the untyped door, for tools and dynamic callers. The name and the payload are checked
    /// by the worker that claims the job; a name that no worker knows waits until one does.
    ///
    /// The contract's options are not known here: the job has priority 0, unless `.priority(..)` says otherwise.
    ///
    /// # Errors
    /// When awaited: as [`App::dispatch`].
    pub fn dispatch_raw(&self, task: impl AsRef<str>, payload: Value) -> Dispatch<JobHandle<Value>> {
        Dispatch::new(self, JobRequest::new(self, task.as_ref().into(), &payload, &TaskOptions::new()))
    }

    /// A handle to a job that was dispatched elsewhere. Nothing is asked of the store yet. If the id turns out to be that of
    /// another task's job, the handle's methods answer [`JobError::OtherTask`](crate::JobError::OtherTask).
    pub fn job<T: Task>(&self, id: impl Into<JobId>) -> JobHandle<T::Output> {
        JobHandle::attached(self.clone(), id.into(), Some(Expected::new(T::NAME.into(), &T::OPTIONS)))
    }

    /// Like [`App::job`], for a job of any task; its result is JSON.
    pub fn job_raw(&self, id: impl Into<JobId>) -> JobHandle<Value> {
        JobHandle::attached(self.clone(), id.into(), None)
    }

    /// A handle to a workflow that was dispatched elsewhere, and whose result is an `Out`. Nothing is asked of the store yet.
    pub fn workflow<Out>(&self, id: impl Into<WorkflowId>) -> WorkflowHandle<Out> {
        WorkflowHandle::attached(self.clone(), id.into())
    }

    /// The queues of the tasks: who owns a key.
    #[must_use]
    pub const fn queues(&self) -> Queues<'_> {
        Queues::new(self)
    }

    /// How many jobs of a task are in each state; all zero if the task is unknown.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn counts(&self, task: impl AsRef<str>) -> Result<JobCounts, AdapterError> {
        self.shared.adapter.inspection().counts(task.as_ref()).await
    }

    /// Looks at everything that is stored, page by page, and says what does not agree. It changes nothing, and may run while
    /// the queue is busy: what is only on its way is not reported. The report holds the first 1,000 violations; it
    /// prints as one line for each.
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
        check::check(&*self.shared.adapter).await
    }

    /// Repairs what [`App::check`] reports, one thing at a time, each in one atomic step that makes sure first that it is
    /// still so. It may run while the queue is busy, and twice. What cannot be repaired without guessing is left, and the
    /// report says so. One repair may bring another fault to light: check again afterwards.
    ///
    /// # Errors
    /// If the store cannot be reached; what was repaired until then stays repaired.
    pub async fn repair(&self) -> Result<RepairReport, AdapterError> {
        check::repair(&*self.shared.adapter).await
    }

    pub(crate) fn adapter(&self) -> &Arc<dyn Adapter> {
        &self.shared.adapter
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.shared.max_payload
    }

    pub(crate) fn retention(&self) -> Retention {
        self.shared.retention
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("adapter", &self.shared.adapter).finish_non_exhaustive()
    }
}

/// Settings of an [`App`], see [`App::builder`].
pub struct AppBuilder {
    shared: Shared,
}

impl AppBuilder {
    /// The largest payload or result in bytes of JSON; [`App::DEFAULT_MAX_PAYLOAD`] unless said otherwise. A larger
    /// payload is refused at the dispatch; a job with a larger result fails with a message that says so.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.shared.max_payload = bytes;
        self
    }

    /// How long finished jobs stay, per task; see [`Retention`] for the defaults. It is the workers' apps that trim.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.shared.retention = retention;
        self
    }

    /// The app.
    #[must_use]
    pub fn build(self) -> App {
        App { shared: Arc::new(self.shared) }
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").field("adapter", &self.shared.adapter).finish_non_exhaustive()
    }
}
