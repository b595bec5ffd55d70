//! Limits by key: lanes, and how they take turns.

use std::time::Duration;

use super::Fixture;
use super::admission_kit::deduplicated;
use super::flow_kit::{flow, node, start};
use super::gate_kit::{gate, got, idle_worker, pause, resume, set, task};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, QUIET, TASK, claim, complete, fail, ids, info, job, put, renew,
    retry, state, sweep,
};
use super::lane_kit::{
    claim_all, claim_and_take, declare, holders, key, keyed, per_key, put_keyed, set_key, waiting,
};
use crate::adapter::{
    AttemptEnd, DeclaredLimit, Due, GatedTask, KeyTaken, NewJob, NewNode, Otherwise, PerKey, Renewal, Settled,
};
use crate::job::{Blocked, JobState};
use crate::policy::{Retention, Ttl};

pub(super) async fn a_limit_by_key_holds_over_all_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::at_most(2)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "a4", "b1"]).await;
    let (mut one, mut two) = (Caller::new(&adapter), Caller::new(&second));
    let first = one.claim(2, &[TASK]).await;
    assert_eq!(ids(&first), ["a1", "b1"]);
    assert!(first.iter().all(|job| job.holds_key));
    assert_eq!(first[0].limit_key, Some(key("a")));
    assert_eq!(ids(&two.claim(9, &[TASK]).await), ["a2"]);
    assert!(one.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&second, "a3").await.blocked, Some(Blocked::LimitKey("a".to_owned())));
    assert_eq!(holders(&adapter, &task(), "a").await, 2);
    one.settle(&first[0], complete("1")).await;
    assert_eq!(info(&second, "a3").await.blocked, None, "it may be claimed");
    assert_eq!(ids(&two.claim(9, &[TASK]).await), ["a3"]);
    assert_eq!(gate(&adapter).await.per_key, Some(PerKey::at_most(2)));
}

pub(super) async fn a_lane_is_first_come_first_served(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2", "b1", "a3", "b2"]).await;
    let mut worker = Caller::new(&adapter);
    let mut order = Vec::new();
    loop {
        let jobs = worker.claim(9, &[TASK]).await;
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            order.push(job.lease.id.to_string());
            worker.settle(&job, complete("1")).await;
        }
    }
    assert_eq!(order, ["a1", "b1", "a2", "b2", "a3"]);
}

pub(super) async fn lanes_take_turns(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "a4", "b1", "b2", "c1"]).await;
    let mut worker = Caller::new(&adapter);
    // over calls, and within one
    assert_eq!(ids(&worker.claim(2, &[TASK]).await), ["a1", "b1"]);
    assert_eq!(ids(&worker.claim(5, &[TASK]).await), ["c1", "a2", "b2", "a3", "a4"]);
}

pub(super) async fn a_key_with_many_jobs_keeps_no_other_waiting(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put(&adapter, (0..900).map(|at| keyed(&format!("a{at}")))).await;
    let mut worker = Caller::new(&adapter);
    worker.claim(3, &[TASK]).await;
    put_keyed(&adapter, &["b1", "c1", "d1"]).await;
    let jobs = worker.claim(6, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a3", "b1", "c1", "d1", "a4", "a5"]);
}

pub(super) async fn returning_at_once_gains_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1", "b2", "b3", "t1"]).await;
    let mut worker = Caller::new(&adapter);
    let mut order = Vec::new();
    for next in 2..9 {
        let job = worker.claim_one().await;
        order.push(job.lease.id.to_string());
        if job.limit_key == Some(key("t")) {
            put_keyed(&adapter, &[&format!("t{next}")]).await;
        }
        worker.settle(&job, complete("1")).await;
    }
    assert_eq!(order, ["a1", "b1", "t1", "a2", "b2", "t4", "a3"]);
}

pub(super) async fn priority_goes_before_turns(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    let urgent = |id| NewJob { priority: 5, ..keyed(id) };
    put(&adapter, [keyed("a1"), keyed("b1"), urgent("b2"), urgent("b3"), urgent("c1"), keyed("c2")]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b2", "c1", "b3", "a1", "c2", "b1"]);
}

pub(super) async fn keys_that_are_fair_only_take_turns(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    let jobs = claim_all(&adapter).await;
    assert_eq!(jobs.len(), 3);
    assert_eq!(holders(&adapter, &task(), "a").await, 3);
    // a limit of one key may be set all the same
    set_key(&adapter, "a", Some(4)).await;
    put_keyed(&adapter, &["a4", "a5"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a4"]);
}

pub(super) async fn jobs_without_a_key_and_other_tasks_go_by_their_number(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(9)).await;
    put(&adapter, [job("1", TASK), keyed("a1"), job("2", OTHER), keyed("a2"), job("3", TASK), keyed("b1")])
        .await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK, OTHER]).await;
    assert_eq!(ids(&jobs), ["1", "a1", "2", "3", "b1", "a2"]);
    assert!(!jobs[0].holds_key);
    assert_eq!(jobs[0].limit_key, None);
}

