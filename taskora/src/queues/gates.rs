//! Limits and pauses of tasks, as operators see and change them.

use std::future::IntoFuture;
use std::pin::Pin;

use super::Queues;
use crate::adapter::{AdapterError, Gate, GatedTask};

use crate::contract::{Task, TaskOptions};
use crate::setup::Setup;

/// A task and its aliases.
pub(crate) fn gated(task: &str, contract: &TaskOptions) -> GatedTask {
    let aliases = contract.aliases().iter().map(|alias| (*alias).into()).collect();
    GatedTask { task: task.into(), aliases }
}

impl<'a> Queues<'a> {
    /// The limit of a task, to change it while everything runs: how many of its jobs run at once, in all processes together.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task(limit(max = 5))]
    /// async fn report() {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().limit::<Report>().set(20).await?; // instead of the one in the code
    /// assert_eq!(app.queues().gate::<Report>().await?.limit(), Some(20));
    /// app.queues().limit::<Report>().reset().await?; // the one in the code again
    /// # Ok(()) }
    /// ```
    pub fn limit<T: Task>(&self) -> TaskLimit<'a> {
        TaskLimit { setup: self.setup, task: gated(T::NAME, &T::OPTIONS) }
    }

    /// What is known about the limit and the pause of a task, and how many of its jobs run.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn gate<T: Task>(&self) -> Result<Gate, AdapterError> {
        self.setup.adapter().control().gate(&gated(T::NAME, &T::OPTIONS), None).await
    }

    /// Pauses a task: no worker is handed a job of it until it is [resumed](Queues::resume). Jobs that run go on, and jobs that a worker
    /// has [prefetched](crate::WorkerBuilder::prefetch) still start; jobs are dispatched, become due and expire as before. A pause
    /// survives deploys and restarts.
    ///
    /// Returns whether the task was not paused before; if it was, the first reason stays. `false` may also mean that this call has
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
    /// If the store cannot be reached.
    pub fn pause<T: Task>(&self) -> TaskPause<'a> {
        TaskPause { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), reason: String::new() }
    }

    /// Ends a pause. Returns whether the task was paused. `false` may also mean that this call has ended the pause: if an answer is lost,
    /// the call is repeated.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn resume<T: Task>(&self) -> Result<bool, AdapterError> {
        self.setup.adapter().control().resume(&gated(T::NAME, &T::OPTIONS), None).await
    }
}

/// The limit of a task, see [`Queues::limit`].
#[derive(Debug)]
#[must_use = "nothing changes before `set` or `reset` is awaited"]
pub struct TaskLimit<'a> {
    setup: &'a Setup,
    task: GatedTask,
}

impl TaskLimit<'_> {
    /// Sets the limit, instead of the one in the code. It survives deploys and restarts, until it is [reset](TaskLimit::reset). A
    /// higher one holds at once; a lower one stops no job that runs, nor one that a worker has
    /// [prefetched](crate::WorkerBuilder::prefetch).
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a limit of 0; otherwise if the store cannot be reached.
    pub async fn set(self, max: u32) -> Result<(), AdapterError> {
        self.setup.adapter().control().set_limit(&self.task, None, Some(max)).await
    }

    /// The limit in the code holds again; if there is none, none holds.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn reset(self) -> Result<(), AdapterError> {
        self.setup.adapter().control().set_limit(&self.task, None, None).await
    }
}

/// A pause that is awaited, see [`Queues::pause`].
#[derive(Debug)]
#[must_use = "nothing is paused until this is awaited"]
pub struct TaskPause<'a> {
    setup: &'a Setup,
    task: GatedTask,
    reason: String,
}

impl TaskPause<'_> {
    /// Why; [`Gate::paused`] tells it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

impl<'a> IntoFuture for TaskPause<'a> {
    type Output = Result<bool, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, reason } = self;
        Box::pin(async move { setup.adapter().control().pause(&task, None, &reason).await })
    }
}
