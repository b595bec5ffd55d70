//! Jobs that get another priority.

use std::sync::Arc;

use super::Fixture;
use super::action_kit::{delete, one_in_each_state, reprioritise};
use super::admission_kit::{admit, deduplicated};
use super::flow_kit::{flow, node, start};
use super::kit::{
    Caller, MOMENT, PATIENCE, TASK, complete, delayed, ids, info, job, prioritised, put, retry, state, sweep,
    within,
};
use crate::adapter::{Acted, Adapter, Admitted, CancelOutcome, Enqueued, NewJob, Otherwise};
use crate::job::JobState;
use crate::policy::{Retention, RetentionLimit, Ttl};

/// What one claim hands out of all that may go, in order.
async fn order(adapter: &Arc<dyn Adapter>) -> Vec<String> {
    let claimed = Caller::new(adapter).claim(50, &[TASK]).await;
    claimed.into_iter().map(|job| job.lease.id.to_string()).collect()
}

pub(super) async fn a_job_goes_behind_those_of_its_new_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let high = prioritised("high", TASK, 5);
    put(&adapter, [job("a", TASK), job("b", TASK), high, prioritised("low", TASK, -5), job("c", TASK)]).await;
    assert_eq!(reprioritise(&adapter, "c", 5).await, Acted::Done);
    assert_eq!(reprioritise(&adapter, "a", -5).await, Acted::Done);
    assert_eq!(info(&adapter, "c").await.priority, 5);
    put(&adapter, [job("d", TASK)]).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 6);
    assert_eq!(order(&adapter).await, ["high", "c", "b", "d", "low", "a"]);
}

pub(super) async fn a_priority_goes_there_and_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK), prioritised("c", TASK, 3)]).await;
    for priority in [9, 0, -2, 0] {
        assert_eq!(reprioritise(&adapter, "a", priority).await, Acted::Done);
        assert_eq!(reprioritise(&adapter, "c", priority).await, Acted::Done);
    }
    put(&adapter, [job("d", TASK)]).await;
    assert_eq!(order(&adapter).await, ["b", "a", "c", "d"]);
}

pub(super) async fn the_same_priority_changes_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    assert_eq!(reprioritise(&adapter, "a", 0).await, Acted::Done);
    assert_eq!(order(&adapter).await, ["a", "b"]);
}

pub(super) async fn what_is_to_come_has_its_priority_when_it_comes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("tried", TASK)]).await;
    Caller::new(&adapter).run_one(retry("no", MOMENT * 2)).await;
    put(&adapter, [delayed("later", TASK, 100), job("a", TASK)]).await;
    for id in ["tried", "later"] {
        assert_eq!(reprioritise(&adapter, id, 7).await, Acted::Done);
    }
    assert_eq!(state(&adapter, "tried").await, Some(JobState::Retrying));
    assert_eq!(state(&adapter, "later").await, Some(JobState::Delayed));
    f.advance(MOMENT * 3).await;
    let all = order(&adapter).await;
    assert_eq!(all[2], "a", "{all:?}");
}

pub(super) async fn only_what_does_not_run_and_has_not_ended_gets_another_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for state in [JobState::Completed, JobState::Failed, JobState::Active, JobState::Cancelled] {
        assert_eq!(reprioritise(&adapter, state.as_str(), 3).await, Acted::Is(state));
        assert_eq!(info(&adapter, state.as_str()).await.priority, 0);
    }
    assert_eq!(reprioritise(&adapter, "nobody", 3).await, Acted::NotFound);
    start(&adapter, flow("w", vec![node(None)], &[&[0]])).await;
    assert_eq!(reprioritise(&adapter, "w#0", 3).await, Acted::PartOf("w".into()));
}

pub(super) async fn a_job_that_comes_back_has_its_new_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    reprioritise(&adapter, "b", 4).await;
    reprioritise(&adapter, "b", 0).await;
    reprioritise(&adapter, "a", 2).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.lease.id.as_str(), "a");
    f.advance(MOMENT * 200).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    put(&adapter, [prioritised("c", TASK, 1)]).await;
    assert_eq!(order(&adapter).await, ["a", "c", "b"], "rescued, to the front of its priority");
}

pub(super) async fn a_job_with_another_priority_ends_like_any_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ttl = Some(Ttl::new(MOMENT * 2));
    let late = NewJob { ttl, ..job("late", TASK) };
    put(&adapter, [job("first", TASK), job("cancelled", TASK), job("deleted", TASK), late]).await;
    for id in ["cancelled", "deleted", "late"] {
        assert_eq!(reprioritise(&adapter, id, -3).await, Acted::Done);
    }
    let cancelled = adapter.jobs().cancel(&"cancelled".into(), "why").await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Cancelled);
    assert_eq!(delete(&adapter, "deleted").await, Acted::Done);
    f.advance(MOMENT * 3).await;
    assert_eq!(order(&adapter).await, ["first"]);
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "late").await, Some(JobState::Expired));
    assert_eq!(state(&adapter, "deleted").await, None);
}

/// Its id must not be used again while anything is left of its first place.
pub(super) async fn an_id_comes_again_after_its_job_had_another_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["first", "kept", "trimmed", "deleted"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    for id in ["trimmed", "deleted"] {
        reprioritise(&adapter, id, 9).await;
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), id);
    }
    assert_eq!(delete(&adapter, "deleted").await, Acted::Done);
    let nothing = RetentionLimit::new(MOMENT, 0);
    f.advance(MOMENT * 2).await;
    let retention = Retention::default().completed(nothing).failed(nothing);
    sweep(&adapter, &[TASK], retention).await;
    // whether they are known or not: what is stored runs
    let mut expected = vec!["first".to_owned(), "kept".to_owned()];
    for id in ["trimmed", "deleted"] {
        if adapter.jobs().enqueue(vec![job(id, TASK)]).await.unwrap() == [Enqueued::New] {
            expected.push(id.to_owned());
        }
    }
    assert_eq!(order(&adapter).await, expected);
    sweep(&adapter, &[TASK], retention).await;
    for id in ["trimmed", "deleted"].into_iter().filter(|id| !expected.iter().any(|known| known == id)) {
        assert_eq!(adapter.jobs().enqueue(vec![job(id, TASK)]).await.unwrap(), [Enqueued::New], "{id}");
    }
}

pub(super) async fn a_higher_priority_wakes_a_worker(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let listener = adapter.signals().work();
    let mut worker = Caller::new(&adapter);
    assert_eq!(reprioritise(&adapter, "a", 3).await, Acted::Done);
    let claimed = within(PATIENCE, "a claim", worker.next_job(&*listener, &[TASK])).await;
    assert_eq!(claimed.lease.id.as_str(), "a");
}

pub(super) async fn who_waits_behind_another_job_has_its_priority_when_it_goes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let follow = Otherwise::Follow { cancel_running: false };
    assert_eq!(admit(&adapter, deduplicated(job("a", TASK), follow)).await, Admitted::New);
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    assert_eq!(admit(&adapter, deduplicated(job("b", TASK), follow)).await, Admitted::New);
    assert_eq!(reprioritise(&adapter, "b", 6).await, Acted::Done);
    put(&adapter, [job("c", TASK)]).await;
    worker.settle(&running, complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b", "c"]);
}
