//! Leases, and what a holder may do while it has one: renew it, and report.

use std::fmt;
use std::time::Duration;

use super::TaskName;
use crate::job::{JobId, LogEntry};

/// A right to run one attempt. Each claim of a job has a higher token than the one before, and a job that was trimmed and
/// dispatched again gets none of its earlier tokens, so the store can refuse the holder of an older lease. After the
/// deadline, a sweep may rescue the job. Until one does, the lease stays valid, and may still be renewed and settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub id: JobId,
    /// Its task.
    pub task: TaskName,
    /// The fencing token, from 1. Tokens of a job rise, but not always by one.
    pub token: u64,
}

/// A lease to extend.
#[derive(Debug, Clone)]
pub struct RenewLease {
    /// The lease.
    pub lease: Lease,
    /// Its length from now.
    pub length: Duration,
}

/// What happened to a lease that was to be extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It was extended.
    Extended,
    /// It was extended, and the job is flagged as cancelled.
    Cancelled,
    /// It is no longer valid: the attempt must stop.
    Lost,
}

/// What a handler reported.
#[derive(Clone)]
pub struct JobReport {
    /// The right to report.
    pub lease: Lease,
    /// The latest progress, as JSON.
    pub progress: Option<Vec<u8>>,
    /// New log lines.
    pub logs: Vec<LogEntry>,
}

impl fmt::Debug for JobReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobReport")
            .field("lease", &self.lease)
            .field("logs", &self.logs.len())
            .finish_non_exhaustive()
    }
}
