//! What operators do with single workers, from any process.

use crate::adapter::AdapterError;
use crate::setup::Setup;

/// The workers of an app, in all processes, see [`App::workers`](crate::App::workers).
#[derive(Debug)]
pub struct Workers<'a> {
    setup: &'a Setup,
}

/// Why a worker was not told anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkersError {
    /// No worker that is alive has this id.
    #[error(
        "there is no worker `{id}`: it has shut down, was silent for too long, or has just started; `app.inspect().workers()` returns those there are"
    )]
    NotFound {
        /// The id.
        id: String,
    },
    /// The store could not do it.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl<'a> Workers<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self { setup }
    }

    /// Tells a worker to claim nothing, as [`Worker::pause`](crate::Worker::pause) does in its own process. Jobs that it runs go on. It hears of it
    /// with its next sweep, within five seconds by default. It is told so until it is [resumed](Workers::resume), has shut down, or was
    /// silent for so long that the store has forgotten it: a restart forgets the pause. A worker that is paused already stays paused.
    ///
    /// The id is that of a [`WorkerInfo`](crate::WorkerInfo). To keep all workers from running a task, pause the task with
    /// [`Queues::pause`](crate::Queues::pause).
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn greet() {}
    /// # async fn example(app: App) -> Result<(), Box<dyn std::error::Error>> {
    /// for worker in app.inspect().workers().await? {
    ///     if worker.host == "a-host-that-needs-rest" {
    ///         app.workers().pause(&worker.id).await?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`WorkersError::NotFound`] if no worker that is alive has this id; otherwise if the store cannot be reached.
    pub async fn pause(&self, id: impl AsRef<str>) -> Result<(), WorkersError> {
        self.quiet(id.as_ref(), true).await
    }

    /// Lets a worker claim again that was [paused](Workers::pause) from outside, from its next sweep on. If its own process has paused it, too, it
    /// stays paused.
    ///
    /// # Errors
    /// As [`pause`](Workers::pause).
    pub async fn resume(&self, id: impl AsRef<str>) -> Result<(), WorkersError> {
        self.quiet(id.as_ref(), false).await
    }

    async fn quiet(&self, id: &str, is_quiet: bool) -> Result<(), WorkersError> {
        if self.setup.adapter().control().quiet(id, is_quiet).await? {
            return Ok(());
        }
        Err(WorkersError::NotFound { id: id.to_owned() })
    }
}
