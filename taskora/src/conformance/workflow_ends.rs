//! How workflows end, and what happens to their nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Fixture;
use super::flow_kit::{
    CANCELLED, chain, chord, counts_are, ended, flow, group, node, record, start, states, told, wait,
};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, PROMPT, QUIET, TASK, cancelled, claim, complete, fail, ids, job,
    put, retry, state, sweep, within,
};
use crate::adapter::{
    Adapter, AttemptEnd, CancelOutcome, Cause, Claim, ClaimedJob, Ending, JobCounts, NewWorkflow, Settled,
};
use crate::job::{JobId, JobState};
use crate::policy::Retention;
use crate::workflow::{WorkflowId, WorkflowState};

/// A workflow of nodes in all states: completed, active, retrying, delayed, waiting and not released. Its active node is
/// claimed, and is last in the list.
async fn in_all_states(adapter: &Arc<dyn Adapter>, worker: &mut Caller) -> ClaimedJob {
    let mut nodes = vec![node(None); 6];
    nodes[3].delay = MOMENT * 600;
    nodes[4].task = OTHER.into();
    nodes[5].after = Some(0);
    start(adapter, flow("w", nodes, &[&[0, 1]])).await;
    worker.run_one(complete("0")).await;
    worker.run_one(retry("not yet", MOMENT * 600)).await;
    worker.claim_one().await
}

/// All but the first node of [`in_all_states`] are cancelled, with this reason.
async fn all_are_cancelled(
    adapter: &Arc<dyn Adapter>,
    worker: &mut Caller,
    active: &ClaimedJob,
    reason: &str,
) {
    sweep(adapter, &[TASK, OTHER], Retention::default()).await;
    let (_, nodes) = states(adapter, "w").await;
    let expected =
        [Some(JobState::Completed), CANCELLED, Some(JobState::Active), CANCELLED, CANCELLED, CANCELLED];
    assert_eq!(nodes, expected);
    assert_eq!(
        worker.settle(active, AttemptEnd::Cancel).await,
        Settled::Now(JobState::Cancelled),
        "it is flagged"
    );
    for node in &record(adapter, "w").await.nodes[1..] {
        assert_eq!((node.state, node.error.as_deref()), (CANCELLED, Some(reason)));
        assert!(node.finished_at.is_some());
    }
    assert!(worker.claim(9, &[TASK, OTHER]).await.is_empty(), "nothing starts any more");
    counts_are(adapter, JobCounts::default()).await;
}

pub(super) async fn s148_a_workflow_of_nothing_has_completed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, NewWorkflow { output: b"[]".to_vec(), ..flow("w", Vec::new(), &[]) }).await;
    let ended = ended(&adapter, "w").await;
    assert_eq!((ended.state, ended.output), (WorkflowState::Completed, b"[]".to_vec()));
    let record = record(&adapter, "w").await;
    assert_eq!((record.state, record.len, record.nodes.len()), (WorkflowState::Completed, 0, 0));
    assert_eq!(record.finished_at, Some(record.created_at));
}

pub(super) async fn an_unknown_workflow_is_unknown_everywhere(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("job", TASK)]).await;
    for id in ["nobody", "job"] {
        let id = WorkflowId::from(id);
        assert!(adapter.workflows().workflow(&id, true).await.unwrap().is_none());
        let ended = within(PROMPT, "the answer", adapter.workflows().workflow_ended(&id)).await.unwrap();
        assert!(ended.is_none());
        assert_eq!(adapter.workflows().cancel_workflow(&id, "no").await.unwrap(), CancelOutcome::NotFound);
    }
    start(&adapter, chain("w", 2)).await;
    assert_eq!(state(&adapter, "w").await, None, "a workflow is no job");
    assert_eq!(
        adapter.jobs().cancel(&"w#1".into(), "no").await.unwrap(),
        CancelOutcome::NotFound,
        "it is no job yet"
    );
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Running);
}

pub(super) async fn x11_cancelling_a_workflow_reaches_all_nodes(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut worker = Caller::new(&adapter);
    let active = in_all_states(&adapter, &mut worker).await;
    let mut cancellations = adapter.signals().cancellations();
    let waiting = wait(&second, "w").await;
    assert_eq!(
        second.workflows().cancel_workflow(&"w".into(), "user asked").await.unwrap(),
        CancelOutcome::Cancelled
    );
    let ended = told(waiting).await;
    assert_eq!((ended.state, ended.cause), (WorkflowState::Cancelled, None));
    assert_eq!(ended.reason.as_deref(), Some("user asked"));
    let id = within(PROMPT, "the flag of the active node", cancelled(&mut cancellations)).await;
    assert_eq!(id, active.lease.id);
    let again = adapter.workflows().cancel_workflow(&"w".into(), "again").await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Cancelled));
    all_are_cancelled(&adapter, &mut worker, &active, "user asked").await;
}

