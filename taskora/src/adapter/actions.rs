//! What operators do with single jobs.

use std::time::Duration;

use async_trait::async_trait;

use super::{AdapterError, NewJob};
use crate::job::{JobId, JobState, Timestamp};
use crate::workflow::WorkflowId;

/// What operators do with single jobs. Each list has at most [`MAX_ACTIONS`] entries, and the answers are in its order.
///
/// The nodes of a workflow belong to it: nothing here changes them, except [`withdraw`](Actions::withdraw).
#[async_trait]
pub trait Actions: Send + Sync {
    /// *Revives* jobs that have [ended without completing](JobState::may_be_revived): they wait again under their ids, as if they had
    /// just been dispatched. Nothing is left of their first life but record, log lines and creation time: attempts and stalls
    /// count from 0, a ttl runs from when the job is ready, and leases of the first life are not valid. A revived job goes behind all
    /// others of its priority. It does not take back a key of [`Rule::Deduplicate`](super::Rule::Deduplicate) or
    /// [`Rule::Once`](super::Rule::Once).
    async fn revive(&self, jobs: Vec<Revival>) -> Result<Vec<Acted>, AdapterError>;

    /// A delayed or retrying job is due now, whatever its due time was.
    async fn promote(&self, id: &JobId) -> Result<Acted, AdapterError>;

    /// Ends jobs as cancelled, also nodes, if they are waiting, delayed or retrying. Unlike [`Jobs::cancel`](super::Jobs::cancel), it
    /// leaves active jobs alone.
    async fn withdraw(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError>;

    /// Removes jobs that are not active, as if they had been trimmed. Whoever awaits a job that has not ended is told that it was
    /// cancelled, for this reason. Such a job may also be removed by the next sweep only; until then it is cancelled.
    async fn delete(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError>;

    /// Removes jobs that have ended at these times, as if they had been trimmed. A job that has ended at another time is left alone, as by
    /// [`revive`](Actions::revive).
    async fn discard(&self, jobs: Vec<(JobId, Timestamp)>) -> Result<Vec<Acted>, AdapterError>;

    /// *Replaces* a job that is waiting, delayed or retrying: stores a new one, and ends the old one as cancelled, in one step. The new job
    /// has the priority of the old one and becomes ready when the old one would have, at the end of its line;
    /// [`NewJob::priority`], [`NewJob::due`] and [`NewJob::replace_failed`] do not matter. Its attempts count from 0, and a ttl runs from when
    /// it is ready. It takes over the key of [`Rule::Deduplicate`](super::Rule::Deduplicate), [`Rule::Debounce`](super::Rule::Debounce) or
    /// [`Rule::Once`](super::Rule::Once) that the old one would have freed, and its place if the old one waits behind another job. A run of a
    /// schedule is replaced by a job that is none.
    ///
    /// The answer is [`Acted::Taken`] if the new job's id is known. If the old job was already cancelled for this reason and the new id
    /// is known, the answer is [`Acted::Done`]: so a reason that names the new id makes the call repeatable. A new job of another task is
    /// refused with [`AdapterError::Config`].
    ///
    /// An adapter that replaces no jobs refuses the call.
    async fn replace(&self, id: &JobId, with: NewJob, reason: &str) -> Result<Acted, AdapterError> {
        let _ = (id, with, reason);
        Err(AdapterError::Config("this adapter does not replace jobs".to_owned()))
    }

    /// A job that is waiting, delayed or retrying has this priority from now on. If it waits in a line, it goes behind all others of that
    /// priority; in an ordered lane it stays where it is. Nothing changes if it has this priority already.
    ///
    /// An adapter whose jobs keep their priorities refuses the call.
    async fn reprioritise(&self, id: &JobId, priority: i16) -> Result<Acted, AdapterError> {
        let _ = (id, priority);
        Err(AdapterError::Config("this adapter does not change priorities".to_owned()))
    }
}

/// The most jobs of one call.
pub const MAX_ACTIONS: usize = 100;

/// A job to revive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revival {
    /// The job.
    pub id: JobId,
    /// When it has ended. A job that has ended at another time is left alone, so that no end is revived twice.
    pub ended_at: Timestamp,
    /// How long it is delayed first.
    pub delay: Duration,
}

/// What became of a job that something was to be done with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acted {
    /// It is done. After a repeated call, this or an earlier try has done it.
    Done,
    /// The job is unknown.
    NotFound,
    /// The job is in another state, and nothing has changed. For [`Actions::revive`] this may also be one that can be revived: the job has
    /// ended again.
    Is(JobState),
    /// The job is a node of this workflow, and nothing has changed.
    PartOf(WorkflowId),
    /// Only for [`Actions::replace`]: the id of the new job is known, and nothing has changed.
    Taken,
}

/// The actions of an adapter that has none: it refuses each call.
#[derive(Debug)]
pub(super) struct NoActions;

impl NoActions {
    fn refuse<T>() -> Result<T, AdapterError> {
        Err(AdapterError::Config("this adapter cannot retry, promote, purge or delete jobs".to_owned()))
    }
}

#[async_trait]
impl Actions for NoActions {
    async fn revive(&self, _: Vec<Revival>) -> Result<Vec<Acted>, AdapterError> {
        Self::refuse()
    }

    async fn promote(&self, _: &JobId) -> Result<Acted, AdapterError> {
        Self::refuse()
    }

    async fn withdraw(&self, _: &[JobId], _: &str) -> Result<Vec<Acted>, AdapterError> {
        Self::refuse()
    }

    async fn delete(&self, _: &[JobId], _: &str) -> Result<Vec<Acted>, AdapterError> {
        Self::refuse()
    }

    async fn discard(&self, _: Vec<(JobId, Timestamp)>) -> Result<Vec<Acted>, AdapterError> {
        Self::refuse()
    }
}
