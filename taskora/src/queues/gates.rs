//! Limits and rates of tasks, as operators see and change them.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use super::{Queues, key_length};
use crate::adapter::{AdapterError, Gate, GatedTask, LimitKey, TaskName};
use crate::contract::{Task, TaskOptions};
use crate::dispatch::{IntoKey, check_task_name};
use crate::rate::Rate;
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
    ///
    /// With [`key`](TaskLimit::key), the limit of one key.
    pub fn limit<T: Task>(&self) -> TaskLimit<'a> {
        TaskLimit { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), key: AskedKey::of::<T>() }
    }

    /// The same for a task by its name, for programs that do not have its type. A name may be an alias: it then stands for the task that has
    /// declared it. If no worker has, jobs under aliases are not concerned. Whether the task has limits by key is not checked: what is
    /// set for a key waits for them.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().limit_task("report").set(20).await?;
    /// assert_eq!(app.queues().gate_task("report").await?.limit(), Some(20));
    /// # Ok(()) }
    /// ```
    pub fn limit_task(&self, task: impl Into<TaskName>) -> TaskLimit<'a> {
        TaskLimit { setup: self.setup, task: GatedTask::new(task), key: AskedKey::of_name() }
    }

    /// The rate of a task, to change it while everything runs: how many of its jobs start in a time, in all processes together.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// #[task(rate(max = 100, per = "1m"))]
    /// async fn import() {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let queues = app.queues();
    /// queues.rate::<Import>().set(50, Duration::from_secs(60)).await?; // instead of the one in the code
    /// assert_eq!(queues.gate::<Import>().await?.to_string(), "0, at most 50 in 60s");
    /// queues.rate::<Import>().burst(10).set(5_000, Duration::from_secs(60)).await?;
    /// assert_eq!(queues.gate::<Import>().await?.to_string(), "0, 5000 in 60s, 10 at once");
    /// queues.rate::<Import>().reset().await?; // the one in the code again
    /// # Ok(()) }
    /// ```
    ///
    /// With [`key`](TaskRate::key), the rate of one key.
    pub fn rate<T: Task>(&self) -> TaskRate<'a> {
        TaskRate {
            setup: self.setup,
            task: gated(T::NAME, &T::OPTIONS),
            key: AskedKey::of::<T>(),
            burst: None,
        }
    }

    /// The same for a task by its name, as with [`limit_task`](Queues::limit_task).
    pub fn rate_task(&self, task: impl Into<TaskName>) -> TaskRate<'a> {
        TaskRate { setup: self.setup, task: GatedTask::new(task), key: AskedKey::of_name(), burst: None }
    }

    /// When awaited, what is known about the limit, the rate and the pause of a task, and how many of its jobs run. With
    /// [`key`](TaskGate::key), what is known about the limit of one key, and how many jobs hold it.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub fn gate<T: Task>(&self) -> TaskGate<'a> {
        TaskGate { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), key: AskedKey::of::<T>() }
    }

    /// The same for a task by its name, as with [`limit_task`](Queues::limit_task).
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a name that no task can have; otherwise if the store cannot be reached.
    pub fn gate_task(&self, task: impl Into<TaskName>) -> TaskGate<'a> {
        TaskGate { setup: self.setup, task: GatedTask::new(task), key: AskedKey::of_name() }
    }
}

/// The key that an operator asks about, if any.
#[derive(Debug)]
pub(super) struct AskedKey {
    /// Whether the contract has limits by key; `None` for a task that is asked for by its name, whose contract is unknown.
    is_limited: Option<bool>,
    /// The key as text; `None` within if that is none.
    asked: Option<Option<String>>,
}

impl AskedKey {
    pub(super) const fn of<T: Task>() -> Self {
        Self { is_limited: Some(T::OPTIONS.key_limit().is_some()), asked: None }
    }

    pub(super) const fn of_name() -> Self {
        Self { is_limited: None, asked: None }
    }

    pub(super) fn ask(&mut self, key: &impl IntoKey) {
        self.asked = Some(key.to_key());
    }

    pub(super) fn checked(self, task: &GatedTask) -> Result<Option<LimitKey>, AdapterError> {
        let task = &task.task;
        if self.is_limited.is_none() {
            check_task_name(task).map_err(|error| AdapterError::Config(error.to_string()))?;
        }
        let Some(key) = self.asked else { return Ok(None) };
        if self.is_limited == Some(false) {
            return Err(AdapterError::Config(format!(
                "`{task}` is not limited by key; add `limit(key = .., max = ..)` or drop `.key(..)`"
            )));
        }
        let key = key.and_then(LimitKey::new).ok_or_else(|| key_length(task))?;
        Ok(Some(key))
    }
}

