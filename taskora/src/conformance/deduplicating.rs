//! Keys that one unfinished job owns.

use std::time::Duration;

use super::Fixture;
use super::admission_kit::{admit, admit_all, deduplicated, owner, unique};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, TASK, complete, delayed, ending, fail, ids, info, job, prioritised, put,
    retry, state, sweep,
};
use crate::adapter::{
    Admission, Admitted, AttemptEnd, BlockingStates, CancelOutcome, Ending, NewJob, Otherwise, Rule,
};
use crate::job::JobState;
use crate::policy::{OnExpire, Retention, RetentionLimit, Ttl};

const MINUTE: Duration = Duration::from_secs(60);
const REPLACE: Otherwise = Otherwise::Replace;

fn kept_out_by(id: &str) -> Admitted {
    Admitted::Duplicate(id.into())
}

pub(super) async fn s093_a_key_has_one_unfinished_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(owner(&adapter, TASK).await, None);
    let admitted = admit_all(&adapter, [unique("a", TASK), unique("b", TASK), unique("c", OTHER)]).await;
    assert_eq!(admitted, [Admitted::New, kept_out_by("a"), Admitted::New]);
    assert_eq!(admit(&adapter, unique("d", TASK)).await, kept_out_by("a"));
    let other = Admission { key: "k2".to_owned(), ..unique("e", TASK) };
    assert_eq!(admit(&adapter, other).await, Admitted::New);
    assert_eq!(owner(&adapter, TASK).await, Some("a".into()));
    assert_eq!(owner(&adapter, OTHER).await, Some("c".into()));
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK, OTHER]).await), ["a", "c", "e"]);
    assert_eq!(state(&adapter, "b").await, None);
}

pub(super) async fn x23_an_unfinished_job_keeps_its_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let first = deduplicated(delayed("a", TASK, 1_000), Otherwise::Drop);
    assert_eq!(admit(&adapter, first).await, Admitted::New);
    let mut number = 0;
    let mut still = async |state: JobState| {
        number += 1;
        assert_eq!(info(&adapter, "a").await.state, state);
        let next = unique(&format!("b{number}"), TASK);
        assert_eq!(admit(&adapter, next).await, kept_out_by("a"), "while it is {state}");
    };
    still(JobState::Delayed).await;
    f.advance(MOMENT).await;
    let claimed = worker.claim_one().await;
    still(JobState::Active).await;
    worker.settle(&claimed, retry("no", MOMENT)).await;
    still(JobState::Retrying).await;
    f.advance(MOMENT).await;
    let claimed = worker.claim_one().await;
    worker.settle(&claimed, AttemptEnd::Release { delay: Duration::ZERO }).await;
    still(JobState::Waiting).await;
    worker.claim_one().await;
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    still(JobState::Waiting).await;
}

pub(super) async fn s095_s098_each_end_frees_the_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for (id, end) in [("completed", complete("1")), ("failed", fail("no"))] {
        assert_eq!(admit(&adapter, unique(id, TASK)).await, Admitted::New, "{id}");
        worker.run_one(end).await;
        assert_eq!(owner(&adapter, TASK).await, None, "{id}");
    }
    for id in ["waiting", "delayed"] {
        let due = if id == "delayed" { 60_000 } else { 0 };
        let first = deduplicated(delayed(id, TASK, due), Otherwise::Drop);
        assert_eq!(admit(&adapter, first).await, Admitted::New, "{id}");
        assert_eq!(adapter.jobs().cancel(&id.into(), "no").await.unwrap(), CancelOutcome::Cancelled);
        assert_eq!(owner(&adapter, TASK).await, None, "{id}");
    }
    assert_eq!(admit(&adapter, unique("flagged", TASK)).await, Admitted::New);
    let claimed = worker.claim_one().await;
    assert_eq!(adapter.jobs().cancel(&"flagged".into(), "no").await.unwrap(), CancelOutcome::Requested);
    assert_eq!(owner(&adapter, TASK).await, Some("flagged".into()), "it still runs");
    worker.settle(&claimed, AttemptEnd::Cancel).await;

    let fragile = NewJob { max_stalls: 0, ..job("stalled", TASK) };
    assert_eq!(admit(&adapter, deduplicated(fragile, Otherwise::Drop)).await, Admitted::New);
    worker.claim_one().await;
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "stalled").await, Some(JobState::Failed));

    for (id, on_expire) in [("expired", OnExpire::Fail), ("discarded", OnExpire::Discard)] {
        let brief = NewJob { ttl: Some(Ttl::new(MOMENT).on_expire(on_expire)), ..job(id, TASK) };
        assert_eq!(admit(&adapter, deduplicated(brief, Otherwise::Drop)).await, Admitted::New, "{id}");
        f.advance(MOMENT).await;
        assert!(worker.claim(1, &[TASK]).await.is_empty());
        assert_eq!(owner(&adapter, TASK).await, None, "{id}");
    }
    assert_eq!(admit(&adapter, unique("last", TASK)).await, Admitted::New);
}

