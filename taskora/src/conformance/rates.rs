//! Rates: how many jobs of a task start in a time.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chord, start};
use super::gate_kit::{
    declare_rate, gate, got, idle_worker, limit, pause, pause_for, put_numbered, rate, resume, room, set,
    set_rate, task,
};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, QUIET, TASK, claim, complete, delayed, fail, ids, info, job, retry, state,
    sweep, within,
};
use super::kit::{PATIENCE, put};
use crate::adapter::{AdapterError, AttemptEnd, DeclaredLimit, Gate, GatedTask, NewJob, Rate};
use crate::job::{Blocked, JobState};
use crate::policy::{Retention, Ttl};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn a_rate_holds_in_every_window(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    rate(&adapter, Rate::new(3, HOUR)).await;
    put_numbered(&adapter, 0..12).await;
    let (mut one, mut two) = (Caller::new(&adapter), Caller::new(&second));
    let (mut starts, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let mut jobs = one.claim(1, &[TASK]).await;
        jobs.extend(two.claim(9, &[TASK]).await);
        for job in &jobs {
            starts.push(job.claimed_at.as_millis());
        }
        counts.push(jobs.len());
        f.advance(20 * MINUTE).await;
    }
    assert_eq!(counts, [3, 0, 0, 3, 0, 0, 3, 0, 0, 3]);
    let hour = u64::try_from(HOUR.as_millis()).unwrap();
    assert!(starts.windows(4).all(|four| four[3] - four[0] >= hour), "{starts:?}");
}

pub(super) async fn starts_leave_a_window_one_by_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(3, HOUR)).await;
    put_numbered(&adapter, 0..12).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(worker.claim(1, &[TASK]).await.len(), 1);
    f.advance(20 * MINUTE).await;
    assert_eq!(worker.claim(1, &[TASK]).await.len(), 1);
    f.advance(20 * MINUTE).await;
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 1);
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 0);
    for _ in 0..3 {
        f.advance(20 * MINUTE).await;
        assert_eq!(worker.claim(9, &[TASK]).await.len(), 1);
    }
    f.advance(40 * MINUTE).await;
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 2);
}

pub(super) async fn a_bucket_gives_its_tokens_and_then_one_by_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(6, HOUR).burst(3)).await;
    put_numbered(&adapter, 0..20).await;
    let mut worker = Caller::new(&adapter);
    let mut counts = Vec::new();
    for minutes in [5, 5, 5, 5, 25, 10, 600, 9] {
        counts.push(worker.claim(9, &[TASK]).await.len());
        f.advance(minutes * MINUTE).await;
    }
    assert_eq!(counts, [3, 0, 1, 0, 1, 2, 1, 3]);
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 0);
    f.advance(MINUTE).await;
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 1);
}

pub(super) async fn every_claim_is_a_start_and_nothing_gives_it_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(7, HOUR)).await;
    put_numbered(&adapter, 0..9).await;
    let mut worker = Caller::new(&adapter);
    let ends =
        [complete("1"), fail("no"), retry("no", Duration::ZERO), AttemptEnd::release(), AttemptEnd::Cancel];
    for end in ends {
        let job = worker.claim_one().await;
        worker.settle(&job, end).await;
    }
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.rescued, 1);
    assert_eq!(worker.claim_one().await.lease.id, lost.lease.id);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "8").await.blocked, Some(Blocked::Rate));
}

pub(super) async fn a_repeated_call_starts_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(3, HOUR)).await;
    put_numbered(&adapter, 0..9).await;
    let call = Caller::new(&adapter).call(Vec::new(), Some(claim(2, &[(TASK, 9)])));
    for _ in 0..3 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(ids(&answer.jobs), ["0", "1"]);
    }
    assert_eq!(Caller::new(&adapter).claim(9, &[TASK]).await.len(), 1);
}

pub(super) async fn a_job_that_is_too_late_to_start_is_no_start(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(2, HOUR)).await;
    let ttl = Some(Ttl::new(MOMENT));
    put(&adapter, ["a", "b", "c"].map(|id| NewJob { ttl, ..job(id, TASK) })).await;
    put_numbered(&adapter, 0..3).await;
    f.advance(MOMENT).await;
    let mut worker = Caller::new(&adapter);
    let mut started = Vec::new();
    for _ in 0..3 {
        started.extend(worker.claim(9, &[TASK]).await);
    }
    assert_eq!(ids(&started), ["0", "1"]);
}