pub(super) async fn whatever_ends_a_lease_opens_the_lane(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, (0..9).map(|at| keyed(&format!("a{at}")))).await;
    let mut worker = Caller::new(&adapter);
    let ends = [
        complete("1"),
        fail("no"),
        retry("again", Duration::ZERO),
        retry("again", MOMENT),
        AttemptEnd::release(),
        AttemptEnd::Release { delay: MOMENT },
        AttemptEnd::Cancel,
    ];
    for end in ends {
        let job = worker.claim_one().await;
        assert!(claim_all(&adapter).await.is_empty(), "{end:?}");
        worker.settle(&job, end.clone()).await;
        assert_eq!(holders(&adapter, &task(), "a").await, 0, "{end:?}");
    }
    // also in the same call
    let first = worker.claim_one().await;
    let answer = worker.exchange(vec![first.settlement(complete("1"))], Some(claim(9, &[(TASK, 9)]))).await;
    assert_eq!(answer.jobs.len(), 1);
    assert!(!answer.more, "the key is held");
    let flagged = &answer.jobs[0];
    adapter.jobs().cancel(&flagged.lease.id, "why").await.unwrap();
    assert!(claim_all(&adapter).await.is_empty(), "it has been told, and still runs");
    worker.settle(flagged, AttemptEnd::Cancel).await;
    assert_eq!(claim_all(&adapter).await.len(), 1);
}

pub(super) async fn a_lane_that_may_not_go_wakes_nobody(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    let idle = idle_worker(&second).await;
    put_keyed(&adapter, &["a3", "a4"]).await;
    tokio::time::sleep(QUIET).await;
    assert!(!idle.is_finished(), "there is no work");
    worker.settle(&running, complete("1")).await;
    assert_eq!(got(idle).await, "a2");
    let idle = idle_worker(&second).await;
    put_keyed(&adapter, &["b1"]).await;
    assert_eq!(got(idle).await, "b1");
    let idle = idle_worker(&second).await;
    set_key(&adapter, "a", Some(2)).await;
    assert_eq!(got(idle).await, "a3");
}

pub(super) async fn the_limit_of_the_task_and_a_pause_hold_too(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let limit = DeclaredLimit::none(task()).max(Some(3)).per_key(Some(PerKey::at_most(2)));
    declare(&adapter, limit).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1", "b2", "c1"]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a1", "b1", "c1"]);
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::Limit));
    set(&adapter, Some(9)).await;
    assert_eq!(ids(&worker.claim(1, &[TASK]).await), ["a2"]);
    assert!(pause(&adapter, "why").await);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    put_keyed(&adapter, &["d1"]).await;
    assert!(resume(&adapter).await);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b2", "d1"]);
    assert_eq!(gate(&adapter).await.running, 6);
}

pub(super) async fn the_limit_of_a_key_is_set_while_it_runs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, (0..9).map(|at| keyed(&format!("a{at}")))).await;
    let mut worker = Caller::new(&adapter);
    let mut jobs = worker.claim(9, &[TASK]).await;
    set_key(&adapter, "a", Some(4)).await;
    jobs.extend(worker.claim(9, &[TASK]).await);
    assert_eq!(ids(&jobs), ["a0", "a1", "a2", "a3"]);
    let known = adapter.control().gate(&task(), Some(&key("a"))).await.unwrap();
    assert_eq!((known.declared, known.set, known.running), (Some(1), Some(4), 4));
    set_key(&adapter, "a", Some(2)).await;
    let rest = jobs.split_off(1);
    worker.settle(&jobs[0], complete("1")).await;
    worker.settle(&rest[0], complete("1")).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "a lower limit holds at once");
    worker.settle(&rest[1], complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a4"]);
    set_key(&adapter, "a", None).await;
    worker.settle(&rest[2], complete("1")).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "the declared one holds again");
    assert_eq!(gate(&adapter).await.set, None, "it is not the limit of the task");
    // without limits by key, what was set for a key waits for them
    set_key(&adapter, "a", Some(3)).await;
    per_key(&adapter, None).await;
    per_key(&adapter, PerKey::at_most(1)).await;
    assert_eq!(claim_all(&adapter).await.len(), 2);
}

