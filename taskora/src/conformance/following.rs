//! Jobs that wait for the owner of their key to end.

use std::time::Duration;

use super::Fixture;
use super::admission_kit::{admit, admit_all, deduplicated, owner};
use super::kit::{
    Caller, LEASE, MOMENT, TASK, cancelled, complete, delayed, ending, fail, ids, info, job, prioritised,
    put, retry, state, sweep,
};
use crate::adapter::{
    Admission, Admitted, AttemptEnd, CancelOutcome, Ending, JobCounts, NewJob, Otherwise, Settled,
};
use crate::job::{Blocked, JobState};
use crate::policy::{Retention, Ttl};

const CANCEL: Otherwise = Otherwise::Follow { cancel_running: true };

fn following(id: &str) -> Admission {
    deduplicated(job(id, TASK), Otherwise::Follow { cancel_running: false })
}

pub(super) async fn the_newest_runs_after_the_one_that_runs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(admit(&adapter, following("a")).await, Admitted::New);
    assert_eq!(admit(&adapter, following("b")).await, Admitted::Replaced("a".into()), "it has not started");
    let a = worker.claim_one().await;
    assert_eq!(a.payload, b"\"b\"");
    let admitted = admit_all(&adapter, [following("c"), following("d"), following("e")]).await;
    assert_eq!(admitted, [Admitted::New, Admitted::Replaced("c".into()), Admitted::Replaced("c".into())]);
    let c = info(&adapter, "c").await;
    assert_eq!((c.state, c.blocked), (JobState::Waiting, Some(Blocked::Behind("a".into()))));
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { active: 1, waiting: 1, ..JobCounts::default() });
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "never two of a key");
    assert_eq!(owner(&adapter, TASK).await, Some("a".into()));

    worker.settle(&a, complete("1")).await;
    assert_eq!(owner(&adapter, TASK).await, Some("c".into()));
    assert_eq!(info(&adapter, "c").await.blocked, None);
    let c = worker.claim_one().await;
    assert_eq!((c.lease.id.as_str(), &*c.payload), ("c", &b"\"e\""[..]));
    assert_eq!(admit(&adapter, following("f")).await, Admitted::New);
    worker.settle(&c, complete("1")).await;
    worker.run_one(complete("1")).await;
    assert_eq!(owner(&adapter, TASK).await, None);
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { completed: 3, ..JobCounts::default() });
}

pub(super) async fn a_settled_owner_hands_over_in_the_same_call(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    admit(&adapter, following("b")).await;
    let settle = vec![a.settlement(complete("1"))];
    let answer = worker.exchange(settle, Some(super::kit::claim(1, &[(TASK, 1)]))).await;
    assert_eq!(answer.settled, [Settled::Now(JobState::Completed)]);
    assert_eq!(ids(&answer.jobs), ["b"]);
}

pub(super) async fn whatever_ends_the_owner_lets_the_next_one_run(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let fragile = NewJob { max_stalls: 0, ..job("stalls", TASK) };
    admit(&adapter, deduplicated(fragile, CANCEL)).await;
    worker.claim_one().await;
    assert_eq!(admit(&adapter, following("b")).await, Admitted::New);
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "stalls").await, Some(JobState::Failed));

    let b = worker.claim_one().await;
    admit(&adapter, following("c")).await;
    assert_eq!(worker.settle(&b, fail("no")).await, Settled::Now(JobState::Failed));

    let c = worker.claim_one().await;
    worker.settle(&c, retry("no", MOMENT)).await;
    assert_eq!(admit(&adapter, following("d")).await, Admitted::New, "a job that is retried has started");
    assert_eq!(adapter.jobs().cancel(&"c".into(), "no").await.unwrap(), CancelOutcome::Cancelled);

    let brief = |id| NewJob { ttl: Some(Ttl::new(LEASE * 2)), ..job(id, TASK) };
    let d = worker.claim_one().await;
    worker.settle(&d, AttemptEnd::Release { delay: Duration::ZERO }).await;
    assert_eq!(
        admit(&adapter, deduplicated(brief("e"), CANCEL)).await,
        Admitted::New,
        "it was claimed before"
    );
    assert_eq!(ending(&adapter, "d").await, Ending::Cancelled(Otherwise::SUPERSEDED.to_owned()));

    let e = worker.claim_one().await;
    worker.settle(&e, retry("no", LEASE)).await;
    assert_eq!(admit(&adapter, following("f")).await, Admitted::New);
    f.advance(LEASE * 2).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ending(&adapter, "e").await, Ending::Expired);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["f"]);
}