pub(super) async fn a_rate_a_limit_and_a_pause_hold_together(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let both = DeclaredLimit::none(task()).max(Some(1)).rate(Some(Rate::new(2, HOUR)));
    adapter.control().declare_limits(vec![both]).await.unwrap();
    put_numbered(&adapter, 0..5).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&first), ["0"]);
    assert_eq!(info(&adapter, "4").await.blocked, Some(Blocked::Limit));
    assert_eq!(gate(&adapter).await.to_string(), "1 of 1, at most 2 in 3600s");
    let answer =
        worker.exchange(vec![first[0].settlement(complete("1"))], Some(claim(9, &[(TASK, 9)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["1"], false));
    worker.settle(&answer.jobs[0], complete("1")).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "the limit has room, the rate has none");
    assert_eq!(info(&adapter, "4").await.blocked, Some(Blocked::Rate));
    assert!(pause(&adapter, "").await);
    assert_eq!(info(&adapter, "4").await.blocked, Some(Blocked::Paused));
    f.advance(HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "the rate has room, and it is paused");
    assert!(resume(&adapter).await);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["2"]);
}

pub(super) async fn a_gate_says_when_its_rate_opens(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(2, HOUR)).await;
    put_numbered(&adapter, 0..5).await;
    assert_eq!(gate(&adapter).await.opens_at, None);
    let first = Caller::new(&adapter).claim(1, &[TASK]).await.remove(0).claimed_at.as_millis();
    assert_eq!(gate(&adapter).await.opens_at, None);
    assert_eq!(Caller::new(&adapter).claim(9, &[TASK]).await.len(), 1);
    let known = gate(&adapter).await;
    let opens = known.opens_at.map(crate::job::Timestamp::as_millis);
    assert_eq!(opens, Some(first + u64::try_from(HOUR.as_millis()).unwrap()));
    assert_eq!((known.running, known.rate()), (2, Some(Rate::new(2, HOUR))));
    f.advance(HOUR).await;
    assert_eq!(gate(&adapter).await.opens_at, None);
    assert_eq!(info(&adapter, "4").await.blocked, None);
}

pub(super) async fn a_rate_that_is_set_goes_before_the_declared_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let hourly = |max| Some(Rate::new(max, HOUR));
    rate(&adapter, Rate::new(2, HOUR)).await;
    put_numbered(&adapter, 0..50).await;
    assert_eq!(room(&adapter).await, 2);
    // a raised rate opens at once, and counts what has started
    set_rate(&adapter, hourly(5)).await;
    assert_eq!(room(&adapter).await, 3);
    assert_eq!(declare_rate(&adapter, task(), hourly(3)).await, hourly(2), "what was declared before");
    let known = gate(&adapter).await;
    assert_eq!((known.declared_rate, known.set_rate, known.rate()), (hourly(3), hourly(5), hourly(5)));
    set_rate(&adapter, hourly(1)).await;
    assert_eq!(room(&adapter).await, 0);
    set_rate(&adapter, hourly(7)).await;
    assert_eq!(room(&adapter).await, 2);
    f.advance(HOUR).await;
    set_rate(&adapter, None).await;
    assert_eq!(room(&adapter).await, 3);
    // another window begins anew, and so does a bucket
    set_rate(&adapter, Some(Rate::new(3, 2 * HOUR))).await;
    assert_eq!(room(&adapter).await, 3);
    set_rate(&adapter, Some(Rate::new(3, 2 * HOUR).burst(2))).await;
    assert_eq!(room(&adapter).await, 2);
    // a bucket is counted on, and never emptier than empty
    set_rate(&adapter, Some(Rate::new(60, HOUR).burst(4))).await;
    assert_eq!(room(&adapter).await, 0);
    f.advance(MINUTE).await;
    assert_eq!(room(&adapter).await, 1);
    assert_eq!(declare_rate(&adapter, task(), None).await, hourly(3));
    set_rate(&adapter, None).await;
    assert_eq!(room(&adapter).await, 50);
    assert_eq!(gate(&adapter).await, Gate::default());
}

