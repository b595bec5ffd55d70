//! Workflows for the tests of this adapter.

use std::time::Duration;

use taskora::adapter::{Due, NewNode, NewWorkflow};

use crate::kit::TASK;

pub(crate) fn node(after: Option<u32>) -> NewNode {
    NewNode {
        name: "step".into(),
        task: TASK.into(),
        payload: br#"{"to":"a@b.com"}"#.to_vec(),
        composed: after.is_some(),
        after,
        priority: 0,
        delay: Duration::ZERO,
        max_attempts: 3,
        max_stalls: 1,
        ttl: None,
    }
}

pub(crate) fn flow(id: &str, nodes: Vec<NewNode>, joins: Vec<Vec<u32>>) -> NewWorkflow {
    NewWorkflow {
        id: id.into(),
        nodes,
        joins,
        output: b"0".to_vec(),
        ttl: None,
        due: Due::Now,
        meta: Vec::new(),
    }
}

/// So many nodes side by side, and one that waits for all of them.
pub(crate) fn chord(id: &str, headers: u32) -> NewWorkflow {
    let mut nodes = vec![node(None); headers as usize];
    nodes.push(node(Some(0)));
    flow(id, nodes, vec![(0..headers).collect()])
}

/// Nodes that each wait for the one before.
pub(crate) fn chain(id: &str, len: u32) -> NewWorkflow {
    let nodes = (0..len).map(|number| node(number.checked_sub(1))).collect();
    flow(id, nodes, (1..len).map(|number| vec![number - 1]).collect())
}
