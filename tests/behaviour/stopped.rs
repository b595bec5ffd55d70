//! Workers that stop by themselves, or because somebody else says so.

use std::time::Duration;

use taskora::adapter::AdapterError;
use taskora::{Error, WorkerError, prelude::*};
use tokio::time::Instant;

use crate::support::{Probe, Store, info, on_both, quick, result, soon};

#[task(stall(max = 5))]
async fn holds(n: u32, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
    n
}

fn store_error(ended: taskora::Result<()>) -> AdapterError {
    match ended.unwrap_err() {
        Error::Worker(WorkerError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn a_store_that_never_works_with_a_worker_ends_it(store: Store) {
        for error in [
            || AdapterError::Config("no such database".to_owned()),
            || AdapterError::Incompatible("version 2".to_owned()),
        ] {
            let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
            let worker = quick(&app).state(probe.clone()).register::<Holds>();
            let running = tokio::spawn(worker.run());
            let handle = other.dispatch(Holds { n: 1 }).await.unwrap();
            probe.until(1).await;
            switch.refusal.set(move |_| Some(error()));
            // what it settles is what it learns it by
            let settled = other.dispatch(Holds { n: 2 }).await.unwrap();
            probe.open(1);
            let ended = soon("the end of `run`", running).await.unwrap();
            assert_eq!(store_error(ended).to_string(), error().to_string());
            // its attempts were told, and others run its jobs
            assert_eq!(probe.running(), 0);
            let second = Probe::new();
            second.open(2);
            let next = quick(&other).state(second).register::<Holds>().start().await.unwrap();
            assert_eq!((result(&handle).await.unwrap(), result(&settled).await.unwrap()), (1, 2));
            next.shutdown().await.unwrap();
        }
    }

    async fn who_holds_a_worker_learns_that_it_has_stopped_and_why(store: Store) {
        let (app, switch) = store.switched().await;
        let worker = quick(&app).state(Probe::new()).register::<Holds>().start().await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), worker.stopped()).await;
        assert!(early.is_err(), "it has not stopped");
        switch.refusal.set(|_| Some(AdapterError::Config("no such database".to_owned())));
        // it makes its next call now
        app.dispatch(Holds { n: 1 }).await.unwrap();
        soon("the worker's end", worker.stopped()).await;
        store_error(worker.shutdown().await);
    }

    async fn a_worker_that_panics_says_so(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Holds>().concurrency(2).start().await.unwrap();
        let handles = other.dispatch_many([Holds { n: 1 }, Holds { n: 2 }]).await.unwrap();
        probe.until(2).await;
        switch.refusal.set(|call| if call.settles() { panic!("a defect") } else { None });
        probe.open(1);
        soon("the worker's end", worker.stopped()).await;
        let error = worker.shutdown().await.unwrap_err();
        assert!(
            matches!(&error, Error::Worker(WorkerError::Panicked { message }) if message == "a defect"),
            "{error:?}"
        );
        // the other attempt was told: nobody keeps its lease
        crate::support::until(0, || async { probe.running() }).await;
        let second = Probe::new();
        second.open(2);
        let next = quick(&other).state(second).register::<Holds>().start().await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
            assert_eq!(info(handle).await.stalls, 1);
        }
        next.shutdown().await.unwrap();
    }

    async fn a_worker_runs_until_a_future_completes(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let builder = quick(&app).state(probe.clone()).register::<Holds>();
        let running = tokio::spawn(builder.run_until(async { stopped.await.unwrap() }));
        let handle = app.dispatch(Holds { n: 1 }).await.unwrap();
        probe.until(1).await;
        stop.send(()).unwrap();
        probe.open(1);
        soon("the end of `run_until`", running).await.unwrap().unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
    }
}

#[cfg(unix)]
fn terminate_this_process() {
    let process = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
}

/// Real signals, which this process survives as a worker listens to them.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_grace_at_once() {
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let builder = quick(&app).state(probe.clone()).register::<Holds>().shutdown_grace(Duration::MAX);
    let running = tokio::spawn(builder.run());
    let handle = app.dispatch(Holds { n: 1 }).await.unwrap();
    probe.until(1).await;
    terminate_this_process();
    // the first signal was heard once nobody claims any more
    for n in 1.. {
        let next = app.dispatch(Holds { n: n + 1 }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        if next.state().await.unwrap() == Some(JobState::Waiting) {
            break;
        }
    }
    assert!(!running.is_finished(), "it waits for what runs");
    terminate_this_process();
    soon("the end of `run`", running).await.unwrap().unwrap();
    assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
    assert_eq!(info(&handle).await.attempts, 0);
}

/// Virtual time: nothing is waited for.
#[tokio::test(start_paused = true)]
async fn a_worker_without_jobs_that_never_reached_its_store_stops_at_once() {
    let (app, switch) = Store::memory().switched().await;
    switch.cut_off.store(true, std::sync::atomic::Ordering::SeqCst);
    let worker = quick(&app).state(Probe::new()).register::<Holds>().start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    worker.shutdown().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Its last call may take a second; its grace is 25.
#[tokio::test(start_paused = true)]
async fn a_worker_without_jobs_does_not_wait_for_a_store_that_is_away() {
    let (app, switch) = Store::memory().switched().await;
    let probe = Probe::new();
    let worker = quick(&app).state(probe.clone()).register::<Holds>().start().await.unwrap();
    probe.open(1);
    result(&app.dispatch(Holds { n: 1 }).await.unwrap()).await.unwrap();
    switch.cut_off.store(true, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let began = Instant::now();
    worker.shutdown().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
