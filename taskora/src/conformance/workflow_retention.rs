//! Large workflows, and what is kept of those that have ended.

use std::collections::HashSet;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{CANCELLED, chain, chord, counts_are, ended, flow, group, node, record, start, states};
use super::kit::{Caller, MOMENT, TASK, claim, complete, fail, retry, state, sweep};
use crate::adapter::{AttemptEnd, CancelOutcome, JobCounts};
use crate::job::{JobId, JobState};
use crate::policy::{Retention, RetentionLimit};
use crate::workflow::{WorkflowId, WorkflowState};

pub(super) async fn a_large_group_completes_and_is_released_whole(f: &impl Fixture) {
    let adapter = f.adapter().await;
    // 1, then 2,500 side by side, then 1
    const WIDE: u32 = 2_500;
    let mut nodes = vec![node(None)];
    nodes.extend(vec![node(Some(0)); WIDE as usize]);
    nodes.push(node(Some(1)));
    let mut new = flow("w", nodes, &[&[0]]);
    new.joins.push((1..=WIDE).collect());
    start(&adapter, new).await;
    let mut worker = Caller::new(&adapter);
    let mut jobs = vec![worker.claim_one().await];
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    loop {
        let settle = jobs.iter().map(|job| job.settlement(complete("1"))).collect();
        let answer = worker.exchange(settle, Some(claim(500, &[(TASK, 500)]))).await;
        for job in &answer.jobs {
            assert!(seen.insert(job.lease.id.clone()), "{} was handed out twice", job.lease.id);
            order.extend(job.node.as_ref().map(|of| of.node));
        }
        jobs = answer.jobs;
        if jobs.is_empty() && !answer.more {
            break;
        }
    }
    assert_eq!(order, (1..=WIDE + 1).collect::<Vec<_>>(), "each once, in the order of the nodes");
    assert_eq!(ended(&adapter, "w").await.state, WorkflowState::Completed);
    let all: Vec<u32> = (0..1_000).collect();
    let results = adapter.workflows().node_results(&"w".into(), &all).await.unwrap();
    assert!(results.iter().all(|result| result.as_deref() == Some(b"1")), "a page of results");
    assert_eq!(record(&adapter, "w").await.nodes.len(), WIDE as usize + 2);
}

pub(super) async fn a_claim_says_that_there_is_more_to_release(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, group("w", 2_500)).await;
    let jobs = Caller::new(&adapter).claim(2_500, &[TASK]).await;
    let nodes: Vec<_> = jobs.iter().filter_map(|job| job.node.as_ref()).map(|of| of.node).collect();
    assert_eq!(nodes, (0..2_500).collect::<Vec<_>>());
}

pub(super) async fn a_large_workflow_is_cancelled_in_bounded_steps(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chord("w", 2_500)).await;
    assert_eq!(
        adapter.workflows().cancel_workflow(&"w".into(), "stop").await.unwrap(),
        CancelOutcome::Cancelled
    );
    assert_eq!(ended(&adapter, "w").await.state, WorkflowState::Cancelled, "at once");
    assert!(Caller::new(&adapter).claim(10, &[TASK]).await.is_empty(), "nothing starts any more");
    sweep(&adapter, &[TASK], Retention::default()).await;
    let (_, nodes) = states(&adapter, "w").await;
    assert_eq!(nodes, [CANCELLED; 2_501]);
    counts_are(&adapter, JobCounts::default()).await;
}

pub(super) async fn nodes_are_kept_with_their_workflow_and_not_counted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 3)).await;
    let mut worker = Caller::new(&adapter);
    worker.retention.completed.count = 0;
    counts_are(&adapter, JobCounts { waiting: 1, ..JobCounts::default() }).await;
    worker.run_one(complete("1")).await;
    worker.run_one(complete("2")).await;
    let nothing = RetentionLimit { age: Duration::ZERO, count: 0 };
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention { completed: nothing, failed: nothing, ..Retention::default() }).await;
    counts_are(&adapter, JobCounts { waiting: 1, ..JobCounts::default() }).await;
    assert_eq!(state(&adapter, "w#0").await, Some(JobState::Completed));
    let results = adapter.workflows().node_results(&"w".into(), &[0, 1]).await.unwrap();
    assert_eq!(results, [Some(b"1".to_vec()), Some(b"2".to_vec())]);
}

