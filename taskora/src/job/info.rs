//! What is known about a job.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{JobId, JobState, Timestamp};

/// What is known about a job, without its payload and its result.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// The job's id.
    pub id: JobId,
    /// The name of its task.
    pub task: String,
    /// Its state.
    pub state: JobState,
    /// Attempts that have ended, plus the running one. An attempt whose worker died counts in `stalls` instead.
    pub attempts: u32,
    /// How many attempts in total its contract allows.
    pub max_attempts: u32,
    /// How often its worker died, that is, stopped renewing the job's lease. The job is rescued and runs again up to its
    /// contract's `stall(max)` times; after that, it fails.
    pub stalls: u32,
    /// Its priority; higher goes first.
    pub priority: i16,
    /// How many starts of a rate each of its starts counts as; 1, unless its contract has a `cost`.
    pub cost: u32,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it becomes ready, for a delayed or retrying job.
    pub due_at: Option<Timestamp>,
    /// Why no worker may claim a waiting job; `None` if one may.
    pub blocked: Option<Blocked>,
    /// When an unfinished job with a [`Ttl`](crate::Ttl) expires if no attempt starts before. `None` for a workflow's step.
    pub expires_at: Option<Timestamp>,
    /// When the attempt that ended it was claimed. `None` if no attempt ended it (cancelled before it ran, or rescued from
    /// dead workers too often), and for every job that has not ended. Even an active job has none: a claim stores only the
    /// lease's deadline, and each renewal moves it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last error's message, or the reason of the cancellation; `None` for a job that has completed.
    pub error: Option<String>,
    /// The latest progress that a handler reported.
    pub progress: Option<serde_json::Value>,
    /// The dispatcher's own annotations, in the order they were given.
    pub meta: Vec<(String, String)>,
}

/// Why no worker may claim a waiting job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Blocked {
    /// It was dispatched with `keep_last`, and this job must end first.
    Behind(JobId),
    /// Its task is paused, or its key.
    Paused,
    /// As many jobs of its task run as its limit says.
    Limit,
    /// As many jobs with this key run as the limit by key says, or a serial batch of this key runs.
    LimitKey(String),
    /// It gathers with others, and goes with them.
    Gathering,
    /// As many jobs of its task have started as its rate allows for now.
    Rate,
    /// No worker has served its task for three minutes. Only [`Inspect::job`](crate::Inspect::job) says so.
    NoWorker,
}

impl JobInfo {
    /// A description of a new waiting job; adapters fill in the rest.
    #[must_use]
    pub fn new(id: JobId, task: impl Into<String>, state: JobState, created_at: Timestamp) -> Self {
        Self {
            id,
            task: task.into(),
            state,
            attempts: 0,
            max_attempts: 1,
            stalls: 0,
            priority: 0,
            cost: 1,
            created_at,
            due_at: None,
            blocked: None,
            expires_at: None,
            started_at: None,
            finished_at: None,
            error: None,
            progress: None,
            meta: Vec::new(),
        }
    }
}

impl fmt::Debug for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // neither progress nor meta: both may be as confidential as the payload
        f.debug_struct("JobInfo")
            .field("id", &self.id)
            .field("task", &self.task)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("max_attempts", &self.max_attempts)
            .field("stalls", &self.stalls)
            .field("priority", &self.priority)
            .field("cost", &self.cost)
            .field("created_at", &self.created_at)
            .field("due_at", &self.due_at)
            .field("blocked", &self.blocked)
            .field("expires_at", &self.expires_at)
            .field("started_at", &self.started_at)
            .field("finished_at", &self.finished_at)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
