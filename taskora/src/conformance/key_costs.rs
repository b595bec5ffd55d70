//! Jobs that count as several starts of the rate of their key.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::costs::{at, cancel, millis};
use super::gate_kit::{idle_worker, set_rate, task};
use super::kit::{Caller, PATIENCE, QUIET, TASK, complete, ids, info, job, prioritised, put, retry, within};
use super::lane_kit::{claim_all, declare, key, keyed};
use crate::adapter::{Adapter, DeclaredLimit, KeyTaken, NewJob, PerKey, Rate};
use crate::job::Blocked;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Of each key of [`TASK`], so many starts.
pub(super) async fn of_each(adapter: &Arc<dyn Adapter>, per_key: PerKey, rate: Rate) {
    declare(adapter, DeclaredLimit::none(task()).per_key(Some(per_key.rate(Some(rate))))).await;
}

pub(super) async fn each_key_counts_costs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(4, HOUR)).await;
    put(&adapter, [at(2, keyed("a1")), at(3, keyed("a2")), at(1, keyed("a3")), at(9, keyed("b1"))]).await;
    put(&adapter, [keyed("b2")]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1"]);
    for id in ["a2", "a3", "b2"] {
        assert_eq!(info(&adapter, id).await.blocked, Some(Blocked::Rate));
    }
    let of = async |of: &str| adapter.control().gate(&task(), Some(&key(of))).await.unwrap().opens_at;
    assert!(of("a").await.is_some() && of("b").await.is_some() && of("c").await.is_none());
    // the next one in the lane may cost less
    cancel(&adapter, "a2").await;
    assert_eq!((of("a").await, info(&adapter, "a3").await.blocked), (None, None));
    put(&adapter, [at(2, prioritised("a9", TASK, 9))].map(|job| NewJob { limit_key: Some(key("a")), ..job }))
        .await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a9"]);
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    let mut rest = claim_all(&adapter).await;
    rest.sort_by_key(|job| job.lease.id.to_string());
    assert_eq!(ids(&rest), ["a3", "b2"]);
}

pub(super) async fn a_bucket_of_a_key_waits_until_the_cost_is_there(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::ordered(), Rate::new(6, HOUR).burst(3)).await;
    put(&adapter, [at(3, keyed("a1")), at(2, keyed("a2"))]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    worker.settle(&first, retry("no", Duration::ZERO)).await;
    f.advance(20 * MINUTE).await;
    assert!(claim_all(&adapter).await.is_empty(), "`a1` costs as much again");
    f.advance(10 * MINUTE).await;
    let again = worker.claim_one().await;
    assert_eq!(again.lease.id, first.lease.id);
    worker.settle(&again, complete("1")).await;
    f.advance(10 * MINUTE).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(10 * MINUTE).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn the_costs_of_a_task_and_of_its_keys_hold_together(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(3, HOUR)).await;
    set_rate(&adapter, Some(Rate::new(6, HOUR))).await;
    put(&adapter, [at(2, keyed("a1")), at(2, keyed("a2")), at(3, keyed("b1")), at(2, keyed("c1"))]).await;
    // the key of `a2` has one start left, and the task has one left for `c1`
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1"]);
    assert_eq!(info(&adapter, "c1").await.blocked, Some(Blocked::Rate));
    cancel(&adapter, "c1").await;
    put(&adapter, [keyed("d1"), keyed("e1")]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["d1"]);
    f.advance(HOUR).await;
    assert_eq!(claim_all(&adapter).await.len(), 2);
}

pub(super) async fn a_late_key_counts_the_cost(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [("x", 2), ("y", 2), ("z", 1)].map(|(id, cost)| at(cost, job(id, TASK)))).await;
    of_each(&adapter, PerKey::fair(), Rate::new(3, HOUR)).await;
    let jobs = claim_all(&adapter).await;
    let control = adapter.control();
    let mut taken = Vec::new();
    for job in &jobs {
        taken.push(control.take_key(&job.lease, &key("a")).await.unwrap());
    }
    assert_eq!(taken, [KeyTaken::Go, KeyTaken::Waits, KeyTaken::Waits]);
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["y", "z"]);
}

pub(super) async fn a_lane_opens_when_the_cost_is_there(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let per = 4 * QUIET;
    of_each(&adapter, PerKey::fair(), Rate::new(3, per).burst(3)).await;
    put(&adapter, [at(3, keyed("a1")), at(2, keyed("a2"))]).await;
    let started = Caller::new(&adapter).claim_one().await;
    let worker = idle_worker(&second).await;
    let next = within(PATIENCE, "the opening of the lane", worker).await.unwrap();
    let waited = next.claimed_at.as_millis() - started.claimed_at.as_millis();
    assert!(waited >= millis(per) * 2 / 3, "{waited}");
}
