//! What a store must do for taskora: the boundary between the runtime and its adapters.
//!
//! An [`Adapter`] is object-safe and batch-first. What its methods mean is written on them, and checked by one
//! suite that every adapter runs: [`conformance`](crate::conformance). Two rules hold for all of them:
//!
//! - **One call is one atomic step.** Whatever a crash or a lost connection does, a call happened or it did not.
//!   Every call may be repeated after an error whose outcome is unknown, and then changes nothing more.
//! - **Time is the store's.** Dues, leases and ages are compared with the store's clock. Durations travel, not
//!   points in time.
//!
//! ## Where a job is
//! An unfinished job is in exactly one place: the *waiting* line of its task, its *delayed* set (`delayed`
//! before the first attempt, `retrying` after one) or its *active* set.
//!
//! ## The order of claims
//! A claim hands out the jobs of all the tasks it asks for in one order: higher priority first, then first come,
//! first served, by a sequence number that the store gives a job when it becomes ready: at the dispatch, or when
//! its delay has passed. Jobs that become ready together do so in the order they were due, then by id, whatever their
//! tasks. A job that comes back without having used up an attempt (released or rescued) goes before all others of its
//! priority; of several, the one that came back last goes first, except that those that one sweep takes back of a task
//! keep the order in which their leases passed, then by id.
//!
//! ## What counts as an attempt
//! A settlement, unless it released the job. So [`ClaimedJob::attempt`] is the number of settled attempts plus one,
//! [`Ended::attempts`] counts the attempt that ended the job (also if that was flagged as cancelled), and a lease that
//! was lost counts for nothing.

mod aside;
mod upkeep;
mod workflows;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{Notify, broadcast};

use crate::job::{JobId, JobInfo, JobState, LogEntry, Timestamp};
use crate::policy::Retention;

pub use aside::step_aside;
pub use upkeep::*;
pub use workflows::*;

/// The name of a task, shared cheaply.
pub type TaskName = Arc<str>;

/// Everything that a store can do. See the [module](self) for the rules.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an adapter",
    label = "not a store that jobs are kept in",
    note = "an app is given its store, as in `App::new(MemoryAdapter::new())` or `App::new(RedisAdapter::connect(url).await?)`",
    note = "an adapter of your own implements `Jobs`, `Signals`, `Inspection`, `Workflows`, `Upkeep` and `Debug`, and is `Send`, `Sync` and `'static`"
)]
pub trait Adapter:
    Jobs + Signals + Inspection + Workflows + Upkeep + fmt::Debug + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<A: Jobs + Signals + Inspection + Workflows + Upkeep + fmt::Debug + Send + Sync + 'static> Adapter for A {}

/// The transitions of a job.
#[async_trait]
pub trait Jobs {
    /// Stores new jobs, in this order. A job whose id is known already, finished or not, or comes twice in this call,
    /// is left as it is and reported as [`Enqueued::Duplicate`]. The answers come in the order of the jobs.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError>;

    /// Settles attempts and claims jobs, as one step: first all of `settle`, in order, then the claim.
    ///
    /// A settlement whose lease is not valid any more (taken back, or settled before) is refused with
    /// [`Settled::Stale`] and changes nothing. The attempt of a job that is flagged as cancelled ends as
    /// cancelled, whatever the settlement says. Finished jobs of the tasks concerned are trimmed by count, in bounded
    /// steps.
    ///
    /// The claim first makes delayed jobs ready whose time has come (a bounded number), then hands out jobs in
    /// [order](self#the-order-of-claims), at most [`Claim::limit`] in all and [`TaskClaim::limit`] of each task, so that
    /// what this very call has given back is claimed by it. Last, it wakes a worker for each of its tasks that has
    /// jobs left. A call that is repeated with the same [`Exchange::call`] within a minute, before the slot's next one,
    /// answers what the first one did and changes nothing; one that comes after the slot's next one settles and claims
    /// nothing. Both pass the signal for work on.
    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError>;

    /// Extends leases, each by its length from now, and says of each, in order, what became of it. Must not depend
    /// on any async runtime but the one it is called on: it is called from a thread of its own, so that a handler that
    /// blocks its worker's threads keeps its lease.
    async fn renew(&self, leases: Vec<Renew>) -> Result<Vec<Renewal>, AdapterError>;

