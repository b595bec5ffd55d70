//! What a running worker can be told: how many attempts run at once, and whether it claims.

use tokio::sync::watch;

use super::Worker;
use crate::error::WorkerError;

/// What a worker was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) concurrency: usize,
    pub(crate) is_paused: bool,
    /// It was told from outside to claim nothing.
    pub(crate) is_quiet: bool,
}

impl Pace {
    /// At first, with this concurrency.
    pub(crate) const fn new(concurrency: usize) -> Self {
        Self { concurrency, is_paused: false, is_quiet: false }
    }

    pub(crate) const fn claims_nothing(self) -> bool {
        self.is_paused || self.is_quiet
    }
}

/// Tells it, if it is something else than before.
pub(crate) fn tell(pace: &watch::Sender<Pace>, change: impl FnOnce(&mut Pace)) {
    pace.send_if_modified(|pace| {
        let before = *pace;
        change(pace);
        *pace != before
    });
}

/// Changes while it runs.
impl Worker {
    /// From now on, so many attempts run at once in this worker, over all its tasks, instead of the builder's
    /// [`concurrency`](super::WorkerBuilder::concurrency). If there are more, this worker claims more jobs at once. If there are fewer, those that
    /// run go on, and none starts until there is room; what it has prefetched beyond its new room goes back to the queue, to the front and
    /// without using up an attempt. A task's own `concurrency` applies as before. A restart forgets it.
    ///
    /// # Errors
    /// [`WorkerError::InvalidSetting`] for 0: [pause](Worker::pause) the worker instead.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn greet() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let worker = Worker::builder(&app).register::<Greet>().concurrency(10).start().await?;
    /// worker.set_concurrency(50)?; // the machine has room for more
    /// assert_eq!(worker.concurrency(), 50);
    /// worker.shutdown().await
    /// # }
    /// ```
    pub fn set_concurrency(&self, attempts: usize) -> Result<(), WorkerError> {
        if attempts == 0 {
            return Err(WorkerError::InvalidSetting(
                "a concurrency of 0 would never run a job; to claim nothing for now, call `worker.pause()`"
                    .to_owned(),
            ));
        }
        tell(&self.pace, |pace| pace.concurrency = attempts);
        Ok(())
    }

    /// How many attempts run at once in this worker, over all its tasks; also while it is paused.
    pub fn concurrency(&self) -> usize {
        self.pace.borrow().concurrency
    }

    /// From now on, this worker claims nothing. What it has [prefetched](super::WorkerBuilder::prefetch) goes back to the queue at once, to the
    /// front and without using up an attempt, so that another worker takes it. So does a job whose claim is in flight. Jobs that run go on, and
    /// keep their leases; sweeps and the ticks of schedules go on. To keep all workers from running a task, pause the task with
    /// [`Queues::pause`](crate::Queues::pause).
    ///
    /// It returns before the store has been told. A paused worker [shuts down](Worker::shutdown) like any other. A restart forgets the
    /// pause. A worker that is paused already stays paused.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn greet() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let worker = Worker::builder(&app).register::<Greet>().start().await?;
    /// worker.pause(); // while something else needs the machine
    /// assert!(worker.is_paused());
    /// let job = app.dispatch(Greet {}).await?;
    /// worker.resume();
    /// job.result().await?;
    /// worker.shutdown().await
    /// # }
    /// ```
    pub fn pause(&self) {
        tell(&self.pace, |pace| pace.is_paused = true);
    }

    /// Claims again, at once, after a [pause](Worker::pause). One from outside, with [`Workers::pause`](crate::Workers::pause), goes on.
    pub fn resume(&self) {
        tell(&self.pace, |pace| pace.is_paused = false);
    }

    /// Whether it is [paused](Worker::pause), by this handle or [from outside](crate::Workers::pause).
    pub fn is_paused(&self) -> bool {
        self.pace.borrow().claims_nothing()
    }
}
