//! Workflows while they run: what is released when, and what can be seen of it.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chain, chord, ended, flow, group, node, record, start, states, told, wait};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PROMPT, QUIET, TASK, claim, complete, fail, ids, job, put, retry, state,
    sweep, within,
};
use crate::adapter::{
    Adapter, AttemptEnd, Due, Enqueued, NewNode, NewWorkflow, NodeRef, Settled, WorkflowRecord,
};
use crate::job::{JobId, JobState};
use crate::policy::Retention;
use crate::workflow::WorkflowState;

pub(super) async fn s144_a_node_is_claimed_like_a_job_and_says_what_it_is(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut new = group("w", 2);
    new.nodes[1] = NewNode { payload: b"[1,0]".to_vec(), composed: true, priority: 5, ..node(None) };
    new.meta = vec![("user".into(), "ada".into())];
    start(&adapter, new).await;
    let jobs = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["w#1", "w#0"], "by priority");
    for (job, (node, payload, composed)) in jobs.iter().zip([(1, "[1,0]", true), (0, "{}", false)]) {
        assert_eq!(job.node, Some(NodeRef { workflow: "w".into(), node, composed }));
        assert_eq!(String::from_utf8_lossy(&job.payload), payload);
        assert_eq!(job.meta, [("user".to_owned(), "ada".to_owned())]);
        assert_eq!((job.attempt, job.cancelled), (1, false));
        assert_eq!(job.lease.id, JobId::node(&"w".into(), node));
    }
    let info = adapter.inspection().job(&"w#1".into()).await.unwrap().unwrap();
    assert_eq!((info.state, info.priority, info.max_attempts), (JobState::Active, 5, 3));
    put(&adapter, [job("plain", TASK)]).await;
    assert_eq!(Caller::new(&adapter).claim_one().await.node, None, "other jobs are no nodes");
}

pub(super) async fn s134_the_steps_of_a_chain_follow_each_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 3)).await;
    let mut worker = Caller::new(&adapter);
    for at in 0..3 {
        let (running, nodes) = states(&adapter, "w").await;
        assert_eq!(running, WorkflowState::Running);
        let expected = |node| match node {
            node if node < at => Some(JobState::Completed),
            node if node == at => Some(JobState::Waiting),
            _ => None,
        };
        assert_eq!(nodes, (0..3).map(expected).collect::<Vec<_>>());
        assert_eq!(state(&adapter, &format!("w#{}", at + 1)).await, None, "it is not released");
        let claimed = worker.claim(9, &[TASK]).await;
        assert_eq!(ids(&claimed), [format!("w#{at}")]);
        worker.settle(&claimed[0], complete(&format!("{at}"))).await;
    }
    let ended = ended(&adapter, "w").await;
    assert_eq!((ended.state, ended.output), (WorkflowState::Completed, b"[0]".to_vec()));
    assert_eq!((ended.cause, ended.reason), (None, None));
}

pub(super) async fn what_is_released_can_be_claimed_by_the_same_call(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 2)).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    let answer = worker.exchange(vec![first.settlement(complete("1"))], Some(claim(9, &[(TASK, 9)]))).await;
    assert_eq!(answer.settled, [Settled::Now(JobState::Completed)]);
    assert_eq!(ids(&answer.jobs), ["w#1"]);
}

pub(super) async fn s136_a_group_has_completed_when_all_have(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, group("w", 3)).await;
    let mut worker = Caller::new(&adapter);
    let waiting = wait(&adapter, "w").await;
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["w#0", "w#1", "w#2"], "in the order of the nodes");
    worker.settle(&jobs[2], complete("2")).await;
    worker.settle(&jobs[0], complete("0")).await;
    assert!(!waiting.is_finished());
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Running);
    worker.settle(&jobs[1], complete("1")).await;
    assert_eq!(told(waiting).await.state, WorkflowState::Completed);
    let results = adapter.workflows().node_results(&"w".into(), &[2, 0, 1, 2]).await.unwrap();
    assert_eq!(results, ["2", "0", "1", "2"].map(|json| Some(json.as_bytes().to_vec())));
}

