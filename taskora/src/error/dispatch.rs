//! Why a dispatch failed.

use std::time::Duration;

use crate::adapter::AdapterError;
use crate::job::{InvalidJobId, JobId};
use crate::rate::Rate;
use crate::wording::count;
use crate::workflow::GraphError;

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
    /// The dispatch has a [`limit_key`](crate::Dispatch::limit_key), and its task has no limit by key.
    #[error("`{task}` is not limited by key; add `limit(key = .., max = ..)` or drop `.limit_key(..)`")]
    NotLimitedByKey {
        /// The task.
        task: String,
    },
    /// The job could never start: it counts as more starts than a rate of its contract ever gives at once.
    #[error(
        "a job of `{task}` costs {cost}, more than its `rate` ever gives, {rate}; split it, or raise the rate"
    )]
    CostsTooMuch {
        /// The task.
        task: String,
        /// What the job costs.
        cost: u32,
        /// The rate of the task, or of each of its keys.
        rate: Rate,
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
