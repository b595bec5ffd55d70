//! What sweeps do with tasks that nobody serves.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MARGIN, MOMENT, OTHER, QUIET, TASK, complete, delayed, fail, ids, job, put, state, sweep,
};
use crate::adapter::{Adapter, NewJob, Swept};
use crate::job::JobState;
use crate::policy::{Retention, RetentionLimit, Ttl};

const HOUR: Duration = Duration::from_secs(3600);

/// Sweeps [`TASK`] and keeps everything.
async fn sweep_own(adapter: &Arc<dyn Adapter>) -> Swept {
    sweep(adapter, &[TASK], kept(HOUR * 1000)).await
}

/// Finished jobs are kept for this time.
fn kept(age: Duration) -> Retention {
    Retention::all(RetentionLimit::new(age, 1_000))
}

pub(super) async fn a_lost_lease_of_a_task_that_nobody_serves_is_taken_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", OTHER), NewJob { max_stalls: 0, ..job("b", OTHER) }]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim(2, &[OTHER]).await;
    sweep(&adapter, &[OTHER], Retention::default()).await;
    f.advance(Swept::SERVED - MARGIN).await;
    assert_eq!(sweep_own(&adapter).await, Swept::default(), "somebody serves it");
    f.advance(MARGIN).await;
    let swept = sweep_own(&adapter).await;
    assert_eq!((swept.rescued, swept.stalled), (1, 1));
    assert_eq!(ids(&worker.claim(9, &[OTHER]).await), ["a"]);
}

pub(super) async fn what_no_sweep_has_ever_named_is_looked_after(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", OTHER)]).await;
    Caller::new(&adapter).claim(1, &[OTHER]).await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep_own(&adapter).await.rescued, 1);
}

pub(super) async fn jobs_expire_although_nobody_serves_their_task(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { ttl: Some(Ttl::new(MOMENT)), ..job("a", OTHER) }, job("b", OTHER)]).await;
    f.advance(MOMENT).await;
    sweep_own(&adapter).await;
    assert_eq!(state(&adapter, "a").await, Some(JobState::Expired));
    assert_eq!(state(&adapter, "b").await, Some(JobState::Waiting));
}

pub(super) async fn what_is_due_waits_for_somebody_who_serves_it(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", OTHER, 1_000)]).await;
    let listener = adapter.signals().work();
    f.advance(Swept::SERVED).await;
    sweep_own(&adapter).await;
    assert_eq!(state(&adapter, "a").await, Some(JobState::Delayed));
    let mut worker = Caller::new(&adapter);
    assert!(worker.wait(&*listener, &[TASK], QUIET).await.jobs.is_empty());
    assert_eq!(ids(&worker.claim(9, &[OTHER]).await), ["a"]);
}

pub(super) async fn finished_jobs_go_by_the_retention_of_the_last_who_served_them(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("completed", OTHER), job("failed", OTHER), job("1", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    for end in [complete("1"), fail("no")] {
        let claimed = worker.claim(1, &[OTHER]).await;
        worker.settle(&claimed[0], end).await;
    }
    sweep(&adapter, &[OTHER], kept(HOUR * 9)).await;
    f.advance(HOUR * 8).await;
    sweep(&adapter, &[TASK], kept(MOMENT)).await;
    for id in ["completed", "failed"] {
        assert!(state(&adapter, id).await.is_some(), "{id}");
    }
    f.advance(HOUR + MOMENT).await;
    sweep_own(&adapter).await;
    for id in ["completed", "failed"] {
        assert_eq!(state(&adapter, id).await, None, "{id}");
    }
    assert_eq!(state(&adapter, "1").await, Some(JobState::Waiting));
}

pub(super) async fn finished_jobs_that_nobody_ever_served_go_too(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", OTHER)]).await;
    adapter.jobs().cancel(&"a".into(), "why").await.expect("cancel");
    // its place in line is passed
    Caller::new(&adapter).claim(1, &[OTHER]).await;
    f.advance(HOUR * 24 * 6).await;
    sweep(&adapter, &[TASK], kept(MOMENT)).await;
    assert_eq!(
        state(&adapter, "a").await,
        Some(JobState::Cancelled),
        "nobody knows how long it should be kept"
    );
    f.advance(HOUR * 25).await;
    sweep(&adapter, &[TASK], kept(MOMENT)).await;
    assert_eq!(state(&adapter, "a").await, None);
}

pub(super) async fn sweeps_get_round_to_many_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let tasks: Vec<String> = (0..50).map(|n| format!("task-{n}")).collect();
    put(&adapter, tasks.iter().map(|task| job(task, task))).await;
    let names: Vec<&str> = tasks.iter().map(String::as_str).collect();
    assert_eq!(Caller::new(&adapter).claim(50, &names).await.len(), 50);
    f.advance(LEASE + MOMENT).await;
    let (mut rescued, mut sweeps) = (0, 0);
    while rescued < 50 {
        rescued += sweep_own(&adapter).await.rescued;
        sweeps += 1;
        // a store that looks at a single one, at random, needs 225 on average
        assert!(sweeps < 5_000, "{rescued} of 50 tasks");
    }
}
