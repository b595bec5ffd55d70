//! What those hear who watch a job.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, PATIENCE, QUIET, TASK, complete, delayed, ended, fail, job, progress, put, retry,
    sweep, within,
};
use crate::adapter::{Adapter, AttemptEnd, CancelOutcome, JobNews};
use crate::job::JobState;
use crate::policy::Retention;

type News = watch::Receiver<Option<JobNews>>;

/// Waits until the watcher knows this.
async fn until(news: &mut News, state: JobState, progress: Option<&str>) {
    let progress = progress.map(|json| json.as_bytes().to_vec());
    let expected = Some(JobNews { task: TASK.to_owned(), state, progress });
    let what = format!("news: {expected:?}");
    within(PATIENCE, &what, news.wait_for(|news| *news == expected)).await.expect("it is told");
}

fn watch(adapter: &Arc<dyn Adapter>, id: &str) -> News {
    adapter.signals().watch(&id.into())
}

pub(super) async fn the_newest_progress_is_told(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK), job("other", TASK)]).await;
    let (mut here, mut elsewhere) = (watch(&adapter, "a"), watch(&second, "a"));
    until(&mut here, JobState::Waiting, None).await;
    until(&mut elsewhere, JobState::Waiting, None).await;
    let mut worker = Caller::new(&adapter);
    let (claimed, other) = (worker.claim_one().await, worker.claim_one().await);
    for n in 0..100 {
        assert!(progress(&adapter, &claimed, &n.to_string()).await);
        assert!(progress(&adapter, &other, "\"other\"").await);
    }
    until(&mut here, JobState::Active, Some("99")).await;
    until(&mut elsewhere, JobState::Active, Some("99")).await;
    worker.settle(&claimed, complete("1")).await;
    assert!(ended(&second, "a").await.is_some());
    assert_eq!(
        elsewhere.borrow().as_ref().map(|news| news.state),
        Some(JobState::Active),
        "an end is no news"
    );
}

pub(super) async fn a_watch_begins_with_what_is_known(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("runs", TASK), job("waits", TASK), delayed("delayed", TASK, 60_000)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    until(&mut watch(&adapter, "runs"), JobState::Active, None).await;
    assert!(progress(&adapter, &claimed, "[0.5,\"\u{fc}\"]").await);
    until(&mut watch(&adapter, "runs"), JobState::Active, Some("[0.5,\"\u{fc}\"]")).await;
    until(&mut watch(&adapter, "waits"), JobState::Waiting, None).await;
    until(&mut watch(&adapter, "delayed"), JobState::Delayed, None).await;
}

pub(super) async fn what_follows_an_attempt_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut news = watch(&adapter, "a");
    until(&mut news, JobState::Waiting, None).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    assert!(progress(&adapter, &claimed, "1").await);
    until(&mut news, JobState::Active, Some("1")).await;
    worker.settle(&claimed, AttemptEnd::Release { delay: MOMENT * 60 }).await;
    until(&mut news, JobState::Delayed, Some("1")).await;
    f.advance(MOMENT * 60).await;
    let claimed = worker.claim_one().await;
    assert!(progress(&adapter, &claimed, "2").await);
    until(&mut news, JobState::Active, Some("2")).await;
    worker.settle(&claimed, retry("no", MOMENT * 60)).await;
    until(&mut news, JobState::Retrying, Some("2")).await;
    f.advance(MOMENT * 60).await;
    let claimed = worker.claim_one().await;
    assert!(progress(&adapter, &claimed, "3").await);
    until(&mut news, JobState::Active, Some("3")).await;
    worker.settle(&claimed, retry("no", Duration::ZERO)).await;
    until(&mut news, JobState::Waiting, Some("3")).await;
}

pub(super) async fn a_rescue_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    assert!(progress(&adapter, &claimed, "null").await);
    let mut news = watch(&adapter, "a");
    until(&mut news, JobState::Active, Some("null")).await;
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    until(&mut news, JobState::Waiting, Some("null")).await;
}

pub(super) async fn a_long_progress_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut news = watch(&adapter, "a");
    until(&mut news, JobState::Waiting, None).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    for length in [100_000, 10, 200_000] {
        let long = format!("\"{}\"", "x".repeat(length));
        assert!(progress(&adapter, &claimed, &long).await);
        until(&mut news, JobState::Active, Some(&long)).await;
    }
}

pub(super) async fn there_is_no_news_of_an_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["done", "failed", "cancelled"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    for end in [complete("1"), fail("no")] {
        let claimed = worker.claim_one().await;
        assert!(progress(&adapter, &claimed, "1").await);
        worker.settle(&claimed, end).await;
    }
    let cancelled = adapter.jobs().cancel(&"cancelled".into(), "why").await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Cancelled);
    for id in ["done", "failed", "cancelled", "nobody"] {
        let mut news = watch(&adapter, id);
        let told = tokio::time::timeout(QUIET, news.wait_for(Option::is_some)).await;
        assert!(!matches!(told, Ok(Ok(_))), "{id}");
        assert_eq!(ended(&adapter, id).await.is_some(), id != "nobody");
    }
}
