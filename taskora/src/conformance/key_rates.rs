//! Rates by key: how many jobs of each key of a task start in a time.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::gate_kit::{got, idle_worker, set_rate, task};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, QUIET, TASK, claim, complete, delayed, forged, ids, info, job,
    put, retry, sweep, within,
};
use super::lane_kit::{claim_all, declare, key, per_key, put_keyed};
use crate::adapter::{Adapter, ClaimedJob, DeclaredLimit, Gate, GatedTask, KeyTaken, NewJob, PerKey, Rate};
use crate::job::{Blocked, JobState};
use crate::policy::Retention;

const HOUR: Duration = Duration::from_secs(3_600);

async fn of_each(adapter: &Arc<dyn Adapter>, per_key: PerKey, rate: Rate) {
    let per_key = per_key.rate(Some(rate));
    declare(adapter, DeclaredLimit::none(task()).per_key(Some(per_key))).await;
}

async fn set(adapter: &Arc<dyn Adapter>, of: &str, rate: Option<Rate>) {
    adapter.control().set_rate(&task(), Some(&key(of)), rate).await.expect("set_rate");
}

async fn gate_of(adapter: &Arc<dyn Adapter>, of: &str) -> Gate {
    adapter.control().gate(&task(), Some(&key(of))).await.expect("gate")
}

pub(super) async fn each_key_has_a_window(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1", "a2"]);
    assert_eq!(info(&adapter, "a3").await.blocked, Some(Blocked::Rate));
    assert!(gate_of(&adapter, "a").await.opens_at.is_some());
    assert_eq!(gate_of(&adapter, "b").await.opens_at, None);
    put_keyed(&adapter, &["b2", "b3"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b2"]);
    f.advance(HOUR).await;
    assert_eq!(claim_all(&adapter).await.len(), 2);
    assert_eq!(gate_of(&adapter, "a").await.opens_at, None);
}

pub(super) async fn each_key_has_a_bucket(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR).burst(1)).await;
    put_keyed(&adapter, &["a1", "a2", "b1"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1"]);
    f.advance(HOUR / 2).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn a_retry_is_a_start_of_its_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    for _ in 0..2 {
        let job = worker.claim_one().await;
        worker.settle(&job, retry("no", Duration::ZERO)).await;
    }
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(claim_all(&adapter).await.len(), 2);
}

pub(super) async fn a_limit_and_a_rate_of_a_key_hold_together(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::at_most(1), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    for id in ["a1", "a2"] {
        let jobs = worker.claim(9, &[TASK]).await;
        assert_eq!(ids(&jobs), [id]);
        assert_eq!(info(&adapter, "a3").await.blocked, Some(Blocked::LimitKey("a".to_owned())));
        worker.settle(&jobs[0], complete("1")).await;
    }
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "a3").await.blocked, Some(Blocked::Rate));
    assert!(adapter.control().pause(&task(), Some(&key("a")), "".into()).await.unwrap());
    f.advance(HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert!(adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a3"]);
}

pub(super) async fn the_rates_of_a_task_and_of_its_keys_hold_together(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR)).await;
    set_rate(&adapter, Some(Rate::new(3, HOUR))).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1", "b2"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1", "a2"]);
    set_rate(&adapter, None).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b2"]);
}

pub(super) async fn the_rate_of_one_key_changes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(1, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1", "b2"]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1", "b1"]);
    set(&adapter, "a", Some(Rate::new(2, HOUR))).await;
    assert_eq!(gate_of(&adapter, "a").await.set_rate, Some(Rate::new(2, HOUR)));
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
    set(&adapter, "a", None).await;
    assert!(claim_all(&adapter).await.is_empty());
    per_key(&adapter, PerKey::fair()).await;
    assert_eq!(claim_all(&adapter).await.len(), 2);
}

pub(super) async fn a_late_key_counts_when_it_is_taken(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["x", "y"].map(|id| job(id, TASK))).await;
    of_each(&adapter, PerKey::fair(), Rate::new(1, HOUR)).await;
    let jobs = claim_all(&adapter).await;
    let control = adapter.control();
    assert_eq!(control.take_key(&jobs[0].lease, &key("a")).await.unwrap(), KeyTaken::Go);
    assert_eq!(control.take_key(&jobs[1].lease, &key("a")).await.unwrap(), KeyTaken::Waits);
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["y"]);
}

pub(super) async fn a_repeated_claim_is_one_start_of_each_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2", "b1"]).await;
    let call = Caller::new(&adapter).call(Vec::new(), Some(claim(2, &[(TASK, 9)])));
    for _ in 0..3 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(ids(&answer.jobs), ["a1", "b1"]);
    }
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn the_holder_of_an_ordered_key_starts_again(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::ordered(), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    worker.settle(&first, retry("no", MOMENT)).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    f.advance(MOMENT).await;
    let again = worker.claim_one().await;
    assert_eq!((again.lease.id.as_str(), again.attempt), ("a1", 2));
    worker.settle(&again, complete("1")).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::Rate));
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a2"]);
}

