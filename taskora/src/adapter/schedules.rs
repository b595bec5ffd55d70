//! What a store must do for schedules.
//!
//! The store keeps what a schedule is (its [definition](StoredSchedule::definition), which it does not look into), when its next tick is,
//! and what its last run was. Workers compute times. The rules, for every store:
//!
//! - **A tick happens once.** [`Schedules::tick`] names the [version](ScheduleVersion) that it was computed from, whose `next` is the
//!   tick's time. If the schedule has another one by now, nothing happens. Otherwise the jobs are stored and the next tick is set in the
//!   same step. A job of a tick has the id `<name>@<time>`, so one that is known already is not stored again, whatever happened
//!   to the schedule.
//! - **Anybody may tick.** There is no leader. [`Schedules::due`] hands out a schedule that is due for [`HELD`] at a time: a worker that dies
//!   before it ticks delays the tick by that, and the comparison refuses what it may still send.
//! - **One worker is told** when the next tick is due, as with delayed jobs: a claim that names [`SCHEDULES`] among its tasks
//!   ([`Exchanged::ticks`](super::Exchanged::ticks)), or a call of [`Schedules::due`]. A sweep that names it says when a tick is late
//!   ([`Swept::ticks`](super::Swept::ticks)).
//! - **What code declares is there as long as code declares it.** A schedule of [`Origin::Code`] that nobody has
//!   [declared](Schedules::declare) for [`SIGN`] does not tick, and is removed after [`KEPT`]. If it is declared again before that, it continues with its last
//!   tick, its counts and its pause. A schedule of [`Origin::Api`] stays until somebody removes it.
//! - **A paused schedule has no next tick**, and no ticks that it could miss.
//! - **A run may wait for another.** With [`Overlap::Queue`], and if it is caught up, a job is stored behind the schedule's last one if that has
//!   not ended, and joins its line when that ends, however it ends. Its due time then means nothing. If the last one ends while it waits
//!   itself, the one before it is the last one again, so that nothing passes that. A job with a key of its dispatch, which has taken the id
//!   of a tick, lets nothing wait for it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{AdapterError, NewJob};
use crate::job::{JobId, Timestamp};
use crate::schedules::Overlap;

/// The name that a [`Claim`](super::Claim) or a sweep lists among its tasks if the caller makes ticks. No task has this name.
pub const SCHEDULES: &str = "@";

/// How long a declaration holds.
pub const SIGN: Duration = Duration::from_secs(3 * 60);
/// How long the store keeps a schedule that no worker declares any more.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a due schedule belongs to the caller that it was handed out to.
pub const HELD: Duration = Duration::from_secs(1);
/// The most due schedules that one call hands out, and the most schedules that one call may declare, put or tick.
pub const MAX_SCHEDULES: usize = 100;

/// Keeping schedules, and their ticks. See the rules above.
///
/// Lists have at most [`MAX_SCHEDULES`] entries; answers come in their order.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Tells the store that a running worker has these schedules in its code. Renews the declaration of those with the same
    /// fingerprint. Returns what the store knew before.
    async fn declare(&self, schedules: Vec<Declaration>) -> Result<Declared, AdapterError>;

    /// Creates or changes schedules, each if it is still as [expected](PutSchedule::expected); whether it was, or is already what it was to
    /// become. A put keeps what was: last run, counts, and, unless it [resumes](PutSchedule::resumes), the pause.
    async fn put_schedules(&self, schedules: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError>;

    /// What is known of a schedule, and the store's time.
    async fn schedule(&self, name: &str) -> Result<(Timestamp, Option<StoredSchedule>), AdapterError>;

    /// All schedules, in the order of their names.
    async fn list_schedules(&self) -> Result<Vec<StoredSchedule>, AdapterError>;

    /// Hands out schedules that are due, the longest due first, each for [`HELD`] to this caller alone. Removes those that nobody has
    /// declared for [`KEPT`].
    async fn due_schedules(&self, worker: &str) -> Result<DueSchedules, AdapterError>;

    /// Makes ticks: stores their jobs and sets what comes next, each as one step.
    async fn tick(&self, ticks: Vec<NewTick>) -> Result<Vec<Ticked>, AdapterError>;

    /// Stores the job as a run of the schedule, outside of its times: neither its next nor its last tick changes. Works while it is paused.
    async fn trigger(&self, name: &str, job: NewJob, overlap: Overlap) -> Result<Triggered, AdapterError>;

    /// Pauses a schedule until a put resumes it; whether it is known. The first reason stays.
    async fn pause_schedule(&self, name: &str, reason: &str) -> Result<bool, AdapterError>;

    /// Removes a schedule and what is known of it. Its jobs stay.
    async fn remove_schedule(&self, name: &str) -> Result<RemoveOutcome, AdapterError>;
}

