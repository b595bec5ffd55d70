//! Signals for work: which worker wakes, when, and that no signal is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, PROMPT, QUIET, TASK, claim, complete, delayed, ids, job, put,
    retry, state, sweep, within,
};
use crate::adapter::{Adapter, AttemptEnd, Settled, WorkListener};
use crate::job::JobState;
use crate::policy::Retention;

/// The longest wait of an idle worker in these checks.
const IDLE: Duration = PATIENCE;

/// Waits for a job of this task, and returns the id of the claimed one.
async fn wait(
    adapter: &Arc<dyn Adapter>,
    listener: &dyn WorkListener,
    task: &str,
    time: Duration,
) -> Option<String> {
    let mut answer = Caller::new(adapter).wait(listener, &[task], time).await;
    answer.jobs.pop().map(|job| job.lease.id.to_string())
}

/// Waits in the background for a job of [`TASK`]; the wait has begun when this returns.
async fn park(adapter: &Arc<dyn Adapter>, time: Duration) -> JoinHandle<Option<String>> {
    let adapter = Arc::clone(adapter);
    let mut parked =
        tokio::spawn(async move { wait(&adapter, &*adapter.signals().work(), TASK, time).await });
    assert!(timeout(QUIET, &mut parked).await.is_err(), "nothing to do, so the wait goes on");
    parked
}

/// An idle worker that takes one job of [`TASK`]; it sleeps when this returns.
async fn idle_worker(adapter: &Arc<dyn Adapter>) -> JoinHandle<String> {
    let adapter = Arc::clone(adapter);
    let mut parked = tokio::spawn(async move {
        let job = Caller::new(&adapter).next_job(&*adapter.signals().work(), &[TASK]).await;
        job.lease.id.to_string()
    });
    assert!(timeout(QUIET, &mut parked).await.is_err(), "nothing to do, so the worker sleeps");
    parked
}

async fn got(worker: JoinHandle<String>) -> String {
    within(PROMPT, "waking up and claiming", worker).await.unwrap()
}

pub(super) async fn s295_a_wait_without_work_ends_at_its_timeout(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let (listener, start) = (adapter.signals().work(), Instant::now());
    for _ in 0..2 {
        assert_eq!(
            wait(&adapter, &*listener, TASK, Duration::from_millis(100)).await,
            None,
            "there is no work"
        );
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200), "not at once: two waits of 100 ms took {took:?}");
    assert!(took < PROMPT, "nor much later: {took:?}");
}

pub(super) async fn s296_a_parked_claim_wakes_on_enqueue(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let worker = idle_worker(&adapter).await;
    put(&second, [job("a", TASK)]).await;
    assert_eq!(got(worker).await, "a");
}

pub(super) async fn s298_a_parked_claim_wakes_when_a_job_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 2 * QUIET.as_millis() as u64)]).await;
    assert_eq!(got(idle_worker(&adapter).await).await, "a");
}

pub(super) async fn a_job_that_is_delayed_while_all_sleep_is_claimed_when_due(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let worker = idle_worker(&adapter).await;
    put(&second, [delayed("a", TASK, 80)]).await;
    assert_eq!(got(worker).await, "a");
}

pub(super) async fn a_job_that_is_due_earlier_is_not_overslept(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [delayed("later", TASK, 3_600_000)]).await;
    let workers = [idle_worker(&adapter).await, idle_worker(&second).await];
    put(&second, [delayed("soon", TASK, 80)]).await;
    let (mut a, mut b) = (workers[0].abort_handle(), workers[1].abort_handle());
    let [first, other] = workers;
    let woken = async {
        tokio::select! { job = first => job, job = other => job }
    };
    assert_eq!(within(PROMPT, "waking up for the earlier job", woken).await.unwrap(), "soon");
    for worker in [&mut a, &mut b] {
        worker.abort();
    }
}

pub(super) async fn a_parked_claim_wakes_when_a_backoff_has_passed(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let delay = Duration::from_millis(80);
    for (id, end) in [("a", retry("no", delay)), ("b", AttemptEnd::Release { delay })] {
        put(&adapter, [job(id, TASK)]).await;
        let mut busy = Caller::new(&adapter);
        let claimed = busy.claim_one().await;
        let worker = idle_worker(&second).await;
        busy.settle(&claimed, end).await;
        assert_eq!(got(worker).await, id);
    }
}

pub(super) async fn a_parked_claim_wakes_for_what_comes_back(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    for end in [AttemptEnd::release(), retry("no", Duration::ZERO)] {
        put(&adapter, [job(&format!("{end:?}"), TASK)]).await;
        let mut busy = Caller::new(&adapter);
        let claimed = busy.claim_one().await;
        let worker = idle_worker(&second).await;
        busy.settle(&claimed, end).await;
        assert_eq!(got(worker).await, claimed.lease.id.as_str());
    }
}

