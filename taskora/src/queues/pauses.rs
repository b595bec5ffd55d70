//! Pauses of tasks, as operators begin, end and list them.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use super::Queues;
use super::gates::{AskedKey, gated};
use crate::adapter::{AdapterError, GatedTask, NewPause, Pause, TaskName};
use crate::contract::Task;
use crate::dispatch::IntoKey;
use crate::setup::Setup;

impl<'a> Queues<'a> {
    /// Pauses a task: no worker is handed a job of it until it is [resumed](Queues::resume). Jobs that run go on, and jobs that a worker
    /// has [prefetched](crate::WorkerBuilder::prefetch) still start; jobs are dispatched, become due and expire as before. A pause
    /// survives deploys and restarts.
    ///
    /// Returns whether the task was not paused before. If it was, the first pause stays, with its reason, and ends when the later of both does: one
    /// without [`lasting`](TaskPause::lasting) ends last, with `resume`. `false` may also mean that this call has
    /// paused it: if an answer is lost, the call is repeated.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn send_email() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().pause::<SendEmail>().reason("provider down").await?;
    /// assert_eq!(app.queues().gate::<SendEmail>().await?.to_string(), "0, paused: provider down");
    /// app.queues().resume::<SendEmail>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a key of a task without limits by key, and for a pause that lasts less than 1 ms or more than 365 days;
    /// [`AdapterError::NeedsLevel`] while processes of an older version run that would ignore it; otherwise if the store cannot be reached.
    pub fn pause<T: Task>(&self) -> TaskPause<'a> {
        TaskPause {
            setup: self.setup,
            task: gated(T::NAME, &T::OPTIONS),
            key: AskedKey::of::<T>(),
            pause: NewPause::default(),
        }
    }

    /// The same for a task by its name, for programs that do not have its type, such as a board. A name may be an alias: it then stands for the
    /// task that has declared it. If no worker has, jobs under aliases go on. With [`key`](TaskPause::key), whether the task has limits by key
    /// is not checked: a pause of a key waits for them.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().pause_task("send-email").reason("provider down").by("ada").await?;
    /// assert!(app.queues().resume_task("send-email").await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a name that no task can have; otherwise as [`pause`](Queues::pause).
    pub fn pause_task(&self, task: impl Into<TaskName>) -> TaskPause<'a> {
        let (task, key) = (GatedTask::new(task), AskedKey::of_name());
        TaskPause { setup: self.setup, task, key, pause: NewPause::default() }
    }

    /// Ends a pause. When awaited, returns whether the task was paused. `false` may also mean that this call has ended the pause: if an
    /// answer is lost, the call is repeated. With [`key`](TaskResume::key), ends the pause of one key.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a key of a task without limits by key; otherwise if the store cannot be reached.
    pub fn resume<T: Task>(&self) -> TaskResume<'a> {
        TaskResume { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), key: AskedKey::of::<T>() }
    }

    /// The same for a task by its name, as with [`pause_task`](Queues::pause_task).
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a name that no task can have; otherwise if the store cannot be reached.
    pub fn resume_task(&self, task: impl Into<TaskName>) -> TaskResume<'a> {
        TaskResume { setup: self.setup, task: GatedTask::new(task), key: AskedKey::of_name() }
    }

    /// All tasks that are paused, in the order of their names. Keys that are paused are not among them: ask [`gate`](Queues::gate) for a key.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().pause_task("send-email").reason("provider down").by("ada").await?;
    /// for paused in app.queues().paused().await? {
    ///     println!("{} since {}", paused, paused.pause.since); // send-email is paused by ada: provider down since ..
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn paused(&self) -> Result<Vec<PausedTask>, AdapterError> {
        let paused = self.setup.adapter().control().paused().await?;
        Ok(paused.into_iter().map(|(task, pause)| PausedTask { task, pause }).collect())
    }
}

/// A task that is paused, see [`Queues::paused`]. Shows all but since when: `send-email is paused by ada: provider down`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PausedTask {
    /// Its name.
    pub task: TaskName,
    /// Its pause.
    pub pause: Pause,
}

impl fmt::Display for PausedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.task, self.pause)
    }
}

/// A pause that is awaited, see [`Queues::pause`].
#[derive(Debug)]
#[must_use = "nothing is paused until this is awaited"]
pub struct TaskPause<'a> {
    setup: &'a Setup,
    task: GatedTask,
    key: AskedKey,
    pause: NewPause,
}

impl TaskPause<'_> {
    /// Pauses the jobs of this key alone, of a task with `limit(key = ..)` or `fair(key = ..)`.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task(limit(key = |t| t.tenant, max = 2))] async fn report(tenant: String) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().pause::<Report>().key("acme").reason("unpaid").await?;
    /// assert_eq!(app.queues().gate::<Report>().key("acme").await?.to_string(), "0, paused: unpaid");
    /// assert!(app.queues().resume::<Report>().key("acme").await?);
    /// # Ok(()) }
    /// ```
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.key.ask(&key);
        self
    }

    /// Why; [`Gate::paused`](crate::Gate::paused) tells it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.pause.reason = reason.into();
        self
    }

    /// Who pauses it; [`Gate::paused`](crate::Gate::paused) tells it.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.pause.by = who.into();
        self
    }

    /// The pause ends by itself after this time, 1 ms to 365 days, by the store's clock; by default it ends with [`resume`](Queues::resume).
    /// No worker polls for that. [`Gate::paused`](crate::Gate::paused) tells when.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// # #[task] async fn send_email() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let hour = Duration::from_secs(3_600);
    /// app.queues().pause::<SendEmail>().reason("provider down").by("ada").lasting(hour).await?;
    /// let pause = app.queues().gate::<SendEmail>().await?.paused.expect("it is paused");
    /// assert_eq!((&*pause.by, &*pause.reason), ("ada", "provider down"));
    /// let lasts = pause.until.expect("it ends by itself").as_millis() - pause.since.as_millis();
    /// assert_eq!(lasts, 3_600_000);
    /// # Ok(()) }
    /// ```
    pub fn lasting(mut self, time: Duration) -> Self {
        self.pause.lasting = Some(time);
        self
    }
}

impl<'a> IntoFuture for TaskPause<'a> {
    type Output = Result<bool, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, key, pause } = self;
        Box::pin(async move {
            pause.check()?;
            let key = key.checked(&task)?;
            setup.adapter().control().pause(&task, key.as_ref(), pause).await
        })
    }
}

/// The end of a pause that is awaited, see [`Queues::resume`].
#[derive(Debug)]
#[must_use = "nothing is resumed until this is awaited"]
pub struct TaskResume<'a> {
    setup: &'a Setup,
    task: GatedTask,
    key: AskedKey,
}

impl TaskResume<'_> {
    /// Ends the pause of this key alone.
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.key.ask(&key);
        self
    }
}

impl<'a> IntoFuture for TaskResume<'a> {
    type Output = Result<bool, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, key } = self;
        Box::pin(async move {
            let key = key.checked(&task)?;
            setup.adapter().control().resume(&task, key.as_ref()).await
        })
    }
}
