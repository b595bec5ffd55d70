//! Storing and cancelling jobs, and the transitions of those that are stored.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{AdapterError, Exchange, Exchanged, JobReport, RenewLease, Renewal, TaskName, TickStamp};
use crate::job::{JobId, JobState};
use crate::policy::{Retention, Ttl};

/// The transitions of a job.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores new jobs, in this order; the answers come in the same order. An id belongs to one task and one job for as
    /// long as the job is known, finished or not:
    ///
    /// - A job of the same task with this id is left as it is, and the answer is [`Enqueued::Duplicate`]. So is the second
    ///   of two jobs with one id in one call.
    /// - If the id belongs to a job of another task, nothing is stored, and the answer is [`Enqueued::Taken`].
    /// - If the known job is of the same task and has failed, expired or been cancelled, and the new one says
    ///   [`NewJob::replace_failed`], the new job takes its place and the answer is [`Enqueued::New`]. Nothing is left of the
    ///   old job, as if it had been trimmed before: not its record, its end, its progress or its log. Leases of the old
    ///   job are no leases of the new one, as the new job's tokens are all higher.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError>;

    /// Settles attempts and claims jobs, as one step: first all of `settle`, in order, then the claim.
    ///
    /// A settlement whose lease is not valid any more (rescued, or settled before) is refused with
    /// [`Settled::Stale`](super::Settled::Stale) and changes nothing. The attempt of a job that is flagged as cancelled ends as
    /// cancelled, whatever the settlement says. If more than [`Retention::SLACK`] finished jobs of a task and state are beyond
    /// the number to keep, the oldest ones are removed, down to that number, in bounded steps. So tasks are trimmed while
    /// they settle.
    ///
    /// The claim first ends workflows whose deadline has passed and makes delayed jobs ready whose time has come (a bounded
    /// number of each), then hands out jobs in
    /// [order](crate::adapter#the-order-of-claims), at most [`Claim::limit`](super::Claim::limit) in all and [`TaskClaim::limit`](super::TaskClaim::limit) of each task, so that
    /// what this very call has given back is claimed by it. Last, it wakes a worker for each of its tasks that has
    /// jobs left. A call that is repeated with the same [`Exchange::call`] within a minute, before the slot's next one,
    /// answers what the first one did and changes nothing; one that comes after the slot's next one settles and claims
    /// nothing. Both pass the signal for work on.
    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError>;

    /// Extends leases, each by its length from now, and says of each, in order, what became of it. Must not depend
    /// on any async runtime but the one it is called on: it is called from a thread of its own, so that a handler that
    /// blocks its worker's threads keeps its lease.
    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError>;

    /// Keeps what handlers report while they run: progress replaces, log lines are appended (the newest
    /// [`LogEntry::MAX_PER_JOB`](crate::LogEntry::MAX_PER_JOB) are kept). Reports whose lease is not valid any more are refused. Answers, in order,
    /// whether the notes were kept.
    async fn note(&self, notes: Vec<JobReport>) -> Result<Vec<bool>, AdapterError>;

    /// Cancels a job. One that is waiting, delayed or retrying has ended when this returns; an active one is flagged
    /// and its worker is told through [`Signals::cancellations`](super::Signals::cancellations), again each time this is called. The first reason
    /// stays, also an empty one.
    async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError>;

    /// Repairs and tidies, in bounded steps; every worker calls it every few seconds, and calls it again at once while
    /// [`Swept::more`] is true.
    ///
    /// For each of the given tasks: rescues jobs whose lease has passed (a flagged one ends as cancelled; one
    /// that has been rescued more often than its `max_stalls` ends as failed, [`Ending::Stalled`](super::Ending::Stalled); the others
    /// wait again, without having used up an attempt), makes delayed jobs ready that are due, wakes a worker if jobs
    /// wait and none has been told, expires jobs whose deadline to start has passed, and removes finished jobs beyond their age or number. For jobs with an id of the
    /// caller's own ([`JobId::is_generated`] says no) the number is [`Retention::MAX_NAMED`].
    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError>;
}