pub(super) async fn a_key_can_be_paused(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let control = adapter.control();
    per_key(&adapter, PerKey::at_most(2)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1"]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    let a = key("a");
    assert!(control.pause(&task(), Some(&a), "provider down".into()).await.unwrap());
    assert!(!control.pause(&task(), Some(&a), "another reason".into()).await.unwrap());
    let known = control.gate(&task(), Some(&a)).await.unwrap();
    assert_eq!(known.paused.map(|pause| pause.reason).as_deref(), Some("provider down"));
    assert_eq!((known.running, gate(&adapter).await.paused), (1, None));
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::Paused));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b1"], "other keys go on");
    put(&adapter, [job("late", TASK)]).await;
    let late = worker.claim_one().await;
    assert_eq!(control.take_key(&late.lease, &a).await.unwrap(), KeyTaken::Waits);
    // what runs goes on, and does not start again
    assert_eq!(renew(&adapter, &first, LEASE).await, Renewal::Extended);
    worker.settle(&first, retry("again", Duration::ZERO)).await;
    set_key(&adapter, "a", Some(9)).await;
    assert!(claim_all(&adapter).await.is_empty());
    super::assert_sound(f).await;
    let idle = idle_worker(&second).await;
    put_keyed(&adapter, &["a4"]).await;
    tokio::time::sleep(QUIET).await;
    assert!(!idle.is_finished(), "there is no work");
    assert!(control.resume(&task(), Some(&a)).await.unwrap());
    assert!(!control.resume(&task(), Some(&a)).await.unwrap());
    assert_eq!(got(idle).await, "a2");
    assert_eq!(ids(&worker.claim(2, &[TASK]).await), ["a3", "late"]);
    // without limits by key, the pause of a key waits for them
    assert!(control.pause(&task(), Some(&a), "".into()).await.unwrap());
    per_key(&adapter, None).await;
    assert_eq!(ids(&worker.claim(1, &[TASK]).await), ["a1"]);
    per_key(&adapter, PerKey::fair()).await;
    assert!(claim_all(&adapter).await.is_empty());
    assert!(control.resume(&task(), Some(&a)).await.unwrap());
    assert_eq!(ids(&claim_all(&adapter).await), ["a4"]);
}

pub(super) async fn a_key_is_held_until_its_job_is_rescued(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, [NewJob { max_stalls: 1, ..keyed("a1") }, keyed("a2"), keyed("a3")]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert!(claim_all(&adapter).await.is_empty(), "the lease may still be renewed");
    sweep(&adapter, &[TASK], Retention::default()).await;
    let again = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&again), ["a1"], "it comes back to the front");
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "a1").await, Some(JobState::Failed));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a2"]);
}

pub(super) async fn a_lease_that_has_passed_holds_its_key_as_long_as_it_may_be_renewed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    let job = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert!(claim_all(&adapter).await.is_empty());
    assert_eq!(renew(&adapter, &job, LEASE).await, Renewal::Extended, "it is late, but nobody has noticed");
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(LEASE + MOMENT).await;
    assert_eq!(worker.settle(&job, complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(holders(&adapter, &task(), "a").await, 0);
    let next = worker.claim_one().await;
    assert_eq!(next.lease.id, "a2".into());
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(renew(&adapter, &next, LEASE).await, Renewal::Lost);
    let again = worker.claim_one().await;
    assert_eq!(worker.settle(&next, complete("1")).await, Settled::Stale, "this frees nothing");
    put_keyed(&adapter, &["a3"]).await;
    assert!(claim_all(&adapter).await.is_empty());
    worker.settle(&again, complete("1")).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a3"]);
}

pub(super) async fn jobs_in_lanes_can_be_cancelled_and_expire(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    let ttl = Some(Ttl::new(MOMENT));
    put_keyed(&adapter, &["a1", "a2", "b1", "a4"]).await;
    put(&adapter, [NewJob { ttl, ..keyed("b2") }, NewJob { ttl, ..keyed("c1") }, keyed("b3")]).await;
    let mut worker = Caller::new(&adapter);
    adapter.jobs().cancel(&"a2".into(), "why").await.unwrap();
    adapter.jobs().cancel(&"b1".into(), "why").await.unwrap();
    assert_eq!(waiting(&adapter).await, 5);
    f.advance(MOMENT * 2).await;
    let first = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&first), ["a1", "b3"]);
    assert_eq!(state(&adapter, "b2").await, Some(JobState::Expired));
    assert_eq!(state(&adapter, "c1").await, Some(JobState::Expired));
    worker.settle(&first[0], complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a4"]);
    put(&adapter, [NewJob { ttl, ..keyed("a5") }]).await;
    f.advance(MOMENT * 2).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "a5").await, Some(JobState::Expired), "also while its key is held");
    assert_eq!(waiting(&adapter).await, 0);
}

