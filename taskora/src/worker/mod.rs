//! Running jobs: a worker, from its settings to the end of its shutdown.
//!
//! A job's path through these files: `engine` claims it, `attempt` runs it with the input from `input`, `supervise` polls its
//! handler, `judge` says how it ends, `engine` settles it. `batch` does for several jobs what `attempt` does for one.
//! Beside them, `keeper` renews leases, `reporter` writes progress and logs, `limits` declares the limits of tasks, and `sweeper`
//! sweeps the store and says with `report` what the worker does. `calls` has the engine's calls in flight, `capacity` counts, `registry` knows the handlers,
//! and `pace` is what a running worker can be told.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod after;
mod attempt;
mod backoff;
mod batch;
mod builder;
mod calls;
mod capacity;
mod engine;
mod input;
mod judge;
mod keeper;
mod late_key;
mod leases;
mod limits;
mod outcomes;
mod pace;
mod registry;
mod report;
mod reporter;
mod signals;
mod store;
mod supervise;
mod sweeper;
mod tally;
mod ticker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use builder::WorkerBuilder;
pub use registry::{HandlerSet, TaskList};

use crate::app::App;
use crate::error::{Result, WorkerError};

use engine::Order;
use pace::Pace;
use supervise::text_of;

/// A running worker. Create it with [`Worker::builder`], stop it with [`Worker::shutdown`].
///
/// Dropping it does not stop the worker, which runs until its runtime ends or a signal ends the process. Other workers
/// recover the jobs that are lost with the process when their leases have expired.
///
/// Several workers may run on one [`App`], in one process and in many.
///
/// ```
/// # use taskora::prelude::*;
/// #[task(retry = 3, timeout = "30s")]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// let app = App::new(MemoryAdapter::new());
/// let worker = Worker::builder(&app).register::<Greet>().concurrency(10).start().await?;
/// let greeting = app.dispatch(Greet { name: "Ada".into() }).await?.result().await?;
/// assert_eq!(greeting, "hello Ada");
/// worker.shutdown().await?;
/// # Ok(()) }
/// ```
#[must_use = "keep the worker's handle to shut it down"]
pub struct Worker {
    engine: JoinHandle<Result<(), WorkerError>>,
    orders: mpsc::UnboundedSender<Order>,
    pace: watch::Sender<Pace>,
    grace: Duration,
    id: Arc<str>,
}

impl Worker {
    /// Settings of a worker that runs jobs of this app.
    pub fn builder(app: &App) -> WorkerBuilder<()> {
        WorkerBuilder::new(app)
    }

    /// Its id, which no other worker has. By it, [`Inspect::workers`](crate::Inspect::workers) and [`Workers`](crate::Workers) know this worker.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Stops claiming, lets running attempts finish within the builder's
    /// [`shutdown_grace`](WorkerBuilder::shutdown_grace), and hands the rest back to the queue without using up an attempt.
    ///
    /// # Errors
    /// [`WorkerError::HandBack`] if the store could not be reached, [`WorkerError::StillRunning`] if handlers could not be
    /// stopped. If the worker had stopped by itself, the reason: [`WorkerError::Store`] or [`WorkerError::Panicked`]. In all
    /// of these cases the jobs are recovered when their leases expire.
    pub async fn shutdown(self) -> Result<()> {
        let grace = self.grace;
        self.shutdown_within(grace).await
    }

    /// Like [`Worker::shutdown`], with another grace period.
    ///
    /// # Errors
    /// As [`Worker::shutdown`].
    pub async fn shutdown_within(self, grace: Duration) -> Result<()> {
        // if the engine has already ended, its result says so
        let _ = self.orders.send(Order::Stop(grace));
        match self.engine.await {
            Ok(ended) => Ok(ended?),
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => WorkerError::Panicked { message: text_of(&*panic).to_owned() },
                Err(_) => WorkerError::RuntimeEnded,
            }
            .into()),
        }
    }

    /// Resolves when the worker has stopped by itself: its store refuses to work with it, or it has panicked. A worker does
    /// not stop by itself for any other reason, not even if its store cannot be reached.
    ///
    /// [`Worker::shutdown`] then returns at once, and says why.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # async fn example(worker: Worker, server: impl Future<Output = ()>) -> taskora::Result<()> {
    /// tokio::select! {
    ///     () = server => {}
    ///     () = worker.stopped() => {}
    /// }
    /// worker.shutdown().await
    /// # }
    /// ```
    pub async fn stopped(&self) {
        self.orders.closed().await;
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = *self.pace.borrow();
        f.debug_struct("Worker")
            .field("id", &self.id)
            .field("grace", &self.grace)
            .field("pace", &pace)
            .finish_non_exhaustive()
    }
}

/// Resolves at this time; never if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
