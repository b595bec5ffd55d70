//! Waiting for the end of a job.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, PATIENCE, PROMPT, QUIET, TASK, claim, complete, delayed, fail, job, put, retry,
    sweep, within,
};
use crate::adapter::{Adapter, AttemptEnd, Ended, Ending, NewJob};
use crate::job::JobId;
use crate::policy::Retention;

/// Waits in the background; the wait has begun when this returns.
async fn wait(adapter: &Arc<dyn Adapter>, id: &str) -> JoinHandle<Option<Ended>> {
    let (adapter, id) = (Arc::clone(adapter), JobId::from(id));
    let mut waiting = tokio::spawn(async move { adapter.signals().ended(&id).await.expect("ended") });
    assert!(timeout(QUIET, &mut waiting).await.is_err(), "the job has not ended, so the wait goes on");
    waiting
}

async fn told(waiting: JoinHandle<Option<Ended>>) -> Ended {
    within(PROMPT, "the news of the end", waiting).await.unwrap().expect("the job is known")
}

pub(super) async fn a_wait_that_begins_before_the_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let before = wait(&adapter, "a").await;
    let claimed = worker.claim_one().await;
    let active = wait(&adapter, "a").await;
    worker.settle(&claimed, complete("{\"n\":1}")).await;
    let expected =
        Ended { task: TASK.to_owned(), attempts: 1, ending: Ending::Completed(b"{\"n\":1}".to_vec()) };
    for waiting in [before, active] {
        assert_eq!(told(waiting).await, expected);
    }
}

pub(super) async fn a_wait_that_begins_after_the_end(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    Caller::new(&adapter).run_one(complete("1")).await;
    for adapter in [&adapter, &second, &adapter] {
        let ended = within(PROMPT, "the news of the end", adapter.signals().ended(&"a".into()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((ended.attempts, ended.ending), (1, Ending::Completed(b"1".to_vec())));
    }
}

pub(super) async fn a_wait_for_an_unknown_job_ends_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ended = within(PROMPT, "the answer", adapter.signals().ended(&"nobody".into())).await.unwrap();
    assert_eq!(ended, None);
}

pub(super) async fn x06_all_who_wait_are_told(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("größe", TASK)]).await;
    let mut waiting = Vec::new();
    for adapter in [&adapter, &second, &adapter, &second] {
        waiting.push(wait(adapter, "größe").await);
    }
    Caller::new(&adapter).run_one(complete("[1]")).await;
    for waiting in waiting {
        assert_eq!(told(waiting).await.ending, Ending::Completed(b"[1]".to_vec()));
    }
}

pub(super) async fn a_wait_hears_of_a_failure(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let waiting = wait(&second, "a").await;
    Caller::new(&adapter).run_one(fail("bad address")).await;
    assert_eq!(told(waiting).await.ending, Ending::Failed("bad address".into()));
}

pub(super) async fn s060_a_wait_hears_of_a_cancellation(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("active", TASK), job("waiting", TASK), delayed("delayed", TASK, 600_000)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    for id in ["active", "waiting", "delayed"] {
        let mut waiting = wait(&second, id).await;
        adapter.jobs().cancel(&id.into(), "user asked").await.unwrap();
        if id == "active" {
            assert!(
                timeout(QUIET, &mut waiting).await.is_err(),
                "an active job ends when its worker has settled it"
            );
            worker.settle(&claimed, AttemptEnd::Cancel).await;
        }
        assert_eq!(told(waiting).await.ending, Ending::Cancelled("user asked".into()), "{id}");
    }
}

pub(super) async fn a_wait_hears_of_a_stall(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [NewJob { max_stalls: 0, ..job("a", TASK) }, job("b", TASK)]).await;
    Caller::new(&adapter).claim(2, &[TASK]).await;
    adapter.jobs().cancel(&"b".into(), "why").await.unwrap();
    let (a, b) = (wait(&second, "a").await, wait(&second, "b").await);
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(told(a).await.ending, Ending::Stalled(Ending::stalled_message(1)));
    assert_eq!(told(b).await.ending, Ending::Cancelled("why".into()));
}

pub(super) async fn a_wait_goes_on_over_retries_and_rescues(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut waiting = wait(&adapter, "a").await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", Duration::ZERO)).await;
    worker.run_one(AttemptEnd::release()).await;
    worker.run_one(retry("no", MOMENT * 60)).await;
    f.advance(MOMENT * 61).await;
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert!(timeout(QUIET, &mut waiting).await.is_err(), "nothing of that is an end");
    worker.run_one(complete("1")).await;
    let ended = told(waiting).await;
    assert_eq!((ended.attempts, ended.ending), (3, Ending::Completed(b"1".to_vec())));
}

pub(super) async fn a_wait_that_was_given_up_harms_no_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    for _ in 0..3 {
        assert!(timeout(QUIET, adapter.signals().ended(&"a".into())).await.is_err(), "the job has not ended");
    }
    let stays = wait(&adapter, "a").await;
    assert!(timeout(QUIET, adapter.signals().ended(&"a".into())).await.is_err(), "the job has not ended");
    let other = wait(&adapter, "b").await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(complete("2")).await;
    assert_eq!(told(stays).await.ending, Ending::Completed(b"1".to_vec()));
    assert_eq!(told(other).await.ending, Ending::Completed(b"2".to_vec()));
}

pub(super) async fn a_hundred_waits_each_hear_of_their_own_job(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let ids: Vec<String> = (0..100).map(|n| format!("job {n}")).collect();
    put(&adapter, ids.iter().map(|id| job(id, TASK))).await;
    let waiting: Vec<_> = ids
        .iter()
        .map(|id| {
            let (second, id) = (Arc::clone(&second), JobId::from(id.as_str()));
            tokio::spawn(async move { second.signals().ended(&id).await.expect("ended") })
        })
        .collect();

    let mut worker = Caller::new(&adapter);
    let mut jobs = worker.claim(10, &[TASK]).await;
    while !jobs.is_empty() {
        let settle =
            jobs.iter().map(|job| job.settlement(AttemptEnd::Complete(job.payload.clone()))).collect();
        jobs = worker.exchange(settle, Some(claim(10, &[(TASK, 10)]))).await.jobs;
    }
    for (id, waiting) in ids.iter().zip(waiting) {
        let ended =
            within(PATIENCE, "the news of the end", waiting).await.unwrap().expect("the job is known");
        assert_eq!(ended.ending, Ending::Completed(serde_json::to_vec(id).unwrap()), "{id}");
    }
}

pub(super) async fn a_large_result_is_pushed_whole(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let waiting = wait(&second, "a").await;
    let result = serde_json::to_vec(&"ü".repeat(1 << 19)).unwrap();
    Caller::new(&adapter).run_one(AttemptEnd::Complete(result.clone())).await;
    assert!(told(waiting).await.ending == Ending::Completed(result), "the result is what was settled");
}

pub(super) async fn who_waits_is_told_even_if_nothing_is_kept(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let waiting = wait(&second, "a").await;
    let mut worker = Caller::new(&adapter);
    worker.retention.completed.count = 0;
    worker.run_one(complete("1")).await;
    assert_eq!(told(waiting).await.ending, Ending::Completed(b"1".to_vec()));
}
