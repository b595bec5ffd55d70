//! A view of a workflow.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::adapter::WorkflowRecord;
use crate::job::{JobId, JobState, Timestamp};

use super::{WorkflowId, WorkflowState};

/// The current nodes of a workflow, and what they wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Graph {
    /// The workflow's state.
    pub state: WorkflowState,
    /// The nodes; each comes after all nodes that it waits for.
    pub nodes: Vec<GraphNode>,
    /// Which nodes wait for which.
    pub edges: Vec<Edge>,
}

/// One node of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GraphNode {
    /// The id of its job. You can pass it to [`App::job_raw`](crate::App::job_raw) once the node has a state.
    pub id: JobId,
    /// Its name: its position in the composition and its task, as in `1.0.resize`.
    pub name: String,
    /// Its task.
    pub task: String,
    /// The state of its job; `None` if it waits for other nodes.
    pub state: Option<JobState>,
    /// Attempts that have ended, plus the running one.
    pub attempts: u32,
    /// How often its worker died; see [`JobInfo::stalls`](crate::JobInfo::stalls).
    pub stalls: u32,
    /// When its last attempt was claimed, if it has ended.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last error's message, or the reason of the cancellation.
    pub error: Option<String>,
}

/// All nodes of `to` wait for all nodes of `from`; both are indexes into [`Graph::nodes`]. So one edge stands for all arrows
/// between two groups, from every member of one to every member of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Edge {
    /// The nodes that are waited for.
    pub from: Vec<u32>,
    /// The nodes that wait.
    pub to: Vec<u32>,
}

impl Graph {
    pub(crate) fn of(id: &WorkflowId, record: WorkflowRecord) -> Self {
        let mut waiting = vec![Vec::new(); record.joins.len()];
        for (at, node) in (0..).zip(&record.nodes) {
            if let Some(waiting) = node.after.and_then(|join| waiting.get_mut(join as usize)) {
                waiting.push(at);
            }
        }
        let edges = record.joins.into_iter().zip(waiting).map(|(from, to)| Edge { from, to }).collect();
        let nodes = (0..).zip(record.nodes).map(|(number, node)| GraphNode {
            id: JobId::node(id, number),
            name: node.name,
            task: node.task,
            state: node.state,
            attempts: node.attempts,
            stalls: node.stalls,
            started_at: node.started_at,
            finished_at: node.finished_at,
            error: node.error,
        });
        Self { state: record.state, nodes: nodes.collect(), edges }
    }

    /// The graph as [Mermaid](https://mermaid.js.org) text, which Markdown viewers can draw, with the nodes' states as
    /// classes.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for (at, node) in self.nodes.iter().enumerate() {
            let state = node.state.map_or("pending", JobState::as_str);
            let label = escape(&node.name);
            let _ = writeln!(text, "    n{at}[\"{label}\"]:::{state}");
        }
        for (at, edge) in self.edges.iter().enumerate() {
            let (from, to) = (ends(&edge.from), ends(&edge.to));
            if edge.from.len() > 1 && edge.to.len() > 1 {
                let _ = writeln!(text, "    {from} --> j{at}(( )) --> {to}");
            } else if !edge.from.is_empty() && !edge.to.is_empty() {
                let _ = writeln!(text, "    {from} --> {to}");
            }
        }
        for (state, colour) in COLOURS {
            if self.nodes.iter().any(|node| node.state.map_or("pending", JobState::as_str) == state) {
                let _ = writeln!(text, "    classDef {state} fill:{colour}");
            }
        }
        text
    }
}

const COLOURS: [(&str, &str); 9] = [
    ("pending", "#eeeeee"),
    ("waiting", "#dbeafe"),
    ("delayed", "#e0e7ff"),
    ("active", "#fef08a"),
    ("retrying", "#fed7aa"),
    ("completed", "#bbf7d0"),
    ("failed", "#fecaca"),
    ("cancelled", "#d4d4d4"),
    ("expired", "#f5d0fe"),
];

fn ends(nodes: &[u32]) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(" & ")
}

/// Text inside the quotes of a label.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '#' | '<' | '>' | '&' | '`' => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::NodeRecord;

    fn node(name: &str, state: Option<JobState>, after: Option<u32>) -> NodeRecord {
        NodeRecord { state, ..NodeRecord::new(name, "t", after) }
    }

    fn graph() -> Graph {
        Graph::of(
            &"w".into(),
            WorkflowRecord {
                state: WorkflowState::Running,
                created_at: Timestamp::default(),
                finished_at: None,
                len: 5,
                open: 4,
                nodes: vec![
                    node("0.0.a", Some(JobState::Completed), None),
                    node("0.1.b", Some(JobState::Active), None),
                    node("1.0.\"c\"", None, Some(0)),
                    node("1.1.d", None, Some(0)),
                    node("2.e", None, Some(1)),
                ],
                joins: vec![vec![0, 1], vec![2, 3]],
                meta: Vec::new(),
            },
        )
    }

    #[test]
    fn edges_are_joins_and_those_who_wait_for_them() {
        let edges: Vec<_> = graph().edges.into_iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(edges, [(vec![0, 1], vec![2, 3]), (vec![2, 3], vec![4])]);
    }

    #[test]
    fn a_graph_is_mermaid_text() {
        let expected = r##"flowchart TD
    n0["0.0.a"]:::completed
    n1["0.1.b"]:::active
    n2["1.0.#34;c#34;"]:::pending
    n3["1.1.d"]:::pending
    n4["2.e"]:::pending
    n0 & n1 --> j0(( )) --> n2 & n3
    n2 & n3 --> n4
    classDef pending fill:#eeeeee
    classDef active fill:#fef08a
    classDef completed fill:#bbf7d0
"##;
        assert_eq!(graph().mermaid(), expected);
    }

    #[test]
    fn a_node_knows_the_id_of_its_job() {
        assert_eq!(graph().nodes[3].id, JobId::from("w#3"));
    }

    #[test]
    fn a_graph_travels_as_json() {
        let json = serde_json::to_string(&graph()).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph());
    }
}
