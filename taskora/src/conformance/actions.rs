//! Single jobs that are promoted, withdrawn and deleted.

use std::sync::Arc;

use super::Fixture;
use super::action_kit::{delete, one_in_each_state, withdraw};
use super::flow_kit::{flow, node, record, start};
use super::kit::{
    Caller, MOMENT, OTHER, PATIENCE, TASK, complete, delayed, ending, ids, info, job, prioritised, put,
    retry, state, sweep, within,
};
use crate::adapter::{Acted, Adapter, Ending, Enqueued, JobCounts, NewJob, Settled};
use crate::job::{JobState, Timestamp};
use crate::policy::Retention;
use crate::workflow::WorkflowState;

async fn promote(adapter: &Arc<dyn Adapter>, id: &str) -> Acted {
    adapter.actions().promote(&id.into()).await.expect("promote")
}

pub(super) async fn a_promoted_job_is_due_now(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), delayed("b", TASK, 60_000), delayed("c", TASK, 90_000)]).await;
    assert_eq!(promote(&adapter, "c").await, Acted::Done);
    assert_eq!(info(&adapter, "c").await.due_at, None);
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a", "c"]);
    f.advance(MOMENT * 60).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"], "nothing changed for the others");
}

pub(super) async fn a_promoted_job_keeps_its_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let high = NewJob { priority: 5, ..delayed("high", TASK, 60_000) };
    put(&adapter, [job("a", TASK), high, prioritised("low", TASK, -5)]).await;
    assert_eq!(promote(&adapter, "high").await, Acted::Done);
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["high", "a", "low"]);
}

pub(super) async fn a_retrying_job_is_promoted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert_eq!(promote(&adapter, "a").await, Acted::Done);
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.attempt, 2, "its attempts count");
    assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Now(JobState::Completed));
}

pub(super) async fn a_promotion_wakes_a_worker(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 3_600_000)]).await;
    let listener = adapter.signals().work();
    let mut worker = Caller::new(&adapter);
    let promoted = async {
        tokio::task::yield_now().await;
        promote(&adapter, "a").await
    };
    let waits = worker.next_job(&*listener, &[TASK]);
    let (claimed, acted) = within(PATIENCE, "a claim", async { tokio::join!(waits, promoted) }).await;
    assert_eq!((claimed.lease.id.as_str(), acted), ("a", Acted::Done));
}

pub(super) async fn only_what_is_to_come_is_promoted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for state in
        [JobState::Waiting, JobState::Active, JobState::Completed, JobState::Failed, JobState::Cancelled]
    {
        assert_eq!(promote(&adapter, state.as_str()).await, Acted::Is(state));
    }
    assert_eq!(promote(&adapter, "nobody").await, Acted::NotFound);
}

pub(super) async fn what_has_not_started_is_withdrawn(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for id in ["waiting", "delayed", "retrying"] {
        assert_eq!(withdraw(&adapter, id).await, Acted::Done, "{id}");
        assert_eq!(ending(&adapter, id).await, Ending::Cancelled("why".into()), "{id}");
    }
    for state in [JobState::Active, JobState::Completed, JobState::Failed, JobState::Cancelled] {
        assert_eq!(withdraw(&adapter, state.as_str()).await, Acted::Is(state));
    }
    assert_eq!(withdraw(&adapter, "nobody").await, Acted::NotFound);
    assert!(Caller::new(&adapter).claim(9, &[TASK]).await.is_empty(), "nothing is left in line");
}

pub(super) async fn withdrawing_a_node_cancels_its_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, flow("w", vec![node(None)], &[&[0]])).await;
    assert_eq!(withdraw(&adapter, "w#0").await, Acted::Done);
    assert_eq!(record(&adapter, "w").await.state, WorkflowState::Cancelled);
}