pub(super) async fn jobs_in_lanes_can_be_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1"]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    adapter.admissions().admit(vec![deduplicated(keyed("a2"), Otherwise::Replace)]).await.unwrap();
    put_keyed(&adapter, &["b1"]).await;
    // the new one has another key
    adapter.admissions().admit(vec![deduplicated(keyed("b9"), Otherwise::Replace)]).await.unwrap();
    let job = worker.claim_one().await;
    assert_eq!((job.lease.id.as_str(), job.limit_key), ("a2", Some(key("b"))));
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(holders(&adapter, &task(), "b").await, 1);
}

pub(super) async fn a_delayed_job_enters_its_lane_when_it_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, [NewJob { due: Due::After(MOMENT), ..keyed("a1") }]).await;
    put_keyed(&adapter, &["a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    f.advance(MOMENT * 2).await;
    let second = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&second), ["a3"]);
    assert_eq!(state(&adapter, "a1").await, Some(JobState::Waiting));
    worker.settle(&second[0], complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a1"]);
}

pub(super) async fn nodes_have_keys(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    let of = |after, name: &str| NewNode { limit_key: Some(key(name)), ..node(after) };
    let nodes =
        vec![of(None, "a"), of(None, "a"), node(None), of(Some(0), "a"), of(Some(0), "b"), of(Some(1), "b")];
    start(&adapter, flow("w", nodes, &[&[0, 1, 2], &[3]])).await;
    let mut worker = Caller::new(&adapter);
    let first = claim_and_take(&adapter, &mut worker).await;
    assert_eq!(ids(&first), ["w#0", "w#2"]);
    worker.settle(&first[1], complete("1")).await;
    worker.settle(&first[0], complete("1")).await;
    worker.run_one(complete("1")).await;
    let second = claim_and_take(&adapter, &mut worker).await;
    assert_eq!(ids(&second), ["w#3", "w#4"]);
    worker.settle(&second[0], complete("1")).await;
    assert!(claim_and_take(&adapter, &mut worker).await.is_empty());
    worker.settle(&second[1], complete("1")).await;
    worker.run_one(complete("1")).await;
    assert_eq!(holders(&adapter, &task(), "b").await, 0);
}

pub(super) async fn aliases_share_keys(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    let old = worker.claim_one().await;
    set_key(&adapter, "b", Some(2)).await;
    let new = GatedTask { aliases: vec![TASK.into()], ..GatedTask::new(OTHER) };
    declare(&adapter, DeclaredLimit::none(new.clone()).per_key(Some(PerKey::at_most(1)))).await;
    put(&adapter, ["a3", "b1", "b2", "b3"].map(|id| NewJob { task: OTHER.into(), ..keyed(id) })).await;
    let jobs = worker.claim(9, &[TASK, OTHER]).await;
    assert_eq!(ids(&jobs), ["b1", "b2"], "what was set stays, and the key is held by a job of the alias");
    assert_eq!(holders(&adapter, &new, "a").await, 1);
    worker.settle(&old, complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["a2"], "the older one");
    assert_eq!(holders(&adapter, &new, "a").await, 1);
}

pub(super) async fn thousands_of_keys_take_turns(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::at_most(1)).await;
    const KEYS: usize = 700;
    for round in 0..3 {
        put(
            &adapter,
            (0..KEYS).map(|at| {
                let limit_key = Some(key(&format!("k{at}")));
                NewJob { limit_key, ..job(&format!("{round}/{at}"), TASK) }
            }),
        )
        .await;
    }
    let mut worker = Caller::new(&adapter);
    for round in 0..3 {
        let jobs = worker.claim(5 * KEYS, &[TASK]).await;
        let expected: Vec<String> = (0..KEYS).map(|at| format!("{round}/{at}")).collect();
        assert_eq!(ids(&jobs), expected);
        for page in jobs.chunks(64) {
            let settle = page.iter().map(|job| job.settlement(complete("1"))).collect();
            worker.exchange(settle, None).await;
        }
    }
    let left = tokio::time::timeout(PATIENCE, worker.claim(9, &[TASK])).await.expect("an answer");
    assert!(left.is_empty());
}