pub(super) async fn a_rate_that_no_store_can_keep_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let wrong = [
        (Rate::new(0, HOUR), "pause"),
        (Rate::new(5, HOUR).burst(0), "pause"),
        (Rate::new(1_001, HOUR), "burst"),
        (Rate::new(5, Duration::ZERO), "1 ms"),
        (Rate::new(5, 24 * 366 * HOUR), "365 days"),
        (Rate::new(1, 24 * HOUR).burst(400), "365 days"),
    ];
    for (rate, what) in wrong {
        let refused = adapter.control().set_rate(&task(), None, Some(rate)).await;
        assert!(matches!(&refused, Err(AdapterError::Config(why)) if why.contains(what)), "{refused:?}");
        let declared = vec![DeclaredLimit::none(task()).rate(Some(rate))];
        let refused = adapter.control().declare_limits(declared).await;
        assert!(matches!(&refused, Err(AdapterError::Config(why)) if why.contains(what)), "{refused:?}");
    }
    assert_eq!(gate(&adapter).await, Gate::default());
}

pub(super) async fn a_window_may_have_a_thousand_starts(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(1_000, HOUR)).await;
    put_numbered(&adapter, 0..1_100).await;
    let mut worker = Caller::new(&adapter);
    let mut started = 0;
    loop {
        let jobs = worker.claim(150, &[TASK]).await.len();
        if jobs == 0 {
            break;
        }
        started += jobs;
    }
    assert_eq!(started, 1_000);
    f.advance(HOUR).await;
    assert_eq!(worker.claim(150, &[TASK]).await.len(), 100);
}

pub(super) async fn aliases_share_the_rate(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let renamed = GatedTask { aliases: vec![OTHER.into()], ..task() };
    let hourly = Some(Rate::new(3, HOUR));
    put(&adapter, [job("old 1", OTHER), job("new 1", TASK), job("old 2", OTHER), job("new 2", TASK)]).await;
    // what the old name has started counts when it becomes an alias
    adapter.control().set_rate(&GatedTask::new(OTHER), None, hourly).await.unwrap();
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(1, &[OTHER]).await), ["old 1"]);
    assert_eq!(declare_rate(&adapter, renamed, None).await, None);
    assert_eq!(gate(&adapter).await.set_rate, hourly);
    let jobs = worker.claim(9, &[TASK, OTHER]).await;
    assert_eq!(ids(&jobs), ["new 1", "old 2"]);
    assert_eq!(info(&adapter, "new 2").await.blocked, Some(Blocked::Rate));
    put(&adapter, [job("old 3", OTHER)]).await;
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["new 2", "old 3"]);
}

pub(super) async fn a_rate_keeps_no_other_task_from_running(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(1, HOUR)).await;
    put_numbered(&adapter, 0..5).await;
    put(&adapter, [job("x", OTHER), job("y", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["0", "x", "y"], false));
    put(&adapter, [job("z", OTHER)]).await;
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["z"], false));
}

pub(super) async fn nodes_are_starts_like_any_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(2, HOUR)).await;
    start(&adapter, chord("flow", 4)).await;
    let mut worker = Caller::new(&adapter);
    for count in [2, 2, 1] {
        let jobs = worker.claim(9, &[TASK]).await;
        assert_eq!(jobs.len(), count);
        for job in &jobs {
            worker.settle(job, complete("1")).await;
        }
        assert!(worker.claim(9, &[TASK]).await.is_empty());
        f.advance(HOUR).await;
    }
}

pub(super) async fn a_gate_that_its_rate_has_closed_opens_by_time(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let per = 4 * QUIET;
    rate(&adapter, Rate::new(2, per)).await;
    put_numbered(&adapter, 0..4).await;
    let started = Caller::new(&adapter).claim(2, &[TASK]).await;
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    for worker in idle {
        let next = within(PATIENCE, "the opening of the gate", worker).await.unwrap();
        let waited = next.claimed_at.as_millis() - started[0].claimed_at.as_millis();
        assert!(waited >= u64::try_from(per.as_millis()).unwrap(), "{waited}");
    }
    // a job that comes into the closed line is found, too
    put_numbered(&adapter, 4..5).await;
    assert_eq!(got(idle_worker(&second).await).await, "4");
}

