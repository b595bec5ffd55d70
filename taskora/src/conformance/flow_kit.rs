//! Helpers for the checks of workflows: compositions to start, and what happened to them.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::kit::{PATIENCE, PROMPT, QUIET, TASK, within};
use crate::adapter::{Adapter, Enqueued, JobCounts, NewNode, NewWorkflow, WorkflowEnded, WorkflowRecord};
use crate::job::JobState;
use crate::workflow::{WorkflowId, WorkflowState};

/// A node of [`TASK`] that waits for this join.
pub(super) fn node(after: Option<u32>) -> NewNode {
    NewNode { after, max_attempts: 3, ..NewNode::new("1 send-email", TASK, "{}") }
}

pub(super) fn flow(id: &str, nodes: Vec<NewNode>, joins: &[&[u32]]) -> NewWorkflow {
    NewWorkflow::new(id, nodes, joins.iter().map(|join| join.to_vec()).collect(), "[0]")
}

/// Nodes one after the other.
pub(super) fn chain(id: &str, len: u32) -> NewWorkflow {
    let joins: Vec<Vec<u32>> = (1..len).map(|node| vec![node - 1]).collect();
    let nodes = (0..len).map(|at| node(at.checked_sub(1))).collect();
    NewWorkflow { joins, ..flow(id, nodes, &[]) }
}

/// Nodes side by side.
pub(super) fn group(id: &str, len: usize) -> NewWorkflow {
    flow(id, vec![node(None); len], &[])
}

/// Nodes side by side, and one that waits for all of them.
pub(super) fn chord(id: &str, len: u32) -> NewWorkflow {
    let mut new = group(id, len as usize);
    new.nodes.push(node(Some(0)));
    NewWorkflow { joins: vec![(0..len).collect()], ..new }
}

pub(super) async fn start(adapter: &Arc<dyn Adapter>, new: NewWorkflow) {
    assert_eq!(adapter.workflows().start(new).await.expect("start"), Enqueued::New);
}

pub(super) async fn record(adapter: &Arc<dyn Adapter>, id: &str) -> WorkflowRecord {
    adapter.workflows().workflow(&id.into(), true).await.expect("workflow").expect("the workflow is known")
}

/// The states of the workflow and its nodes.
pub(super) async fn states(adapter: &Arc<dyn Adapter>, id: &str) -> (WorkflowState, Vec<Option<JobState>>) {
    let record = record(adapter, id).await;
    (record.state, record.nodes.into_iter().map(|node| node.state).collect())
}

/// How a workflow that has already ended did end.
pub(super) async fn ended(adapter: &Arc<dyn Adapter>, id: &str) -> WorkflowEnded {
    let id = WorkflowId::from(id);
    let ended =
        within(PATIENCE, "an end that is known already", adapter.workflows().workflow_ended(&id)).await;
    ended.expect("workflow_ended").expect("the workflow is known")
}

/// Waits in the background; the wait has begun when this returns.
pub(super) async fn wait(adapter: &Arc<dyn Adapter>, id: &str) -> JoinHandle<Option<WorkflowEnded>> {
    let (adapter, id) = (Arc::clone(adapter), WorkflowId::from(id));
    let mut waiting =
        tokio::spawn(async move { adapter.workflows().workflow_ended(&id).await.expect("workflow_ended") });
    assert!(timeout(QUIET, &mut waiting).await.is_err(), "the workflow has not ended, so the wait goes on");
    waiting
}

pub(super) async fn told(waiting: JoinHandle<Option<WorkflowEnded>>) -> WorkflowEnded {
    within(PROMPT, "the news of the end", waiting).await.unwrap().expect("the workflow is known")
}

pub(super) const CANCELLED: Option<JobState> = Some(JobState::Cancelled);

pub(super) async fn counts_are(adapter: &Arc<dyn Adapter>, expected: JobCounts) {
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), expected);
}
