//! Storing and cancelling jobs, and the transitions of stored jobs.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{
    AdapterError, Collect, Exchange, Exchanged, JobReport, LimitKey, RenewLease, Renewal, TaskName,
    TickStamp, WorkerReport,
};
use crate::job::{JobId, JobState};
use crate::policy::{Retention, Ttl};

/// The transitions of a job.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores new jobs, in this order; the answers are in the same order. An id belongs to one task and one job for as long
    /// as the job is known, finished or not:
    ///
    /// - If the same task has a job with this id, that job stays as it is, and the answer is [`Enqueued::Duplicate`]. The
    ///   same goes for the second of two jobs with one id in a call.
    /// - If the id belongs to a job of another task, nothing is stored, and the answer is [`Enqueued::Taken`].
    /// - If the known job belongs to the same task and has failed, expired or been cancelled, and the new one sets
    ///   [`NewJob::replace_failed`], the new job takes its place and the answer is [`Enqueued::New`]. Nothing is left of the
    ///   old job, as if it had been trimmed: no record, end, progress or log. Leases of the old job are not valid for the
    ///   new one, because the new job's tokens are all higher.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError>;

    /// Settles attempts and claims jobs in one step: first all of `settle`, in order, then the claim.
    ///
    /// A settlement whose lease is no longer valid (rescued, or already settled) is refused with
    /// [`Settled::Stale`](super::Settled::Stale) and changes nothing. If the job is flagged as cancelled, its attempt ends
    /// as cancelled, whatever the settlement says. If a task has more than [`Retention::SLACK`] finished jobs of one state
    /// beyond the number to keep, the oldest are removed, down to that number, in bounded steps. So tasks are trimmed while
    /// they settle.
    ///
    /// The claim first ends workflows whose deadline has passed and makes due delayed jobs ready (a bounded number of each).
    /// Then it hands out jobs in [order](crate::adapter#the-order-of-claims), at most [`Claim::limit`](super::Claim::limit) in total and [`TaskClaim::limit`](super::TaskClaim::limit) of each task. It may claim jobs that the same call has released. Last, it wakes a worker for each of its tasks that has jobs left.
    ///
    /// If a call is repeated with the same [`Exchange::call`] within a minute, before the slot's next call, it returns the
    /// first answer and changes nothing. If it arrives after the slot's next call, it settles and claims nothing. Both pass
    /// the signal for work on.
    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError>;

    /// Extends leases, each by its length from now, and returns what happened to each, in order. Must not depend on any
    /// async runtime except the one it is called on: the worker calls it from a separate thread, so that a handler that
    /// blocks the worker's threads keeps its lease.
    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError>;

    /// Stores what handlers report while they run: progress replaces the last one, log lines are appended (the newest
    /// [`LogEntry::MAX_PER_JOB`](crate::LogEntry::MAX_PER_JOB) are kept). Reports whose lease is no longer valid are
    /// refused. Returns, in order, whether each report was stored.
    async fn note(&self, notes: Vec<JobReport>) -> Result<Vec<bool>, AdapterError>;

    /// Cancels a job. A job that is waiting, delayed or retrying has ended when this returns. An active job is flagged, and
    /// its worker is told through [`Signals::cancellations`](super::Signals::cancellations), each time this is called. The
    /// first reason stays, even an empty one.
    async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError>;

    /// Recovers and cleans up, in bounded steps. Every worker calls it every few seconds, and again at once while
    /// [`Swept::more`] is true.
    ///
    /// For each of the given tasks, it:
    ///
    /// - rescues jobs whose lease has expired. A flagged job ends as cancelled. A job that has been rescued more often than its
    ///   `max_stalls` fails with [`Ending::Stalled`](super::Ending::Stalled). The others wait again, without having used up an
    ///   attempt;
    /// - makes due delayed jobs ready;
    /// - wakes a worker if jobs wait and no worker has been told;
    /// - expires jobs whose deadline to start has passed;
    /// - removes finished jobs beyond their age or number. For jobs with the caller's own id ([`JobId::is_generated`] is
    ///   false), the number is [`Retention::MAX_NAMED`].
    ///
    /// For tasks that nobody serves, it does the same, except that it makes no job ready and wakes no worker: a few at a time, so that
    /// repeated sweeps get round to all of them. Nobody serves a task that no sweep has named for [`Swept::SERVED`]. Its finished jobs go by
    /// the retention of the last sweep that has named it. If there was none, they go by that of this sweep, and not before seven days.
    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError>;

    /// The [sweep](Jobs::sweep) of a worker, which also says what it does. The store shows that until the worker sweeps again, has been silent
    /// for [`WorkerEntry::silence`](super::WorkerEntry::silence), or [signs off](Jobs::sign_off). [`Swept::quiet`] says whether it is to claim
    /// nothing, see [`Control::quiet`](super::Control::quiet). A call that sweeps again for [`Swept::more`] is another report.
    ///
    /// By default it only sweeps.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for an id that [no worker can have](super::WorkerEntry::check).
    async fn sweep_for(
        &self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        let _ = report;
        self.sweep(tasks, retention).await
    }

    /// The last report of a worker that has shut down: it is not shown any more. By default it does nothing.
    ///
    /// # Errors
    /// As [`sweep_for`](Jobs::sweep_for).
    async fn sign_off(&self, report: &WorkerReport) -> Result<(), AdapterError> {
        let _ = report;
        Ok(())
    }
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
    /// How many attempts in total its contract allows. For display only: the worker's own contract decides.
    pub max_attempts: u32,
    /// How often it may be rescued from dead workers before it fails.
    pub max_stalls: u32,
    /// The dispatcher's own annotations; at most [`MAX_META`].
    pub meta: Vec<(String, String)>,
    /// How long it may wait to start once it is ready, see [what expires](crate::adapter#what-expires).
    pub ttl: Option<Ttl>,
    /// What limits by key count it by, if its task has [some](super::DeclaredLimit::per_key).
    pub limit_key: Option<LimitKey>,
    /// How it gathers under its `limit_key`, if it is claimed in batches, see [`Collect`].
    pub collect: Option<Collect>,
    /// How many starts of a rate each of its starts counts as; 0 counts as 1. The rules are those of [`Control`](super::Control).
    pub cost: u32,
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
            limit_key: None,
            collect: None,
            cost: 1,
            tick: None,
            replace_failed: false,
        }
    }

    /// An error if no store can keep its rule to gather.
    pub fn check(&self) -> Result<(), AdapterError> {
        let Some(collect) = self.collect else { return Ok(()) };
        if self.cost > 1 {
            return Err(AdapterError::Config("a job that gathers costs one start".to_owned()));
        }
        collect.check()
    }
}

/// The lowest priority.
pub const MIN_PRIORITY: i16 = -1_000;
/// The highest priority.
pub const MAX_PRIORITY: i16 = 1_000;

/// The most bytes that the keys and values of a job's annotations may take together: 16 KiB.
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
    /// This long after the store has accepted it.
    After(Duration),
    /// At this time, by the store's clock; at once if it is past.
    At(SystemTime),
}

/// What happened to a job that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It was stored.
    New,
    /// The same task already has a job with this id; nothing changed.
    Duplicate,
    /// Another task has a job with this id; nothing changed.
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
    /// The job had already ended; nothing changed.
    AlreadyEnded(JobState),
    /// The job is unknown or trimmed.
    NotFound,
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many jobs were rescued from dead workers, and wait again.
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
    /// The worker is to claim nothing, see [`Control::quiet`](super::Control::quiet). Only from [`Jobs::sweep_for`].
    pub quiet: bool,
}

impl Swept {
    /// How long a task counts as served after a sweep that named it. A store may note such sweeps once a minute only.
    pub const SERVED: Duration = Duration::from_secs(180);

    /// The most ids of each kind that a sweep returns.
    pub const MAX_IDS: usize = 5;
}