pub(super) async fn an_owner_that_comes_back_goes_first(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    admit(&adapter, following("b")).await;
    worker.settle(&a, retry("no", MOMENT)).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "it has not ended");
    f.advance(MOMENT).await;
    worker.claim_one().await;
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(info(&adapter, "b").await.blocked, Some(Blocked::Behind("a".into())));
    let a = worker.claim_one().await;
    assert_eq!(a.lease.id, "a".into());
    worker.settle(&a, complete("1")).await;
    assert_eq!(worker.claim_one().await.lease.id, "b".into());
}

pub(super) async fn an_owner_that_runs_is_told_to_stop(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, deduplicated(job("a", TASK), CANCEL)).await;
    let mut cancellations = adapter.signals().cancellations();
    let a = worker.claim_one().await;
    assert_eq!(admit(&adapter, deduplicated(job("b", TASK), CANCEL)).await, Admitted::New);
    super::kit::within(super::kit::PROMPT, "the worker is told", async {
        assert_eq!(cancelled(&mut cancellations).await, "a".into());
    })
    .await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "it runs on until its worker stops it");
    assert_eq!(worker.settle(&a, complete("1")).await, Settled::Now(JobState::Cancelled));
    assert_eq!(ending(&adapter, "a").await, Ending::Cancelled(Otherwise::SUPERSEDED.to_owned()));
    let b = worker.claim_one().await;
    worker.settle(&b, retry("no", MOMENT)).await;
    assert_eq!(admit(&adapter, deduplicated(job("c", TASK), CANCEL)).await, Admitted::New);
    assert_eq!(
        state(&adapter, "b").await,
        Some(JobState::Cancelled),
        "it does not wait for its next attempt"
    );
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
}

pub(super) async fn a_job_behind_another_can_be_cancelled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    admit(&adapter, following("b")).await;
    assert_eq!(adapter.jobs().cancel(&"b".into(), "no").await.unwrap(), CancelOutcome::Cancelled);
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { active: 1, cancelled: 1, ..JobCounts::default() });
    assert_eq!(admit(&adapter, following("c")).await, Admitted::New, "its place is free");
    worker.settle(&a, complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
}

pub(super) async fn a_job_behind_another_expires(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    let brief = NewJob { ttl: Some(Ttl::new(MOMENT)), ..job("b", TASK) };
    let follow = Otherwise::Follow { cancel_running: false };
    admit(&adapter, deduplicated(brief, follow)).await;
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ending(&adapter, "b").await, Ending::Expired);
    assert_eq!(admit(&adapter, following("c")).await, Admitted::New);
    worker.settle(&a, complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
}

pub(super) async fn a_job_behind_another_keeps_its_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let follow = |new| deduplicated(new, Otherwise::Follow { cancel_running: false });
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    put(&adapter, [job("x", TASK), prioritised("y", TASK, 9)]).await;
    admit(&adapter, follow(job("b", TASK))).await;
    admit(&adapter, follow(prioritised("c", TASK, 5))).await;
    assert_eq!(info(&adapter, "b").await.priority, 5, "it is in no line yet");
    worker.settle(&a, complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["y", "b", "x"]);
}

pub(super) async fn a_delayed_owner_is_replaced_and_not_followed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let follow = Otherwise::Follow { cancel_running: true };
    admit(&adapter, deduplicated(delayed("a", TASK, 1_000), follow)).await;
    assert_eq!(admit(&adapter, deduplicated(job("b", TASK), follow)).await, Admitted::Replaced("a".into()));
    f.advance(MOMENT).await;
    let a = Caller::new(&adapter).claim_one().await;
    assert_eq!((a.payload, a.cancelled), (b"\"b\"".to_vec(), false));
}

pub(super) async fn a_key_that_was_released_keeps_the_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, following("a")).await;
    let a = worker.claim_one().await;
    admit(&adapter, following("b")).await;
    assert_eq!(adapter.admissions().release_key(TASK, "k").await.unwrap(), Some("a".into()));
    assert_eq!(admit(&adapter, following("c")).await, Admitted::New);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"], "nobody owned the key");
    worker.settle(&a, complete("1")).await;
    assert_eq!(owner(&adapter, TASK).await, Some("c".into()), "the one behind has no claim on it");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"]);
}