pub(super) async fn x23_an_older_job_frees_nothing_of_a_later_owner(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let while_in = BlockingStates::new([JobState::Waiting, JobState::Delayed]).unwrap();
    let next = |id: &str| Admission {
        rule: Rule::Deduplicate { while_in, otherwise: Otherwise::Drop },
        ..unique(id, TASK)
    };
    assert_eq!(admit(&adapter, next("a")).await, Admitted::New);
    assert_eq!(admit(&adapter, next("b")).await, kept_out_by("a"));
    let a = worker.claim_one().await;
    assert_eq!(admit(&adapter, next("c")).await, Admitted::New, "the owner runs, which does not count");
    assert_eq!(owner(&adapter, TASK).await, Some("c".into()));
    worker.settle(&a, complete("1")).await;
    assert_eq!(owner(&adapter, TASK).await, Some("c".into()));
    assert_eq!(admit(&adapter, next("d")).await, kept_out_by("c"));
    let c = worker.claim_one().await;
    worker.settle(&c, retry("no", MOMENT)).await;
    assert_eq!(admit(&adapter, next("e")).await, Admitted::New, "nor does one that waits to be retried");
}

pub(super) async fn a_released_key_is_free(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(adapter.admissions().release_key(TASK, "k").await.unwrap(), None);
    assert_eq!(admit(&adapter, unique("a", TASK)).await, Admitted::New);
    assert_eq!(adapter.admissions().release_key(OTHER, "k").await.unwrap(), None);
    assert_eq!(adapter.admissions().release_key(TASK, "k").await.unwrap(), Some("a".into()));
    assert_eq!(owner(&adapter, TASK).await, None);
    assert_eq!(admit(&adapter, unique("b", TASK)).await, Admitted::New);
    worker.run_one(complete("1")).await;
    assert_eq!(owner(&adapter, TASK).await, Some("b".into()), "the end of the earlier one changes nothing");
}

pub(super) async fn an_id_is_looked_at_before_its_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("other", OTHER)]).await;
    assert_eq!(admit(&adapter, unique("a", TASK)).await, Admitted::New);
    let known = Admission { key: "k2".to_owned(), ..unique("a", TASK) };
    assert_eq!(admit(&adapter, known).await, kept_out_by("a"));
    assert_eq!(adapter.admissions().key_owner(TASK, "k2").await.unwrap(), None);
    assert_eq!(admit(&adapter, unique("other", TASK)).await, Admitted::Taken { task: OTHER.into() });
    Caller::new(&adapter).run_one(fail("no")).await;
    assert_eq!(admit(&adapter, unique("a", TASK)).await, kept_out_by("a"), "an id outlives its job's end");
    assert_eq!(owner(&adapter, TASK).await, None);
    let again = NewJob { replace_failed: true, ..job("a", TASK) };
    assert_eq!(admit(&adapter, deduplicated(again, Otherwise::Drop)).await, Admitted::New);
    assert_eq!(owner(&adapter, TASK).await, Some("a".into()));
}

pub(super) async fn trimming_touches_no_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(admit(&adapter, unique("a", TASK)).await, Admitted::New);
    Caller::new(&adapter).run_one(complete("1")).await;
    assert_eq!(admit(&adapter, unique("b", TASK)).await, Admitted::New);
    let retention =
        Retention { completed: RetentionLimit { count: 0, age: Duration::ZERO }, ..Retention::default() };
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], retention).await;
    assert_eq!(state(&adapter, "a").await, None);
    assert_eq!(owner(&adapter, TASK).await, Some("b".into()));
}

/// A job of the key `k` with another payload, other annotations and another number of attempts.
fn newer(id: &str, otherwise: Otherwise) -> Admission {
    let meta = vec![("n".to_owned(), id.to_owned())];
    deduplicated(NewJob { meta, max_attempts: 7, max_stalls: 4, ..prioritised(id, TASK, 5) }, otherwise)
}