    /// Keeps what handlers report while they run: progress replaces, log lines are appended (the newest
    /// [`LogEntry::MAX_PER_JOB`] are kept). Notes whose lease is not valid any more are refused. Answers, in order,
    /// whether the notes were kept.
    async fn note(&self, notes: Vec<Notes>) -> Result<Vec<bool>, AdapterError>;

    /// Cancels a job. One that is waiting, delayed or retrying has ended when this returns; an active one is flagged
    /// and its worker is told through [`Signals::cancellations`], again each time this is called. The first reason
    /// stays, also an empty one.
    async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError>;

    /// Repairs and tidies, in bounded steps; every worker calls it every few seconds, and calls it again at once while
    /// [`Swept::more`] is true.
    ///
    /// For each of the given tasks: takes back jobs whose lease has passed (a flagged one ends as cancelled; one
    /// that has been taken back more often than its `max_stalls` ends as failed, [`Ending::Stalled`]; the others
    /// wait again, without having used up an attempt), makes delayed jobs ready that are due, wakes a worker if jobs
    /// wait and none has been told, and removes finished jobs beyond their age or number.
    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError>;
}

/// What is pushed: work, cancellations, and the ends of jobs.
#[async_trait]
pub trait Signals {
    /// A worker's own ear for work.
    fn work(&self) -> Box<dyn WorkSignal>;

    /// The active jobs that were cancelled, here or in any other process. Best effort: a worker that misses one learns
    /// it when it renews or settles.
    fn cancellations(&self) -> broadcast::Receiver<Cancellation>;

    /// Waits until the job has ended, and says how; `None` if the job is not known (never dispatched, or trimmed).
    /// Does not poll; survives reconnects; dropping the future gives up the wait.
    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError>;
}

/// What [`Signals::cancellations`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// This job, which is active, was cancelled.
    Of(JobId),
    /// Until now some may have been missed, as the connection that brings them is a new one. Whoever renews its leases
    /// learns of them.
    Missed,
}

/// A worker's own ear for work, see [`Signals::work`].
#[async_trait]
pub trait WorkSignal: Send + Sync {
    /// Makes this call, which claims, as soon as one of its tasks may have something to claim; without that when `limit`
    /// has passed, or once `hurry` is notified. Only one wait of an ear may be under way.
    ///
    /// Waits for the tasks whose [`TaskClaim::limit`] is above zero. One job wakes one worker. As whoever is woken
    /// claims, a signal is never lost: a claim that leaves jobs, also one with a limit of zero, signals them again. A
    /// signal that nobody waits for is kept.
    ///
    /// After an error, and when the wait was dropped, the call may have been made or may still be: repeat it with
    /// [`Jobs::exchange`], or make the slot's next one.
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        hurry: &Notify,
    ) -> Result<Exchanged, AdapterError>;
}

/// Reading.
#[async_trait]
pub trait Inspection {
    /// What is known of a job; `None` if it is unknown or trimmed.
    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError>;

    /// The log lines of a job, oldest first; empty if it is unknown.
    async fn logs(&self, id: &JobId) -> Result<Vec<LogEntry>, AdapterError>;

    /// How many jobs of a task are in each state; all zero if the task is unknown.
    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError>;

    /// Whether the store is another process, so that leases need renewing while this one is busy, and its clock
    /// is not this process's. The leases of a remote store are renewed from a thread of their own.
    fn is_remote(&self) -> bool;
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
    /// How often it may be taken back from dead workers before it fails.
    pub max_stalls: u32,
    /// The dispatcher's own annotations.
    pub meta: Vec<(String, String)>,
}

/// The lowest priority.
pub const MIN_PRIORITY: i16 = -1_000;
/// The highest priority.
pub const MAX_PRIORITY: i16 = 1_000;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was stored.
    New,
    /// Its id was known already; nothing was changed.
    Duplicate,
}

/// A right to run one attempt. Each claim of a job has a higher token than the one before, and a job that was trimmed and
/// dispatched again has none that it had before: whoever held an older lease is refused. When its time has passed it may be taken back by a
/// sweep; until one does it stays valid, and may still be renewed and settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub id: JobId,
    /// Its task.
    pub task: TaskName,
    /// The fencing token, from 1. Tokens of a job rise, but not always by one.
    pub token: u64,
}

/// Ends of attempts to record and jobs to claim, see [`Jobs::exchange`].
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Identifies the call, so that it can be repeated.
    pub call: CallId,
    /// Attempts that have ended.
    pub settle: Vec<Settlement>,
    /// What to claim; nothing if `None`.
    pub claim: Option<Claim>,
    /// How long finished jobs stay.
    pub retention: Retention,
}

