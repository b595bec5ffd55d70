//! How long finished jobs stay, and that nothing is left of removed ones.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, MOMENT, OTHER, TASK, claim, complete, delayed, ended, fail, ids, info, job, progress, put, state,
    sweep,
};
use crate::adapter::{Adapter, AttemptEnd, CancelOutcome, Enqueued, JobCounts, JobReport, NewJob};
use crate::job::{JobId, LogEntry, LogLevel, Timestamp};
use crate::policy::{Retention, RetentionLimit};

const LONG: RetentionLimit = RetentionLimit { age: Duration::from_secs(10_000), count: 100_000 };

/// Stores and settles jobs with these ids, in this order.
async fn run(adapter: &Arc<dyn Adapter>, retention: Retention, ids: &[JobId], end: &AttemptEnd) {
    for chunk in ids.chunks(500) {
        put(adapter, chunk.iter().map(|id| job(id.as_str(), TASK))).await;
    }
    let mut worker = Caller::new(adapter);
    worker.retention = retention;
    let mut settle = Vec::new();
    loop {
        let answer = worker.exchange(settle, Some(claim(100, &[(TASK, 100)]))).await;
        if answer.jobs.is_empty() && !answer.more {
            return;
        }
        settle = answer.jobs.iter().map(|job| job.settlement(end.clone())).collect();
    }
}

/// Ids like those of a dispatch without an id.
fn generated(count: usize) -> Vec<JobId> {
    (0..count).map(|_| JobId::new()).collect()
}

/// Asserts that nothing is left of this job: its id can be used again.
async fn assert_gone(adapter: &Arc<dyn Adapter>, id: &str) {
    assert_eq!(state(adapter, id).await, None, "`{id}` is trimmed");
    assert_eq!(ended(adapter, id).await, None, "the end of `{id}` is trimmed");
    assert_eq!(adapter.inspection().logs(&id.into()).await.unwrap(), [], "the log of `{id}` is trimmed");
    assert_eq!(
        adapter.jobs().cancel(&id.into(), "late").await.unwrap(),
        CancelOutcome::NotFound,
        "`{id}` is trimmed"
    );
}

pub(super) async fn the_newest_completed_jobs_are_kept_by_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let completed = RetentionLimit { count: 100, ..LONG };
    let (keep, ids) = (Retention { completed, failed: LONG, ..Retention::default() }, generated(1_500));
    run(&adapter, keep, &ids, &complete("1")).await;
    let kept = adapter.inspection().counts(TASK).await.unwrap();
    assert!(
        (100..=100 + Retention::SLACK).contains(&kept.completed),
        "100 and a bit, not {}",
        kept.completed
    );
    assert_eq!(kept, JobCounts { completed: kept.completed, ..JobCounts::default() });
    for id in &ids[1_400..] {
        assert!(state(&adapter, id.as_str()).await.is_some(), "`{id}` is among the newest hundred");
    }
    for n in [0, 1, 500, 899] {
        assert_gone(&adapter, ids[n].as_str()).await;
    }
    sweep(&adapter, &[TASK], keep).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().completed, 100, "a sweep removes the rest");
}

pub(super) async fn the_newest_failed_jobs_are_kept_by_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let failed = RetentionLimit { count: 100, ..LONG };
    let (keep, ids) = (Retention { completed: LONG, failed, ..Retention::default() }, generated(1_500));
    run(&adapter, keep, &ids, &fail("no")).await;
    let kept = adapter.inspection().counts(TASK).await.unwrap().failed;
    assert!((100..=100 + Retention::SLACK).contains(&kept), "100 and a bit, not {kept}");
    assert_gone(&adapter, ids[0].as_str()).await;
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { failed: kept, ..JobCounts::default() });
}