pub(super) async fn a_rescued_job_is_a_start_of_its_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(2, HOUR)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(1, &[TASK]).await), ["a1"]);
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a1"]);
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a2"]);
}

pub(super) async fn jobs_become_due_while_their_lane_is_closed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(1, HOUR)).await;
    put_keyed(&adapter, &["a1"]).await;
    let later = |id: &str| NewJob { limit_key: Some(key(&id[..1])), ..delayed(id, TASK, 1_000) };
    put(&adapter, [later("a2"), later("b1")]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a1"]);
    f.advance(MOMENT).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b1"]);
    let waiting = info(&adapter, "a2").await;
    assert_eq!((waiting.state, waiting.blocked), (JobState::Waiting, Some(Blocked::Rate)));
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a2"]);
}

pub(super) async fn aliases_share_the_rates_of_keys(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let old = GatedTask::new(OTHER);
    let hourly = PerKey::fair().rate(Some(Rate::new(2, HOUR)));
    declare(&adapter, DeclaredLimit::none(old.clone()).per_key(Some(hourly))).await;
    adapter.control().set_rate(&old, Some(&key("b")), Some(Rate::new(1, HOUR))).await.unwrap();
    let of = |id: &str, task: &str| NewJob { limit_key: Some(key(&id[..1])), ..job(id, task) };
    put(&adapter, [of("a1", OTHER), of("b1", OTHER), of("a2", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(2, &[OTHER]).await), ["a1", "b1"]);
    // what the old name has started counts when it becomes an alias
    let renamed = GatedTask { aliases: vec![OTHER.into()], ..task() };
    declare(&adapter, DeclaredLimit::none(renamed).per_key(Some(hourly))).await;
    put(&adapter, [of("b2", TASK), of("a3", TASK), of("c1", TASK)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["a2", "c1"]);
    f.advance(HOUR).await;
    assert_eq!(worker.claim(9, &[TASK, OTHER]).await.len(), 2);
}

pub(super) async fn many_lanes_open_at_one_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::fair(), Rate::new(1, HOUR)).await;
    let of = |round: usize, lane: usize| NewJob {
        limit_key: Some(key(&format!("k{lane}"))),
        ..job(&format!("{round} {lane}"), TASK)
    };
    put(&adapter, (0..2).flat_map(|round| (0..150).map(move |lane| of(round, lane)))).await;
    let mut worker = Caller::new(&adapter);
    for round in ["0 ", "1 "] {
        let mut started = Vec::new();
        for _ in 0..20 {
            started.extend(worker.claim(50, &[TASK]).await);
        }
        assert_eq!(started.len(), 150);
        assert!(ids(&started).iter().all(|id| id.starts_with(round)), "{:?}", ids(&started));
        f.advance(HOUR).await;
    }
}

pub(super) async fn each_state_of_a_rate_by_key_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    of_each(&adapter, PerKey::at_most(2), Rate::new(2, HOUR)).await;
    checked("declared").await;
    put_keyed(&adapter, &["a1", "a2", "a3", "b1"]).await;
    checked("stored").await;
    let jobs = claim_all(&adapter).await;
    assert_eq!(ids(&jobs), ["a1", "b1", "a2"]);
    checked("full").await;
    let mut worker = Caller::new(&adapter);
    worker.settle(&jobs[0], complete("1")).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    checked("closed by its rate alone").await;
    put_keyed(&adapter, &["a4"]).await;
    checked("one more behind it").await;
    assert!(adapter.control().pause(&task(), Some(&key("a")), "".into()).await.unwrap());
    checked("paused").await;
    assert!(adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
    checked("resumed").await;
    for id in ["a3", "a4"] {
        adapter.jobs().cancel(&id.into(), "why").await.unwrap();
    }
    checked("with nothing in the lane").await;
    put_keyed(&adapter, &["a5"]).await;
    checked("and again").await;
    set(&adapter, "a", Some(Rate::new(5, HOUR).burst(1))).await;
    assert_eq!(ids(&worker.claim(1, &[TASK]).await), ["a5"]);
    put_keyed(&adapter, &["a6"]).await;
    worker.settle(&jobs[2], complete("1")).await;
    checked("an empty bucket").await;
    f.advance(HOUR).await;
    checked("late").await;
    per_key(&adapter, PerKey::fair()).await;
    checked("without a declared rate").await;
    set(&adapter, "a", None).await;
    checked("without rates").await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a6"]);
    per_key(&adapter, None).await;
    checked("without keys").await;
}

async fn close(adapter: &Arc<dyn Adapter>, job: &ClaimedJob, time: Duration) {
    adapter.control().close_key(&job.lease, time).await.expect("close_key");
}