/// Identifies a call of [`Jobs::exchange`]. A worker has a small number of slots; each has one call under way at a
/// time, numbered upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallId {
    /// The worker that calls: unique among all workers of all processes.
    pub worker: Arc<str>,
    /// The slot, from 0.
    pub slot: u8,
    /// The number of the call within its slot.
    pub number: u64,
}

/// What to claim.
#[derive(Debug, Clone)]
pub struct Claim {
    /// At most so many jobs in all. With 0 the claim only passes on the signal for work, see [`WorkSignal::wait`].
    pub limit: usize,
    /// How many jobs the caller has room for: `limit`, or more. Who is left with room is told when the next job is due.
    pub room: usize,
    /// The tasks to claim from.
    pub tasks: Arc<[TaskClaim]>,
}

impl Claim {
    /// The tasks of which a job may be claimed.
    pub fn open_tasks(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.iter().filter(|task| task.limit > 0).map(|task| &task.task)
    }
}

/// A task to claim from.
#[derive(Debug, Clone)]
pub struct TaskClaim {
    /// Its name.
    pub task: TaskName,
    /// At most so many of its jobs.
    pub limit: usize,
    /// The length of the leases, above zero.
    pub lease: Duration,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The right to settle it.
    pub lease: Lease,
    /// Which attempt it was, from 1, as [`ClaimedJob::attempt`] said.
    pub attempt: u32,
    /// When it was claimed, as [`ClaimedJob::claimed_at`] said.
    pub started_at: Timestamp,
    /// How it ended.
    pub end: AttemptEnd,
    /// Which node of a workflow it was, as [`ClaimedJob::node`] said.
    pub node: Option<NodeOf>,
}

/// How an attempt ended.
#[derive(Clone)]
pub enum AttemptEnd {
    /// With a result, as JSON: the job is completed.
    Complete(Vec<u8>),
    /// With an error, and another attempt follows after the delay (0: it waits at once, in the order of arrival).
    Retry {
        /// The error's message.
        error: String,
        /// The backoff.
        delay: Duration,
    },
    /// With an error that is final: the job has failed.
    Fail(String),
    /// It was wound up because the job is cancelled. Of a job that is not flagged, this is a release.
    Cancel,
    /// It was given up, and counts for nothing: the job waits again, before all others of its priority.
    Release,
}

impl fmt::Debug for AttemptEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(result) => write!(f, "Complete({} bytes)", result.len()),
            Self::Retry { delay, .. } => {
                f.debug_struct("Retry").field("delay", delay).finish_non_exhaustive()
            }
            Self::Fail(_) => f.write_str("Fail"),
            Self::Cancel => f.write_str("Cancel"),
            Self::Release => f.write_str("Release"),
        }
    }
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was accepted, and the job is now in this state.
    Now(JobState),
    /// The lease was not valid any more; nothing was changed.
    Stale,
}

/// The answer to an [`Exchange`].
#[derive(Debug, Default)]
pub struct Exchanged {
    /// What became of each settlement, in order.
    pub settled: Vec<Settled>,
    /// The jobs that were claimed, in order.
    pub jobs: Vec<ClaimedJob>,
    /// There may be more to claim, within the limits of the tasks: claim again.
    pub more: bool,
    /// When to claim again because a delayed job becomes ready, if this worker is the one to do so. `None` if nothing
    /// is delayed, if another worker was told, or if the store will wake a worker by itself.
    pub next_due: Option<Duration>,
}

/// A job that was claimed.
#[derive(Clone)]
pub struct ClaimedJob {
    /// The right to run it.
    pub lease: Lease,
    /// Its arguments, as JSON.
    pub payload: Vec<u8>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The dispatcher's own annotations.
    pub meta: Vec<(String, String)>,
    /// It is flagged as cancelled already.
    pub cancelled: bool,
    /// Which node of a workflow it is, if it is one.
    pub node: Option<NodeOf>,
    /// Of a node a result that it may be put together of, and the node that has made it: whoever has it need not ask
    /// [`Workflows::node_results`] for it. A store may leave it out.
    pub known: Option<(u32, Vec<u8>)>,
}

