//! What a store must do so that it can be checked and repaired.
//!
//! A store keeps what it knows of a job in several places. The transitions keep these in step; a bug, a lost write or a hand in
//! the data may not. An [`Audit`] looks at everything, page by page, while the queue goes on, and says what does not
//! agree. It must never call damage what is only on its way: what cannot be judged from one moment is judged only when it
//! has provably not moved in between. [`Upkeep::repair`] makes sure once more, in the same atomic step in which it repairs.

use std::fmt;

use async_trait::async_trait;

use super::AdapterError;
use crate::check::Violation;

/// Checking and repairing what is stored.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// A pass over everything. It changes nothing.
    fn audit(&self) -> Box<dyn Audit>;

    /// Repairs what an audit has found, if it is still so. Repeating it changes nothing more.
    async fn repair(&self, finding: &Finding) -> Result<RepairOutcome, AdapterError>;
}

/// A pass over everything that is stored.
#[async_trait]
pub trait Audit: Send + fmt::Debug {
    /// The next page: a bounded amount of work for the store. `None`: that was all.
    async fn page(&mut self) -> Result<Option<AuditPage>, AdapterError>;
}

/// What a page of an [`Audit`] has brought.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// How many entries and values were looked at.
    pub scanned: usize,
    /// How many of them were jobs. A pass comes to each job once, unless a remote store moves it meanwhile.
    pub jobs: usize,
    /// The same of workflows.
    pub workflows: usize,
    /// How many of them could not be judged, because their nodes end faster than they are looked at.
    pub skipped: usize,
    /// How many values a later version wrote: they are no damage.
    pub newer: usize,
    /// What does not agree.
    pub findings: Vec<Finding>,
}

/// One thing that does not agree, and what the store needs to repair it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it is.
    pub violation: Violation,
    /// The store's own notes for [`Upkeep::repair`]; `None`: it cannot be repaired without guessing.
    pub notes: Option<Vec<Vec<u8>>>,
}

/// What became of a finding that was to be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairOutcome {
    /// It is repaired.
    Repaired,
    /// It was not so any more; nothing was changed.
    Gone,
    /// It cannot be repaired without guessing; nothing was changed.
    Left,
}
