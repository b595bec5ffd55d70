//! Workers that stop, idle and busy.

use std::time::Duration;

use taskora::prelude::*;
use tokio::time::Instant;

use crate::support::{Probe, Store, info, on_both, quick, result, soon};

#[task]
async fn holds(n: u32, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
    n
}

#[task]
async fn short(n: u32, probe: State<Probe>) {
    probe.saw(format!("{n:04}"));
    tokio::time::sleep(Duration::from_millis(2)).await;
}

#[task]
async fn listens(probe: State<Probe>, ctx: Context) {
    probe.saw("started");
    ctx.cancelled().await;
    probe.saw("told");
}

#[task(retry(attempts = 3, delay = "10ms"))]
async fn attempts(probe: State<Probe>, ctx: &Context) -> Result<u32, String> {
    probe.saw(format!("attempt {}", ctx.attempt()));
    if ctx.attempt() == 1 {
        return Err("first".into());
    }
    probe.gate().await;
    Ok(ctx.attempt())
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app)
        .state(probe.clone())
        .register_all(tasks![Holds, Short, Listens, Attempts])
        .start()
        .await
        .unwrap()
}

on_both! {
    async fn s006_a_shutdown_waits_for_what_runs(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Holds { n: 1 }).await.unwrap();
        probe.until(1).await;
        let stopping = tokio::spawn(worker.shutdown());
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!stopping.is_finished());
        probe.open(1);
        soon("the end of the shutdown", stopping).await.unwrap().unwrap();
        // at once: it is stored before the worker is gone
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
        assert_eq!(result(&handle).await.unwrap(), 1);
        assert_eq!(probe.running(), 0);
    }

    async fn s051_when_the_grace_is_over_a_handler_is_told(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Listens {}).await.unwrap();
        probe.until(1).await;
        let (grace, start) = (Duration::from_millis(100), Instant::now());
        worker.shutdown_within(grace).await.unwrap();
        let took = start.elapsed();
        assert!(took >= grace && took < grace + store.at_most(Duration::from_secs(1)), "{took:?}");
        assert_eq!(probe.seen(), ["started", "told"]);
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
    }

    async fn a_handler_that_does_not_listen_holds_up_no_shutdown(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Holds { n: 1 }).await.unwrap();
        probe.until(1).await;
        let start = Instant::now();
        worker.shutdown_within(Duration::from_millis(50)).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(50) + store.at_most(Duration::from_secs(1)), "{:?}", start.elapsed());
        assert_eq!(probe.running(), 0);
        let info = info(&handle).await;
        assert_eq!((info.state, info.attempts, info.stalls), (JobState::Waiting, 0, 0));
    }

    async fn x03_a_busy_worker_leaves_nothing_behind(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..1_000).map(|n| Short { n })).await.unwrap();
        // a deployment: one worker after the other is stopped in the middle of its work
        let mut done = 0;
        for round in 0.. {
            let worker = worker(&app, &probe).await;
            let enough = (done + 200).min(handles.len());
            probe.until(enough).await;
            soon("a shutdown", worker.shutdown()).await.unwrap();
            let counts = app.counts("short").await.unwrap();
            done = probe.seen().len();
            assert_eq!(counts.active, 0, "round {round}");
            assert_eq!((counts.completed, counts.waiting + counts.completed), (done, handles.len()));
            if done == handles.len() {
                break;
            }
        }
        assert_eq!(probe.sorted(), (0..1_000).map(|n| format!("{n:04}")).collect::<Vec<_>>());
        for handle in &handles {
            let info = info(handle).await;
            assert_eq!((info.state, info.stalls, info.attempts), (JobState::Completed, 0, 1));
        }
    }

    async fn x05_an_attempt_that_a_shutdown_interrupts_does_not_count(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(Attempts {}).await.unwrap();
        for _ in 0..3 {
            let seen = probe.seen().len();
            let stopped = worker(&app, &probe).await;
            // the first worker sees the attempt that fails, too
            probe.until(seen + if seen == 0 { 2 } else { 1 }).await;
            stopped.shutdown_within(Duration::ZERO).await.unwrap();
            let back = info(&handle).await;
            assert_eq!((back.state, back.attempts, back.stalls), (JobState::Waiting, 1, 0));
        }
        let last = worker(&app, &probe).await;
        probe.open(1);
        assert_eq!(result(&handle).await.unwrap(), 2);
        assert_eq!(info(&handle).await.attempts, 2);
        last.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["attempt 1", "attempt 2", "attempt 2", "attempt 2", "attempt 2"]);
    }

    async fn jobs_that_were_prefetched_go_back_in_their_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..8).map(|n| Holds { n })).await.unwrap();
        let prefetching = || quick(&app).state(probe.clone()).register::<Holds>().concurrency(1).prefetch(5);
        let stopped = prefetching().start().await.unwrap();
        probe.until(1).await;
        crate::support::until(6, || async { app.counts("holds").await.unwrap().active }).await;
        stopped.shutdown_within(Duration::ZERO).await.unwrap();
        let counts = app.counts("holds").await.unwrap();
        assert_eq!((counts.active, counts.waiting), (0, 8));

        probe.open(8);
        let next = prefetching().start().await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
            assert_eq!(info(handle).await.stalls, 0);
        }
        next.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["0", "0", "1", "2", "3", "4", "5", "6", "7"]);
    }

    async fn dropping_a_workers_handle_does_not_stop_it(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        drop(worker(&app, &probe).await);
        probe.open(1);
        let handle = app.dispatch(Holds { n: 3 }).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 3);
    }
}

