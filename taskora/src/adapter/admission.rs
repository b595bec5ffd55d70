//! Storing jobs under keys, so that many dispatches become fewer jobs.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{AdapterError, NewJob, NewWorkflow, TaskName};
use crate::job::{JobId, JobState};
use crate::workflow::WorkflowId;

/// Stores a job under a key of its task, or does not, as a rule says.
///
/// A key belongs to one task and one kind of rule. With [`Rule::Deduplicate`] and [`Rule::Debounce`] a key has an **owner**:
/// the unfinished job that was stored under it last. The key becomes free
///
/// - for a deduplicated job: when the job ends, however it ends, in the same step, and only if the job still owns the key;
/// - for a debounced job: when the job becomes ready, or ends before that.
///
/// Nothing else frees it: no retry, no rescue, no passing of time.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// Stores jobs one after the other, each as its rule says: if two jobs in a call have the same key, the second one sees
    /// the effect of the first. The answers are in the same order.
    ///
    /// The job's id is checked first, as [`Jobs::enqueue`](super::Jobs::enqueue) does: a known id is [`Admitted::Duplicate`]
    /// or [`Admitted::Taken`], and no key changes.
    async fn admit(&self, admissions: Vec<Admission>) -> Result<Vec<Admitted>, AdapterError>;

    /// Starts a workflow, as [`Rule::Once`] says for jobs. Workflows and jobs have separate keys. The id is checked first: a
    /// known one is a duplicate, and no key changes.
    async fn admit_workflow(
        &self,
        workflow: NewWorkflow,
        key: &str,
        once: Once,
    ) -> Result<AdmittedWorkflow, AdapterError>;

    /// The job that owns a key of [`Rule::Deduplicate`]; `None` if the key is free.
    async fn key_owner(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;

    /// Frees a key of [`Rule::Deduplicate`] and returns its owner, which goes on. A job that waits behind the owner goes on
    /// waiting.
    async fn release_key(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;
}

/// A job to store under a key.
#[derive(Clone)]
pub struct Admission {
    /// The job.
    pub job: NewJob,
    /// The key; at most [`Admission::MAX_KEY`] bytes.
    pub key: String,
    /// The rule that decides whether it is stored.
    pub rule: Rule,
}

impl Admission {
    /// The most bytes that a key may have.
    pub const MAX_KEY: usize = 200;
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("job", &self.job)
            .field("key", &self.key)
            .field("rule", &self.rule)
            .finish()
    }
}

/// Says when a job with a key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// If fewer than `max` jobs with this key were stored in the last `window`, a sliding one. A job that is not stored
    /// leaves no trace.
    Throttle {
        /// 1 to [`Rule::MAX_STARTS`].
        max: u32,
        /// Above zero.
        window: Duration,
    },
    /// As a job that becomes ready `delay` after the last dispatch of the key, but at most `max_wait` after the first. While
    /// the owner is delayed, a new job replaces it: see [`Admitted::Replaced`]. The owner's due time then moves, unless it
    /// has passed.
    Debounce {
        /// Above zero; overrides [`NewJob::due`].
        delay: Duration,
        /// Above `delay`. With `None`, constant traffic postpones the job for ever.
        max_wait: Option<Duration>,
    },
    /// If no job owns the key, or the owner is in none of the states of `while_in`. The new job then becomes the owner.
    Deduplicate {
        /// The states in which an owner keeps new jobs out.
        while_in: BlockingStates,
        /// What happens to a new job that is kept out.
        otherwise: Otherwise,
    },
    /// Once while the key is known, whatever happens to the job in the meantime, even if retention has removed it.
    Once(Once),
}

/// How long a key stands for the job or workflow that was stored under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// The key's life, from when it was stored.
    pub life: Duration,
    /// Identifies the payload: a key that stands for another payload is [`Admitted::Reused`].
    pub fingerprint: u64,
    /// Whether the key stays if the job fails, is cancelled or expires; otherwise it is freed in the same step.
    pub keep_failures: bool,
}

impl Rule {
    /// The most that a throttled key may let through in one window.
    pub const MAX_STARTS: u32 = 1_000;
}

/// What happens to a new job whose key is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// Nothing: [`Admitted::Duplicate`] of the owner.
    #[default]
    Drop,
    /// It replaces an owner that no worker has claimed yet: [`Admitted::Replaced`]. Otherwise like [`Otherwise::Drop`].
    Replace,
    /// Like [`Otherwise::Replace`], but if the owner has been claimed, the new job waits behind it until it ends. At most
    /// one job waits behind another; a later one replaces it.
    Follow {
        /// Cancel an owner that has been claimed: an active one is flagged, one that waits for its next attempt ends.
        cancel_running: bool,
    },
}

impl Otherwise {
    /// The reason with which [`Otherwise::Follow`] cancels a job.
    pub const SUPERSEDED: &str = "superseded by a later dispatch of its key";
}

/// A set of non-terminal states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlockingStates(u8);

impl BlockingStates {
    /// All four.
    pub const ALL: Self = Self(0b1111);

    const STATES: [JobState; 4] =
        [JobState::Waiting, JobState::Delayed, JobState::Active, JobState::Retrying];

    /// A set of these states; the error is the first terminal one.
    pub fn new(states: impl IntoIterator<Item = JobState>) -> Result<Self, JobState> {
        let mut bits = 0;
        for state in states {
            let place = Self::STATES.iter().position(|known| *known == state).ok_or(state)?;
            bits |= 1 << place;
        }
        Ok(Self(bits))
    }

    /// Whether the set has this state.
    #[must_use]
    pub fn contains(self, state: JobState) -> bool {
        Self::STATES.iter().position(|known| *known == state).is_some_and(|place| self.0 & (1 << place) != 0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit per state: 1 waiting, 2 delayed, 4 active, 8 retrying.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for BlockingStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::STATES.iter().filter(|state| self.contains(**state))).finish()
    }
}

/// What happened to a job that was to be stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It was stored.
    New,
    /// Nothing changed: this job, which has the same id or owns the key, stands for it.
    Duplicate(JobId),
    /// This job, which no worker has claimed yet, now has the new one's payload, annotations, attempts and deadline to
    /// start. It keeps its id and its place. If it is not in line yet, it also gets the new priority.
    Replaced(JobId),
    /// Nothing was stored: the key has used up its share.
    Throttled {
        /// After this time, it would be stored.
        retry_in: Duration,
    },
    /// The key stands for this job, which has another payload; nothing changed.
    Reused(JobId),
    /// Another task has a job with this id; nothing changed.
    Taken {
        /// The task that the id's job belongs to.
        task: TaskName,
    },
}

/// What happened to a workflow that was to be started under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmittedWorkflow {
    /// It was started.
    New,
    /// Nothing changed: this workflow, which has the same id or the key, stands for it.
    Duplicate(WorkflowId),
    /// The key stands for this workflow, which is a different one; nothing changed.
    Reused(WorkflowId),
}