pub(super) async fn x12_a_failed_node_fails_its_workflow(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut worker = Caller::new(&adapter);
    let active = in_all_states(&adapter, &mut worker).await;
    let mut cancellations = adapter.signals().cancellations();
    let waiting = wait(&second, "w").await;
    // the node of the other task fails
    let other = worker.claim(1, &[OTHER]).await.remove(0);
    assert_eq!(worker.settle(&other, fail("bad image")).await, Settled::Now(JobState::Failed));
    let ended = told(waiting).await;
    let name = "1 send-email".to_owned();
    let cause = Cause { node: 4, name, task: OTHER.into(), ending: Ending::Failed("bad image".into()) };
    assert_eq!((ended.state, ended.cause), (WorkflowState::Failed, Some(cause)));
    let id = within(PROMPT, "the flag of the active node", cancelled(&mut cancellations)).await;
    assert_eq!(id, active.lease.id);
    let again = adapter.workflows().cancel_workflow(&"w".into(), "too late").await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Failed));
    sweep(&adapter, &[TASK, OTHER], Retention::default()).await;
    // an active node ends as cancelled, whatever its worker says
    assert_eq!(worker.settle(&active, complete("1")).await, Settled::Now(JobState::Cancelled));
    let record = record(&adapter, "w").await;
    let states: Vec<_> = record.nodes.iter().map(|node| node.state).collect();
    let expected =
        [Some(JobState::Completed), CANCELLED, CANCELLED, CANCELLED, Some(JobState::Failed), CANCELLED];
    assert_eq!(states, expected);
    assert_eq!(record.nodes[4].error.as_deref(), Some("bad image"));
    for node in [1, 2, 3, 5] {
        assert_eq!(record.nodes[node].error.as_deref(), Some("workflow failed"), "node {node}");
    }
    assert!(record.finished_at.is_some());
}

pub(super) async fn x10_a_chain_whose_first_step_fails_has_failed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("w", 3)).await;
    Caller::new(&adapter).run_one(fail("no")).await;
    let ended = ended(&adapter, "w").await;
    assert_eq!(ended.state, WorkflowState::Failed);
    assert_eq!(ended.cause.map(|cause| (cause.node, cause.ending)), Some((0, Ending::Failed("no".into()))));
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(states(&adapter, "w").await.1, [Some(JobState::Failed), CANCELLED, CANCELLED]);
}

pub(super) async fn what_is_settled_together_with_a_failure_ends(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chord("w", 4)).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(4, &[TASK]).await;
    let ends = [fail("no"), complete("1"), retry("no", MOMENT * 60), AttemptEnd::release()];
    let settle = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    let answer = worker.exchange(settle, Some(claim(9, &[(TASK, 9)]))).await;
    assert_eq!(answer.settled[0], Settled::Now(JobState::Failed));
    assert!(answer.jobs.is_empty(), "what comes back is not handed out again");
    assert_eq!(ended(&adapter, "w").await.state, WorkflowState::Failed);
    sweep(&adapter, &[TASK], Retention::default()).await;
    let (_, nodes) = states(&adapter, "w").await;
    assert_eq!(nodes[0], Some(JobState::Failed));
    // it was running when the other failed: its result may be kept
    assert!([Some(JobState::Completed), CANCELLED].contains(&nodes[1]), "{nodes:?}");
    assert_eq!(nodes[2..], [CANCELLED; 3]);
    counts_are(&adapter, JobCounts::default()).await;
}

pub(super) async fn x14_a_node_that_stalls_out_fails_its_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut new = group("w", 2);
    new.nodes[0].max_stalls = 0;
    start(&adapter, new).await;
    Caller::new(&adapter).claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.stalled, 1);
    let ended = ended(&adapter, "w").await;
    assert_eq!(ended.state, WorkflowState::Failed);
    let ending = Ending::Stalled(Ending::stalled_message(1));
    assert_eq!(ended.cause.map(|cause| (cause.node, cause.ending)), Some((0, ending)));
    assert_eq!(states(&adapter, "w").await.1, [Some(JobState::Failed), CANCELLED]);
}