async fn claimed_while_the_worker_stops(store: Store) {
    let ((app, switch), probe) = (store.switched().await, Probe::new());
    let stopped = worker(&app, &probe).await;
    switch.after_claim.close();
    let handle = app.dispatch(Holds { n: 1 }).await.unwrap();
    // the store has handed the job out, and the worker does not know it yet
    switch.after_claim.arrived().await;
    assert_eq!(handle.state().await.unwrap(), Some(JobState::Active));
    // on one thread, the order to stop is there before the claim is answered
    let (ended, ()) =
        tokio::join!(soon("a shutdown", stopped.shutdown()), async { switch.after_claim.open() });
    ended.unwrap();
    assert!(probe.seen().is_empty());
    let back = info(&handle).await;
    assert_eq!((back.state, back.attempts, back.stalls), (JobState::Waiting, 0, 0));

    let next = worker(&app, &probe).await;
    probe.open(1);
    assert_eq!(result(&handle).await.unwrap(), 1);
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn x04_a_job_that_is_claimed_while_the_worker_stops_goes_back_at_once_in_memory() {
    claimed_while_the_worker_stops(Store::memory()).await;
}

#[tokio::test]
async fn x04_a_job_that_is_claimed_while_the_worker_stops_goes_back_at_once_on_redis() {
    claimed_while_the_worker_stops(Store::redis().await).await;
}

/// Virtual time, since the moment is one of the shutdown's last tenth of a second.
#[tokio::test(start_paused = true)]
async fn a_claim_that_is_answered_in_the_last_moment_of_a_shutdown_goes_back() {
    let ((app, switch), probe) = (Store::memory().switched().await, Probe::new());
    let single = Worker::builder(&app).state(probe.clone()).register::<Holds>().concurrency(1);
    let stopped = single.start().await.unwrap();
    let first = app.dispatch(Holds { n: 1 }).await.unwrap();
    probe.until(1).await;
    let second = app.dispatch(Holds { n: 2 }).await.unwrap();
    switch.after_claim.close();
    probe.open(1);
    // what settles the first job has claimed the second, and the worker does not know it yet
    switch.after_claim.arrived().await;
    assert_eq!(second.state().await.unwrap(), Some(JobState::Active));
    let late = async {
        tokio::time::sleep(Duration::from_millis(930)).await;
        switch.after_claim.open();
    };
    let (ended, ()) = tokio::join!(stopped.shutdown_within(Duration::ZERO), late);
    ended.unwrap();
    assert_eq!(first.state().await.unwrap(), Some(JobState::Completed));
    let back = info(&second).await;
    assert_eq!((back.state, back.attempts, back.stalls), (JobState::Waiting, 0, 0));
}
