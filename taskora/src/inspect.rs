//! Looking at what is in the queues of tasks, for operators. Changes nothing.

mod cursor;
mod details;
mod filters;
mod history;
mod list;
mod workflows;

pub use cursor::{Cursor, InvalidCursor};
pub use details::{JobDetails, Timeline};
pub(crate) use filters::filters;
pub use history::{HistorySlot, Last, Percentiles};
pub use list::{AskJobs, JobPage, ListError};
pub use workflows::{AskWorkflows, WorkflowCursor, WorkflowListError, WorkflowPage};

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use crate::adapter::{AdapterError, GatedTask, LimitKey, Overview, WorkerInfo};
use crate::contract::Collects;
use crate::dispatch::IntoKey;
use crate::job::{JobId, JobState, Timestamp};
use crate::json;
use crate::queues::{collect_key, gated};
use crate::setup::Setup;
use crate::workflow::WorkflowState;

/// What is in the queues of an app's tasks, see [`App::inspect`](crate::App::inspect).
#[derive(Debug)]
pub struct Inspect<'a> {
    setup: &'a Setup,
}

impl<'a> Inspect<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self { setup }
    }

    /// What is in the whole namespace: each task with its counts, how long its jobs wait and whether it is paused, and how many workflows and workers there
    /// are. It costs little, so a board may ask every second.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task]
    /// async fn send_email(to: String) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch(SendEmail { to: "ann@b.com".into() }).await?;
    /// app.queues().pause::<SendEmail>().reason("tea").await?;
    ///
    /// let overview = app.inspect().overview().await?;
    /// let task = &overview.tasks[0];
    /// assert_eq!((task.task.as_str(), task.counts.waiting), ("send-email", 1));
    /// assert!(task.oldest_waiting.is_some());
    /// assert_eq!(task.paused.as_ref().map(|pause| pause.reason.as_str()), Some("tea"));
    /// # Ok(()) }
    /// ```
    ///
    /// A store looks at a bounded number of tasks in one step, so what it says about two tasks may be of two moments.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn overview(&self) -> Result<Overview, AdapterError> {
        self.setup.adapter().inspection().overview().await
    }

    /// The workers that are alive, in all processes, by id: where each runs, which tasks it serves, how many of its places are taken, and which jobs run
    /// in it. A worker says so with each of its sweeps, every five seconds by default, so this may be a few seconds old. One that was silent for
    /// 30 seconds is not among them (if its [`sweep`](crate::WorkerBuilder::sweep) is longer than five seconds: for six times that), nor is
    /// one that has shut down.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn greet() {}
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let worker = Worker::builder(&app).register::<Greet>().concurrency(10).start().await?;
    /// # tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    /// // within a second
    /// let workers = app.inspect().workers().await?;
    /// assert_eq!((workers[0].running, workers[0].concurrency), (0, 10));
    /// assert!(workers[0].serves("greet"));
    ///
    /// worker.shutdown().await?;
    /// assert!(app.inspect().workers().await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// A store looks at a bounded number of workers in one step.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>, AdapterError> {
        self.setup.adapter().inspection().workers().await
    }

    /// What has become of a task's jobs in the last minutes, hours or days, in slots of one minute, ten minutes or an hour, oldest first. The last slot is
    /// the one that has begun. Workers report with their sweeps, so what they have done shows within five seconds.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// use taskora::Last;
    ///
    /// # async fn example(app: App) -> Result<(), Box<dyn std::error::Error>> {
    /// let slots = app.inspect().history("send-email", Last::hours(3)).await?;
    /// assert_eq!(slots.len(), 180);
    /// for slot in slots.iter().filter(|slot| slot.is_known) {
    ///     let waiting = slot.depth.map_or(0, |depth| depth.waiting);
    ///     println!("{}: {} completed, {} failed, {waiting} waiting", slot.at, slot.completed, slot.failed);
    ///     if let Some(run) = slot.run {
    ///         println!("95 % ran for {:?} at most", run.p95);
    ///     }
    ///     for error in &slot.errors {
    ///         println!("{} times: {}", error.count, error.pattern);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// The numbers are close, not exact: a report whose answer is lost is not repeated, and the process that dies takes its last five seconds with it. Steps
    /// of workflows are counted as other jobs are. An alias is a task of its own here. Of a task that nobody has served, each slot is unknown.
    ///
    /// # Errors
    /// If the store cannot be reached; [`AdapterError::Config`] if it keeps no history.
    pub async fn history(&self, task: impl AsRef<str>, last: Last) -> Result<Vec<HistorySlot>, AdapterError> {
        history::history(self.setup.adapter().inspection(), task.as_ref(), last).await
    }

    /// All that is stored about a job: its state, its payload and its result, its keys. `None` if it was never dispatched, or was removed since. What is
    /// read may be of two moments, if the job moves meanwhile.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[derive(Debug, PartialEq, Task, Serialize, Deserialize)]
    /// #[task(output = ())]
    /// struct SendEmail { to: String }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let handle = app.dispatch(SendEmail { to: "ann@b.com".into() }).await?;
    ///
    /// let job = app.inspect().job(handle.id()).await?.expect("it was just dispatched");
    /// assert_eq!(job.info.state, JobState::Waiting);
    /// assert_eq!(job.payload::<SendEmail>()?.to, "ann@b.com");
    /// assert_eq!(job.payload::<serde_json::Value>()?["to"], "ann@b.com");
    /// assert_eq!(job.result::<()>()?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be reached; [`AdapterError::Incompatible`] if a later version of taskora has stored the job.
    pub async fn job(&self, id: impl Into<JobId>) -> Result<Option<JobDetails>, AdapterError> {
        let (id, inspection) = (id.into(), self.setup.adapter().inspection());
        let Some(info) = inspection.job(&id).await? else { return Ok(None) };
        Ok(inspection.details(&id).await?.map(|data| JobDetails::new(info, data)))
    }

    /// When awaited, a page of the jobs of a task that are in one state: those that still wait, that run, or that have failed. Narrow it down, set its
    /// size, and get the page after it:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[derive(Task, Serialize, Deserialize)]
    /// #[task(output = ())]
    /// struct SendEmail { to: String }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch_many((0..5).map(|n| SendEmail { to: format!("{n}@b.com") })).await?;
    ///
    /// let mut page = app.inspect().list(SendEmail::NAME, JobState::Waiting).limit(3).await?;
    /// assert_eq!(page.jobs.len(), 3);
    /// page = app.inspect().list(SendEmail::NAME, JobState::Waiting).limit(3).after(page.next).await?;
    /// assert_eq!((page.jobs.len(), page.next), (2, None));
    ///
    /// let to_4 = app.inspect().list(SendEmail::NAME, JobState::Waiting).payload_contains(r#""to":"4@"#).await?;
    /// assert_eq!((to_4.jobs.len(), to_4.scanned), (1, 5));
    /// # Ok(()) }
    /// ```
    ///
    /// The order is: jobs that wait, in the order of claims, then those with limits by key and those that gather, by id, then those that wait for
    /// another job to end; delayed and retrying ones by due time; active ones by the deadline of their lease; those that have ended,
    /// the last one first. `task` is a name, [`Task::NAME`](crate::Task::NAME) of a contract; an alias is a task of its own here.
    ///
    /// A page continues at a place and not after a number of jobs. So a job that stays where it is comes exactly once, whatever comes and goes
    /// between two pages. A job that moves meanwhile may come again, or not at all: one that comes back from a worker, or an active one
    /// whose lease is renewed. Damaged jobs are left out; [`App::check`](crate::App::check) finds them. Of a job that a later version of
    /// taskora has stored, some fields may be empty.
    ///
    /// Each call to the store looks at 500 entries at most, so a search keeps no worker waiting.
    ///
    /// # Errors
    /// [`ListError`]: the cursor is for another list, the limit is not 1 to 500, `since` or `until` is asked of jobs that have not ended; otherwise if the
    /// store cannot be reached. An unknown task has no jobs.
    pub fn list(&self, task: impl AsRef<str>, state: JobState) -> AskJobs<'a> {
        AskJobs::new(self.setup, task.as_ref(), state)
    }

    /// When awaited, a page of the workflows in this state: 50, or [`limit`](AskWorkflows::limit). For those of the next page, pass
    /// [`next`](WorkflowPage::next) to [`after`](AskWorkflows::after).
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task]
    /// async fn import(file: String) -> u32 { 0 }
    ///
    /// #[task]
    /// async fn report(rows: u32) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let flow = app.dispatch(Import { file: "a.csv".into() }.then(Report::s())).await?;
    ///
    /// let page = app.inspect().workflows(WorkflowState::Running).await?;
    /// let found = &page.workflows[0];
    /// assert_eq!((&found.id, found.steps, found.open_steps), (flow.id(), 2, 2));
    /// assert_eq!(page.next, None);
    /// # Ok(()) }
    /// ```
    ///
    /// Running workflows come by when they were dispatched. Those that have ended come by when they ended, the last one first. A workflow that has
    /// ended is listed once the steps that still ran have ended too. Damaged workflows are left out; [`App::check`](crate::App::check) finds
    /// them. Of a workflow that a later version of taskora has stored, some fields may be empty.
    ///
    /// # Errors
    /// [`WorkflowListError`]: the cursor is for another state, or the limit is not 1 to 500; otherwise if the store cannot be reached.
    pub const fn workflows(&self, state: WorkflowState) -> AskWorkflows<'a> {
        AskWorkflows::new(self.setup, state)
    }

    /// When awaited, the new items that gather under a key of a task with [`collect`](macro@crate::task); `None` if there are none. An
    /// item either gathers or is handed to a worker, never both. The key of a task that collects without one is `"*"`.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[derive(Task, Serialize, Deserialize)]
    /// #[task(output = (), collect(key = |t| t.table, delay = "2s", max_size = 100))]
    /// struct InsertRow { table: String, row: u32 }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch_many([7, 8].map(|row| InsertRow { table: "orders".into(), row })).await?;
    /// let gathered = app.inspect().collected::<InsertRow>("orders").limit(1).await?.expect("two rows");
    /// assert_eq!((gathered.count, gathered.items[0].1.row), (2, 7));
    /// assert!(gathered.newest < gathered.due);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the key is not 1 to 200 bytes long; otherwise if the store cannot be reached.
    pub fn collected<T: Collects>(&self, key: impl IntoKey) -> AskCollected<'a, T> {
        let task = gated(T::NAME, &T::OPTIONS);
        let key = collect_key::<T>(&key);
        AskCollected { setup: self.setup, task, key, limit: AskCollected::<T>::LIMIT, of: PhantomData }
    }
}

