//! Signals for work: who is woken, when, and that no signal is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, PROMPT, QUIET, TASK, claim, complete, delayed, job, names, put,
    retry, sweep, within,
};
use crate::adapter::{Adapter, AttemptEnd, WorkSignal};
use crate::policy::Retention;

/// How long an idle worker of these checks waits at most.
const IDLE: Duration = PATIENCE;

async fn wait(ear: &mut dyn WorkSignal, task: &str, time: Duration) -> bool {
    ear.wait(&names(&[task]), time).await.expect("wait")
}

/// Waits in the background for a signal for [`TASK`]; has begun to when this returns.
async fn park(adapter: &Arc<dyn Adapter>, time: Duration) -> JoinHandle<bool> {
    let mut ear = adapter.work();
    let mut parked = tokio::spawn(async move { wait(&mut *ear, TASK, time).await });
    assert!(timeout(QUIET, &mut parked).await.is_err(), "nothing to do, so the wait goes on");
    parked
}

/// An idle worker that takes one job of [`TASK`]; sleeps when this returns.
async fn idle_worker(adapter: &Arc<dyn Adapter>) -> JoinHandle<String> {
    let adapter = Arc::clone(adapter);
    let mut parked = tokio::spawn(async move {
        let job = Caller::new(&adapter).next_job(&mut *adapter.work(), &[TASK]).await;
        job.lease.id.to_string()
    });
    assert!(timeout(QUIET, &mut parked).await.is_err(), "nothing to do, so the worker sleeps");
    parked
}

async fn got(worker: JoinHandle<String>) -> String {
    within(PROMPT, "waking up and claiming", worker).await.unwrap()
}

pub async fn s295_a_wait_without_work_ends_at_its_timeout(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let (mut ear, start) = (adapter.work(), Instant::now());
    for _ in 0..2 {
        assert!(!wait(&mut *ear, TASK, Duration::from_millis(100)).await, "there is no work");
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200), "not at once: two waits of 100 ms took {took:?}");
    assert!(took < PROMPT, "nor much later: {took:?}");
}

pub async fn s296_a_parked_claim_wakes_on_enqueue(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let worker = idle_worker(&adapter).await;
    put(&second, [job("a", TASK)]).await;
    assert_eq!(got(worker).await, "a");
}

pub async fn s298_a_parked_claim_wakes_when_a_job_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 2 * QUIET.as_millis() as u64)]).await;
    assert_eq!(got(idle_worker(&adapter).await).await, "a");
}

pub async fn a_job_that_is_delayed_while_all_sleep_is_claimed_when_due(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let worker = idle_worker(&adapter).await;
    put(&second, [delayed("a", TASK, 80)]).await;
    assert_eq!(got(worker).await, "a");
}

pub async fn a_job_that_is_due_earlier_is_not_overslept(f: &impl Fixture) {
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

pub async fn a_parked_claim_wakes_when_a_backoff_has_passed(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut busy = Caller::new(&adapter);
    let claimed = busy.claim_one().await;
    let worker = idle_worker(&second).await;
    busy.settle(&claimed, retry("no", Duration::from_millis(80))).await;
    assert_eq!(got(worker).await, "a");
}

pub async fn a_parked_claim_wakes_for_what_comes_back(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    for end in [AttemptEnd::Release, retry("no", Duration::ZERO)] {
        put(&adapter, [job(&format!("{end:?}"), TASK)]).await;
        let mut busy = Caller::new(&adapter);
        let claimed = busy.claim_one().await;
        let worker = idle_worker(&second).await;
        busy.settle(&claimed, end).await;
        assert_eq!(got(worker).await, claimed.lease.id.as_str());
    }
}

pub async fn a_sweep_wakes_for_what_it_has_taken_back(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut dead = Caller::new(&adapter);
    dead.claim_one().await;
    let worker = idle_worker(&second).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(got(worker).await, "a");
}

pub async fn a_sweep_wakes_for_a_due_job_that_nobody_looks_after(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [delayed("a", TASK, 60_000)]).await;
    // this one may have been told to come back when the job is due, but it dies
    Caller::new(&adapter).claim(1, &[TASK]).await;
    let parked = park(&second, IDLE).await;
    f.advance(Duration::from_secs(61)).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert!(within(PROMPT, "waking up", parked).await.unwrap());
}

