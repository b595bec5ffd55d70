//! Jobs that are replaced before they start.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::action_kit::{one_in_each_state, replace};
use super::admission_kit::{admit, deduplicated, owner};
use super::flow_kit::{flow, node, start};
use super::kit::{
    Caller, MOMENT, OTHER, PATIENCE, TASK, complete, delayed, ending, ids, info, job, prioritised, put,
    retry, state, within,
};
use crate::adapter::{
    Acted, AdapterError, Admission, Admitted, Ending, Enqueued, NewJob, Once, Otherwise, Rule,
};
use crate::job::{Blocked, JobState};
use crate::policy::Ttl;

fn cancelled(new: &str) -> Ending {
    Ending::Cancelled(format!("replaced by {new}"))
}

pub(super) async fn the_new_job_runs_in_place_of_the_old_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [prioritised("old", TASK, 5), prioritised("equal", TASK, 5), job("plain", TASK)]).await;
    let new = NewJob { payload: b"\"better\"".to_vec(), max_attempts: 4, ..prioritised("new", TASK, -9) };
    let new = NewJob { meta: vec![("k".into(), "v".into())], ..new };
    assert_eq!(replace(&adapter, "old", new).await, Acted::Done);
    assert_eq!(ending(&adapter, "old").await, cancelled("new"));
    let stored = info(&adapter, "new").await;
    assert_eq!((stored.state, stored.priority, stored.max_attempts), (JobState::Waiting, 5, 4));
    assert_eq!(stored.meta, [("k".to_owned(), "v".to_owned())]);
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["equal", "new", "plain"], "behind the others of its priority");
    assert_eq!(claimed[1].payload, b"\"better\"");
}

pub(super) async fn a_large_payload_replaces_a_small_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("old", TASK)]).await;
    let large = vec![b'7'; 10_000];
    assert_eq!(
        replace(&adapter, "old", NewJob { payload: large.clone(), ..job("new", TASK) }).await,
        Acted::Done
    );
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["new"]);
    assert_eq!(claimed[0].payload, large);
}

pub(super) async fn what_is_to_come_keeps_its_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("tried", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    let due = info(&adapter, "tried").await.due_at.expect("a time");
    assert_eq!(replace(&adapter, "tried", delayed("anew", TASK, 1)).await, Acted::Done);
    let anew = info(&adapter, "anew").await;
    assert_eq!((anew.state, anew.due_at, anew.attempts), (JobState::Delayed, Some(due), 0));
    assert_eq!(ending(&adapter, "tried").await, cancelled("anew"));
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    f.advance(MOMENT * 61).await;
    let claimed = worker.claim_one().await;
    assert_eq!((claimed.lease.id.as_str(), claimed.attempt), ("anew", 1));
}

pub(super) async fn a_job_that_was_due_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("old", TASK, 10)]).await;
    f.advance(MOMENT).await;
    assert_eq!(replace(&adapter, "old", delayed("new", TASK, 60_000)).await, Acted::Done);
    assert_eq!(state(&adapter, "new").await, Some(JobState::Waiting));
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["new"]);
}

pub(super) async fn a_replacement_begins_its_own_ttl(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { ttl: Some(Ttl::new(MOMENT)), ..job("old", TASK) }, job("other", TASK)]).await;
    assert_eq!(replace(&adapter, "old", job("new", TASK)).await, Acted::Done);
    let ttl = Some(Ttl::new(MOMENT));
    assert_eq!(replace(&adapter, "other", NewJob { ttl, ..job("late", TASK) }).await, Acted::Done);
    f.advance(MOMENT * 2).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["new"]);
    assert_eq!(state(&adapter, "late").await, Some(JobState::Expired));
}

pub(super) async fn only_what_does_not_run_and_has_not_ended_is_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    one_in_each_state(&adapter).await;
    for state in [JobState::Completed, JobState::Failed, JobState::Active, JobState::Cancelled] {
        assert_eq!(replace(&adapter, state.as_str(), job("new", TASK)).await, Acted::Is(state));
    }
    assert_eq!(replace(&adapter, "nobody", job("new", TASK)).await, Acted::NotFound);
    start(&adapter, flow("w", vec![node(None)], &[&[0]])).await;
    assert_eq!(replace(&adapter, "w#0", job("new", TASK)).await, Acted::PartOf("w".into()));
    assert_eq!(state(&adapter, "new").await, None, "nothing was stored");
}

