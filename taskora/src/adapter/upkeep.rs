//! What a store must do so that it can be checked and repaired.
//!
//! A store keeps its data about a job in several places. The transitions keep these consistent; a bug, a lost write or a
//! manual change may not. An [`Audit`] reads everything, page by page, while the queue works, and reports inconsistencies.
//! It must never report a job that is merely in transit: if one snapshot is not enough to judge a job, the audit judges it
//! only if it has provably not moved in between. [`Upkeep::repair`] verifies the finding again, in the same atomic step in
//! which it repairs.

use std::fmt;

use async_trait::async_trait;

use super::AdapterError;
use crate::check::Violation;

/// Checking and repairing the store.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Starts a pass over everything. It changes nothing.
    fn audit(&self) -> Box<dyn Audit>;

    /// Repairs a finding of an audit, if it is still true. Repeating the call changes nothing more.
    async fn repair(&self, finding: &Finding) -> Result<RepairOutcome, AdapterError>;
}

/// A pass over everything in the store.
#[async_trait]
pub trait Audit: Send + fmt::Debug {
    /// The next page: a bounded amount of work for the store. `None` after the last page.
    async fn page(&mut self) -> Result<Option<AuditPage>, AdapterError>;
}

/// The result of a page of an [`Audit`].
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// How many entries and values were looked at.
    pub scanned: usize,
    /// How many of them were jobs. A pass sees each job once, unless a remote store moves it in the meantime.
    pub jobs: usize,
    /// How many of them were workflows.
    pub workflows: usize,
    /// How many workflows could not be checked, because their nodes end faster than they are read.
    pub skipped: usize,
    /// How many values a later version wrote; they are not damage.
    pub newer: usize,
    /// The inconsistencies.
    pub findings: Vec<Finding>,
}

/// One inconsistency, and what the store needs to repair it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it is.
    pub violation: Violation,
    /// The store's own notes for [`Upkeep::repair`]; `None` if it cannot be repaired without guessing.
    pub notes: Option<Vec<Vec<u8>>>,
}

/// What happened to a finding that was to be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairOutcome {
    /// It is repaired.
    Repaired,
    /// It was no longer true; nothing changed.
    Gone,
    /// It cannot be repaired without guessing; nothing changed.
    Left,
}
