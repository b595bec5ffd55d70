//! Workflows.

use redis::Commands;
use std::time::Duration;
use taskora::Timestamp;
use taskora::adapter::{Inspection, NewNode, NewWorkflow, WorkflowQuery, Workflows};
use taskora::workflow::WorkflowState;

use super::{ENVELOPE, Stage, is_refused, key};
use crate::flows::{chain, node};
use crate::kit::drain;

const WF: &str = "wf:=a";
/// Length and text of what is said of a node come before its record.
fn record_at(node: &[u8]) -> usize {
    4 + u32::from_be_bytes(node[..4].try_into().expect("a length")) as usize
}

/// What a later version may have made of a field of a workflow of two nodes: whether the whole workflow is one that nobody can
/// read, the field, and its value of today's.
type Change = fn(&[u8]) -> Vec<u8>;
const CHANGES: &[(&str, bool, &str, Change)] = &[
    ("another layout of the head", true, "m", |head| [&[2], &head[1..]].concat()),
    ("a tag in the head that must be understood", true, "m", |head| {
        [&head[..43], &[0, 4, 2, 0, 1, b'x'], &head[45..]].concat()
    }),
    ("a state that is no number", true, "l", |_| b"~2 suspended".to_vec()),
    ("a node with a special entry", false, "n0", |node| {
        let mut node = node.to_vec();
        node[8] = 255;
        node
    }),
    ("another layout of a node's record", false, "n0", |node| {
        let mut changed = node.to_vec();
        changed[record_at(node)] = 2;
        changed
    }),
    ("an unknown flag of a node's record", false, "n0", |node| {
        let mut changed = node.to_vec();
        changed[record_at(node) + 7] |= 128;
        changed
    }),
    ("a payload in an envelope", false, "n0", |node| {
        let head = record_at(node) + 14 + crate::kit::TASK.len();
        [&node[..head], ENVELOPE].concat()
    }),
];

#[tokio::test]
async fn a_workflow_of_a_later_version_waits_for_a_worker_that_can_read_it() {
    for (what, is_whole, field, change) in CHANGES {
        let mut stage = Stage::set().await;
        let ttl = is_whole.then_some(Duration::from_secs(10));
        stage.adapter.start(NewWorkflow { ttl, ..chain("a", 2) }).await.expect("start");
        let today = stage.field(WF, field.as_bytes());
        let changed = change(&today);
        stage.set_field(WF, field.as_bytes(), &changed);
        let query = WorkflowQuery::new(WorkflowState::Running);
        let listed = stage.adapter.list_workflows(&query).await.expect("list_workflows").workflows;
        assert!(
            matches!(&*listed, [one] if one.id == "a".into() && one.created_at > Timestamp::default()),
            "{what}: {listed:?}"
        );
        for _ in 0..3 {
            assert_eq!(stage.others().await, 0, "{what}: nothing of it is run");
            assert!(stage.is_delayed(b"*=a#0"), "{what}: it is tried again");
            stage.shift(6).await;
            stage.sweep().await;
        }
        if *is_whole {
            is_refused(stage.adapter.cancel_workflow(&"a".into(), "why"), what).await;
            is_refused(stage.adapter.workflow_ended(&"a".into()), what).await;
            let due: Option<f64> = stage.redis.zscore(key("wfdue"), "=a").expect("zscore");
            assert!(due.is_some(), "{what}: its deadline is not forgotten");
        }
        // payloads are not shown
        if *what != "a payload in an envelope" {
            is_refused(stage.adapter.workflow(&"a".into(), true), what).await;
        }
        is_refused(taskora::adapter::Jobs::cancel(&stage.adapter, &"a#0".into(), "why"), what).await;
        is_refused(taskora::adapter::Signals::ended(&stage.adapter, &"a#0".into()), what).await;
        stage.is_checked_as(1, what).await;
        assert_eq!(stage.field(WF, field.as_bytes()), changed, "{what}: it is as it was");
        let running: Option<f64> = stage.redis.zscore(key("wfrun"), "=a").expect("zscore");
        assert!(running.is_some(), "{what}: it is listed");

        // a worker comes that can read it
        stage.set_field(WF, field.as_bytes(), &today);
        if *is_whole {
            stage.shift(6).await;
            stage.sweep().await;
            let left = stage.field(WF, b"l");
            assert!(left.starts_with(b"0 E"), "{what}: its time was up: {}", left.escape_ascii());
        } else {
            stage.shift(6).await;
            assert_eq!(drain(&stage.adapter, "newer").await, 2, "{what}");
        }
        stage.is_checked_as(0, what).await;
    }
}