/// A job to store.
#[derive(Clone)]
pub struct NewJob {
    /// Its id, checked by [`JobId::validate`].
    pub id: JobId,
    /// Its task's name: 1 to 200 bytes, no control characters.
    pub task: TaskName,
    /// Its arguments, as JSON.
    pub payload: Vec<u8>,
    /// Higher goes first; [`MIN_PRIORITY`] to [`MAX_PRIORITY`], 0 by default.
    pub priority: i16,
    /// When it becomes ready.
    pub due: Due,
    /// Attempts in total that its contract allows; kept for display, the worker's own contract decides.
    pub max_attempts: u32,
    /// How often it may be rescued from dead workers before it fails.
    pub max_stalls: u32,
    /// The dispatcher's own annotations; at most [`MAX_META`].
    pub meta: Vec<(String, String)>,
    /// How long it may wait to be started after it became ready, see [what expires](crate::adapter#what-expires).
    pub ttl: Option<Ttl>,
    /// Which tick of which schedule it is, if it is one.
    pub tick: Option<TickStamp>,
    /// Whether it takes the place of a known job that has failed, expired or been cancelled, see [`Jobs::enqueue`].
    pub replace_failed: bool,
}

impl NewJob {
    /// A job that is ready at once, with one attempt, one recovery, and no annotations.
    #[must_use]
    pub fn new(id: impl Into<JobId>, task: impl Into<TaskName>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            id: id.into(),
            task: task.into(),
            payload: payload.into(),
            priority: 0,
            due: Due::Now,
            max_attempts: 1,
            max_stalls: 1,
            meta: Vec::new(),
            ttl: None,
            tick: None,
            replace_failed: false,
        }
    }
}

/// The lowest priority.
pub const MIN_PRIORITY: i16 = -1_000;
/// The highest priority.
pub const MAX_PRIORITY: i16 = 1_000;

/// How many bytes the keys and values of a job's annotations have together, at most: 16 KiB.
pub const MAX_META: usize = 16 * 1024;

impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // neither payload nor meta
        f.debug_struct("NewJob")
            .field("id", &self.id)
            .field("task", &self.task)
            .field("priority", &self.priority)
            .field("due", &self.due)
            .field("max_attempts", &self.max_attempts)
            .field("max_stalls", &self.max_stalls)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// When a job becomes ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// So long after the store has accepted it.
    After(Duration),
    /// At this time, by the store's clock; at once if that is past.
    At(SystemTime),
}

/// What became of a job that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It was stored.
    New,
    /// The same task has a job with this id already; nothing was changed.
    Duplicate,
    /// Another task has a job with this id; nothing was changed.
    Taken {
        /// The task that the id's job belongs to.
        task: TaskName,
    },
}

/// What a cancellation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The job was not running, and has ended as cancelled.
    Cancelled,
    /// The job is running; its worker has been told. It will end as cancelled.
    Requested,
    /// The job had ended before; nothing was changed.
    AlreadyEnded(JobState),
    /// The job is unknown or trimmed.
    NotFound,
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many jobs were rescued from dead workers and wait again.
    pub rescued: usize,
    /// The ids of [`Swept::MAX_IDS`] of them, or of all if they are fewer.
    pub rescued_ids: Vec<JobId>,
    /// How many jobs were rescued too often and have failed.
    pub stalled: usize,
    /// The ids of [`Swept::MAX_IDS`] of them, or of all if they are fewer.
    pub stalled_ids: Vec<JobId>,
    /// There is more to do: sweep again.
    pub more: bool,
    /// A schedule is due, and nobody has asked for it in time. Only if the sweep names [`SCHEDULES`](super::SCHEDULES).
    pub ticks: bool,
}

impl Swept {
    /// How many ids a sweep tells of each kind at most.
    pub const MAX_IDS: usize = 5;
}
