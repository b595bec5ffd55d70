//! Pauses of keys that end by themselves.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::gate_kit::{got, idle_worker, task};
use super::kit::{Caller, MARGIN, QUIET, TASK, complete, ids, info, job, put, sweep};
use super::lane_kit::{claim_all, key, per_key, put_keyed, set_key};
use crate::adapter::{Adapter, Gate, KeyTaken, NewPause, PerKey};
use crate::job::Blocked;
use crate::policy::Retention;

const HOUR: Duration = Duration::from_secs(3_600);

async fn pause_for(adapter: &Arc<dyn Adapter>, of: &str, time: Duration) -> bool {
    let pause = NewPause::from("unpaid").by("ada").lasting(time);
    adapter.control().pause(&task(), Some(&key(of)), pause).await.expect("pause")
}

async fn gate_of(adapter: &Arc<dyn Adapter>, of: &str) -> Gate {
    adapter.control().gate(&task(), Some(&key(of))).await.expect("gate")
}

pub(super) async fn the_pause_of_a_key_ends_at_its_time(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::at_most(2)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1"]).await;
    assert!(pause_for(&adapter, "a", HOUR).await);
    assert_eq!(ids(&claim_all(&adapter).await), ["b1"], "other keys go on");
    let known = gate_of(&second, "a").await.paused.expect("it is paused");
    let lasts = known.until.expect("it ends by itself").as_millis() - known.since.as_millis();
    assert_eq!((&*known.reason, &*known.by, lasts), ("unpaid", "ada", 3_600_000));
    f.advance(HOUR - MARGIN).await;
    assert!(claim_all(&adapter).await.is_empty());
    assert_eq!(info(&adapter, "a1").await.blocked, Some(Blocked::Paused));
    f.advance(MARGIN).await;
    assert_eq!(gate_of(&second, "a").await.paused, None);
    assert_eq!(ids(&claim_all(&second).await), ["a1", "a2"]);
    assert!(!adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
}

pub(super) async fn the_pause_of_a_key_that_ends_wakes_an_idle_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1"]).await;
    assert!(pause_for(&adapter, "a", QUIET * 4).await);
    let until = gate_of(&adapter, "a").await.paused.unwrap().until.expect("it ends by itself");
    let job = idle_worker(&second).await.await.expect("a job");
    assert_eq!(job.lease.id, "a1".into());
    assert!(job.claimed_at >= until);
    // what comes into the lane of a paused key does not change that
    assert!(pause_for(&adapter, "a", QUIET * 4).await);
    let idle = idle_worker(&second).await;
    put_keyed(&adapter, &["a2"]).await;
    assert_eq!(got(idle).await, "a2");
}

pub(super) async fn a_pause_of_a_key_changes_before_its_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1"]).await;
    let control = adapter.control();
    assert!(pause_for(&adapter, "a", HOUR).await);
    assert!(!pause_for(&adapter, "a", 2 * HOUR).await);
    super::assert_sound(f).await;
    f.advance(HOUR).await;
    assert!(claim_all(&adapter).await.is_empty(), "the later end counts");
    set_key(&adapter, "a", Some(9)).await;
    assert!(claim_all(&adapter).await.is_empty(), "a limit ends no pause");
    put(&adapter, [job("late", TASK)]).await;
    let late = Caller::new(&adapter).claim_one().await;
    assert_eq!(control.take_key(&late.lease, &key("a")).await.unwrap(), KeyTaken::Waits);
    assert!(control.resume(&task(), Some(&key("a"))).await.unwrap());
    super::assert_sound(f).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "late"]);
    // the task and its key, each with its own end
    put_keyed(&adapter, &["a2"]).await;
    assert!(pause_for(&adapter, "a", 2 * HOUR).await);
    assert!(control.pause(&task(), None, NewPause::from("").lasting(HOUR)).await.unwrap());
    f.advance(HOUR).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn the_pause_of_a_key_without_jobs_is_forgotten(f: &impl Fixture) {
    let adapter = f.adapter().await;
    // it waits for limits by key
    assert!(pause_for(&adapter, "a", HOUR).await);
    super::assert_sound(f).await;
    put_keyed(&adapter, &["a1"]).await;
    Caller::new(&adapter).run_one(complete("1")).await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a2"]).await;
    assert!(claim_all(&adapter).await.is_empty());
    super::assert_sound(f).await;
    f.advance(HOUR).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    super::assert_sound(f).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
    super::assert_sound(f).await;
}