pub(super) async fn x14_a_node_that_is_cancelled_alone_cancels_its_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    // a waiting one, and an active one
    for (id, active) in [("waiting", false), ("active", true)] {
        start(&adapter, chord(id, 2)).await;
        let first = JobId::node(&id.into(), 0);
        if active {
            let job = worker.claim_one().await;
            assert_eq!(adapter.jobs().cancel(&first, "why").await.unwrap(), CancelOutcome::Requested);
            assert_eq!(record(&adapter, id).await.state, WorkflowState::Running, "it has not ended");
            worker.settle(&job, AttemptEnd::Cancel).await;
        } else {
            assert_eq!(adapter.jobs().cancel(&first, "why").await.unwrap(), CancelOutcome::Cancelled);
        }
        let ended = ended(&adapter, id).await;
        assert_eq!(ended.state, WorkflowState::Cancelled);
        assert_eq!(ended.reason.as_deref(), Some("why"));
        let cause = ended.cause.expect("a node ended it");
        assert_eq!((cause.node, cause.ending), (0, Ending::Cancelled("why".into())));
        sweep(&adapter, &[TASK], Retention::default()).await;
        let nodes = record(&adapter, id).await.nodes;
        let ends: Vec<_> = nodes.iter().map(|node| (node.state, node.error.as_deref())).collect();
        let by_flow = (CANCELLED, Some("workflow cancelled"));
        assert_eq!(ends, [(CANCELLED, Some("why")), by_flow, by_flow], "{id}");
    }
}

pub(super) async fn x16_a_deadline_is_kept_by_the_store(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut worker = Caller::new(&adapter);
    start(&adapter, NewWorkflow { ttl: Some(MOMENT * 20), ..chord("w", 3) }).await;
    worker.run_one(complete("0")).await;
    let active = worker.claim_one().await;
    let waiting = wait(&second, "w").await;
    sweep(&second, &[TASK], Retention::default()).await;
    assert!(!waiting.is_finished());
    f.advance(MOMENT * 21).await;
    sweep(&second, &[TASK], Retention::default()).await;
    let ended = told(waiting).await;
    assert_eq!((ended.state, ended.cause), (WorkflowState::Expired, None));
    worker.settle(&active, complete("1")).await;
    let nodes = record(&adapter, "w").await.nodes;
    assert_eq!(nodes[0].state, Some(JobState::Completed));
    for node in &nodes[1..] {
        assert_eq!((node.state, node.error.as_deref()), (CANCELLED, Some("workflow expired")));
    }
    let again = adapter.workflows().cancel_workflow(&"w".into(), "too late").await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Expired));
}

/// A worker that claims jobs of this task, has room for more, and sleeps until there is a signal or something is due.
fn idle_worker(adapter: &Arc<dyn Adapter>, task: &'static str) -> JoinHandle<()> {
    let adapter = Arc::clone(adapter);
    tokio::spawn(async move {
        let (mut worker, listener) = (Caller::new(&adapter), adapter.signals().work());
        let roomy = || Some(Claim { room: 9, ..claim(1, &[(task, 1)]) });
        let mut answer = worker.exchange(Vec::new(), roomy()).await;
        loop {
            let time = if answer.more { Duration::ZERO } else { answer.next_due.unwrap_or(PATIENCE) };
            let call = worker.call(Vec::new(), roomy());
            answer = listener.wait(&call, time, &Notify::new()).await.expect("wait");
        }
    })
}

async fn expires_by_itself(adapter: &Arc<dyn Adapter>, id: &str) {
    tokio::time::sleep(QUIET).await;
    assert_eq!(record(adapter, id).await.state, WorkflowState::Running, "not before its deadline");
    let ended = async {
        while record(adapter, id).await.state == WorkflowState::Running {
            tokio::time::sleep(MOMENT / 100).await;
        }
    };
    within(PROMPT, "the end at the deadline", ended).await;
    assert_eq!(record(adapter, id).await.state, WorkflowState::Expired);
}

pub(super) async fn an_idle_worker_wakes_for_a_deadline(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let ttl = Some(QUIET * 4);
    // the worker may serve any task; nothing sweeps or awaits the workflow
    start(&second, NewWorkflow { ttl, ..chain("before", 2) }).await;
    let other = idle_worker(&adapter, OTHER);
    expires_by_itself(&second, "before").await;
    other.abort();
    // one that is woken for its first step
    let own = idle_worker(&adapter, TASK);
    tokio::time::sleep(QUIET).await;
    start(&second, NewWorkflow { ttl, ..chain("while it sleeps", 2) }).await;
    expires_by_itself(&second, "while it sleeps").await;
    own.abort();
}

