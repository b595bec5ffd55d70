//! Workflows for the tests of this adapter.

use std::time::Duration;

use taskora::adapter::{Due, NewNode, NewWorkflow};

use crate::kit::TASK;
use crate::model::Random;

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

/// A small graph of any form.
pub(crate) fn random(random: &mut Random, id: &str, tasks: &[&str]) -> NewWorkflow {
    let mut nodes: Vec<NewNode> = Vec::new();
    let mut joins: Vec<Vec<u32>> = Vec::new();
    for number in 0..random.below(12) as u32 {
        if number > 0 && random.below(2) == 0 {
            let mut join: Vec<u32> = (0..number).filter(|_| random.below(3) == 0).collect();
            if join.is_empty() {
                join.push(number - 1);
            }
            joins.push(join);
        }
        let after = (!joins.is_empty() && random.below(5) > 0).then(|| random.below(joins.len()) as u32);
        nodes.push(NewNode {
            name: format!("{number}-step"),
            task: random.pick(tasks).into(),
            payload: if random.below(10) == 0 { vec![b'7'; 5000] } else { number.to_string().into_bytes() },
            priority: random.pick(&[0, 0, 0, 5, -5]),
            delay: Duration::from_secs(random.pick(&[0, 0, 0, 0, 10])),
            max_stalls: random.pick(&[0, 1, 2]),
            ..node(after)
        });
    }
    NewWorkflow {
        ttl: (random.below(4) == 0).then(|| Duration::from_secs(random.pick(&[10, 60]))),
        due: if random.below(6) == 0 { Due::After(Duration::from_secs(10)) } else { Due::Now },
        meta: if random.below(5) == 0 { vec![("k".into(), "v".into())] } else { Vec::new() },
        ..flow(id, nodes, joins)
    }
}
