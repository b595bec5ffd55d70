//! Errors: one type per boundary, and [`Error`] for all of them.

use std::time::Duration;

use crate::adapter::AdapterError;
use crate::job::{InvalidJobId, JobId, JobState};
use crate::schedules::ScheduleError;
use crate::workflow::{GraphError, WorkflowError};

/// A result with any of taskora's errors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any of taskora's errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dispatch failed.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// The store could not do what was asked.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A worker could not start or stop.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A job ended without a result.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A workflow ended without a result.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// A workflow cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A schedule cannot be, or could not be changed.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Why a job could not be dispatched. Nothing was stored, with two exceptions: [`DispatchError::Partial`], and an
/// [`AdapterError::Unavailable`] in the middle of a call, whose outcome is unknown. To be sure that a job is not stored
/// twice, dispatch it with an [`id`](crate::Dispatch::id) of your own: then you may repeat the dispatch as often as you
/// like.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The arguments cannot be written as JSON that can be read back: a NaN, an infinite number, more than 127 levels of
    /// nesting, or serde's own error.
    #[error("invalid payload for task `{task}`: {message}")]
    InvalidPayload {
        /// The task.
        task: String,
        /// What is wrong; names the field if possible, and never its value.
        message: String,
    },
    /// The arguments, written as JSON, are above the app's limit.
    #[error(
        "payload of {size} bytes for task `{task}` is above the limit of {limit} bytes of JSON; store it elsewhere and dispatch a reference to it, or raise `App::builder(..).max_payload(..)` (a `Vec<u8>` is written as a list of numbers, four times its size)"
    )]
    TooLarge {
        /// The task.
        task: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The annotations are above the limit.
    #[error(
        "`.meta(..)` of {size} bytes is above the limit of {limit} bytes; put what is large into the payload"
    )]
    MetaTooLarge {
        /// The size of all keys and values in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The id cannot name a job.
    #[error(transparent)]
    InvalidId(#[from] InvalidJobId),
    /// The id belongs to a job of another task. Ids are shared by all tasks.
    #[error(
        "job id `{id}` belongs to a job of task `{task}`; use an id that begins with the name of its task{}",
        and_stored(stored)
    )]
    IdTaken {
        /// The id.
        id: JobId,
        /// The task that has a job with this id.
        task: String,
        /// The jobs of the same `dispatch_many` that were stored nevertheless, in order. Jobs that are neither listed here
        /// nor taken were not stored.
        stored: Vec<JobId>,
    },
    /// The workflow is not valid.
    #[error(transparent)]
    InvalidWorkflow(#[from] GraphError),
    /// The task's name cannot be used.
    #[error("invalid task name `{task}`: {message}")]
    InvalidTask {
        /// The name.
        task: String,
        /// What is wrong with it.
        message: &'static str,
    },
    /// The key is too long.
    #[error(
        "a key of {size} bytes for task `{task}` is above the limit of {limit} bytes; use an id, or a hash"
    )]
    KeyTooLong {
        /// The task.
        task: String,
        /// The size of the key in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// An unfinished job has the key, or a job has the id, and the dispatch has set
    /// [`reject_as_error`](crate::Dispatch::reject_as_error).
    #[error("task `{task}` has job `{existing}` for key `{key}` already")]
    Duplicate {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// The job that it belongs to.
        existing: JobId,
    },
    /// The idempotency key stands for another payload: two different requests use the same key by mistake. This dispatch
    /// stored nothing.
    #[error(
        "idempotency key `{key}` of `{task}` stands for `{existing}`, which has another payload; use another key"
    )]
    KeyReused {
        /// The task; `workflow` for a workflow.
        task: String,
        /// The key.
        key: String,
        /// The job, or the workflow, that it stands for.
        existing: JobId,
    },
    /// The key has used up its share, and the dispatch has set [`reject_as_error`](crate::Dispatch::reject_as_error).
    #[error("key `{key}` of task `{task}` is throttled; try again in {retry_in:?}")]
    Throttled {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// After this time a job would be stored.
        retry_in: Duration,
    },
    /// An option's value cannot be used.
    #[error("invalid option: {0}")]
    InvalidOption(String),
    /// Some jobs of a bulk dispatch were stored, then the store failed; the outcome of the failed call is unknown.
    #[error("only {} of {} dispatched; of the next ones, the outcome is unknown", stored.len(), count(*total, "job was", "jobs were"))]
    Partial {
        /// The jobs that were certainly stored.
        stored: Vec<JobId>,
        /// How many jobs were dispatched.
        total: usize,
        /// The store's error.
        source: AdapterError,
    },
    /// The store could not be reached, or refused.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// What happened to the other jobs of a bulk dispatch.