pub(super) async fn a_job_that_waits_is_replaced_in_its_place(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let large = NewJob { payload: vec![b'1'; 100_000], ..job("a", TASK) };
    assert_eq!(admit(&adapter, deduplicated(large, REPLACE)).await, Admitted::New);
    put(&adapter, [job("after", TASK)]).await;
    let before = info(&adapter, "a").await;
    f.advance(MOMENT).await;
    assert_eq!(admit(&adapter, newer("b", REPLACE)).await, Admitted::Replaced("a".into()));
    assert_eq!(admit(&adapter, newer("c", REPLACE)).await, Admitted::Replaced("a".into()));
    let after = info(&adapter, "a").await;
    assert_eq!((after.created_at, after.priority), (before.created_at, 0), "its place stays");
    assert_eq!((after.max_attempts, after.meta), (7, vec![("n".to_owned(), "c".to_owned())]));
    let jobs = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a", "after"]);
    assert_eq!(jobs[0].payload, b"\"c\"");
    for id in ["b", "c"] {
        assert_eq!(state(&adapter, id).await, None);
    }
}

pub(super) async fn a_delayed_job_is_replaced_and_keeps_its_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let first = deduplicated(delayed("a", TASK, 10_000), REPLACE);
    assert_eq!(admit(&adapter, first).await, Admitted::New);
    let due = info(&adapter, "a").await.due_at;
    f.advance(MOMENT).await;
    let second = NewJob { priority: 5, ..delayed("b", TASK, 60_000) };
    assert_eq!(admit(&adapter, deduplicated(second, REPLACE)).await, Admitted::Replaced("a".into()));
    assert_eq!(info(&adapter, "a").await.due_at, due);
    put(&adapter, [job("plain", TASK)]).await;
    f.advance(Duration::from_secs(9)).await;
    let jobs = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a", "plain"], "it was in no line, so that its priority is the new one's");
    assert_eq!(jobs[0].payload, b"\"b\"");
}

pub(super) async fn a_replacement_brings_its_own_ttl(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let of = |id: &str, ttl: Option<u32>| {
        let ttl = ttl.map(|minutes| Ttl::new(MINUTE * minutes));
        deduplicated(NewJob { ttl, ..job(id, TASK) }, REPLACE)
    };
    admit(&adapter, of("a", None)).await;
    for (id, ttl) in [("b", Some(30)), ("c", Some(60)), ("d", None), ("e", Some(10))] {
        f.advance(MINUTE).await;
        assert_eq!(admit(&adapter, of(id, ttl)).await, Admitted::Replaced("a".into()));
        let info = info(&adapter, "a").await;
        let deadline = info.expires_at.map(|at| at.since(info.created_at).as_secs() / 60);
        let since = u32::from(id.as_bytes()[0] - b'a');
        assert_eq!(deadline, ttl.map(|ttl| u64::from(ttl + since)), "{id}");
    }
    f.advance(MINUTE * 10).await;
    assert!(Caller::new(&adapter).claim(1, &[TASK]).await.is_empty());
    assert_eq!(ending(&adapter, "a").await, Ending::Expired);
}

pub(super) async fn a_job_that_was_claimed_is_not_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, newer("a", REPLACE)).await;
    let claimed = worker.claim_one().await;
    assert_eq!(admit(&adapter, newer("b", REPLACE)).await, kept_out_by("a"));
    worker.settle(&claimed, retry("no", MOMENT)).await;
    assert_eq!(admit(&adapter, newer("b", REPLACE)).await, kept_out_by("a"));
    f.advance(MOMENT).await;
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.payload, b"\"a\"");
    worker.settle(&claimed, AttemptEnd::Release { delay: Duration::ZERO }).await;
    assert_eq!(admit(&adapter, newer("b", REPLACE)).await, kept_out_by("a"));
}

pub(super) async fn a_job_is_replaced_whatever_its_call_stores(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ttl = Some(Ttl::new(MINUTE));
    let brief = |id: &str| NewJob { ttl, ..job(id, TASK) };
    assert_eq!(admit(&adapter, deduplicated(brief("a"), REPLACE)).await, Admitted::New);
    let other = Admission { key: "other".to_owned(), ..deduplicated(brief("b"), REPLACE) };
    let admitted = admit_all(&adapter, [other, deduplicated(job("c", TASK), REPLACE)]).await;
    assert_eq!(admitted, [Admitted::New, Admitted::Replaced("a".into())]);
    f.advance(2 * MINUTE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "a").await, Some(JobState::Waiting), "it has no deadline any more");
    assert_eq!(state(&adapter, "b").await, Some(JobState::Expired));
}

pub(super) async fn who_follows_comes_behind_what_its_call_has_stored(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let follow = Otherwise::Follow { cancel_running: true };
    admit(&adapter, unique("a", TASK)).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("again", MINUTE)).await;
    // `a` waits for its next attempt, and ends at once
    let first = Admission { key: "other".to_owned(), ..unique("b", TASK) };
    let admitted = admit_all(&adapter, [first, deduplicated(job("c", TASK), follow)]).await;
    assert_eq!(admitted, [Admitted::New, Admitted::New]);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Cancelled));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b", "c"]);
}