pub(super) async fn the_newest_workflows_are_kept_by_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    worker.retention.workflows.count = 2;
    for id in ["a", "b", "c", "d"] {
        start(&adapter, chain(id, 2)).await;
        worker.run_one(complete("1")).await;
        worker.run_one(complete("2")).await;
        f.advance(Duration::from_millis(5)).await;
    }
    // what is left above the number by the settlements is removed by the sweeps
    sweep(&adapter, &[TASK], worker.retention).await;
    for (id, kept) in [("a", false), ("b", false), ("c", true), ("d", true)] {
        assert_eq!(adapter.workflows().workflow(&id.into(), false).await.unwrap().is_some(), kept, "{id}");
        assert_eq!(
            adapter.inspection().job(&JobId::node(&id.into(), 1)).await.unwrap().is_some(),
            kept,
            "{id}#1"
        );
    }
}

pub(super) async fn settling_trims_workflows_by_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    worker.retention.workflows.count = 1;
    for id in ["a", "b", "c", "d"] {
        start(&adapter, group(id, 1)).await;
        worker.run_one(complete("1")).await;
        f.advance(Duration::from_millis(5)).await;
    }
    assert!(adapter.workflows().workflow(&"a".into(), false).await.unwrap().is_none());
    assert!(adapter.workflows().workflow(&"d".into(), false).await.unwrap().is_some());
}

pub(super) async fn old_workflows_go_by_age_with_all_their_nodes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let hour = Duration::from_secs(3_600);
    start(&adapter, chord("completed", 2)).await;
    for _ in 0..3 {
        worker.run_one(complete("1")).await;
    }
    start(&adapter, chord("failed", 2)).await;
    worker.run_one(fail("no")).await;
    start(&adapter, flow("empty", Vec::new(), &[])).await;
    start(&adapter, chain("running", 2)).await;
    let active = worker.claim_one().await;
    let retention =
        Retention { workflows: RetentionLimit { age: hour, count: 1_000 }, ..Retention::default() };
    sweep(&adapter, &[TASK], retention).await;
    for id in ["completed", "failed", "empty", "running"] {
        assert!(adapter.workflows().workflow(&id.into(), false).await.unwrap().is_some(), "{id}");
    }
    worker.settle(&active, retry("later", hour * 9)).await;
    f.advance(hour + MOMENT).await;
    sweep(&adapter, &[TASK], retention).await;
    for id in ["completed", "failed", "empty"] {
        let id = WorkflowId::from(id);
        assert!(adapter.workflows().workflow(&id, false).await.unwrap().is_none(), "{id}");
        assert!(adapter.workflows().workflow_ended(&id).await.unwrap().is_none(), "{id}");
        for node in 0..3 {
            assert_eq!(state(&adapter, JobId::node(&id, node).as_str()).await, None, "{id}#{node}");
        }
    }
    assert_eq!(record(&adapter, "running").await.state, WorkflowState::Running);
    start(&adapter, chain("failed", 2)).await;
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), "failed#0", "its id is free again");
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), "failed#1");
    assert_eq!(ended(&adapter, "failed").await.state, WorkflowState::Completed);
}

pub(super) async fn a_workflow_with_a_running_node_is_not_trimmed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    worker.retention.workflows = RetentionLimit { age: Duration::ZERO, count: 0 };
    start(&adapter, group("w", 2)).await;
    let active = worker.claim_one().await;
    worker.run_one(fail("no")).await;
    f.advance(Duration::from_millis(5)).await;
    sweep(&adapter, &[TASK], worker.retention).await;
    assert_eq!(
        states(&adapter, "w").await,
        (WorkflowState::Failed, vec![Some(JobState::Active), Some(JobState::Failed)])
    );
    worker.settle(&active, AttemptEnd::Cancel).await;
    f.advance(Duration::from_millis(5)).await;
    sweep(&adapter, &[TASK], worker.retention).await;
    assert!(adapter.workflows().workflow(&"w".into(), false).await.unwrap().is_none());
}
