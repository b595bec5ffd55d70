//! Jobs with keys that are revived, promoted, withdrawn and deleted.

use super::Fixture;
use super::action_kit::{delete, replace, reprioritise, revive, withdraw};
use super::admission_kit::deduplicated;
use super::gate_kit::task;
use super::kit::{Caller, MOMENT, TASK, complete, fail, ids, job, put, retry, state};
use super::lane_kit::{claim_all, holders, keyed, per_key, put_keyed};
use crate::adapter::{Acted, Admitted, Otherwise, PerKey};
use crate::job::JobState;

pub(super) async fn a_revived_job_waits_for_its_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1"]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    put_keyed(&adapter, &["a2"]).await;
    let running = worker.claim_one().await;
    assert_eq!(revive(&adapter, "a1").await, Acted::Done);
    assert!(claim_all(&adapter).await.is_empty(), "its key is taken");
    worker.settle(&running, complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1"]);
    assert_eq!(holders(&adapter, &task(), "a").await, 1);
}

pub(super) async fn a_revived_job_is_the_last_one_of_an_ordered_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    assert_eq!(revive(&adapter, "a1").await, Acted::Done);
    for expected in ["a2", "a3", "a1"] {
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), expected);
    }
}

pub(super) async fn a_promoted_job_keeps_its_turn_in_an_ordered_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert!(claim_all(&adapter).await.is_empty(), "the first one has the key");
    assert_eq!(adapter.actions().promote(&"a1".into()).await.unwrap(), Acted::Done);
    for expected in ["a1", "a2"] {
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), expected);
    }
}

pub(super) async fn a_lane_is_left_by_what_is_withdrawn_or_deleted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "a4"]).await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    assert_eq!(withdraw(&adapter, "a2").await, Acted::Done);
    assert_eq!(delete(&adapter, "a3").await, Acted::Done);
    worker.settle(&running, complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a4"]);
    assert_eq!(revive(&adapter, "a2").await, Acted::Done);
    assert!(claim_all(&adapter).await.is_empty(), "its key is taken");
}

pub(super) async fn a_key_is_free_once_its_owner_is_deleted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let admit = |id| adapter.admissions().admit(vec![deduplicated(job(id, TASK), Otherwise::Drop)]);
    assert_eq!(admit("a").await.unwrap(), [Admitted::New]);
    assert_eq!(admit("b").await.unwrap(), [Admitted::Duplicate("a".into())]);
    assert_eq!(delete(&adapter, "a").await, Acted::Done);
    assert_eq!(admit("b").await.unwrap(), [Admitted::New]);
}

pub(super) async fn who_waits_behind_a_withdrawn_job_goes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let follow = || Otherwise::Follow { cancel_running: false };
    let admit = |id| adapter.admissions().admit(vec![deduplicated(job(id, TASK), follow())]);
    assert_eq!(admit("a").await.unwrap(), [Admitted::New]);
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert_eq!(admit("b").await.unwrap(), [Admitted::New]);
    put(&adapter, [job("c", TASK)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
    assert_eq!(withdraw(&adapter, "a").await, Acted::Done);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"]);
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Waiting), "beside the owner of its key");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a"]);
}

pub(super) async fn a_replacement_waits_for_its_own_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "b1", "a2", "b2"]).await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&running), ["a1", "b1"]);
    assert_eq!(replace(&adapter, "a2", keyed("c1")).await, Acted::Done);
    assert_eq!(replace(&adapter, "b2", keyed("b3")).await, Acted::Done);
    assert_eq!(ids(&claim_all(&adapter).await), ["c1"], "under another key");
    worker.settle(&running[1], complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b3"]);
}

pub(super) async fn a_replaced_holder_of_an_ordered_key_lets_go(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert!(claim_all(&adapter).await.is_empty(), "the first one has the key");
    assert_eq!(replace(&adapter, "a1", keyed("a3")).await, Acted::Done);
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), "a2");
    f.advance(MOMENT * 61).await;
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), "a3");
}

pub(super) async fn a_priority_moves_a_job_in_its_lane(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2", "b1", "b2"]).await;
    assert_eq!(reprioritise(&adapter, "b2", 5).await, Acted::Done);
    assert_eq!(reprioritise(&adapter, "a1", -5).await, Acted::Done);
    let mut worker = Caller::new(&adapter);
    let running = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&running), ["b2", "a2"]);
    for job in &running {
        worker.settle(job, complete("1")).await;
    }
    assert_eq!(ids(&claim_all(&adapter).await), ["b1", "a1"]);
}

pub(super) async fn a_priority_moves_nothing_in_an_ordered_lane(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::ordered()).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    assert_eq!(reprioritise(&adapter, "a3", 5).await, Acted::Done);
    assert_eq!(reprioritise(&adapter, "a1", -5).await, Acted::Done);
    let mut worker = Caller::new(&adapter);
    for expected in ["a1", "a2", "a3"] {
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), expected);
    }
}
