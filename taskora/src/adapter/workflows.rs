//! What a store must do for workflows.
//!
//! A workflow is a plain graph: *nodes*, which are jobs, and *joins*, which are sets of nodes. A node may wait for one
//! join: it becomes ready when all nodes of the join have completed. A node without a join is a root, and becomes
//! ready when the workflow starts. Joins are stored separately, so the cost of one large group after another is the sum of
//! their sizes, not the product.
//!
//! The rules, for every store:
//!
//! - **Starting is idempotent** by the workflow's id, and all or nothing for every reader: an interrupted start has not
//!   happened, or the store's sweeps finish it.
//! - **One step settles a node, advances its workflow and makes ready what can run.** Its cost does not depend on the
//!   workflow's size: if there is more to make ready or cancel than a page, later exchanges and sweeps do it.
//! - **Every end of a node affects its workflow.** When the last node has completed, the workflow has completed. When a node
//!   fails or stalls too often, the workflow has failed. When a node expires or is cancelled alone, the workflow has expired
//!   or is cancelled. Then no further node starts, and all nodes that have not ended are cancelled, running ones by a flag.
//! - **A node that waits for others is not a job yet**: it has no state, [`Inspection::job`](super::Inspection::job) does
//!   not know it, and it cannot be cancelled alone. Once released it is a job like all others, except that its end is kept
//!   with its workflow, so no count of finished jobs includes it.
//! - **A workflow ends at once, and its nodes end later**: with the reason `workflow failed`, `workflow expired`, `workflow
//!   cancelled` if a node was cancelled alone, or the caller's reason. An attempt that is settled in between ends as its
//!   settlement says, but a node that would wait again is never handed out.
//! - **A workflow ends at its deadline**, at the latest when a call meets it: a sweep, a claim of any task, a wait for its
//!   end. One idle worker is told the earliest deadline, just as it is told when a delayed job is due
//!   ([`Exchanged::next_due`](super::Exchanged::next_due)), and a wait for a workflow makes the store end it once its
//!   deadline has passed. So it ends on time if a worker is idle, or if somebody awaits it, even without any worker.
//! - The job id of a node is [`JobId::node`]: it is derived, so that a repeated step creates nothing twice. Node jobs are
//!   trimmed with their workflow, never alone.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{AdapterError, CancelOutcome, Due, Ending, Enqueued, LimitKey, TaskName};
use crate::job::{JobId, JobState, Timestamp};
use crate::policy::Ttl;
use crate::workflow::{WorkflowId, WorkflowState};

/// The transitions of a workflow, and reading it.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Stores a workflow and makes its roots ready (or delays them). If the id is already known, that workflow stays as it
    /// is, and the answer is [`Enqueued::Duplicate`].
    async fn start(&self, workflow: NewWorkflow) -> Result<Enqueued, AdapterError>;

    /// The results of nodes of a workflow as JSON, in the order asked for; `None` for a node that has not completed. At
    /// most 1,000 nodes.
    async fn node_results(
        &self,
        id: &WorkflowId,
        nodes: &[u32],
    ) -> Result<Vec<Option<Vec<u8>>>, AdapterError>;

    /// Cancels a workflow. When this returns, it has ended, and no further node starts; nodes that have not ended are
    /// cancelled with this reason. [`CancelOutcome::AlreadyEnded`] carries the job state that matches the workflow's.
    async fn cancel_workflow(&self, id: &WorkflowId, reason: &str) -> Result<CancelOutcome, AdapterError>;

    /// Waits until the workflow has ended, and returns how; `None` if it is unknown. Like
    /// [`Signals::ended`](super::Signals::ended). If the workflow's deadline has passed, or passes during the wait, the
    /// store ends the workflow for this wait.
    async fn workflow_ended(&self, id: &WorkflowId) -> Result<Option<WorkflowEnded>, AdapterError>;

    /// What is known about a workflow; `None` if it is unknown or trimmed. With `nodes`, also about its nodes (read in
    /// pages).
    async fn workflow(&self, id: &WorkflowId, nodes: bool) -> Result<Option<WorkflowRecord>, AdapterError>;
}

/// A workflow to start.
#[derive(Clone)]
pub struct NewWorkflow {
    /// Its id, valid as a job id.
    pub id: WorkflowId,
    /// Its nodes; a node's number is its index here. A node comes after all nodes that it waits for.
    pub nodes: Vec<NewNode>,
    /// The sets of nodes that nodes wait for; none is empty.
    pub joins: Vec<Vec<u32>>,
    /// How the result is assembled, as [`Shape`](crate::workflow::Shape) writes it. The store does not interpret it.
    pub output: Vec<u8>,
    /// The time until its deadline, from when the store has accepted it. A workflow that has not ended by then expires.
    pub ttl: Option<Duration>,
    /// When its roots become ready.
    pub due: Due,
    /// The dispatcher's own annotations; every node's handler can read them. At most [`MAX_META`](super::MAX_META).
    pub meta: Vec<(String, String)>,
}