pub(super) async fn a_gate_that_its_rate_has_closed_makes_no_noise(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    rate(&adapter, Rate::new(1, HOUR)).await;
    put_numbered(&adapter, 0..2).await;
    let mut busy = Caller::new(&adapter);
    let running = busy.claim_one().await;
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    put_numbered(&second, 2..40).await;
    put(&second, [delayed("soon", TASK, 20)]).await;
    busy.settle(&running, retry("again", Duration::ZERO)).await;
    tokio::time::sleep(QUIET).await;
    assert!(idle.iter().all(|worker| !worker.is_finished()));
    // delayed jobs become ready meanwhile
    let is_promoted = async {
        while state(&adapter, "soon").await != Some(JobState::Waiting) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(PATIENCE, "the delayed job", is_promoted).await;
    // a worker that comes now is told nothing either
    let listener = adapter.signals().work();
    assert!(busy.wait(&*listener, &[TASK], QUIET).await.jobs.is_empty());
    // a higher rate wakes one, which wakes the next
    set_rate(&adapter, Some(Rate::new(3, HOUR))).await;
    let mut woken = Vec::new();
    for worker in idle {
        woken.push(got(worker).await);
    }
    woken.sort();
    assert_eq!(woken, ["1", "2"]);
}

pub(super) async fn each_state_of_a_rate_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    rate(&adapter, Rate::new(2, HOUR)).await;
    checked("declared").await;
    put_numbered(&adapter, 0..3).await;
    put(&adapter, [delayed("later", TASK, 1_000)]).await;
    checked("stored").await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    checked("started").await;
    let second = worker.claim_one().await;
    checked("closed").await;
    assert!(worker.claim(1, &[TASK]).await.is_empty());
    f.advance(MOMENT).await;
    assert!(worker.claim(1, &[TASK]).await.is_empty());
    checked("closed, and nothing delayed").await;
    worker.settle(&first, complete("1")).await;
    checked("settled").await;
    set(&adapter, Some(1)).await;
    checked("full").await;
    worker.settle(&second, retry("no", MINUTE)).await;
    checked("closed by its rate alone").await;
    for id in ["2", "later"] {
        adapter.jobs().cancel(&id.into(), "why").await.unwrap();
    }
    checked("with nothing in line").await;
    assert!(pause(&adapter, "").await);
    checked("paused").await;
    f.advance(HOUR).await;
    checked("late").await;
    assert!(worker.claim(1, &[TASK]).await.is_empty());
    checked("still paused").await;
    assert!(resume(&adapter).await);
    checked("resumed").await;
    set_rate(&adapter, Some(Rate::new(1, HOUR).burst(1))).await;
    worker.claim_one().await;
    checked("an empty bucket").await;
    set_rate(&adapter, None).await;
    set(&adapter, None).await;
    assert_eq!(declare_rate(&adapter, task(), None).await, Some(Rate::new(2, HOUR)));
    checked("without a gate").await;
    limit(&adapter, 1).await;
    checked("with a limit alone").await;
}

pub(super) async fn a_pause_and_a_rate_open_by_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(1, 2 * HOUR)).await;
    put_numbered(&adapter, 0..4).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    // the pause ends first
    assert!(pause_for(&adapter, HOUR).await);
    assert_eq!(info(&adapter, "1").await.blocked, Some(Blocked::Paused));
    f.advance(HOUR).await;
    assert_eq!(room(&adapter).await, 0);
    assert_eq!(info(&adapter, "1").await.blocked, Some(Blocked::Rate));
    super::upkeep::sound(&adapter, "the rate is left").await;
    f.advance(HOUR).await;
    worker.run_one(complete("1")).await;
    // the rate opens first
    assert!(pause_for(&adapter, 3 * HOUR).await);
    f.advance(2 * HOUR).await;
    assert_eq!(room(&adapter).await, 0);
    assert_eq!(info(&adapter, "2").await.blocked, Some(Blocked::Paused));
    super::upkeep::sound(&adapter, "the pause is left").await;
    f.advance(HOUR).await;
    worker.run_one(complete("1")).await;
    // a rate that goes leaves the pause
    assert!(pause_for(&adapter, HOUR).await);
    set_rate(&adapter, Some(Rate::new(9, HOUR))).await;
    assert_eq!(room(&adapter).await, 0);
    f.advance(HOUR).await;
    assert_eq!(room(&adapter).await, 1);
}
