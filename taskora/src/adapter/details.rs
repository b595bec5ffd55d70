//! What is stored with a job.

use std::fmt;

use crate::job::Timestamp;
use crate::text::beginning;

/// What is stored with a job, beside [`JobInfo`](crate::JobInfo), see [`Inspection::details`](super::Inspection::details).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobData {
    /// Its payload. Of a workflow's step that waits for results, what is stored in their place.
    pub payload: StoredValue,
    /// Its result, if it has completed.
    pub result: Option<StoredValue>,
    /// The key by which limits count it, or under which it gathers.
    pub limit_key: Option<String>,
    /// The key that it was dispatched with, while it has not ended: one that is deduplicated, debounced or idempotent, or of the schedule whose runs wait
    /// for each other.
    pub key: Option<String>,
    /// How many log lines it has.
    pub log_lines: usize,
    /// Whether some worker serves its task: a sweep has named it within [`Swept::SERVED`](super::Swept::SERVED). `true` from an adapter that
    /// does not know.
    pub is_served: bool,
    /// What happened to it before, oldest first: the newest [`PastStep::MAX`]. Attempts after which another one followed, ends of earlier lives, and
    /// revivals; not how it has ended, which [`JobInfo`](crate::JobInfo) says. Empty for a workflow's step.
    pub past: Vec<PastStep>,
}

impl JobData {
    /// The longest payload or result that is returned, in bytes: 1 MiB.
    pub const MAX_VALUE: usize = 1024 * 1024;

    /// A job of which only the payload is known.
    #[must_use]
    pub const fn new(payload: StoredValue) -> Self {
        Self {
            payload,
            result: None,
            limit_key: None,
            key: None,
            log_lines: 0,
            is_served: true,
            past: Vec::new(),
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStep {
    /// What happened.
    pub what: Happened,
    /// The number of the attempt; for an end without an attempt, how many there were. 0 for a revival.
    pub attempt: u32,
    /// When the attempt was claimed, if that is known: not if its worker died.
    pub started_at: Option<Timestamp>,
    /// When this happened. A rescue is noticed some time after the worker's death.
    pub at: Timestamp,
    /// The error's message, or the reason of a cancellation, at most [`PastStep::MAX_ERROR`] bytes of it.
    pub error: Option<String>,
}

impl PastStep {
    /// How many are kept of a job.
    pub const MAX: usize = 16;
    /// The longest error that is kept, in bytes.
    pub const MAX_ERROR: usize = 512;

    /// The beginning of an error, as far as it is kept.
    #[must_use]
    pub fn text(error: &str) -> String {
        beginning(error, Self::MAX_ERROR).to_owned()
    }
}

/// What happened to a job, see [`PastStep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Happened {
    /// An attempt failed, and another one followed.
    Retried,
    /// An attempt was handed back, and does not count.
    Released,
    /// The worker of an attempt died, and the job was taken back.
    Rescued,
    /// The job completed.
    Completed,
    /// The job failed with its last attempt.
    Failed,
    /// The job failed because its workers died too often.
    Stalled,
    /// The job was cancelled, before or during an attempt.
    Cancelled,
    /// The job was not started in time.
    Expired,
    /// Somebody made the job wait again.
    Revived,
}

/// JSON in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// Its length in bytes.
    pub len: usize,
    /// The JSON; `None` if it is longer than [`JobData::MAX_VALUE`].
    pub json: Option<Vec<u8>>,
}

impl StoredValue {
    /// A value, which is left out if it is too long.
    #[must_use]
    pub fn new(json: &[u8]) -> Self {
        Self { len: json.len(), json: (json.len() <= JobData::MAX_VALUE).then(|| json.to_vec()) }
    }
}

impl fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredValue").field("len", &self.len).finish_non_exhaustive()
    }
}