/// A node to store.
#[derive(Clone)]
pub struct NewNode {
    /// Its stable name within the workflow: its position, and its task.
    pub name: String,
    /// Its task.
    pub task: TaskName,
    /// Its payload. If `composed`, this is a recipe ([`Input`](crate::workflow::Input)) that the worker completes with the
    /// results of other nodes; the store does not interpret it.
    pub payload: Vec<u8>,
    /// Whether `payload` is a recipe.
    pub composed: bool,
    /// The join that it waits for; none for a root.
    pub after: Option<u32>,
    /// As [`NewJob::priority`](super::NewJob::priority).
    pub priority: i16,
    /// How long it is delayed once it could run.
    pub delay: Duration,
    /// As [`NewJob::max_attempts`](super::NewJob::max_attempts).
    pub max_attempts: u32,
    /// As [`NewJob::max_stalls`](super::NewJob::max_stalls).
    pub max_stalls: u32,
    /// As [`NewJob::ttl`](super::NewJob::ttl).
    pub ttl: Option<Ttl>,
    /// As [`NewJob::limit_key`](super::NewJob::limit_key).
    pub limit_key: Option<LimitKey>,
    /// As [`NewJob::cost`](super::NewJob::cost).
    pub cost: u32,
}

impl NewWorkflow {
    /// A workflow that begins at once, without a deadline and without annotations.
    #[must_use]
    pub fn new(
        id: impl Into<WorkflowId>,
        nodes: Vec<NewNode>,
        joins: Vec<Vec<u32>>,
        output: impl Into<Vec<u8>>,
    ) -> Self {
        let (id, output) = (id.into(), output.into());
        Self { id, nodes, joins, output, ttl: None, due: Due::Now, meta: Vec::new() }
    }
}

impl NewNode {
    /// A root whose payload is no recipe, with one attempt and one recovery.
    #[must_use]
    pub fn new(name: impl Into<String>, task: impl Into<TaskName>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            task: task.into(),
            payload: payload.into(),
            composed: false,
            after: None,
            priority: 0,
            delay: Duration::ZERO,
            max_attempts: 1,
            max_stalls: 1,
            ttl: None,
            limit_key: None,
            cost: 1,
        }
    }
}

/// How a workflow has ended.
#[derive(Clone)]
pub struct WorkflowEnded {
    /// Its state, which is not `Running`.
    pub state: WorkflowState,
    /// As in [`NewWorkflow::output`].
    pub output: Vec<u8>,
    /// The node whose end ended the workflow, if one did.
    pub cause: Option<Cause>,
    /// The reason of a cancellation, of the workflow or of the cause.
    pub reason: Option<String>,
}

/// The node whose end ended a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// Its number.
    pub node: u32,
    /// Its name.
    pub name: String,
    /// Its task.
    pub task: String,
    /// How it ended.
    pub ending: Ending,
}

/// What a store knows about a workflow.
#[derive(Debug, Clone)]
pub struct WorkflowRecord {
    /// Its state.
    pub state: WorkflowState,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How many nodes it has.
    pub len: u32,
    /// How many of them have not ended.
    pub open: u32,
    /// Its nodes in order, if asked for.
    pub nodes: Vec<NodeRecord>,
    /// As in [`NewWorkflow::joins`], if asked for.
    pub joins: Vec<Vec<u32>>,
    /// The dispatcher's own annotations.
    pub meta: Vec<(String, String)>,
}

/// What a store knows about a node.
#[derive(Debug, Clone)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Its task.
    pub task: String,
    /// The state of its job; `None` if it waits for other nodes.
    pub state: Option<JobState>,
    /// The join that it waits for.
    pub after: Option<u32>,
    /// As [`JobInfo::attempts`](crate::JobInfo::attempts).
    pub attempts: u32,
    /// As [`JobInfo::stalls`](crate::JobInfo::stalls).
    pub stalls: u32,
    /// When its last attempt was claimed, if it has ended.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last error's message, or the reason of the cancellation.
    pub error: Option<String>,
}

impl NodeRecord {
    /// A node that is no job yet.
    #[must_use]
    pub fn new(name: impl Into<String>, task: impl Into<String>, after: Option<u32>) -> Self {
        Self {
            name: name.into(),
            task: task.into(),
            state: None,
            after,
            attempts: 0,
            stalls: 0,
            started_at: None,
            finished_at: None,
            error: None,
        }
    }
}

impl fmt::Debug for NewWorkflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWorkflow")
            .field("id", &self.id)
            .field("nodes", &self.nodes.len())
            .field("joins", &self.joins.len())
            .field("ttl", &self.ttl)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no payload
        f.debug_struct("NewNode")
            .field("name", &self.name)
            .field("task", &self.task)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkflowEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowEnded")
            .field("state", &self.state)
            .field("cause", &self.cause)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl JobId {
    /// The id of a workflow's node: the workflow's id, a `#`, and the node's number. No other job may have an id
    /// of this form.
    #[must_use]
    pub fn node(workflow: &WorkflowId, node: u32) -> Self {
        Self::from(format!("{workflow}#{node}"))
    }
}