pub(super) async fn a_sweep_wakes_for_what_it_has_taken_back(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut dead = Caller::new(&adapter);
    dead.claim_one().await;
    let worker = idle_worker(&second).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(got(worker).await, "a");
}

pub(super) async fn a_sweep_wakes_for_a_due_job_that_nobody_looks_after(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [delayed("a", TASK, 60_000)]).await;
    // this worker may have been told when the job is due, but it dies
    Caller::new(&adapter).claim(1, &[TASK]).await;
    let parked = park(&second, IDLE).await;
    f.advance(Duration::from_secs(61)).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(within(PROMPT, "waking up", parked).await.unwrap().as_deref(), Some("a"));
}

pub(super) async fn s300_work_that_waits_already_is_found_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let listener = adapter.signals().work();
    let job = within(PROMPT, "the claim", wait(&adapter, &*listener, TASK, IDLE)).await;
    assert_eq!(job.as_deref(), Some("a"), "the signal was kept");
}

pub(super) async fn one_job_wakes_one_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let time = Duration::from_secs(2);
    let mut parked = Vec::new();
    for adapter in [&adapter, &second, &adapter] {
        parked.push(park(adapter, time).await);
    }
    put(&adapter, [job("a", TASK)]).await;
    tokio::time::sleep(QUIET).await;
    let woken = parked.iter().filter(|parked| parked.is_finished()).count();
    assert_eq!(woken, 1, "workers woken by one job");
    let mut jobs = Vec::new();
    for parked in parked {
        jobs.extend(within(PATIENCE, "the timeout", parked).await.unwrap());
    }
    assert_eq!(jobs, ["a"]);
}

pub(super) async fn a_claim_that_leaves_jobs_wakes_the_next_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let workers = [idle_worker(&adapter).await, idle_worker(&second).await, idle_worker(&adapter).await];
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let mut jobs = Vec::new();
    for worker in workers {
        jobs.push(got(worker).await);
    }
    jobs.sort();
    assert_eq!(jobs, ["a", "b", "c"], "one call with three jobs wakes three workers, one after another");
}

pub(super) async fn a_claim_of_none_passes_the_signal_on(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let (mut full, listener) = (Caller::new(&adapter), adapter.signals().work());
    let call = full.call(Vec::new(), Some(claim(0, &[(TASK, 1)])));
    let none = within(PROMPT, "the signal", listener.wait(&call, IDLE, &Notify::new())).await.expect("wait");
    assert!(none.jobs.is_empty());
    let other = within(PROMPT, "the same signal", wait(&second, &*second.signals().work(), TASK, IDLE)).await;
    assert_eq!(other.as_deref(), Some("a"));
}

pub(super) async fn a_wait_that_is_hurried_claims_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let (mut caller, listener, wake_early) = (Caller::new(&adapter), adapter.signals().work(), Notify::new());
    put(&adapter, [job("other", OTHER)]).await;
    for early in [true, false] {
        // it waits for one task only, but claims from both
        let call = caller.call(Vec::new(), Some(claim(1, &[(TASK, 1), (OTHER, 0)])));
        let hurried = async {
            if !early {
                tokio::time::sleep(QUIET).await;
            }
            wake_early.notify_one();
        };
        let both = async { tokio::join!(listener.wait(&call, IDLE, &wake_early), hurried).0 };
        assert!(within(PROMPT, "an end", both).await.expect("wait").jobs.is_empty());
    }
    put(&adapter, [job("a", TASK)]).await;
    assert_eq!(wait(&adapter, &*listener, TASK, IDLE).await.as_deref(), Some("a"), "and no signal is lost");
}

pub(super) async fn a_delayed_job_that_is_due_is_claimed_by_a_hurried_wait(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 60_000)]).await;
    let (mut caller, listener, wake_early) = (Caller::new(&adapter), adapter.signals().work(), Notify::new());
    // now this worker, and no other, has been told when to come back
    assert!(caller.claim(1, &[TASK]).await.is_empty());
    let call = caller.next_call(&[TASK]);
    let hurried = async {
        tokio::time::sleep(QUIET).await;
        f.advance(Duration::from_secs(61)).await;
        wake_early.notify_one();
    };
    let both = async { tokio::join!(listener.wait(&call, IDLE * 10, &wake_early), hurried).0 };
    let answer = within(PATIENCE * 10, "the claim", both).await.expect("wait");
    assert_eq!(ids(&answer.jobs), ["a"]);
}