fn and_stored(stored: &[JobId]) -> String {
    match stored.len() {
        0 => String::new(),
        len => format!("; of the same dispatch, {} stored", count(len, "job was", "jobs were")),
    }
}

impl DispatchError {
    /// Whether the same dispatch, unchanged, may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Adapter(error) | Self::Partial { source: error, .. } => error.is_retryable(),
            _ => false,
        }
    }
}

/// How a job ended without a result, or why its result is not available. `Display` shows the task's own message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Its last attempt failed.
    #[error("{message}")]
    Failed {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
        /// The error's own message.
        message: String,
        /// Attempts in total.
        attempts: u32,
    },
    /// It was cancelled.
    #[error("job `{id}` was cancelled: {reason}")]
    Cancelled {
        /// The job.
        id: JobId,
        /// The reason that was given.
        reason: String,
    },
    /// It was not started in time.
    #[error("job `{id}` expired: it was not started in time")]
    Expired {
        /// The job.
        id: JobId,
    },
    /// Its workers died too often.
    #[error("job `{id}` {message}")]
    Stalled {
        /// The job.
        id: JobId,
        /// How often.
        message: String,
    },
    /// It is unknown: never dispatched, or removed by retention since.
    #[error(
        "job `{id}` is not known: it was never dispatched here, or retention has removed it; to keep finished jobs longer, raise `App::builder(..).retention(..)` in the worker"
    )]
    NotFound {
        /// The job.
        id: JobId,
    },
    /// The job belongs to another task than the handle: another caller uses this id.
    #[error(
        "job `{id}` belongs to task `{task}`, not to `{expected}`; ask for it as a job of its own task, or with `job_raw`"
    )]
    OtherTask {
        /// The job.
        id: JobId,
        /// Its task.
        task: String,
        /// The handle's task.
        expected: String,
    },
    /// It had not ended when the caller's timeout passed. It goes on.
    #[error("job `{id}` did not end within {waited:?} and goes on: {}", still(*state))]
    TimedOut {
        /// The job.
        id: JobId,
        /// The caller's timeout.
        waited: Duration,
        /// The job's current state.
        state: JobState,
    },
    /// The stored value does not have the requested type.
    #[error("job `{id}` stored something that is not a `{expected}`: {message}")]
    Undecodable {
        /// The job.
        id: JobId,
        /// The requested Rust type.
        expected: &'static str,
        /// serde's message.
        message: String,
    },
    /// The store could not be asked.
    #[error("cannot ask the store about job `{id}`")]
    Adapter {
        /// The job.
        id: JobId,
        /// What happened.
        source: AdapterError,
    },
}

impl JobError {
    /// The job.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        match self {
            Self::Failed { id, .. }
            | Self::Cancelled { id, .. }
            | Self::Expired { id }
            | Self::Stalled { id, .. }
            | Self::NotFound { id }
            | Self::OtherTask { id, .. }
            | Self::TimedOut { id, .. }
            | Self::Undecodable { id, .. }
            | Self::Adapter { id, .. } => id,
        }
    }

    /// Whether a later call may return another answer.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Adapter { source, .. } => source.is_retryable(),
            _ => false,
        }
    }
}

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

/// Why a job has not ended.
const fn still(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "still waiting: no worker has claimed it",
        JobState::Delayed => "delayed, and not due yet",
        JobState::Retrying => "an attempt has failed, and the next one is not due yet",
        JobState::Active => "a worker runs it",
        _ => "it has just ended",
    }
}

/// A number with its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn duplicate_handler(task: &str, first: &str, second: &str) -> String {
    if first == second {
        format!("task `{task}` of {first} is registered twice; register it once")
    } else {
        format!("task `{task}` has two handlers, at {first} and at {second}; give one of them another `name`")
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use super::*;

    #[test]
    fn an_error_does_not_repeat_its_source() {
        let source = || AdapterError::Config("no such database".to_owned());
        let id = || JobId::from("a");
        let errors: [Box<dyn StdError>; 6] = [
            Box::new(DispatchError::Partial { stored: vec![id()], total: 2, source: source() }),
            Box::new(JobError::Adapter { id: id(), source: source() }),
            Box::new(WorkflowError::Adapter { id: "w".into(), source: source() }),
            Box::new(WorkerError::HandBack(source())),
            Box::new(WorkerError::Store(source())),
            Box::new(WorkerError::Start(std::io::Error::other("no such database"))),
        ];
        for error in errors {
            assert!(error.source().unwrap().to_string().ends_with("no such database"), "{error:?}");
            assert!(!error.to_string().contains("no such database"), "{error}");
        }
    }
}
