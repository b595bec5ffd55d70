//! How attempts end, and how jobs are claimed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Lease, LimitKey, NodeRef, TaskName, TickStamp};
use crate::job::{JobState, Timestamp};
use crate::policy::Retention;

/// Attempts to settle and jobs to claim, see [`Jobs::exchange`](super::Jobs::exchange).
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Identifies the call, so that you can repeat it.
    pub call: CallId,
    /// Attempts that have ended.
    pub settle: Vec<Settlement>,
    /// What to claim; nothing if `None`.
    pub claim: Option<Claim>,
    /// How long finished jobs stay.
    pub retention: Retention,
}

/// Identifies a call of [`Jobs::exchange`](super::Jobs::exchange). A worker has a small number of slots. Each has one call
/// in flight at a time, and numbers its calls upwards.
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
    /// The most jobs to claim in total; a [batch](super::Collect) counts as one. With 0, the claim only passes on the signal for work, see
    /// [`WorkListener::wait`](super::WorkListener::wait).
    pub limit: usize,
    /// How many jobs the caller has room for: `limit` or more. A caller with spare capacity also gets
    /// [`Exchanged::next_due`].
    pub room: usize,
    /// The tasks to claim from.
    pub tasks: Arc<[TaskClaim]>,
}

impl Claim {
    /// The tasks from which jobs may be claimed.
    pub fn open_tasks(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.iter().filter(|task| task.limit > 0).map(|task| &task.task)
    }
}

/// A task to claim from.
#[derive(Debug, Clone)]
pub struct TaskClaim {
    /// Its name.
    pub task: TaskName,
    /// The most jobs of this task to claim; a [batch](super::Collect) counts as one.
    pub limit: usize,
    /// The length of the leases, above zero.
    pub lease: Duration,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The right to settle it.
    pub lease: Lease,
    /// Which attempt it was, from 1, from [`ClaimedJob::attempt`].
    pub attempt: u32,
    /// When it was claimed, from [`ClaimedJob::claimed_at`].
    pub started_at: Timestamp,
    /// How it ended.
    pub end: AttemptEnd,
    /// Which node of a workflow it was, from [`ClaimedJob::node`].
    pub node: Option<NodeRef>,
}

/// How an attempt ended.
#[derive(Clone)]
pub enum AttemptEnd {
    /// With a result, as JSON: the job is completed.
    Complete(Vec<u8>),
    /// With an error, and another attempt follows after the delay (0: the job waits at once, in order of arrival).
    Retry {
        /// The error's message.
        error: String,
        /// The backoff.
        delay: Duration,
    },
    /// With a final error: the job has failed.
    Fail(String),
    /// It stopped because the job is cancelled. If the job is not flagged, this is a release without a delay.
    Cancel,
    /// It was given up, and does not count. Without a delay (0), the job waits again, before all others of its priority.
    /// With a delay, the job is delayed (or retrying, if it has had attempts) and then becomes ready like any delayed job.
    Release {
        /// How long the job is delayed.
        delay: Duration,
    },
}

impl AttemptEnd {
    /// A release without a delay: a worker may claim the job again at once.
    #[must_use]
    pub const fn release() -> Self {
        Self::Release { delay: Duration::ZERO }
    }
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
            Self::Release { delay } => f.debug_struct("Release").field("delay", delay).finish(),
        }
    }
}

/// What happened to a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was accepted, and the job is now in this state.
    Now(JobState),
    /// The lease was no longer valid; nothing changed.
    Stale,
}

/// The answer to an [`Exchange`].
#[derive(Debug, Default)]
pub struct Exchanged {
    /// What happened to each settlement, in order.
    pub settled: Vec<Settled>,
    /// The jobs that were claimed, in order.
    pub jobs: Vec<ClaimedJob>,
    /// There may be more to claim, within the limits of the tasks: claim again.
    pub more: bool,
    /// When this worker should claim again, because a delayed job of the claim's tasks becomes ready, or because the
    /// deadline of any workflow passes, whatever its tasks. `None` if nothing is due later, if another worker was told, or
    /// if the store acts by itself.
    pub next_due: Option<Duration>,
    /// When to ask for [due schedules](super::Schedules::due_schedules), which may be now, if the claim names [`SCHEDULES`](super::SCHEDULES) and this
    /// worker is the one to come then. `None` if no schedule has a tick to come, or if another worker was told.
    pub ticks: Option<Duration>,
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
    /// Since when it has waited, if this is its first claim and it was dispatched to start at once. `None` of all other jobs, and of nodes. A store may
    /// leave it out.
    pub ready_at: Option<Timestamp>,
    /// The dispatcher's own annotations.
    pub meta: Vec<(String, String)>,
    /// Whether it is already flagged as cancelled.
    pub cancelled: bool,
    /// Which node of a workflow it is, if it is one.
    pub node: Option<NodeRef>,
    /// As [`NewJob::limit_key`](super::NewJob::limit_key).
    pub limit_key: Option<LimitKey>,
    /// Whether limits by key count it by that key, because it comes from the key's lane. Otherwise the worker must ask
    /// [`Control::take_key`](super::Control::take_key) before the handler starts, if it knows the key.
    pub holds_key: bool,
    /// Which batch of the answer it belongs to, if it is an item that has gathered, see [`Collect`](super::Collect).
    pub batch: Option<u32>,
    /// Which tick of which schedule it is, if it is one.
    pub tick: Option<TickStamp>,
    /// For a node: a result that its payload may need, and the number of the node that produced it. A worker that has it need not ask
    /// [`Workflows::node_results`](super::Workflows::node_results) for it. A store may leave it out.
    pub prior_result: Option<(u32, Vec<u8>)>,
}

impl ClaimedJob {
    /// This attempt, ended like this.
    #[must_use]
    pub fn settlement(&self, end: AttemptEnd) -> Settlement {
        Settlement {
            lease: self.lease.clone(),
            attempt: self.attempt,
            started_at: self.claimed_at,
            end,
            node: self.node.clone(),
        }
    }
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
