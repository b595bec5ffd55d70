//! Why a worker failed.

use crate::adapter::AdapterError;
use crate::schedules::ScheduleError;
use crate::wording::count;

/// Why a worker could not start or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Two handlers, or a handler and an alias, have the same name; or one handler was registered twice.
    #[error("{}", duplicate_handler(task, first, second))]
    DuplicateHandler {
        /// The name.
        task: String,
        /// Where the first one is defined.
        first: &'static str,
        /// Where the second one is defined.
        second: &'static str,
    },
    /// No handler was registered.
    #[error("this worker has no handlers; call `.register::<..>()` before it starts")]
    NoHandlers,
    /// A setting cannot work.
    #[error("invalid worker setting: {0}")]
    InvalidSetting(String),
    /// A schedule that the worker declares cannot be.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The machine refused a thread or a signal handler.
    #[error("cannot start the worker")]
    Start(#[source] std::io::Error),
    /// The store refuses to work with this worker, and will until its configuration or its version changes. The worker
    /// has stopped; its jobs are recovered when their leases run out.
    #[error("the store does not work with this worker, so the worker has stopped")]
    Store(#[source] AdapterError),
    /// The worker itself panicked, not a handler: a bug in taskora or in its adapter.
    #[error(
        "the worker panicked: {message}; its jobs are recovered when their leases run out; please report this"
    )]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The tokio runtime on which the worker was started has ended, and the worker with it.
    #[error(
        "the worker's tokio runtime has ended; its jobs are recovered when their leases run out; shut the worker down before its runtime ends"
    )]
    RuntimeEnded,
    /// Handlers were still running after the shutdown's grace period, and could not be stopped.
    #[error(
        "the worker stopped, but {} not end in time; jobs that still run are recovered when their leases run out", count(*attempts, "attempt did", "attempts did")
    )]
    StillRunning {
        /// How many.
        attempts: usize,
    },
    /// The store could not be reached at the end: the leases that are still held will expire.
    #[error(
        "the worker stopped, but could not hand back its jobs; they are recovered when their leases run out"
    )]
    HandBack(#[source] AdapterError),
}

fn duplicate_handler(task: &str, first: &str, second: &str) -> String {
    if first == second {
        format!("task `{task}` of {first} is registered twice; register it once")
    } else {
        format!("task `{task}` has two handlers, at {first} and at {second}; give one of them another `name`")
    }
}
