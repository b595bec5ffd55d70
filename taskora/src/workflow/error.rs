//! How workflows end without a result, and why some cannot start.

use std::time::Duration;

use super::WorkflowId;
use crate::adapter::AdapterError;
use crate::wording::count;

/// How a workflow ended without a result, or why its result is not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// One of its steps failed, or was rescued from dead workers too often.
    #[error("step `{node}` (task `{task}`) failed: {message}")]
    Failed {
        /// The workflow.
        id: WorkflowId,
        /// The step's name, as the workflow's graph shows it.
        node: String,
        /// The step's task.
        task: String,
        /// The error's own message.
        message: String,
    },
    /// It was cancelled, or one of its steps was.
    #[error("workflow `{id}` was cancelled: {reason}")]
    Cancelled {
        /// The workflow.
        id: WorkflowId,
        /// The reason that was given.
        reason: String,
    },
    /// It had not ended by its deadline.
    #[error("workflow `{id}` expired before it had ended")]
    Expired {
        /// The workflow.
        id: WorkflowId,
    },
    /// It is unknown: never dispatched, or removed by retention since.
    #[error(
        "workflow `{id}` is not known: it was never dispatched here, or retention has removed it; to keep finished workflows longer, raise `App::builder(..).retention(..)` in the worker"
    )]
    NotFound {
        /// The workflow.
        id: WorkflowId,
    },
    /// It had not ended when the caller's timeout passed. It goes on.
    #[error("workflow `{id}` did not end within {waited:?} and goes on: {}", still(*running, *waiting))]
    TimedOut {
        /// The workflow.
        id: WorkflowId,
        /// The caller's timeout.
        waited: Duration,
        /// How many of its steps are running.
        running: usize,
        /// How many of its steps could run, but no worker has claimed them.
        waiting: usize,
    },
    /// Its result does not have the requested type.
    #[error("the result of workflow `{id}` is not a `{expected}`: {message}")]
    Undecodable {
        /// The workflow.
        id: WorkflowId,
        /// The requested Rust type.
        expected: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The store could not be asked.
    #[error("cannot learn how workflow `{id}` ended")]
    Adapter {
        /// The workflow.
        id: WorkflowId,
        /// What happened.
        source: AdapterError,
    },
}

impl WorkflowError {
    /// The workflow.
    #[must_use]
    pub const fn id(&self) -> &WorkflowId {
        match self {
            Self::Failed { id, .. }
            | Self::Cancelled { id, .. }
            | Self::Expired { id }
            | Self::NotFound { id }
            | Self::TimedOut { id, .. }
            | Self::Undecodable { id, .. }
            | Self::Adapter { id, .. } => id,
        }
    }

    /// Whether a later call may return another answer.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Adapter { source, .. } => source.is_retryable(),
            _ => false,
        }
    }
}

/// What is wrong with a workflow that cannot be dispatched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two nodes of a [`WorkflowBuilder`](super::WorkflowBuilder) have the same name.
    #[error("two nodes are named `{name}`; give one of them another name")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A node's name cannot be displayed.
    #[error("a node cannot be named {name:?}; use 1 to 200 bytes without control characters")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// A node waits for a node that does not exist.
    #[error("node `{node}` waits for `{parent}`, which does not exist; add it, or correct the name")]
    UnknownParent {
        /// The node that waits.
        node: String,
        /// What it waits for.
        parent: String,
    },
    /// Nodes wait for each other.
    #[error("nodes wait for each other: {}; remove one of the references", path(nodes))]
    Cycle {
        /// The nodes of the cycle, each waiting for the next one, and the last one for the first.
        nodes: Vec<String>,
    },
    /// A node has no payload.
    #[error(
        "node `{node}` has no payload; give it one, in which `{{\"$result\": \"name\"}}` stands for another node's result"
    )]
    MissingInput {
        /// The node.
        node: String,
    },
    /// The node chosen for the result does not exist.
    #[error("the result is to be that of `{name}`, which does not exist; add it, or correct the name")]
    UnknownOutput {
        /// The name.
        name: String,
    },
    /// Several nodes end the graph, so any of them could be the result.
    #[error("the result could be that of any of {}; choose with `.output(..)`", list(nodes))]
    UnclearOutput {
        /// The nodes that no other one waits for.
        nodes: Vec<String>,
    },
    /// There are no nodes.
    #[error("a workflow needs a node; add one with `.node(..)`")]
    Empty,
    /// A node handle of one [`Dag`](super::Dag) was used with another one.
    #[error(
        "a node of another `Dag` was used; a `Dag` knows only the nodes that its own `add`, `add_after` and `join` gave"
    )]
    ForeignNode,
    /// `chunk` was called with a size of 0.
    #[error("chunks of 0 items would never end; use at least 1")]
    EmptyChunks,
    /// There are more nodes than a workflow may have.
    #[error("a workflow has at most {} nodes, and this one has {len}; start several", super::MAX_NODES)]
    TooLarge {
        /// How many it has.
        len: usize,
    },
    /// A value would contain too many results and lists.
    #[error(
        "{what} is made of more than {} values; let several steps merge parts of them first",
        super::MAX_VALUES
    )]
    TooManyValues {
        /// Which step's input it is, or the result.
        what: String,
    },
    /// The description of which results the steps use would be too large.
    #[error(
        "the steps take in lists of results that are more than {} MiB together; let one step merge such a list, and the \
         others follow that one",
        super::MAX_REFERENCES >> 20
    )]
    TooManyReferences,
}

/// Why a workflow has not ended.
fn still(running: usize, waiting: usize) -> String {
    match (running, waiting) {
        (0, 0) => "its next steps are not due yet".to_owned(),
        (0, _) => format!("no worker has claimed {}", count(waiting, "step", "steps")),
        _ => format!("workers run {}", count(running, "step", "steps")),
    }
}

fn path(nodes: &[String]) -> String {
    let mut text = list(nodes).replace(", ", " → ");
    if let Some(first) = nodes.first() {
        text.push_str(&format!(" → `{first}`"));
    }
    text
}

fn list(nodes: &[String]) -> String {
    nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step_its_task_and_its_error() {
        let error = WorkflowError::Failed {
            id: "w".into(),
            node: "1.0.resize".to_owned(),
            task: "resize".to_owned(),
            message: "no such image".to_owned(),
        };
        assert_eq!(error.to_string(), "step `1.0.resize` (task `resize`) failed: no such image");
        assert_eq!(error.id().as_str(), "w");
    }

    #[test]
    fn a_cycle_is_shown_as_a_circle() {
        let nodes = vec!["a".to_owned(), "b".to_owned()];
        let text = GraphError::Cycle { nodes }.to_string();
        assert_eq!(text, "nodes wait for each other: `a` → `b` → `a`; remove one of the references");
    }
}