pub(super) async fn results_are_there_once_a_node_has_completed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chord("w", 2)).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("{\"a\":1}")).await;
    let results = adapter.workflows().node_results(&"w".into(), &[0, 1, 2, 3]).await.unwrap();
    assert_eq!(results, [Some(b"{\"a\":1}".to_vec()), None, None, None]);
    assert_eq!(adapter.workflows().node_results(&"nothing".into(), &[0]).await.unwrap(), [None]);
    assert_eq!(
        adapter.workflows().node_results(&"w".into(), &[]).await.unwrap(),
        Vec::<Option<Vec<u8>>>::new()
    );
}

pub(super) async fn s137_a_callback_runs_once_after_its_header(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    // both parents in one call, and in two calls of two workers
    for (id, together) in [("one", true), ("two", false)] {
        start(&adapter, chord(id, 2)).await;
        let (mut worker, mut other) = (Caller::new(&adapter), Caller::new(&second));
        let jobs = worker.claim(9, &[TASK]).await;
        assert_eq!(jobs.len(), 2);
        if together {
            let settle = jobs.iter().map(|job| job.settlement(complete("1"))).collect();
            worker.exchange(settle, None).await;
        } else {
            let (a, b) =
                tokio::join!(worker.settle(&jobs[0], complete("1")), other.settle(&jobs[1], complete("1")));
            assert_eq!([a, b], [Settled::Now(JobState::Completed); 2]);
        }
        let callback = worker.claim(9, &[TASK]).await;
        assert_eq!(ids(&callback), [format!("{id}#2")]);
        worker.settle(&callback[0], complete("2")).await;
        assert_eq!(record(&adapter, id).await.state, WorkflowState::Completed);
    }
}

pub(super) async fn joins_may_share_nodes_and_have_many_children(f: &impl Fixture) {
    let adapter = f.adapter().await;
    // 0 and 1 are roots; 2 and 3 follow both, 4 follows 1 alone, 5 follows 2, 3 and 4
    let after = [None, None, Some(0), Some(0), Some(1), Some(2)];
    let new = flow("w", after.map(node).to_vec(), &[&[0, 1], &[1], &[2, 3, 4]]);
    start(&adapter, new).await;
    let mut worker = Caller::new(&adapter);
    let roots = worker.claim(9, &[TASK]).await;
    worker.settle(&roots[1], complete("1")).await;
    let four = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&four), ["w#4"]);
    worker.settle(&roots[0], complete("0")).await;
    let both = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&both), ["w#2", "w#3"], "in the order of the nodes");
    for job in both.iter().chain(&four) {
        assert_eq!(worker.settle(job, complete("1")).await, Settled::Now(JobState::Completed));
    }
    assert_eq!(worker.run_one(complete("5")).await.lease.id.as_str(), "w#5");
    let record = record(&adapter, "w").await;
    assert_eq!((record.state, record.len), (WorkflowState::Completed, 6));
    assert_eq!(record.joins, [vec![0, 1], vec![1], vec![2, 3, 4]]);
    assert_eq!(record.nodes.iter().map(|node| node.after).collect::<Vec<_>>(), after);
}

pub(super) async fn starting_twice_is_starting_once(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    start(&adapter, chain("w", 2)).await;
    assert_eq!(second.workflows().start(group("w", 5)).await.unwrap(), Enqueued::Duplicate);
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["w#0"]);
    assert_eq!(adapter.workflows().start(chain("w", 2)).await.unwrap(), Enqueued::Duplicate);
    worker.settle(&claimed[0], complete("1")).await;
    worker.run_one(complete("2")).await;
    assert_eq!(
        adapter.workflows().start(chain("w", 2)).await.unwrap(),
        Enqueued::Duplicate,
        "also when it has ended"
    );
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    let record = record(&second, "w").await;
    assert_eq!((record.state, record.len), (WorkflowState::Completed, 2));
}