pub(super) async fn each_task_has_its_own_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let id = JobId::new();
    put(&adapter, [job(id.as_str(), OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    let other = worker.claim(1, &[OTHER]).await.pop().unwrap();
    worker.settle(&other, complete("1")).await;
    let keep =
        Retention { completed: RetentionLimit { count: 10, ..LONG }, failed: LONG, ..Retention::default() };
    run(&adapter, keep, &generated(1_000), &complete("1")).await;
    assert!(state(&adapter, id.as_str()).await.is_some(), "jobs of another task do not push it out");
}

pub(super) async fn a_few_more_than_the_number_are_not_worth_a_removal(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let keep =
        Retention { completed: RetentionLimit { count: 10, ..LONG }, failed: LONG, ..Retention::default() };
    run(&adapter, keep, &generated(10 + Retention::SLACK), &complete("1")).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().completed, 10 + Retention::SLACK);
    run(&adapter, keep, &generated(1), &complete("1")).await;
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap().completed,
        10,
        "one more, and all of them go"
    );
}

pub(super) async fn jobs_with_ids_of_the_callers_own_go_by_age_alone(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let few = RetentionLimit { age: Duration::from_secs(60), count: 10 };
    let keep = Retention { completed: few, failed: few, ..Retention::default() };
    let ids: Vec<JobId> = (0..150).map(|n| JobId::from(format!("order-{n:03}"))).collect();
    let (completed, rest) = ids.split_at(100);
    let (failed, cancelled) = rest.split_at(25);
    run(&adapter, keep, completed, &complete("1")).await;
    run(&adapter, keep, failed, &fail("no")).await;
    put(&adapter, cancelled.iter().map(|id| job(id.as_str(), TASK))).await;
    for id in cancelled {
        adapter.jobs().cancel(id, "why").await.unwrap();
    }
    // those of other dispatches do not push them out
    run(&adapter, keep, &generated(200), &complete("1")).await;
    sweep(&adapter, &[TASK], keep).await;
    let expected = JobCounts { completed: 110, failed: 25, cancelled: 25, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), expected);
    for id in &ids {
        assert!(state(&adapter, id.as_str()).await.is_some(), "`{id}` is not a minute old");
    }
    f.advance(Duration::from_secs(61)).await;
    sweep(&adapter, &[TASK], keep).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), JobCounts::default());
    for id in [&ids[0], &ids[100], &ids[149]] {
        assert_gone(&adapter, id.as_str()).await;
    }
}

pub(super) async fn completed_jobs_go_by_age(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention = Retention {
        completed: RetentionLimit { age: Duration::from_secs(60), ..LONG },
        failed: LONG,
        ..Retention::default()
    };
    put(&adapter, [job("old", TASK), job("failed", TASK), job("young", TASK), job("waiting", TASK)]).await;
    put(&adapter, [delayed("delayed", TASK, 3_600_000)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    f.advance(Duration::from_secs(50)).await;
    worker.run_one(complete("1")).await;
    sweep(&adapter, &[TASK], retention).await;
    assert!(state(&adapter, "old").await.is_some(), "it is not a minute old");
    f.advance(Duration::from_secs(20)).await;
    sweep(&adapter, &["unheard-of", OTHER], retention).await;
    assert!(state(&adapter, "old").await.is_some(), "a sweep is for the given tasks");
    sweep(&adapter, &[TASK], retention).await;
    assert_gone(&adapter, "old").await;
    let expected = JobCounts { waiting: 1, delayed: 1, completed: 1, failed: 1, ..JobCounts::default() };
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        expected,
        "the others are younger, or kept longer"
    );
}

pub(super) async fn failed_and_cancelled_jobs_go_by_age(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention = Retention {
        completed: LONG,
        failed: RetentionLimit { age: Duration::from_secs(60), ..LONG },
        ..Retention::default()
    };
    put(&adapter, ["failed", "cancelled", "completed", "active"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    adapter.jobs().cancel(&"cancelled".into(), "why").await.unwrap();
    worker.run_one(complete("1")).await;
    f.advance(Duration::from_secs(61)).await;
    worker.claim_one().await;
    sweep(&adapter, &[TASK], retention).await;
    assert_gone(&adapter, "failed").await;
    assert_gone(&adapter, "cancelled").await;
    let expected = JobCounts { completed: 1, active: 1, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), expected);
}

pub(super) async fn cancelled_jobs_go_by_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention =
        Retention { completed: LONG, failed: RetentionLimit { count: 10, ..LONG }, ..Retention::default() };
    let ids = generated(50);
    put(&adapter, ids.iter().map(|id| job(id.as_str(), TASK))).await;
    for id in &ids {
        adapter.jobs().cancel(id, "why").await.unwrap();
        // jobs that end at the same time are in no order
        f.advance(Duration::from_millis(2)).await;
    }
    sweep(&adapter, &[TASK], retention).await;
    let kept = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(kept, JobCounts { cancelled: kept.cancelled, ..JobCounts::default() });
    assert!((10..50).contains(&kept.cancelled), "ten and a bit, not {}", kept.cancelled);
    assert!(state(&adapter, ids[49].as_str()).await.is_some(), "it is among the newest ten");
}

pub(super) async fn many_old_jobs_go_in_bounded_steps(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention = Retention {
        completed: RetentionLimit { age: Duration::from_secs(60), ..LONG },
        failed: LONG,
        ..Retention::default()
    };
    let ids = generated(2_500);
    run(&adapter, retention, &ids, &complete("1")).await;
    f.advance(Duration::from_secs(61)).await;
    let first = adapter.jobs().sweep(&[TASK.into()], retention).await.unwrap();
    let left = adapter.inspection().counts(TASK).await.unwrap().completed;
    assert!(
        first.more && (1_500..2_500).contains(&left),
        "a page at most, and it says that there is more: {left} left"
    );
    sweep(&adapter, &[TASK], retention).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), JobCounts::default());
    assert_gone(&adapter, ids[2_499].as_str()).await;
}