/// Without a deadline, a workflow that could not be read goes on where it was.
#[tokio::test]
async fn a_head_and_a_state_that_become_readable_let_the_workflow_go_on() {
    for (what, _, field, change) in CHANGES.iter().filter(|(_, is_whole, ..)| *is_whole) {
        let mut stage = Stage::set().await;
        stage.adapter.start(chain("a", 3)).await.expect("start");
        let today = stage.field(WF, field.as_bytes());
        stage.set_field(WF, field.as_bytes(), &change(&today));
        assert_eq!(stage.others().await, 0, "{what}");
        stage.shift(6).await;
        stage.set_field(WF, field.as_bytes(), &today);
        assert_eq!(drain(&stage.adapter, "newer").await, 3, "{what}");
    }
}

/// An ended one stays, however old it is: nobody here knows what else belongs to it.
#[tokio::test]
async fn an_ended_workflow_of_a_later_version_is_not_removed() {
    let mut stage = Stage::set().await;
    stage.adapter.start(chain("a", 1)).await.expect("start");
    stage.adapter.start(chain("b", 1)).await.expect("start");
    assert_eq!(drain(&stage.adapter, "w").await, 2);
    let head = stage.field(WF, b"m");
    stage.set_field(WF, b"m", &[&[2], &head[1..]].concat());
    stage.shift(365 * 24 * 3600).await;
    stage.sweep().await;
    let exists = |stage: &mut Stage, id: &str| {
        stage.redis.exists::<_, bool>(key(&format!("wf:={id}"))).expect("exists")
    };
    assert!(exists(&mut stage, "a") && !exists(&mut stage, "b"));
    stage.set_field(WF, b"m", &head);
    stage.shift(365 * 24 * 3600).await;
    stage.sweep().await;
    assert!(!exists(&mut stage, "a"), "its turn has come");
}

#[tokio::test]
async fn a_large_payload_of_a_node_in_an_envelope_waits_for_a_worker_that_can_read_it() {
    let mut stage = Stage::set().await;
    let large = NewNode { payload: vec![b'1'; 5_000], ..node(None) };
    stage.adapter.start(crate::flows::flow("a", vec![large.clone()], Vec::new())).await.expect("start");
    stage.set_field(WF, b"b0", ENVELOPE);
    for _ in 0..3 {
        assert_eq!(stage.others().await, 0);
        assert!(stage.is_delayed(b"*=a#0"));
        stage.shift(6).await;
        stage.sweep().await;
    }
    stage.is_checked_as(1, "a large payload").await;
    stage.set_field(WF, b"b0", &large.payload);
    stage.shift(6).await;
    assert_eq!(drain(&stage.adapter, "newer").await, 1);
}

/// The end of a node with a letter that nobody knows, and a result that nobody can read.
#[tokio::test]
async fn results_of_nodes_that_nobody_can_read_are_refused() {
    let enveloped = [b"C".as_slice(), &[0, 0, 0, 1], &[0; 4], &[0; 12], ENVELOPE].concat();
    for (what, end) in [("an unknown end", [b"K".as_slice(), &[0; 20]].concat()), ("an envelope", enveloped)]
    {
        let mut stage = Stage::set().await;
        stage.adapter.start(chain("a", 1)).await.expect("start");
        assert_eq!(drain(&stage.adapter, "w").await, 1);
        stage.set_field(WF, b"d0", &end);
        is_refused(stage.adapter.node_results(&"a".into(), &[0]), what).await;
        stage.is_checked_as(1, what).await;
    }
}