pub async fn s300_work_that_waits_already_is_found_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut ear = adapter.work();
    assert!(within(PROMPT, "the signal", wait(&mut *ear, TASK, IDLE)).await, "the signal was kept");
    let job = within(PROMPT, "the claim", Caller::new(&adapter).next_job(&mut *ear, &[TASK])).await;
    assert_eq!(job.lease.id.as_str(), "a");
}

pub async fn one_job_wakes_one_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let time = Duration::from_millis(800);
    let mut parked = Vec::new();
    for adapter in [&adapter, &second, &adapter] {
        parked.push(park(adapter, time).await);
    }
    put(&adapter, [job("a", TASK)]).await;
    let mut woken = 0;
    for parked in parked {
        woken += usize::from(within(PATIENCE, "waking up or the timeout", parked).await.unwrap());
    }
    assert_eq!(woken, 1, "workers woken by one job");
}

pub async fn a_claim_that_leaves_jobs_wakes_the_next_worker(f: &impl Fixture) {
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

pub async fn a_claim_of_none_passes_the_signal_on(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut ear = adapter.work();
    put(&adapter, [job("a", TASK)]).await;
    assert!(within(PROMPT, "the first signal", wait(&mut *ear, TASK, IDLE)).await);
    let other = park(&second, IDLE).await;
    Caller::new(&adapter).exchange(Vec::new(), Some(claim(0, &[(TASK, 1)]))).await;
    assert!(within(PROMPT, "the signal that was passed on", other).await.unwrap());
}

pub async fn a_signal_outlives_a_wait_that_was_given_up(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = adapter.work();
    for _ in 0..2 {
        assert!(timeout(QUIET, wait(&mut *ear, TASK, IDLE)).await.is_err(), "there is no work");
    }
    put(&adapter, [job("a", TASK)]).await;
    assert!(within(PROMPT, "the signal", wait(&mut *ear, TASK, IDLE)).await);
}

pub async fn a_signal_outlives_the_worker_that_waited(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let gone = park(&adapter, IDLE).await;
    gone.abort();
    assert!(gone.await.is_err(), "its worker is gone");
    let worker = idle_worker(&second).await;
    put(&second, [job("a", TASK)]).await;
    assert_eq!(got(worker).await, "a");
}

pub async fn a_wait_hears_only_of_its_own_tasks(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("other", OTHER)]).await;
    let parked = park(&second, IDLE).await;
    let mut ear = adapter.work();
    assert!(within(PROMPT, "the signal for the other task", wait(&mut *ear, OTHER, IDLE)).await);
    put(&adapter, [job("a", TASK)]).await;
    assert!(within(PROMPT, "its own signal", parked).await.unwrap());
}

pub async fn a_wait_hears_of_each_of_its_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let tasks: Vec<String> = (0..50).map(|n| format!("task-{n}")).collect();
    let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let mut worker = Caller::new(&adapter);
    let mut ear = adapter.work();
    for task in [tasks[49], tasks[0], tasks[25]] {
        put(&adapter, [job(task, task)]).await;
        let job = within(PROMPT, "the claim", worker.next_job(&mut *ear, &tasks)).await;
        assert_eq!(&*job.lease.task, task);
    }
}

pub async fn a_settled_job_does_not_wake_anybody(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut busy = Caller::new(&adapter);
    let claimed = busy.next_job(&mut *adapter.work(), &[TASK]).await;
    let mut ear = second.work();
    // a signal may be left over from before the claim: once at most
    wait(&mut *ear, TASK, QUIET).await;
    let parked = park(&second, QUIET * 4).await;
    busy.settle(&claimed, complete("1")).await;
    assert!(!within(PATIENCE, "the timeout", parked).await.unwrap(), "there is no work");
}

pub async fn twenty_jobs_find_twenty_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let workers: Vec<_> = (0..20)
        .map(|n| {
            let adapter = Arc::clone(if n % 2 == 0 { &adapter } else { &second });
            tokio::spawn(async move {
                let job = Caller::new(&adapter).next_job(&mut *adapter.work(), &[TASK]).await;
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