pub(super) async fn trimming_leaves_nothing_of_a_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention = Retention {
        completed: RetentionLimit { age: Duration::from_secs(60), ..LONG },
        failed: LONG,
        ..Retention::default()
    };
    let meta = vec![("k".to_owned(), "v".to_owned())];
    put(&adapter, [NewJob { meta, payload: vec![b'1'; 10_000], ..job("a", TASK) }]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(AttemptEnd::release()).await;
    worker.run_one(AttemptEnd::Retry { error: "no".into(), delay: Duration::ZERO }).await;
    let claimed = worker.claim_one().await;
    let at = Timestamp::from_millis(1);
    let line = LogEntry::new(LogLevel::Info, "hello", at, 2);
    let notes = JobReport { lease: claimed.lease.clone(), progress: Some(b"1".to_vec()), logs: vec![line] };
    assert_eq!(adapter.jobs().note(vec![notes]).await.unwrap(), [true]);
    worker.settle(&claimed, complete("1")).await;
    f.advance(Duration::from_secs(61)).await;
    sweep(&adapter, &[TASK], retention).await;
    assert_gone(&adapter, "a").await;

    assert_eq!(
        adapter.jobs().enqueue(vec![job("a", TASK)]).await.unwrap(),
        [Enqueued::New],
        "its id is free again"
    );
    let new = info(&adapter, "a").await;
    assert_eq!((new.attempts, new.error, new.progress, new.meta), (0, None, None, Vec::new()));
    let claimed = worker.claim_one().await;
    assert_eq!((claimed.attempt, &*claimed.payload), (1, &b"\"a\""[..]));
    assert!(progress(&adapter, &claimed, "2").await);
    assert_eq!(adapter.inspection().logs(&JobId::from("a")).await.unwrap(), []);
}

pub(super) async fn a_job_cancelled_in_the_line_can_be_trimmed_and_dispatched_again(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let retention =
        Retention { completed: LONG, failed: RetentionLimit { age: MOMENT, ..LONG }, ..Retention::default() };
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    adapter.jobs().cancel(&"b".into(), "why").await.unwrap();
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a", "c"]);
    f.advance(MOMENT * 2).await;
    sweep(&adapter, &[TASK], retention).await;
    assert_gone(&adapter, "b").await;
    put(&adapter, [job("b", TASK), job("d", TASK)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b", "d"], "each once");
}
