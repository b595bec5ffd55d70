//! Waiting until tasks have nothing left to do.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Queues;
use crate::adapter::{AdapterError, JobCounts, TaskName};
use crate::contract::Task;
use crate::error::DrainError;
use crate::setup::Setup;

/// How often the store is asked.
const ASKS: Duration = Duration::from_secs(1);

impl<'a> Queues<'a> {
    /// When awaited, resolves as soon as no job of these tasks is waiting, delayed, retrying or active. Use it before a migration, or to end a
    /// test. It deletes nothing, and keeps nobody from dispatching: the next job may come right after.
    ///
    /// A job stored under an alias counts for the alias, so name it, too, or use [`drained_of`](Queues::drained_of). A step of a workflow that
    /// waits for other steps counts from when it is released: name the tasks of all steps. So do the first steps of a workflow too large to be
    /// started by one call. Jobs of a [paused](Queues::pause) task wait, so the task is not drained.
    ///
    /// It asks the store at once, and then once a second. If the store cannot be reached, it asks again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// # #[task] async fn send_email() {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> taskora::Result<()> {
    /// # tokio::time::pause();
    /// # let app = App::new(MemoryAdapter::new());
    /// # let worker = Worker::builder(&app).register::<SendEmail>().start().await?;
    /// app.dispatch(SendEmail {}).await?;
    /// app.queues().drained(["send-email", "send-invoice"]).within(Duration::from_secs(60)).await?;
    /// assert_eq!(app.counts("send-email").await?.completed, 1);
    /// # worker.shutdown().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`DrainError::StillBusy`] with the counts that are left, after the time of [`within`](Drained::within). [`DrainError::Store`] if the
    /// store refuses to answer, or could not be reached at the end of that time.
    pub fn drained(&self, tasks: impl IntoIterator<Item = impl Into<TaskName>>) -> Drained<'a> {
        Drained { setup: self.setup, tasks: tasks.into_iter().map(Into::into).collect(), within: None }
    }

    /// The same for one task and its aliases.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn send_email() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.queues().drained_of::<SendEmail>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`drained`](Queues::drained).
    pub fn drained_of<T: Task>(&self) -> Drained<'a> {
        self.drained(std::iter::once(T::NAME).chain(T::OPTIONS.aliases().iter().copied()))
    }
}

/// A wait for the end of all jobs of some tasks, see [`Queues::drained`].
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct Drained<'a> {
    setup: &'a Setup,
    tasks: Vec<TaskName>,
    within: Option<Duration>,
}

impl Drained<'_> {
    /// How long to wait; by default for as long as it takes. With zero, the store is asked once.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// The tasks that have jobs left, with their counts.
    async fn left(&self) -> Result<Vec<(TaskName, JobCounts)>, AdapterError> {
        let first = self.counts().await?;
        let left = busy_of(&first);
        if !left.is_empty() || first.len() == 1 {
            return Ok(left);
        }
        // the tasks are asked one after the other, and a job that ended in between may have released one of a task that was asked before
        let second = self.counts().await?;
        Ok(if first == second { left } else { busy_of(&second) })
    }

    async fn counts(&self) -> Result<Vec<(TaskName, JobCounts)>, AdapterError> {
        let mut counts = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            counts.push((task.clone(), self.setup.adapter().inspection().counts(task).await?));
        }
        Ok(counts)
    }

    async fn wait(self) -> Result<(), DrainError> {
        // a time that cannot be represented is as good as for ever
        let ends = self.within.and_then(|time| Instant::now().checked_add(time));
        loop {
            let asked = Instant::now();
            let error = match self.left().await {
                Ok(left) if left.is_empty() => return Ok(()),
                Ok(left) => DrainError::StillBusy { waited: self.within.unwrap_or_default(), left },
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "cannot ask whether tasks are drained");
                    DrainError::Store(error)
                }
                Err(error) => return Err(error.into()),
            };
            if ends.is_some_and(|ends| ends <= Instant::now()) {
                return Err(error);
            }
            let next = asked + ASKS;
            sleep_until(ends.map_or(next, |ends| ends.min(next))).await;
        }
    }
}

fn busy_of(counts: &[(TaskName, JobCounts)]) -> Vec<(TaskName, JobCounts)> {
    let is_busy = |counts: &JobCounts| counts.waiting + counts.delayed + counts.active > 0;
    counts.iter().filter(|(_, counts)| is_busy(counts)).cloned().collect()
}

impl<'a> IntoFuture for Drained<'a> {
    type Output = Result<(), DrainError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}