/// Tells one text from another, such as the definition of a schedule: a hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of these bytes: the same in each process and each release (FNV-1a).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash))
    }
}

/// What a change of a schedule is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleVersion {
    /// Of its definition.
    pub definition: Fingerprint,
    /// Its next tick.
    pub next: Option<Timestamp>,
}

/// Where a schedule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Workers declare it.
    Code {
        /// What they declare. The definition is another one if somebody has updated it since.
        declared: Fingerprint,
    },
    /// Somebody has put it there.
    Api,
}

/// A schedule in a worker's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// Of what the code says.
    pub declared: Fingerprint,
}

/// The answer to [`Schedules::declare`].
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The store's time.
    pub now: Timestamp,
    /// What was known of each before; `None`: nothing.
    pub known: Vec<Option<StoredSchedule>>,
}

/// What a store knows of a schedule.
#[derive(Clone, PartialEq)]
pub struct StoredSchedule {
    /// Its name.
    pub name: String,
    /// When it runs what, as taskora writes it.
    pub definition: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether a running worker declares it; always true for [`Origin::Api`].
    pub is_declared: bool,
    /// All ticks up to this time are dealt with.
    pub since: Timestamp,
    /// Its next tick. `None`: it is paused, or never ticks by itself.
    pub next: Option<Timestamp>,
    /// The newest tick that ran.
    pub last: Option<Timestamp>,
    /// The newest job, of a tick or a trigger. If it has ended while it waited for the run before it, it is that one.
    pub last_job: Option<JobId>,
    /// Since when and why it is paused.
    pub paused: Option<(Timestamp, String)>,
    /// How many jobs it has made.
    pub ran: u64,
    /// How many ticks did not run because the last run had not ended.
    pub skipped: u64,
    /// How many ticks were missed and did not run.
    pub missed: u64,
}

impl StoredSchedule {
    /// What a change is computed from.
    #[must_use]
    pub fn version(&self) -> ScheduleVersion {
        ScheduleVersion { definition: Fingerprint::of(&self.definition), next: self.next }
    }
}

impl fmt::Debug for StoredSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no definition: it holds the payload
        f.debug_struct("StoredSchedule")
            .field("name", &self.name)
            .field("origin", &self.origin)
            .field("is_declared", &self.is_declared)
            .field("since", &self.since)
            .field("next", &self.next)
            .field("last", &self.last)
            .field("last_job", &self.last_job)
            .field("paused", &self.paused)
            .field("ran", &self.ran)
            .field("skipped", &self.skipped)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// A schedule to create or change.
#[derive(Clone, PartialEq)]
pub struct PutSchedule {
    /// Its name: 1 to 175 bytes, no control characters.
    pub name: String,
    /// What it must be for the change to happen; `None`: not there.
    pub expected: Option<ScheduleVersion>,
    /// As in [`StoredSchedule`].
    pub definition: Vec<u8>,
    /// As in [`StoredSchedule`].
    pub origin: Origin,
    /// As in [`StoredSchedule`].
    pub since: Timestamp,
    /// As in [`StoredSchedule`]; one that is paused has none all the same.
    pub next: Option<Timestamp>,
    /// Whether this ends a pause.
    pub resumes: bool,
    /// Whether a running worker declares this, as [`Schedules::declare`] says.
    pub declares: bool,
}