impl fmt::Debug for ClaimedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedJob")
            .field("lease", &self.lease)
            .field("attempt", &self.attempt)
            .field("created_at", &self.created_at)
            .field("claimed_at", &self.claimed_at)
            .finish_non_exhaustive()
    }
}

/// A lease to extend.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The lease.
    pub lease: Lease,
    /// Its length from now.
    pub length: Duration,
}

/// What became of a lease that was to be extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It was extended.
    Extended,
    /// It was extended, and the job is flagged as cancelled.
    Cancelled,
    /// It is not valid any more: the attempt must stop.
    Lost,
}

/// What a handler reported.
#[derive(Clone)]
pub struct Notes {
    /// The right to report.
    pub lease: Lease,
    /// The newest progress, as JSON.
    pub progress: Option<Vec<u8>>,
    /// New log lines.
    pub logs: Vec<LogEntry>,
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes")
            .field("lease", &self.lease)
            .field("logs", &self.logs.len())
            .finish_non_exhaustive()
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Jobs that were taken back from dead workers and wait again.
    pub rescued: usize,
    /// Jobs that were taken back once too often and have failed.
    pub stalled: usize,
    /// There is more to do: sweep again.
    pub more: bool,
}

/// How a job has ended.
#[derive(Clone, PartialEq)]
pub struct Ended {
    /// Its task.
    pub task: String,
    /// Attempts in total, see [what counts](self#what-counts-as-an-attempt).
    pub attempts: u32,
    /// How.
    pub ending: Ending,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("task", &self.task)
            .field("attempts", &self.attempts)
            .field("ending", &self.ending)
            .finish()
    }
}

/// The ways in which a job ends.
#[derive(Clone, PartialEq)]
pub enum Ending {
    /// Completed, with its result as JSON.
    Completed(Vec<u8>),
    /// Failed, with the last error's message.
    Failed(String),
    /// Cancelled, with the reason.
    Cancelled(String),
    /// Not started in time.
    Expired,
    /// Failed, because it was taken back from dead workers once too often; with a message that says so.
    Stalled(String),
}

impl Ending {
    /// The state that a job with this ending is in.
    #[must_use]
    pub const fn state(&self) -> JobState {
        match self {
            Self::Completed(_) => JobState::Completed,
            Self::Failed(_) | Self::Stalled(_) => JobState::Failed,
            Self::Cancelled(_) => JobState::Cancelled,
            Self::Expired => JobState::Expired,
        }
    }

    /// The message of a job that was taken back `stalls` times, which is once too often.
    #[must_use]
    pub fn stalled_message(stalls: u32) -> String {
        format!("stalled: taken back {stalls} times from workers that stopped renewing its lease")
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a result may hold what a payload holds
        match self {
            Self::Completed(result) => write!(f, "Completed({} bytes)", result.len()),
            Self::Failed(message) => f.debug_tuple("Failed").field(message).finish(),
            Self::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
            Self::Expired => f.write_str("Expired"),
            Self::Stalled(message) => f.debug_tuple("Stalled").field(message).finish(),
        }
    }
}

/// How many jobs are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct JobCounts {
    /// See [`JobState::Waiting`].
    pub waiting: usize,
    /// See [`JobState::Delayed`]; retrying jobs are counted here too.
    pub delayed: usize,
    /// See [`JobState::Active`].
    pub active: usize,
    /// See [`JobState::Completed`].
    pub completed: usize,
    /// See [`JobState::Failed`].
    pub failed: usize,
    /// See [`JobState::Cancelled`].
    pub cancelled: usize,
    /// See [`JobState::Expired`].
    pub expired: usize,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// The store cannot be reached, or did not answer in time. Taskora's own loops try again by themselves.
    #[error("cannot reach the store at `{address}`: {message}")]
    Unavailable {
        /// Where the store should be; never with a password.
        address: String,
        /// What happened.
        message: String,
    },
    /// The store refuses to write, because its memory limit is reached.
    #[error("the store at `{address}` is full: {message}; raise its memory limit or remove finished jobs")]
    Full {
        /// Where the store is; never with a password.
        address: String,
        /// What the store said.
        message: String,
    },
    /// The namespace was written by a version of taskora that this one cannot share it with. Nothing was touched.
    #[error("incompatible wire format: {0}")]
    Incompatible(String),
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(String),
    /// The store answered something that makes no sense: a bug, or somebody else's data.
    #[error("unexpected answer from the store: {0}")]
    Protocol(String),
}

impl AdapterError {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}
