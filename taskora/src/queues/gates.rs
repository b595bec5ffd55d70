//! Limits, rates and pauses of tasks, as operators see and change them.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use super::{Queues, key_length};
use crate::adapter::{AdapterError, Gate, GatedTask, LimitKey, NewPause};
use crate::contract::{Task, TaskOptions};
use crate::dispatch::IntoKey;
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

    /// When awaited, what is known about the limit, the rate and the pause of a task, and how many of its jobs run. With
    /// [`key`](TaskGate::key), what is known about the limit of one key, and how many jobs hold it.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub fn gate<T: Task>(&self) -> TaskGate<'a> {
        TaskGate { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), key: AskedKey::of::<T>() }
    }

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

    /// Ends a pause. When awaited, returns whether the task was paused. `false` may also mean that this call has ended the pause: if an
    /// answer is lost, the call is repeated. With [`key`](TaskResume::key), ends the pause of one key.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a key of a task without limits by key; otherwise if the store cannot be reached.
    pub fn resume<T: Task>(&self) -> TaskResume<'a> {
        TaskResume { setup: self.setup, task: gated(T::NAME, &T::OPTIONS), key: AskedKey::of::<T>() }
    }
}

/// The key that an operator asks about, if any.
#[derive(Debug)]
struct AskedKey {
    /// Whether the task has limits by key.
    is_limited: bool,
    /// The key as text; `None` within if that is none.
    asked: Option<Option<String>>,
}

impl AskedKey {
    const fn of<T: Task>() -> Self {
        Self { is_limited: T::OPTIONS.key_limit().is_some(), asked: None }
    }

    fn ask(&mut self, key: &impl IntoKey) {
        self.asked = Some(key.to_key());
    }

    fn checked(self, task: &GatedTask) -> Result<Option<LimitKey>, AdapterError> {
        let Some(key) = self.asked else { return Ok(None) };
        let task = &task.task;
        if !self.is_limited {
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

    /// Why; [`Gate::paused`] tells it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.pause.reason = reason.into();
        self
    }

    /// Who pauses it; [`Gate::paused`] tells it.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.pause.by = who.into();
        self
    }

    /// The pause ends by itself after this time, 1 ms to 365 days, by the store's clock; by default it ends with [`resume`](Queues::resume).
    /// No worker polls for that. [`Gate::paused`] tells when.
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