pub(super) async fn a_key_is_closed_for_a_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1", "a2", "b1"]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    close(&adapter, &first, HOUR).await;
    // the longer time stays
    close(&adapter, &first, MOMENT).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b1"]);
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::Rate));
    let gate = gate_of(&adapter, "a").await;
    assert!(gate.opens_at.is_some() && gate.set_rate.is_none(), "{gate:?}");
    assert_eq!(gate_of(&adapter, "b").await.opens_at, None);
    worker.settle(&first, retry("429", Duration::ZERO)).await;
    put_keyed(&adapter, &["a3", "b2"]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b2"]);
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a2", "a1", "a3"]);
    assert_eq!(gate_of(&adapter, "a").await.opens_at, None);
}

pub(super) async fn a_key_that_is_closed_opens_by_time(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1"]).await;
    let first = claim_all(&adapter).await.remove(0);
    let idle = idle_worker(&second).await;
    close(&adapter, &first, 4 * QUIET).await;
    put_keyed(&adapter, &["a2"]).await;
    let next = within(PATIENCE, "the opening of the key", idle).await.unwrap();
    let waited = next.claimed_at.as_millis() - first.claimed_at.as_millis();
    assert!(waited >= u64::try_from((4 * QUIET).as_millis()).unwrap(), "{waited}");
}

pub(super) async fn a_closed_key_waits_for_its_limit_and_its_rate_too(f: &impl Fixture) {
    let adapter = f.adapter().await;
    of_each(&adapter, PerKey::at_most(1), Rate::new(2, 2 * HOUR)).await;
    put_keyed(&adapter, &["a1", "a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    close(&adapter, &first, HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "a2").await.blocked, Some(Blocked::LimitKey("a".to_owned())));
    f.advance(HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    worker.settle(&first, complete("1")).await;
    let second = worker.claim_one().await;
    worker.settle(&second, complete("1")).await;
    assert_eq!(info(&adapter, "a3").await.blocked, Some(Blocked::Rate));
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a3"]);
}

pub(super) async fn only_who_holds_a_key_closes_it(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("x", TASK)]).await;
    per_key(&adapter, PerKey::fair()).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    let mut worker = Caller::new(&adapter);
    let keyless = worker.claim_one().await;
    close(&adapter, &keyless, HOUR).await;
    let first = worker.claim_one().await;
    close(&adapter, &forged(&first, first.lease.token + 1), HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a2"]);
    worker.settle(&first, complete("1")).await;
    close(&adapter, &first, HOUR).await;
    put_keyed(&adapter, &["a3"]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a3"]);
    // nobody takes a closed key late, either
    let control = adapter.control();
    put(&adapter, [job("y", TASK)]).await;
    let late = worker.claim_one().await;
    assert_eq!(control.take_key(&keyless.lease, &key("c")).await.unwrap(), KeyTaken::Go);
    close(&adapter, &keyless, HOUR).await;
    assert_eq!(control.take_key(&late.lease, &key("c")).await.unwrap(), KeyTaken::Waits);
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["y"]);
}

pub(super) async fn each_state_of_a_closed_key_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    per_key(&adapter, PerKey::at_most(2)).await;
    put_keyed(&adapter, &["a1"]).await;
    assert!(adapter.control().pause(&task(), Some(&key("a")), "".into()).await.unwrap());
    checked("the only lane is paused").await;
    assert!(adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
    put_keyed(&adapter, &["a2", "a3"]).await;
    let mut worker = Caller::new(&adapter);
    let (first, second) = (worker.claim_one().await, worker.claim_one().await);
    close(&adapter, &first, HOUR).await;
    checked("closed and full").await;
    worker.settle(&first, complete("1")).await;
    checked("closed alone").await;
    adapter.jobs().cancel(&"a3".into(), "why").await.unwrap();
    checked("with nothing in the lane").await;
    put_keyed(&adapter, &["a4"]).await;
    checked("and again").await;
    assert!(adapter.control().pause(&task(), Some(&key("a")), "".into()).await.unwrap());
    checked("paused").await;
    f.advance(HOUR).await;
    checked("late").await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    checked("late and looked at").await;
    assert!(adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
    checked("resumed").await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a4"]);
    close(&adapter, &second, HOUR).await;
    per_key(&adapter, None).await;
    checked("without keys").await;
    f.advance(HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    checked("after all").await;
}

pub(super) async fn a_lane_that_its_rate_has_closed_opens_by_time(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let per = 4 * QUIET;
    of_each(&adapter, PerKey::fair(), Rate::new(1, per)).await;
    put_keyed(&adapter, &["a1", "a2"]).await;
    // with room for more, this worker would be told when the lane opens
    let first = Caller::new(&adapter).claim_one().await;
    let next = within(PATIENCE, "the opening of the lane", idle_worker(&second).await).await.unwrap();
    let waited = next.claimed_at.as_millis() - first.claimed_at.as_millis();
    assert!(waited >= u64::try_from(per.as_millis()).unwrap(), "{waited}");
    let idle = idle_worker(&second).await;
    put_keyed(&adapter, &["b1"]).await;
    assert_eq!(got(idle).await, "b1");
}
