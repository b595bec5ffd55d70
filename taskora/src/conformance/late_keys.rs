//! Jobs that were stored without a key, or before their task had limits by key.

use std::time::Duration;

use super::Fixture;
use super::gate_kit::task;
use super::kit::{Caller, LEASE, MOMENT, TASK, complete, ids, info, job, put, retry, state, sweep};
use super::lane_kit::{claim_all, holders, key, per_key, put_keyed, waiting};
use crate::adapter::{AttemptEnd, KeyTaken, PerKey, Settled};
use crate::job::JobState;
use crate::policy::Retention;

pub(super) async fn a_job_takes_its_key_late(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let control = adapter.control();
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, [job("1", TASK), job("2", TASK), job("3", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert!(jobs.iter().all(|job| !job.holds_key));
    for _ in 0..2 {
        assert_eq!(
            control.take_key(&jobs[0].lease, &key("a")).await.unwrap(),
            KeyTaken::Go,
            "as often as asked"
        );
    }
    assert_eq!(control.take_key(&jobs[1].lease, &key("a")).await.unwrap(), KeyTaken::Waits);
    assert_eq!(control.take_key(&jobs[1].lease, &key("a")).await.unwrap(), KeyTaken::Stale);
    assert_eq!(control.take_key(&jobs[2].lease, &key("a")).await.unwrap(), KeyTaken::Waits);
    assert_eq!(state(&adapter, "2").await, Some(JobState::Waiting));
    assert_eq!(worker.settle(&jobs[1], complete("1")).await, Settled::Stale);
    assert_eq!(waiting(&adapter).await, 2);
    assert!(claim_all(&adapter).await.is_empty());
    // it has its key from now on
    worker.settle(&jobs[0], retry("again", Duration::ZERO)).await;
    for next in ["2", "3", "1"] {
        let job = worker.claim_one().await;
        assert!(job.holds_key);
        assert_eq!((job.lease.id.as_str(), job.limit_key.clone()), (next, Some(key("a"))));
        assert_eq!(job.attempt, if next == "1" { 2 } else { 1 });
        assert_eq!(info(&adapter, next).await.stalls, 0);
        worker.settle(&job, complete("1")).await;
    }
}

pub(super) async fn a_job_that_takes_its_key_waits_behind_the_lane(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let control = adapter.control();
    per_key(&adapter, PerKey::at_most(2)).await;
    put(&adapter, [job("1", TASK), job("2", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let late = worker.claim(9, &[TASK]).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    assert_eq!(control.take_key(&late[0].lease, &key("a")).await.unwrap(), KeyTaken::Waits);
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "a2"]);
    // a job that is to be cancelled does not wait for that
    adapter.jobs().cancel(&"2".into(), "why").await.unwrap();
    assert_eq!(control.take_key(&late[1].lease, &key("a")).await.unwrap(), KeyTaken::Go);
    worker.settle(&late[1], AttemptEnd::Cancel).await;
    assert_eq!(state(&adapter, "2").await, Some(JobState::Cancelled));
    assert_eq!(holders(&adapter, &task(), "a").await, 2);
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(waiting(&adapter).await, 3);
}

pub(super) async fn jobs_that_are_older_than_the_limit_have_no_lane(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a3"]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a1", "a2", "a3"]);
    assert_eq!(jobs.iter().map(|job| job.holds_key).collect::<Vec<_>>(), [false, false, true]);
    let taken = adapter.control().take_key(&jobs[0].lease, &key("a")).await.unwrap();
    assert_eq!(taken, KeyTaken::Waits);
    // its own key counts
    let taken = adapter.control().take_key(&jobs[1].lease, &key("b")).await.unwrap();
    assert_eq!(taken, KeyTaken::Waits);
    worker.settle(&jobs[2], complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1"]);
}

pub(super) async fn limits_by_key_that_are_removed_hold_no_longer(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2", "b1", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim(9, &[TASK]).await;
    let idle = super::gate_kit::idle_worker(&second).await;
    per_key(&adapter, None).await;
    assert_eq!(super::gate_kit::got(idle).await, "a2");
    put_keyed(&adapter, &["a4"]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a3", "a4"]);
    worker.settle(&first[0], retry("again", Duration::ZERO)).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a1"]);
}

pub(super) async fn without_limits_by_key_there_is_nothing_to_take(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("1", TASK)]).await;
    put_keyed(&adapter, &["a1"]).await;
    let mut worker = Caller::new(&adapter);
    for job in worker.claim(9, &[TASK]).await {
        assert!(!job.holds_key);
        let taken = adapter.control().take_key(&job.lease, &key("a")).await.unwrap();
        assert_eq!(taken, KeyTaken::Go);
        worker.settle(&job, complete("1")).await;
        assert_eq!(adapter.control().take_key(&job.lease, &key("a")).await.unwrap(), KeyTaken::Stale);
    }
    assert_eq!(holders(&adapter, &task(), "a").await, 0);
}
