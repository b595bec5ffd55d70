//! Where jobs wait.

use std::cmp::Reverse;

use crate::job::JobId;

/// A place in the waiting line. Places sort in the order of claims: higher priority first, then the sequence number, which
/// is negative for jobs that came back.
pub(super) type Place = (Reverse<i16>, i64);

/// Where a job waits until it is claimed.
pub(super) enum Line {
    /// Behind all others of its priority.
    Back,
    /// The same for a node that was released, which takes its key when it is claimed.
    Released,
    /// Before all others of its priority, because it was claimed before.
    Front,
    /// Into the delayed set.
    Due(u64),
    /// In no line, until that job has ended.
    Behind(JobId),
}

/// An attempt that is over.
pub(super) struct Left {
    /// When it was claimed.
    pub(super) claimed_at: Option<u64>,
    /// The reason, if the job was flagged as cancelled.
    pub(super) flag: Option<String>,
}