pub(super) async fn a_record_says_what_is_known_of_each_node(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut new = chain("w", 3);
    new.nodes[1] = NewNode { name: "2 resize".into(), task: OTHER.into(), ..node(Some(0)) };
    new.meta = vec![("user".into(), "ada".into())];
    start(&adapter, new).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("not yet", Duration::ZERO)).await;
    worker.run_one(complete("1")).await;
    worker.claim(1, &[OTHER]).await;
    let record = record(&adapter, "w").await;
    assert_eq!((record.state, record.len, record.finished_at), (WorkflowState::Running, 3, None));
    assert_eq!(record.meta, [("user".to_owned(), "ada".to_owned())]);
    let [first, second, third] = &record.nodes[..] else { panic!("three nodes") };
    assert_eq!((first.state, first.attempts), (Some(JobState::Completed), 2));
    assert_eq!((&*first.name, &*first.task), ("1 send-email", TASK));
    assert!(first.started_at <= first.finished_at && first.started_at.is_some());
    assert!(first.started_at >= Some(record.created_at));
    assert_eq!(first.error, None);
    assert_eq!((second.state, second.attempts, second.finished_at), (Some(JobState::Active), 1, None));
    assert_eq!((&*second.name, &*second.task), ("2 resize", OTHER));
    assert_eq!((third.state, third.attempts, third.finished_at), (None, 0, None));
    let short = adapter.workflows().workflow(&"w".into(), false).await.unwrap().unwrap();
    assert_eq!((short.len, short.nodes.len(), short.joins.len()), (3, 0, 0), "nodes are for who asks");
}

pub(super) async fn a_record_says_how_often_the_worker_of_a_node_died(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 2)).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let seen =
        |record: WorkflowRecord| (record.nodes[0].state, record.nodes[0].stalls, record.nodes[0].attempts);
    assert_eq!(seen(record(&adapter, "w").await), (Some(JobState::Waiting), 1, 0), "no attempt is used up");
    let again = worker.claim_one().await;
    assert_eq!(seen(record(&adapter, "w").await), (Some(JobState::Active), 1, 1));
    worker.settle(&again, complete("1")).await;
    let record = record(&adapter, "w").await;
    assert_eq!((record.nodes[1].stalls, record.nodes[1].attempts), (0, 0));
    assert_eq!(seen(record), (Some(JobState::Completed), 1, 1));
}

pub(super) async fn a_delayed_workflow_delays_its_roots(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, NewWorkflow { due: Due::After(MOMENT * 60), ..chord("w", 2) }).await;
    let mut worker = Caller::new(&adapter);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    let delayed = Some(JobState::Delayed);
    assert_eq!(states(&adapter, "w").await, (WorkflowState::Running, vec![delayed, delayed, None]));
    f.advance(MOMENT * 61).await;
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 2);
}

pub(super) async fn a_delayed_node_is_due_later(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut new = chain("w", 2);
    new.nodes.iter_mut().for_each(|node| node.delay = MOMENT * 60);
    start(&adapter, new).await;
    let mut worker = Caller::new(&adapter);
    for at in 0..2 {
        let id = format!("w#{at}");
        assert!(worker.claim(9, &[TASK]).await.is_empty());
        assert_eq!(state(&adapter, &id).await, Some(JobState::Delayed));
        f.advance(MOMENT * 61).await;
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), id);
    }
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Completed);
}