/// The limit of a task, or of one of its keys, see [`Queues::limit`].
#[derive(Debug)]
#[must_use = "nothing changes before `set` or `reset` is awaited"]
pub struct TaskLimit<'a> {
    setup: &'a Setup,
    task: GatedTask,
    key: AskedKey,
}

impl TaskLimit<'_> {
    /// The limit of this key alone, of a task with `limit(key = ..)` or `fair(key = ..)`.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task(limit(key = |t| t.tenant, max = 2))]
    /// async fn report(tenant: String) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().limit::<Report>().key("acme").set(10).await?; // acme pays for more
    /// assert_eq!(app.queues().gate::<Report>().key("acme").await?.limit(), Some(10));
    /// app.queues().limit::<Report>().key("acme").reset().await?;
    /// # Ok(()) }
    /// ```
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.key.ask(&key);
        self
    }

    /// Sets the limit, instead of the one in the code. It survives deploys and restarts, until it is [reset](TaskLimit::reset). A
    /// higher one holds at once; a lower one stops no job that runs, nor one that a worker has
    /// [prefetched](crate::WorkerBuilder::prefetch).
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a limit of 0, and for a key of a task without limits by key; otherwise if the store cannot be
    /// reached.
    pub async fn set(self, max: u32) -> Result<(), AdapterError> {
        let key = self.key.checked(&self.task)?;
        self.setup.adapter().control().set_limit(&self.task, key.as_ref(), Some(max)).await
    }

    /// The limit in the code holds again; if there is none, none holds.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn reset(self) -> Result<(), AdapterError> {
        let key = self.key.checked(&self.task)?;
        self.setup.adapter().control().set_limit(&self.task, key.as_ref(), None).await
    }
}

/// A question about a gate, see [`Queues::gate`].
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct TaskGate<'a> {
    setup: &'a Setup,
    task: GatedTask,
    key: AskedKey,
}

impl TaskGate<'_> {
    /// The gate of this key alone, of a task with `limit(key = ..)` or `fair(key = ..)`.
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.key.ask(&key);
        self
    }
}

impl<'a> IntoFuture for TaskGate<'a> {
    type Output = Result<Gate, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, key } = self;
        Box::pin(async move {
            let key = key.checked(&task)?;
            setup.adapter().control().gate(&task, key.as_ref()).await
        })
    }
}

/// The rate of a task, see [`Queues::rate`].
#[derive(Debug)]
#[must_use = "nothing changes before `set` or `reset` is awaited"]
pub struct TaskRate<'a> {
    setup: &'a Setup,
    task: GatedTask,
    key: AskedKey,
    burst: Option<u32>,
}

impl TaskRate<'_> {
    /// The rate of this key alone, of a task with `limit(key = ..)` or `fair(key = ..)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// #[task(fair(key = |t| t.tenant), rate(key, max = 10, per = "1s"))]
    /// async fn import(tenant: String) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().rate::<Import>().key("acme").set(50, Duration::from_secs(1)).await?; // acme pays for more
    /// assert_eq!(app.queues().gate::<Import>().key("acme").await?.to_string(), "0, at most 50 in 1s");
    /// app.queues().rate::<Import>().key("acme").reset().await?;
    /// # Ok(()) }
    /// ```
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.key.ask(&key);
        self
    }

    /// What [`set`](TaskRate::set) sets is a token bucket of this size instead of a window: so many jobs start at once, and then as many
    /// as the rate gives on average.
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Sets the rate, instead of the one in the code: at most `max` jobs start in any time as long as `per`. It survives deploys and
    /// restarts, until it is [reset](TaskRate::reset). Without [`burst`](TaskRate::burst), `max` is 1,000 at most.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a rate of 0, a `per` that is not 1 ms to 365 days, a larger window, a bucket that takes more than
    /// 365 days to become full, or a key of a task without limits by key; otherwise if the store cannot be reached.
    pub async fn set(self, max: u32, per: Duration) -> Result<(), AdapterError> {
        let key = self.key.checked(&self.task)?;
        let rate = Rate { burst: self.burst, ..Rate::new(max, per) };
        self.setup.adapter().control().set_rate(&self.task, key.as_ref(), Some(rate)).await
    }

    /// The rate in the code holds again; if there is none, none holds.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn reset(self) -> Result<(), AdapterError> {
        let key = self.key.checked(&self.task)?;
        self.setup.adapter().control().set_rate(&self.task, key.as_ref(), None).await
    }
}
