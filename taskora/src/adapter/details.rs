//! What is stored with a job.

use std::fmt;

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
}

impl JobData {
    /// The longest payload or result that is returned, in bytes: 1 MiB.
    pub const MAX_VALUE: usize = 1024 * 1024;

    /// A job of which only the payload is known.
    #[must_use]
    pub const fn new(payload: StoredValue) -> Self {
        Self { payload, result: None, limit_key: None, key: None, log_lines: 0, is_served: true }
    }
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