pub(super) async fn a_released_node_wakes_a_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut new = chain("w", 2);
    new.nodes[1].task = OTHER.into();
    let (mut worker, mut other) = (Caller::new(&adapter), Caller::new(&second));
    let parked = |task: &'static str, mut worker: Caller, adapter: &Arc<dyn Adapter>| {
        let listener = adapter.signals().work();
        tokio::spawn(async move { (worker.next_job(&*listener, &[task]).await, worker) })
    };
    let root = parked(TASK, worker, &adapter);
    tokio::time::sleep(QUIET).await;
    start(&second, new).await;
    let claimed;
    (claimed, worker) = within(PROMPT, "the wake-up of the root's worker", root).await.unwrap();
    let child = parked(OTHER, other, &second);
    tokio::time::sleep(QUIET).await;
    worker.settle(&claimed, complete("1")).await;
    let claimed;
    (claimed, other) = within(PROMPT, "the wake-up of the child's worker", child).await.unwrap();
    assert_eq!(claimed.lease.id.as_str(), "w#1");
    other.settle(&claimed, complete("2")).await;
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Completed);
}

pub(super) async fn a_workflow_goes_on_over_retries_releases_and_rescues(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 2)).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", Duration::ZERO)).await;
    worker.run_one(AttemptEnd::release()).await;
    worker.run_one(AttemptEnd::Release { delay: MOMENT * 60 }).await;
    assert_eq!(states(&adapter, "w").await, (WorkflowState::Running, vec![Some(JobState::Retrying), None]));
    f.advance(MOMENT * 61).await;
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert_eq!(states(&adapter, "w").await, (WorkflowState::Running, vec![Some(JobState::Retrying), None]));
    f.advance(MOMENT * 61).await;
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.rescued, 1);
    assert_eq!(worker.settle(&lost, complete("1")).await, Settled::Stale);
    assert_eq!(states(&adapter, "w").await, (WorkflowState::Running, vec![Some(JobState::Waiting), None]));
    assert_eq!(
        worker.run_one(complete("1")).await.node,
        Some(NodeRef { workflow: "w".into(), node: 0, composed: false })
    );
    assert_eq!(worker.run_one(complete("2")).await.lease.id.as_str(), "w#1");
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Completed);
}

pub(super) async fn x13_a_repeated_settlement_advances_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chord("w", 3)).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    let settle = jobs[..2].iter().map(|job| job.settlement(complete("1"))).collect();
    let call = worker.call(settle, None);
    for _ in 0..3 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(answer.settled, [Settled::Now(JobState::Completed); 2]);
    }
    assert_eq!(worker.settle(&jobs[0], complete("1")).await, Settled::Stale);
    assert_eq!(state(&adapter, "w#3").await, None, "one node of the header is left");
    let call = worker.call(vec![jobs[2].settlement(complete("1"))], Some(claim(9, &[(TASK, 9)])));
    for _ in 0..3 {
        assert_eq!(ids(&adapter.jobs().exchange(call.clone()).await.unwrap().jobs), ["w#3"]);
    }
    assert!(worker.claim(9, &[TASK]).await.is_empty());
}

pub(super) async fn workflows_do_not_mind_each_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for id in ["a", "b", "c"] {
        start(&adapter, chord(id, 2)).await;
    }
    let jobs = worker.claim(6, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a#0", "a#1", "b#0", "b#1", "c#0", "c#1"]);
    // one call ends them in three ways
    let ends =
        [complete("1"), complete("2"), fail("no"), complete("4"), complete("5"), retry("no", MOMENT * 60)];
    let settle = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    let answer = worker.exchange(settle, None).await;
    let expected = [JobState::Completed, JobState::Completed, JobState::Failed];
    assert_eq!(answer.settled[..3], expected.map(Settled::Now));
    assert_eq!(answer.settled[4..], [JobState::Completed, JobState::Retrying].map(Settled::Now));
    assert_eq!(ids(&worker.claim(6, &[TASK]).await), ["a#2"]);
    for (id, state) in
        [("a", WorkflowState::Running), ("b", WorkflowState::Failed), ("c", WorkflowState::Running)]
    {
        assert_eq!(record(&adapter, id).await.state, state, "{id}");
    }
}
