//! Ordered keys: the jobs of a key go strictly one after the other, retries included.

use std::time::Duration;

use super::Fixture;
use super::gate_kit::{got, idle_worker, pause, resume, task};
use super::kit::{Caller, LEASE, MOMENT, TASK, complete, ids, info, put, retry, sweep};
use super::lane_kit::{claim_all, holders, keyed, per_key, put_keyed, set_key, waiting};
use crate::adapter::{AttemptEnd, NewJob, PerKey};
use crate::job::Blocked;
use crate::policy::Retention;

pub(super) async fn an_ordered_key_is_held_to_the_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2", "b1"]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a1", "b1"]);
    worker.settle(&jobs[0], retry("again", LEASE)).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "the key is held while its job waits");
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::LimitKey("a".to_owned())));
    f.advance(LEASE + MOMENT).await;
    for end in [retry("again", Duration::ZERO), AttemptEnd::release(), AttemptEnd::Cancel] {
        let job = worker.claim_one().await;
        assert_eq!(job.lease.id, "a1".into(), "{end:?}");
        assert!(claim_all(&adapter).await.is_empty(), "{end:?}");
        worker.settle(&job, end).await;
    }
    // the worker dies
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let mut again = worker.claim(9, &[TASK]).await;
    again.sort_by_key(|job| job.lease.id.to_string());
    assert_eq!(ids(&again), ["a1", "b1"]);
    worker.settle(&again[0], AttemptEnd::Release { delay: MOMENT }).await;
    assert!(claim_all(&adapter).await.is_empty(), "the key is held while its job waits");
    f.advance(MOMENT * 2).await;
    let job = worker.claim_one().await;
    assert_eq!(job.lease.id, "a1".into());
    worker.settle(&job, complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn the_jobs_of_an_ordered_key_go_in_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    let urgent = |id| NewJob { priority: 5, ..keyed(id) };
    // before the key is ordered, and after
    put(&adapter, [keyed("a1")]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    put(&adapter, [keyed("a2"), urgent("a3")]).await;
    per_key(&adapter, PerKey::ordered()).await;
    put(&adapter, [urgent("a4"), keyed("a5")]).await;
    worker.settle(&first, retry("again", Duration::ZERO)).await;
    put(&adapter, [urgent("a6")]).await;
    for next in ["a1", "a3", "a2", "a4", "a5", "a6"] {
        let job = worker.run_one(complete("1")).await;
        assert_eq!(job.lease.id, next.into());
    }
}

pub(super) async fn what_holds_an_ordered_key_may_be_cancelled(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    let job = worker.claim_one().await;
    worker.settle(&job, retry("again", LEASE)).await;
    let idle = idle_worker(&second).await;
    adapter.jobs().cancel(&"a1".into(), "why").await.unwrap();
    assert_eq!(got(idle).await, "a2");
    assert_eq!(holders(&adapter, &task(), "a").await, 1);
}

pub(super) async fn each_state_of_lanes_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1", "b2", "c1", "d1", "d2"]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(3, &[TASK]).await;
    worker.settle(&jobs[0], retry("again", LEASE)).await;
    worker.settle(&jobs[2], complete("1")).await;
    super::assert_sound(f).await;
    set_key(&adapter, "a", Some(3)).await;
    super::assert_sound(f).await;
    assert!(pause(&adapter, "").await);
    super::assert_sound(f).await;
    assert!(resume(&adapter).await);
    super::assert_sound(f).await;
    per_key(&adapter, None).await;
    super::assert_sound(f).await;
    assert_eq!(waiting(&adapter).await, 5);
    assert_eq!(ids(&claim_all(&adapter).await), ["d1", "a2", "b2", "d2", "a3"]);
}