pub(super) async fn what_has_ended_is_deleted_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for id in ["completed", "failed"] {
        assert_eq!(delete(&adapter, id).await, Acted::Done, "{id}");
        assert_eq!(state(&adapter, id).await, None, "{id}");
        assert_eq!(delete(&adapter, id).await, Acted::NotFound, "{id}");
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!((counts.completed, counts.failed, counts.cancelled), (0, 0, 1));
    put(&adapter, [job("completed", OTHER)]).await; // the id is free
}

pub(super) async fn what_waits_is_deleted_by_the_next_sweep_at_the_latest(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for id in ["waiting", "delayed", "retrying", "cancelled"] {
        assert_eq!(delete(&adapter, id).await, Acted::Done, "{id}");
        assert!(matches!(state(&adapter, id).await, None | Some(JobState::Cancelled)), "{id}");
    }
    let mut worker = Caller::new(&adapter);
    f.advance(MOMENT * 10).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    sweep(&adapter, &[TASK], Retention::default()).await;
    for id in ["waiting", "delayed", "retrying", "cancelled"] {
        assert_eq!(state(&adapter, id).await, None, "{id}");
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { active: 1, completed: 1, failed: 1, ..JobCounts::default() });
    assert_eq!(adapter.jobs().enqueue(vec![job("waiting", TASK)]).await.unwrap(), [Enqueued::New]);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["waiting"]);
}

pub(super) async fn one_of_many_completed_jobs_is_deleted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let names: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    put(&adapter, names.iter().map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    for _ in &names {
        worker.run_one(complete("1")).await;
    }
    for id in ["00", "25", "49"] {
        assert_eq!(delete(&adapter, id).await, Acted::Done, "{id}");
    }
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().completed, 47);
    for id in &names {
        let is_gone = ["00", "25", "49"].contains(&id.as_str());
        assert_eq!(state(&adapter, id).await.is_none(), is_gone, "{id}");
    }
}

pub(super) async fn only_what_has_ended_then_is_discarded(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    let discard = async |id: &str, at| adapter.actions().discard(vec![(id.into(), at)]).await.unwrap();
    for state in JobState::ALL.iter().filter(|state| **state != JobState::Expired) {
        let id = state.as_str();
        let at = info(&adapter, id).await.finished_at.unwrap_or_default();
        let another = Timestamp::from_millis(at.as_millis() + 1);
        assert_eq!(discard(id, another).await, [Acted::Is(*state)], "{id}");
        let acted = discard(id, at).await;
        assert_eq!(acted, [if state.is_terminal() { Acted::Done } else { Acted::Is(*state) }]);
    }
    assert_eq!(discard("nobody", Timestamp::default()).await, [Acted::NotFound]);
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!((counts.waiting, counts.delayed, counts.active), (1, 2, 1));
}

pub(super) async fn what_runs_is_not_deleted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    assert_eq!(delete(&adapter, "a").await, Acted::Is(JobState::Active));
    assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Now(JobState::Completed));
}

pub(super) async fn a_node_is_neither_deleted_nor_promoted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, flow("w", vec![node(None)], &[&[0]])).await;
    assert_eq!(delete(&adapter, "w#0").await, Acted::PartOf("w".into()));
    assert_eq!(promote(&adapter, "w#0").await, Acted::PartOf("w".into()));
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["w#0"]);
}

pub(super) async fn whoever_waits_for_a_deleted_job_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 60_000)]).await;
    let waiting = Arc::clone(&adapter);
    let told = tokio::spawn(async move { waiting.signals().ended(&"a".into()).await });
    // it may ask before or after the job is gone
    tokio::task::yield_now().await;
    assert_eq!(delete(&adapter, "a").await, Acted::Done);
    let ended = within(PATIENCE, "an answer", told).await.unwrap().unwrap();
    assert!(ended.is_none_or(|ended| ended.ending == Ending::Cancelled("gone".into())));
}

pub(super) async fn nothing_to_do_is_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let actions = adapter.actions();
    assert_eq!(actions.revive(Vec::new()).await.unwrap(), []);
    assert_eq!(actions.withdraw(&[], "why").await.unwrap(), []);
    assert_eq!(actions.delete(&[], "why").await.unwrap(), []);
}
