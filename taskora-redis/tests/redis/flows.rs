//! Workflows for the tests of this adapter.

use taskora::adapter::{Jobs, NewNode, NewWorkflow};
use taskora_redis::RedisAdapter;

use crate::kit::{TASK, complete, exchange};

pub(crate) fn node(after: Option<u32>) -> NewNode {
    let node = NewNode::new("step", TASK, br#"{"to":"a@b.com"}"#);
    NewNode { composed: after.is_some(), after, max_attempts: 3, ..node }
}

pub(crate) fn flow(id: &str, nodes: Vec<NewNode>, joins: Vec<Vec<u32>>) -> NewWorkflow {
    NewWorkflow::new(id, nodes, joins, "0")
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

/// Claims and completes until nothing is left; the numbers of the nodes, in order.
pub(crate) async fn run(adapter: &RedisAdapter, worker: &str, page: usize) -> Vec<u32> {
    let (mut number, mut nodes, mut settle) = (0, Vec::new(), Vec::new());
    loop {
        number += 1;
        let answer = adapter.exchange(exchange(worker, number, settle, page)).await.expect("exchange");
        nodes.extend(answer.jobs.iter().filter_map(|job| job.node.as_ref()).map(|of| of.node));
        settle = answer.jobs.iter().map(complete).collect();
        if settle.is_empty() && !answer.more {
            return nodes;
        }
    }
}
