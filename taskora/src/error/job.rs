//! Why a job has no result.

use std::time::Duration;

use crate::adapter::AdapterError;
use crate::job::{JobId, JobState};

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
    /// The stored value is too long to be shown.
    #[error(
        "job `{id}` stored {len} bytes, and at most {} are shown; wait for a longer result with a handle: `app.job_raw(id).result()`",
        crate::adapter::JobData::MAX_VALUE
    )]
    TooLong {
        /// The job.
        id: JobId,
        /// The length of the value in bytes.
        len: usize,
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
            | Self::TooLong { id, .. }
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