pub(super) async fn whoever_awaits_a_workflow_has_it_end_at_its_deadline(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    // only a busy worker
    let (mut worker, mut cancellations) = (Caller::new(&adapter), adapter.signals().cancellations());
    let (begun, ttl) = (Instant::now(), QUIET * 4);
    start(&adapter, NewWorkflow { ttl: Some(ttl), ..chord("w", 2) }).await;
    let active = worker.claim_one().await;
    let mut waiting = Vec::new();
    for adapter in [&adapter, &second] {
        waiting.push(wait(adapter, "w").await);
    }
    let known = record(&adapter, "w").await.state;
    assert!(known == WorkflowState::Running || begun.elapsed() >= ttl, "{known:?} before its deadline");
    for waiting in waiting {
        let ended = told(waiting).await;
        assert_eq!((ended.state, ended.cause), (WorkflowState::Expired, None));
    }
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Expired, "for everybody");
    let id = within(PROMPT, "the flag of the active node", cancelled(&mut cancellations)).await;
    assert_eq!(id, active.lease.id);
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "nothing of it starts any more");
    assert_eq!(worker.settle(&active, AttemptEnd::Cancel).await, Settled::Now(JobState::Cancelled));
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(states(&adapter, "w").await.1, [CANCELLED; 3]);

    // a later waiter is told at once
    start(&adapter, NewWorkflow { ttl: Some(MOMENT), ..chord("late", 2) }).await;
    f.advance(MOMENT * 2).await;
    assert_eq!(ended(&second, "late").await.state, WorkflowState::Expired);
    // and a workflow that ends in time ends normally
    start(&adapter, NewWorkflow { ttl: Some(MOMENT * 60), ..group("in time", 1) }).await;
    let waiting = wait(&second, "in time").await;
    Caller::new(&adapter).run_one(complete("1")).await;
    assert_eq!(told(waiting).await.state, WorkflowState::Completed);
}

pub(super) async fn a_claim_of_any_task_ends_what_is_late(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, NewWorkflow { ttl: Some(MOMENT), ..chain("w", 2) }).await;
    f.advance(MOMENT * 2).await;
    assert!(Caller::new(&adapter).claim(1, &[OTHER]).await.is_empty());
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Expired);
}

pub(super) async fn nothing_of_an_expired_workflow_is_handed_out(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, NewWorkflow { ttl: Some(MOMENT), ..group("w", 3) }).await;
    put(&adapter, [job("plain", TASK)]).await;
    f.advance(MOMENT * 2).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["plain"]);
    assert_eq!(ended(&adapter, "w").await.state, WorkflowState::Expired);
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(states(&adapter, "w").await.1, [CANCELLED; 3]);
}

pub(super) async fn a_workflow_that_ended_in_time_stays_as_it_is(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, NewWorkflow { ttl: Some(MOMENT * 20), ..group("w", 1) }).await;
    Caller::new(&adapter).run_one(complete("1")).await;
    f.advance(MOMENT * 21).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ended(&adapter, "w").await.state, WorkflowState::Completed);
}

pub(super) async fn x06_all_who_wait_for_a_workflow_are_told(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    start(&adapter, group("größe", 1)).await;
    assert!(
        timeout(QUIET, adapter.workflows().workflow_ended(&"größe".into())).await.is_err(),
        "it has not ended"
    );
    let mut waiting = Vec::new();
    for adapter in [&adapter, &second, &adapter] {
        waiting.push(wait(adapter, "größe").await);
    }
    Caller::new(&adapter).run_one(complete("1")).await;
    for waiting in waiting {
        let ended = told(waiting).await;
        assert_eq!((ended.state, ended.output), (WorkflowState::Completed, b"[0]".to_vec()));
    }
    assert_eq!(ended(&second, "größe").await.state, WorkflowState::Completed, "also who comes later");
}

pub(super) async fn a_flag_of_a_node_goes_with_a_lost_lease(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    start(&adapter, group("w", 2)).await;
    worker.claim(2, &[TASK]).await;
    adapter.workflows().cancel_workflow(&"w".into(), "stop").await.unwrap();
    f.advance(LEASE + MOMENT).await;
    let swept = sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!((swept.rescued, swept.stalled), (0, 0), "the nodes are not run again");
    assert_eq!(states(&adapter, "w").await, (WorkflowState::Cancelled, vec![CANCELLED; 2]));
}
