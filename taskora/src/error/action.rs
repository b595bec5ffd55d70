//! Why nothing could be done with a job.

use std::fmt;

use crate::adapter::Acted;
use crate::error::{DispatchError, JobError};
use crate::job::{JobId, JobState};
use crate::workflow::WorkflowId;

/// Why a job could not be retried, run now, deleted, replaced or given another priority. Nothing has changed, unless an answer of the store was lost
/// ([`JobError::Adapter`]): then it may have been done. You can repeat it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The state of the job does not allow it.
    #[error("job `{id}` is {state}: {action}")]
    State {
        /// The job.
        id: JobId,
        /// Its state.
        state: JobState,
        /// What was to be done.
        action: Action,
    },
    /// The job is a node of a workflow, which decides what becomes of it.
    #[error(
        "job `{id}` belongs to workflow `{workflow}`, and only the workflow as a whole can be changed: cancel it, or dispatch it anew"
    )]
    PartOfWorkflow {
        /// The job.
        id: JobId,
        /// The workflow.
        workflow: WorkflowId,
    },
    /// The id of a job that was to replace this one is known already.
    #[error("job `{id}` was not replaced: there is a job `{new}` already, so the new one needs another id")]
    IdTaken {
        /// The job that was to be replaced.
        id: JobId,
        /// The id of the new one.
        new: JobId,
    },
    /// The job that was to replace this one cannot be stored.
    #[error("job `{id}` was not replaced: {source}")]
    Refused {
        /// The job that was to be replaced.
        id: JobId,
        /// What is wrong with the new one.
        source: DispatchError,
    },
    /// There is no such priority.
    #[error(
        "job `{id}` cannot get the priority {priority}, which is outside {} to {}",
        crate::adapter::MIN_PRIORITY,
        crate::adapter::MAX_PRIORITY
    )]
    InvalidPriority {
        /// The job.
        id: JobId,
        /// The priority that it was to get.
        priority: i16,
    },
    /// The job is unknown, it belongs to another task than the handle, or the store could not be asked.
    #[error(transparent)]
    Job(#[from] JobError),
}

/// What can be done with a job. `Display` says which states allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// [`JobHandle::retry`](crate::JobHandle::retry).
    Retry,
    /// [`JobHandle::run_now`](crate::JobHandle::run_now).
    RunNow,
    /// [`JobHandle::delete`](crate::JobHandle::delete).
    Delete,
    /// [`JobHandle::replace`](crate::JobHandle::replace).
    Replace,
    /// [`JobHandle::reprioritise`](crate::JobHandle::reprioritise).
    Reprioritise,
}

impl Action {
    /// Whether it can be done with a job in this state.
    #[must_use]
    pub const fn is_allowed(self, state: JobState) -> bool {
        match self {
            Self::Retry => state.may_be_revived(),
            Self::RunNow => matches!(state, JobState::Delayed | JobState::Retrying),
            Self::Delete => !matches!(state, JobState::Active),
            Self::Replace | Self::Reprioritise => {
                matches!(state, JobState::Waiting | JobState::Delayed | JobState::Retrying)
            }
        }
    }

    /// What became of a job that this was done with.
    pub(crate) fn judge(self, id: &JobId, acted: Acted) -> Result<(), ActionError> {
        match acted {
            // the caller knows the id that is taken
            Acted::Done | Acted::Taken => Ok(()),
            Acted::NotFound => Err(JobError::NotFound { id: id.clone() }.into()),
            Acted::Is(state) => Err(ActionError::State { id: id.clone(), state, action: self }),
            Acted::PartOf(workflow) => Err(ActionError::PartOfWorkflow { id: id.clone(), workflow }),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "only a job that has failed, was cancelled or has expired can be retried",
            Self::RunNow => "only a delayed or retrying job can be run now",
            Self::Delete => "a job can be deleted when it does not run; cancel it first",
            Self::Reprioritise => "only a waiting, delayed or retrying job can get another priority",
            Self::Replace => {
                "only a waiting, delayed or retrying job can be replaced; `rerun` dispatches another one in any state"
            }
        })
    }
}