pub(super) async fn a_signal_outlives_a_wait_that_was_given_up(f: &impl Fixture) {
    let (adapter, listener) = (f.adapter().await, f.adapter().await.signals().work());
    let mut caller = Caller::new(&adapter);
    for _ in 0..2 {
        assert!(timeout(QUIET, caller.wait(&*listener, &[TASK], IDLE)).await.is_err(), "there is no work");
    }
    // a worker that drops a wait makes the slot's next call
    caller.exchange(Vec::new(), None).await;
    put(&adapter, [job("a", TASK)]).await;
    let answer = within(PROMPT, "the signal", caller.wait(&*listener, &[TASK], IDLE)).await;
    assert_eq!(ids(&answer.jobs), ["a"]);
}

pub(super) async fn a_call_that_comes_after_the_next_one_does_nothing(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut caller = Caller::new(&adapter);
    let held = caller.claim_one().await;
    let late = caller.call(vec![held.settlement(complete("1"))], Some(claim(1, &[(TASK, 1)])));
    caller.exchange(Vec::new(), None).await;
    // it takes the signal, too
    let listener = second.signals().work();
    let answer =
        within(PROMPT, "the signal", listener.wait(&late, IDLE, &Notify::new())).await.expect("wait");
    assert_eq!((answer.settled.as_slice(), answer.jobs.len()), (&[Settled::Stale][..], 0));
    assert_eq!(state(&adapter, "a").await, Some(JobState::Active), "its lease is still held");
    let next = within(PROMPT, "the signal", wait(&second, &*listener, TASK, IDLE)).await;
    assert_eq!(next.as_deref(), Some("b"), "the signal that the late call heard was passed on");
}

pub(super) async fn a_signal_outlives_the_worker_that_waited(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let gone = park(&adapter, IDLE).await;
    gone.abort();
    assert!(gone.await.is_err(), "its worker is gone");
    let worker = idle_worker(&second).await;
    put(&second, [job("a", TASK)]).await;
    assert_eq!(got(worker).await, "a");
}

pub(super) async fn a_wait_hears_only_of_its_own_tasks(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("other", OTHER)]).await;
    let parked = park(&second, IDLE).await;
    let listener = adapter.signals().work();
    let other =
        within(PROMPT, "the signal for the other task", wait(&adapter, &*listener, OTHER, IDLE)).await;
    assert_eq!(other.as_deref(), Some("other"));
    put(&adapter, [job("a", TASK)]).await;
    assert_eq!(within(PROMPT, "its own signal", parked).await.unwrap().as_deref(), Some("a"));
}

pub(super) async fn a_wait_hears_of_each_of_its_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let tasks: Vec<String> = (0..50).map(|n| format!("task-{n}")).collect();
    let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let mut worker = Caller::new(&adapter);
    let listener = adapter.signals().work();
    for task in [tasks[49], tasks[0], tasks[25]] {
        put(&adapter, [job(task, task)]).await;
        let job = within(PROMPT, "the claim", worker.next_job(&*listener, &tasks)).await;
        assert_eq!(&*job.lease.task, task);
    }
}

pub(super) async fn a_settled_job_does_not_wake_anybody(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut busy = Caller::new(&adapter);
    let claimed = busy.next_job(&*adapter.signals().work(), &[TASK]).await;
    // a signal may be left over from before the claim: once at most
    assert_eq!(wait(&second, &*second.signals().work(), TASK, QUIET).await, None);
    let start = Instant::now();
    let parked = park(&second, QUIET * 4).await;
    busy.settle(&claimed, complete("1")).await;
    assert_eq!(within(PATIENCE, "the timeout", parked).await.unwrap(), None, "there is no work");
    assert!(start.elapsed() > QUIET * 3, "nobody was woken");
}

pub(super) async fn twenty_jobs_find_twenty_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let workers: Vec<_> = (0..20)
        .map(|n| {
            let adapter = Arc::clone(if n % 2 == 0 { &adapter } else { &second });
            tokio::spawn(async move {
                let job = Caller::new(&adapter).next_job(&*adapter.signals().work(), &[TASK]).await;
                job.lease.id.to_string()
            })
        })
        .collect();
    let ids: Vec<String> = (10..30).map(|n| n.to_string()).collect();
    for id in &ids {
        put(&adapter, [job(id, TASK)]).await;
    }
    let mut jobs = Vec::new();
    for worker in workers {
        jobs.push(within(PROMPT, "waking up and claiming", worker).await.unwrap());
    }
    jobs.sort();
    assert_eq!(jobs, ids, "each worker has one job, and no job was left");
}