impl fmt::Debug for PutSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no definition: it holds the payload
        f.debug_struct("PutSchedule")
            .field("name", &self.name)
            .field("expected", &self.expected)
            .field("origin", &self.origin)
            .field("since", &self.since)
            .field("next", &self.next)
            .field("resumes", &self.resumes)
            .field("declares", &self.declares)
            .finish_non_exhaustive()
    }
}

/// The answer to [`Schedules::due_schedules`].
#[derive(Debug, Clone, Default)]
pub struct DueSchedules {
    /// The store's time.
    pub now: Timestamp,
    /// Those that are due. If there are any, tick them, and ask again.
    pub schedules: Vec<StoredSchedule>,
    /// When the next one is due, if none is now, and this worker is the one to come then.
    pub next: Option<Duration>,
}

/// Ticks of a schedule that are due.
#[derive(Debug, Clone)]
pub struct NewTick {
    /// The schedule.
    pub name: String,
    /// What the schedule must be for this to happen.
    pub expected: ScheduleVersion,
    /// As in [`StoredSchedule`], from now on.
    pub since: Timestamp,
    /// The next tick, from now on. It may be due, too.
    pub next: Option<Timestamp>,
    /// How many ticks were missed and do not run.
    pub missed: u64,
    /// What to do while the last run has not ended.
    pub overlap: Overlap,
    /// A job for each tick that runs, the oldest first; each with its [stamp](NewJob::tick).
    pub jobs: Vec<NewJob>,
    /// How many of the jobs, from the first on, are caught up. Unless runs may overlap, each of these stands behind the run before it,
    /// however many wait already.
    pub caught_up: usize,
}

/// What became of a [`NewTick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticked {
    /// It happened.
    Done {
        /// How many jobs were stored.
        ran: usize,
        /// How many were not because the last run had not ended, or because one waits for that already.
        skipped: usize,
    },
    /// The schedule was not as expected: somebody else ticked, or it was changed, paused or removed. Nothing happened.
    Stale,
}

/// What became of [`Schedules::trigger`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Triggered {
    /// The job was stored, or had been by an earlier try.
    Stored,
    /// The last run, this job, has not ended, and no other may wait for it. Nothing was stored.
    Unfinished(JobId),
    /// There is no such schedule.
    NotFound,
}

/// What became of [`Schedules::remove_schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// It is gone.
    Removed,
    /// A running worker declares it. Nothing was changed.
    Declared,
    /// There is no such schedule.
    NotFound,
}

/// The schedules of an adapter that has none: it refuses each call.
#[derive(Debug)]
pub(super) struct NoSchedules;

impl NoSchedules {
    fn refuse<T>() -> Result<T, AdapterError> {
        Err(AdapterError::Config("this adapter keeps no schedules".to_owned()))
    }
}

#[async_trait]
impl Schedules for NoSchedules {
    async fn declare(&self, _: Vec<Declaration>) -> Result<Declared, AdapterError> {
        Self::refuse()
    }

    async fn put_schedules(&self, _: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError> {
        Self::refuse()
    }

    async fn schedule(&self, _: &str) -> Result<(Timestamp, Option<StoredSchedule>), AdapterError> {
        Self::refuse()
    }

    async fn list_schedules(&self) -> Result<Vec<StoredSchedule>, AdapterError> {
        Self::refuse()
    }

    async fn due_schedules(&self, _: &str) -> Result<DueSchedules, AdapterError> {
        Self::refuse()
    }

    async fn tick(&self, _: Vec<NewTick>) -> Result<Vec<Ticked>, AdapterError> {
        Self::refuse()
    }

    async fn trigger(&self, _: &str, _: NewJob, _: Overlap) -> Result<Triggered, AdapterError> {
        Self::refuse()
    }

    async fn pause_schedule(&self, _: &str, _: &str) -> Result<bool, AdapterError> {
        Self::refuse()
    }

    async fn remove_schedule(&self, _: &str) -> Result<RemoveOutcome, AdapterError> {
        Self::refuse()
    }
}
