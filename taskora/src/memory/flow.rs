//! What the store knows about one workflow, and the indexes of workflows.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::sync::oneshot;

use super::key::OnceKey;
use crate::adapter::{Cause, NewJob, NewNode, NewWorkflow, NodeRef, TaskName, WorkflowEnded};
use crate::job::{JobId, millis};
use crate::workflow::{WorkflowId, WorkflowState};

/// Everything about one workflow, except what the jobs of its released nodes know themselves.
pub(super) struct Flow {
    pub(super) state: WorkflowState,
    pub(super) created_at: u64,
    pub(super) finished_at: Option<u64>,
    pub(super) deadline: Option<u64>,
    pub(super) cause: Option<Cause>,
    pub(super) reason: Option<String>,
    pub(super) output: Vec<u8>,
    pub(super) meta: Vec<(String, String)>,
    /// The nodes. A released node has moved its payload to its job.
    pub(super) nodes: Vec<NewNode>,
    pub(super) joins: Vec<Join>,
    /// The joins that each node is in.
    pub(super) joins_of: Vec<Vec<u32>>,
    /// Nodes that have not completed.
    pub(super) incomplete: usize,
    /// Nodes that have not ended.
    pub(super) open: usize,
    pub(super) waiters: Vec<oneshot::Sender<WorkflowEnded>>,
    /// The key that stands for it, and is freed if it ends without completing.
    pub(super) once: Option<OnceKey>,
}

pub(super) struct Join {
    pub(super) nodes: Vec<u32>,
    /// How many of them have not completed.
    pub(super) left: usize,
    /// The nodes that wait for it.
    pub(super) children: Vec<u32>,
}

/// Work left to do for a workflow, in pages.
pub(super) enum Work {
    /// Make these nodes jobs, as of this time.
    Release { id: WorkflowId, nodes: VecDeque<u32>, since: u64 },
    /// Cancel all nodes from this one on.
    Cancel { id: WorkflowId, from: u32, reason: String },
}

impl Work {
    pub(super) fn id(&self) -> &WorkflowId {
        match self {
            Self::Release { id, .. } | Self::Cancel { id, .. } => id,
        }
    }
}

/// All workflows, and their indexes.
#[derive(Default)]
pub(super) struct Flows {
    pub(super) by_id: HashMap<WorkflowId, Flow>,
    /// Running workflows by their deadline.
    pub(super) deadlines: BTreeSet<(u64, WorkflowId)>,
    /// Workflows that have ended with all their nodes, by when they ended.
    pub(super) done: BTreeSet<(u64, WorkflowId)>,
    pub(super) work: VecDeque<Work>,
    /// Tasks of released nodes for which no worker has been woken yet.
    pub(super) released: BTreeSet<TaskName>,
}

impl Flow {
    pub(super) fn new(new: NewWorkflow, now: u64) -> Self {
        let NewWorkflow { nodes, joins, output, ttl, meta, .. } = new;
        let mut joins_of = vec![Vec::new(); nodes.len()];
        for (join, members) in (0..).zip(&joins) {
            for member in members {
                if let Some(joins) = joins_of.get_mut(*member as usize) {
                    joins.push(join);
                }
            }
        }
        let mut joins: Vec<Join> =
            joins.into_iter().map(|nodes| Join { left: nodes.len(), nodes, children: Vec::new() }).collect();
        for (node, new) in (0..).zip(&nodes) {
            if let Some(join) = new.after.and_then(|join| joins.get_mut(join as usize)) {
                join.children.push(node);
            }
        }
        Self {
            state: WorkflowState::Running,
            created_at: now,
            finished_at: None,
            deadline: ttl.map(|ttl| now.saturating_add(millis(ttl))),
            cause: None,
            reason: None,
            output,
            meta,
            incomplete: nodes.len(),
            open: nodes.len(),
            nodes,
            joins,
            joins_of,
            once: None,
            waiters: Vec::new(),
        }
    }

    pub(super) fn roots(&self) -> VecDeque<u32> {
        (0..).zip(&self.nodes).filter(|(_, new)| new.after.is_none()).map(|(node, _)| node).collect()
    }

    /// Counts a completed node down in its joins. Returns the nodes that waited only for it, in order.
    pub(super) fn completed(&mut self, node: u32) -> VecDeque<u32> {
        self.incomplete -= 1;
        let mut ready = VecDeque::new();
        for join in self.joins_of.get(node as usize).into_iter().flatten() {
            let Some(join) = self.joins.get_mut(*join as usize) else { continue };
            join.left -= 1;
            if join.left == 0 {
                ready.extend(&join.children);
            }
        }
        ready.make_contiguous().sort_unstable();
        ready
    }

    /// The job of a node; takes the payload.
    pub(super) fn job(&mut self, id: &WorkflowId, node: u32) -> Option<(NewJob, NodeRef)> {
        let new = self.nodes.get_mut(node as usize)?;
        let payload = std::mem::take(&mut new.payload);
        let job = NewJob {
            priority: new.priority,
            max_attempts: new.max_attempts,
            max_stalls: new.max_stalls,
            ttl: new.ttl,
            limit_key: new.limit_key.clone(),
            cost: new.cost,
            meta: self.meta.clone(),
            ..NewJob::new(JobId::node(id, node), new.task.clone(), payload)
        };
        Some((job, NodeRef { workflow: id.clone(), node, composed: new.composed }))
    }

    /// The reason with which its nodes are cancelled; `None` while it runs, and if it has completed.
    pub(super) fn reason(&self) -> Option<String> {
        Some(match (self.state, &self.reason) {
            (WorkflowState::Cancelled, Some(reason)) if self.cause.is_none() => reason.clone(),
            (WorkflowState::Cancelled, _) => "workflow cancelled".to_owned(),
            (WorkflowState::Expired, _) => "workflow expired".to_owned(),
            (WorkflowState::Failed, _) => "workflow failed".to_owned(),
            (WorkflowState::Running | WorkflowState::Completed, _) => return None,
        })
    }

    pub(super) fn ended(&self) -> Option<WorkflowEnded> {
        self.state.is_terminal().then(|| WorkflowEnded {
            state: self.state,
            output: self.output.clone(),
            cause: self.cause.clone(),
            reason: self.reason.clone(),
        })
    }
}
