//! Storing jobs under keys, so that many dispatches become few jobs.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{AdapterError, NewJob, NewWorkflow, TaskName};
use crate::job::{JobId, JobState};
use crate::workflow::WorkflowId;

/// Jobs that are stored under a key of their task, or not, as a rule says.
///
/// A key belongs to one task and one kind of rule. With [`Rule::Deduplicate`] and [`Rule::Debounce`] a key has an **owner**: the
/// unfinished job that was stored under it last. It is free again
///
/// - of a deduplicated job, once that has ended, however it has: in the same step, and only if the job still owns it;
/// - of a debounced job, once that becomes ready, or ends before.
///
/// Nothing else frees it: neither a retry, nor a rescue, nor time.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// Stores jobs, each as its rule says, one after the other: the second of two jobs of one key in a call finds what the first
    /// one did. The answers come in the same order.
    ///
    /// The job's id is looked at first, as [`Jobs::enqueue`](super::Jobs::enqueue) does: a known one is a
    /// [`Admitted::Duplicate`], or [`Admitted::Taken`], and no key changes.
    async fn admit(&self, admissions: Vec<Admission>) -> Result<Vec<Admitted>, AdapterError>;

    /// Starts a workflow, as [`Rule::Once`] says for jobs. The keys of workflows are apart from those of jobs. A known id is
    /// looked at first: it is a duplicate, and no key changes.
    async fn admit_workflow(
        &self,
        workflow: NewWorkflow,
        key: &str,
        once: Once,
    ) -> Result<AdmittedWorkflow, AdapterError>;

    /// The job that owns a key of [`Rule::Deduplicate`]; `None` if the key is free.
    async fn key_owner(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;

    /// Frees a key of [`Rule::Deduplicate`], whatever becomes of its owner, and says who that was. A job behind the owner stays
    /// behind it.
    async fn release_key(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;
}

/// A job that is to be stored under a key.
#[derive(Clone)]
pub struct Admission {
    /// The job.
    pub job: NewJob,
    /// At most [`Admission::MAX_KEY`] bytes.
    pub key: String,
    /// When it is stored.
    pub rule: Rule,
}

impl Admission {
    /// How many bytes a key has at most.
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

/// When a job with a key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// While fewer than `max` jobs of this key were stored in the last `window`, at every moment. What is not stored leaves no trace.
    Throttle {
        /// 1 to [`Rule::MAX_STARTS`].
        max: u32,
        /// Above zero.
        window: Duration,
    },
    /// As a job that becomes ready `delay` after the last dispatch of the key, and no later than `max_wait` after the first.
    /// While the owner is delayed, a new job takes its place: see [`Admitted::Replaced`]. The owner's due time moves, unless that has
    /// passed.
    Debounce {
        /// Above zero; takes the place of [`NewJob::due`].
        delay: Duration,
        /// Above `delay`; `None`: constant traffic postpones the job for ever.
        max_wait: Option<Duration>,
    },
    /// While no job owns the key, or the owner is in none of the states of `while_in`: then the new one becomes the owner.
    Deduplicate {
        /// In which states an owner keeps new jobs out.
        while_in: BlockingStates,
        /// What is done with a new job that is kept out.
        otherwise: Otherwise,
    },
    /// Once while the key is known, whatever becomes of the job in the meantime: also when retention has removed it.
    Once(Once),
}

/// How long a key stands for the job, or the workflow, that was stored under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// For so long from when it was stored.
    pub life: Duration,
    /// Tells the payload from others: a key that stands for another payload is [`Admitted::Reused`].
    pub fingerprint: u64,
    /// Whether the key stays if the job fails, is cancelled or expires; otherwise it is free in the same step.
    pub keep_failures: bool,
}

impl Rule {
    /// The most that a throttled key may let through in one window.
    pub const MAX_STARTS: u32 = 1_000;
}

/// What is done with a new job whose key is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// Nothing: [`Admitted::Duplicate`] of the owner.
    #[default]
    Drop,
    /// It takes the place of an owner that no worker has claimed yet: [`Admitted::Replaced`]. Otherwise as [`Otherwise::Drop`].
    Replace,
    /// The same; and behind an owner that has been claimed, it waits for that one's end. At most one job is behind another: a later
    /// one takes its place.
    Follow {
        /// An owner that has been claimed is cancelled: flagged while it is active, ended while it waits for its next attempt.
        cancel_running: bool,
    },
}

impl Otherwise {
    /// The reason that a job is cancelled for by [`Otherwise::Follow`].
    pub const SUPERSEDED: &str = "superseded by a later dispatch of its key";
}

/// Some of the states that are no end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlockingStates(u8);

impl BlockingStates {
    /// All four.
    pub const ALL: Self = Self(0b1111);

    const STATES: [JobState; 4] =
        [JobState::Waiting, JobState::Delayed, JobState::Active, JobState::Retrying];

    /// Of these states; the first one that is an end is the error.
    pub fn new(states: impl IntoIterator<Item = JobState>) -> Result<Self, JobState> {
        let mut bits = 0;
        for state in states {
            let place = Self::STATES.iter().position(|known| *known == state).ok_or(state)?;
            bits |= 1 << place;
        }
        Ok(Self(bits))
    }

    /// Whether it has this state.
    #[must_use]
    pub fn contains(self, state: JobState) -> bool {
        Self::STATES.iter().position(|known| *known == state).is_some_and(|place| self.0 & (1 << place) != 0)
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A bit for each: 1 waiting, 2 delayed, 4 active, 8 retrying.
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

/// What became of a job that was to be stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It was stored.
    New,
    /// Nothing was changed: this job, which has the same id or owns the key, stands for it.
    Duplicate(JobId),
    /// This job, which no worker has claimed yet, has the new one's payload, annotations, attempts and deadline to start. Its id and
    /// its place stay; of one that is in no line yet, the priority is the new one's.
    Replaced(JobId),
    /// Nothing was stored: the key has had its share.
    Throttled {
        /// After this time it would be stored.
        retry_in: Duration,
    },
    /// The key stands for this job, whose payload is another one; nothing was changed.
    Reused(JobId),
    /// Another task has a job with this id; nothing was changed.
    Taken {
        /// The task that the id's job belongs to.
        task: TaskName,
    },
}

/// What became of a workflow that was to be started under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmittedWorkflow {
    /// It was started.
    New,
    /// Nothing was changed: this workflow, which has the same id or the key, stands for it.
    Duplicate(WorkflowId),
    /// The key stands for this workflow, which is another one; nothing was changed.
    Reused(WorkflowId),
}
