//! Reading what a store knows about jobs.

use async_trait::async_trait;

use super::{
    AdapterError, HistoryStep, JobData, JobQuery, Listed, ListedWorkflows, Overview, StoredHistory,
    WorkerInfo, WorkflowQuery,
};
use crate::job::{JobId, JobInfo, LogEntry, Timestamp};

/// Reading.
#[async_trait]
pub trait Inspection: Send + Sync {
    /// What is known about a job; `None` if it is unknown or trimmed.
    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError>;

    /// The log lines of a job, oldest first; empty if it is unknown.
    async fn logs(&self, id: &JobId) -> Result<Vec<LogEntry>, AdapterError>;

    /// How many jobs of a task are in each state; all zero if the task is unknown.
    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError>;

    /// The next page of the jobs of a task that are in a state: at most [`JobQuery::limit`] jobs, after at most
    /// [`JobQuery::most`] entries and [`JobQuery::PAGE`] of them; none if the task is unknown. What is unreadable is left out.
    ///
    /// A page continues behind a *place*, not after a number of jobs. So over all pages, a job that stays where it is comes
    /// exactly once, whatever comes and goes. A job that moves meanwhile (it is claimed, comes back, or has its lease renewed)
    /// may come again, or not at all. The order is:
    ///
    /// - waiting: first the line, in the order of claims; then the jobs with limits by key and those that gather, by id; then
    ///   those that wait for another job to end, by when they came. If more than 500 jobs wait under keys, a store may list these
    ///   in any order, and a few more of them than the limit;
    /// - delayed and retrying: by due time. Both are looked at for either;
    /// - active: by the deadline of the lease;
    /// - ended: by when they ended, the last one first.
    ///
    /// Jobs of one time are in an order of the store's. A page may have few jobs or none, and others follow: only without
    /// [`Listed::next`] it is the last one.
    ///
    /// An adapter that lists no jobs refuses the call.
    async fn list(&self, query: &JobQuery) -> Result<Listed, AdapterError> {
        let _ = query;
        Err(AdapterError::Config("this adapter lists no jobs".to_owned()))
    }

    /// The next page of the workflows that are in a state, as [`list`](Inspection::list) does it with jobs. Running ones come by when they were
    /// started. Those that have ended come by when they ended, the last one first, and only once all their nodes have ended.
    ///
    /// An adapter that lists no workflows refuses the call.
    async fn list_workflows(&self, query: &WorkflowQuery) -> Result<ListedWorkflows, AdapterError> {
        let _ = query;
        Err(AdapterError::Config("this adapter lists no workflows".to_owned()))
    }

    /// What is stored with a job, beside [`JobInfo`]; `None` if it is unknown or trimmed, or a later version has stored it. Values longer than
    /// [`JobData::MAX_VALUE`] are left out.
    ///
    /// An adapter that shows none refuses the call.
    async fn details(&self, id: &JobId) -> Result<Option<JobData>, AdapterError> {
        let _ = id;
        Err(AdapterError::Config("this adapter shows no payloads".to_owned()))
    }

    /// What is in the whole namespace: every task of which a job was ever stored. A store looks at a bounded number of tasks in one step, so
    /// what it says about two tasks may be of two moments.
    ///
    /// An adapter that has none refuses the call.
    async fn overview(&self) -> Result<Overview, AdapterError> {
        Err(AdapterError::Config("this adapter has no overview".to_owned()))
    }

    /// The workers that are alive, by id: those that have swept within [their time](super::WorkerEntry::silence) and have not signed off. A store
    /// looks at a bounded number of them in one step.
    ///
    /// An adapter that knows none refuses the call.
    async fn workers(&self) -> Result<Vec<WorkerInfo>, AdapterError> {
        Err(AdapterError::Config("this adapter does not know its workers".to_owned()))
    }

    /// What workers have reported of a task in the last so many slots of this length, the one that has begun included. A slot in which none has
    /// reported is left out; a store may add older ones.
    ///
    /// An adapter that keeps no history refuses the call.
    async fn history(
        &self,
        task: &str,
        step: HistoryStep,
        slots: usize,
    ) -> Result<StoredHistory, AdapterError> {
        let _ = (task, step, slots);
        Err(AdapterError::Config("this adapter keeps no history".to_owned()))
    }

    /// What time it is for the store.
    ///
    /// An adapter that does not say refuses the call.
    async fn now(&self) -> Result<Timestamp, AdapterError> {
        Err(AdapterError::Config("this adapter does not say what time it is".to_owned()))
    }

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
