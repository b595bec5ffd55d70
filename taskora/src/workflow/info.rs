//! What is known about a workflow.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{WorkflowId, WorkflowState};
use crate::adapter::WorkflowRecord;
use crate::job::Timestamp;

/// What is known about a workflow, without its nodes and its result; see
/// [`WorkflowHandle::info`](crate::WorkflowHandle::info).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// Its id.
    pub id: WorkflowId,
    /// Its state.
    pub state: WorkflowState,
    /// How many steps it has.
    pub steps: u32,
    /// How many of them have not ended.
    pub open_steps: u32,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The dispatcher's own annotations, in the order they were given.
    pub meta: Vec<(String, String)>,
}

impl WorkflowInfo {
    /// The record that a store has of a workflow, without its nodes.
    #[must_use]
    pub fn new(id: WorkflowId, record: WorkflowRecord) -> Self {
        let WorkflowRecord { state, created_at, finished_at, len, open, meta, .. } = record;
        Self { id, state, steps: len, open_steps: open, created_at, finished_at, meta }
    }
}

impl fmt::Debug for WorkflowInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no meta: it may be as confidential as the payload
        f.debug_struct("WorkflowInfo")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("steps", &self.steps)
            .field("open_steps", &self.open_steps)
            .field("created_at", &self.created_at)
            .field("finished_at", &self.finished_at)
            .finish_non_exhaustive()
    }
}
