//! Where a job comes from: its task, its workflow, its schedule.

use std::sync::Arc;

use crate::job::Timestamp;
use crate::workflow::WorkflowId;

/// The name of a task, shared cheaply.
pub type TaskName = Arc<str>;

/// Which tick of which schedule a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TickStamp {
    /// The schedule.
    pub schedule: String,
    /// The tick's time; `None`: somebody triggered it.
    pub at: Option<Timestamp>,
}

/// Which node of which workflow a claimed job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRef {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The node's number.
    pub node: u32,
    /// Whether the payload is a recipe, see [`NewNode::payload`](super::NewNode::payload).
    pub composed: bool,
}