pub(super) async fn a_known_id_or_another_task_replaces_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("old", TASK), job("same", TASK), job("other", OTHER)]).await;
    for id in ["old", "same", "other"] {
        assert_eq!(replace(&adapter, "old", job(id, TASK)).await, Acted::Taken, "{id}");
    }
    let refused = adapter.actions().replace(&"old".into(), job("new", OTHER), "why").await;
    assert!(matches!(refused.unwrap_err(), AdapterError::Config(_)), "of another task");
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["old", "same"]);
}

pub(super) async fn a_replacement_may_be_repeated(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("old", TASK)]).await;
    for _ in 0..2 {
        assert_eq!(replace(&adapter, "old", job("new", TASK)).await, Acted::Done);
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!((counts.waiting, counts.cancelled), (1, 1));
    assert_eq!(replace(&adapter, "old", job("newer", TASK)).await, Acted::Is(JobState::Cancelled));
    assert_eq!(replace(&adapter, "new", job("newer", TASK)).await, Acted::Done, "and so on");
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["newer"]);
    assert_eq!(adapter.jobs().enqueue(vec![job("newer", TASK)]).await.unwrap(), [Enqueued::Duplicate]);
}

pub(super) async fn a_replacement_wakes_a_worker_and_ends_waits(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("old", TASK, 10)]).await;
    let waiting = Arc::clone(&adapter);
    let told = tokio::spawn(async move { waiting.signals().ended(&"old".into()).await });
    f.advance(MOMENT).await;
    let listener = adapter.signals().work();
    let mut worker = Caller::new(&adapter);
    let replaced = replace(&adapter, "old", job("new", TASK)).await;
    let claimed = within(PATIENCE, "a claim", worker.next_job(&*listener, &[TASK])).await;
    assert_eq!((claimed.lease.id.as_str(), replaced), ("new", Acted::Done));
    let ended = within(PATIENCE, "an end", told).await.unwrap().unwrap().unwrap();
    assert_eq!(ended.ending, cancelled("new"));
}

pub(super) async fn the_new_job_owns_the_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let follow = Otherwise::Follow { cancel_running: false };
    assert_eq!(admit(&adapter, deduplicated(job("old", TASK), follow)).await, Admitted::New);
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert_eq!(admit(&adapter, deduplicated(job("next", TASK), follow)).await, Admitted::New);
    assert_eq!(replace(&adapter, "old", job("new", TASK)).await, Acted::Done);
    assert_eq!(owner(&adapter, TASK).await, Some("new".into()));
    assert_eq!(info(&adapter, "next").await.blocked, Some(Blocked::Behind("new".into())));
    let again = deduplicated(job("again", TASK), Otherwise::Drop);
    assert_eq!(admit(&adapter, again).await, Admitted::Duplicate("new".into()));

    // whoever waits behind it is replaced there
    assert_eq!(replace(&adapter, "next", job("last", TASK)).await, Acted::Done);
    assert_eq!(info(&adapter, "last").await.blocked, Some(Blocked::Behind("new".into())));
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    f.advance(MOMENT * 61).await;
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), "new");
    assert_eq!(owner(&adapter, TASK).await, Some("last".into()));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["last"]);
}

pub(super) async fn the_new_job_is_debounced_and_known_by_its_idempotency_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let debounced = |id| Admission {
        job: job(id, TASK),
        key: "k".to_owned(),
        rule: Rule::Debounce { delay: MOMENT * 4, max_wait: None },
    };
    assert_eq!(admit(&adapter, debounced("old")).await, Admitted::New);
    assert_eq!(replace(&adapter, "old", job("new", TASK)).await, Acted::Done);
    assert_eq!(admit(&adapter, debounced("later")).await, Admitted::Replaced("new".into()));
    let once = Once { life: Duration::from_secs(3600), fingerprint: 1, keep_failures: false };
    let once = |id| Admission { job: job(id, TASK), key: "once".to_owned(), rule: Rule::Once(once) };
    assert_eq!(admit(&adapter, once("first")).await, Admitted::New);
    assert_eq!(replace(&adapter, "first", job("second", TASK)).await, Acted::Done);
    assert_eq!(admit(&adapter, once("third")).await, Admitted::Duplicate("second".into()));
    // it is freed as it would have been
    adapter.jobs().cancel(&"second".into(), "why").await.expect("cancel");
    assert_eq!(admit(&adapter, once("third")).await, Admitted::New);
}