/// A question about items that gather, see [`Inspect::collected`].
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct AskCollected<'a, T> {
    setup: &'a Setup,
    task: GatedTask,
    key: Result<LimitKey, AdapterError>,
    limit: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> AskCollected<'_, T> {
    /// How many items are returned without [`limit`](AskCollected::limit).
    pub const LIMIT: usize = 100;

    /// How many items are returned at most; 1,000 is the most.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// The new items that gather under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected<T> {
    /// How many there are.
    pub count: usize,
    /// When the first of them came, by the store's clock.
    pub oldest: Timestamp,
    /// When the last of them came.
    pub newest: Timestamp,
    /// When they go. That may be past, while no worker has claimed them.
    pub due: Timestamp,
    /// The first of them, in the order in which they go. An item that this build cannot read is left out.
    pub items: Vec<(JobId, T)>,
}

impl<'a, T: Collects> IntoFuture for AskCollected<'a, T> {
    type Output = Result<Option<Collected<T>>, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, key, limit, of: PhantomData } = self;
        Box::pin(async move {
            let gathered = setup.adapter().control().collected(&task, &key?, limit).await?;
            Ok(gathered.map(|gathered| Collected {
                count: gathered.count,
                oldest: gathered.oldest,
                newest: gathered.newest,
                due: gathered.due,
                items: gathered
                    .items
                    .into_iter()
                    .filter_map(|(id, payload)| Some((id, json::read(&payload).ok()?)))
                    .collect(),
            }))
        })
    }
}
