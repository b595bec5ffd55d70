//! Reading what a store knows about jobs.

use async_trait::async_trait;

use super::AdapterError;
use crate::job::{JobId, JobInfo, LogEntry};

/// Reading.
#[async_trait]
pub trait Inspection: Send + Sync {
    /// What is known about a job; `None` if it is unknown or trimmed.
    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError>;

    /// The log lines of a job, oldest first; empty if it is unknown.
    async fn logs(&self, id: &JobId) -> Result<Vec<LogEntry>, AdapterError>;

    /// How many jobs of a task are in each state; all zero if the task is unknown.
    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError>;

    /// Whether a live worker of another build serves this task. If so, a job whose payload this build cannot read is left to
    /// that worker. A store without other processes returns `false`.
    async fn is_served_by_another_build(&self, task: &str) -> Result<bool, AdapterError> {
        let _ = task;
        Ok(false)
    }

    /// Whether the store is another process, so that leases need renewing while this one is busy, and its clock
    /// is not this process's. The leases of a remote store are renewed on a separate thread.
    fn is_remote(&self) -> bool;
}

/// How many jobs are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct JobCounts {
    /// See [`JobState::Waiting`](crate::JobState::Waiting).
    pub waiting: usize,
    /// See [`JobState::Delayed`](crate::JobState::Delayed); retrying jobs are counted here, too.
    pub delayed: usize,
    /// See [`JobState::Active`](crate::JobState::Active).
    pub active: usize,
    /// See [`JobState::Completed`](crate::JobState::Completed).
    pub completed: usize,
    /// See [`JobState::Failed`](crate::JobState::Failed).
    pub failed: usize,
    /// See [`JobState::Cancelled`](crate::JobState::Cancelled).
    pub cancelled: usize,
    /// See [`JobState::Expired`](crate::JobState::Expired).
    pub expired: usize,
}
