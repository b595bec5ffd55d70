//! Calls that the store refuses for a reason that no repetition removes: they harm their own job, and no other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::AdapterError;
use taskora::prelude::*;

use crate::support::{Called, LEASE, Probe, Store, info, on_both, quick, result, until, until_is};

#[task(stall(max = 5))]
async fn holds(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(n);
    probe.gate().await;
    n
}

#[task]
async fn adds(a: u32, b: u32) -> u32 {
    a + b
}

/// Runs until it is told that its lease is lost.
#[task(stall(max = 5))]
async fn listens(probe: State<Probe>, ctx: Context) {
    probe.watch(&ctx);
    probe.saw("started");
    probe.gate().await;
}

#[task]
async fn reports(progress: u32, ctx: &Context) {
    ctx.progress(progress);
}

fn protocol() -> Option<AdapterError> {
    Some(AdapterError::Protocol("nonsense".to_owned()))
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app)
        .state(probe.clone())
        .register_all(tasks![Holds, Adds, Listens, Reports])
        .concurrency(10)
        .start()
        .await
        .unwrap()
}

on_both! {
    async fn an_outcome_that_is_refused_once_is_settled(store: Store) {
        for lost in [false, true] {
            let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
            switch.lose_answers.store(lost, Ordering::SeqCst);
            let worker = worker(&app, &probe).await;
            let mut refused = false;
            switch.refusal.set(move |call| {
                (call.settles() && !std::mem::replace(&mut refused, true)).then(protocol)?
            });
            let handle = other.dispatch(Adds { a: 1, b: 2 }).await.unwrap();
            assert_eq!(result(&handle).await.unwrap(), 3);
            // the worker knows it, too, and takes what comes next
            assert_eq!(result(&other.dispatch(Adds { a: 2, b: 2 }).await.unwrap()).await.unwrap(), 4);
            let info = info(&handle).await;
            assert_eq!((info.attempts, info.stalls), (1, 0));
            worker.shutdown().await.unwrap();
        }
    }

    async fn an_outcome_that_is_always_refused_costs_no_other_job(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let refusing = worker(&app, &probe).await;
        let handles = other.dispatch_many((0..10).map(|n| Holds { n })).await.unwrap();
        probe.until(10).await;
        let poisoned = handles[3].id().clone();
        switch.refusal.set(move |call| call.settles_job(&poisoned).then(protocol)?);
        // several of them end in one call
        switch.before_settle.close();
        probe.open(10);
        switch.before_settle.arrived().await;
        tokio::task::yield_now().await;
        switch.before_settle.open();
        for handle in handles.iter().filter(|handle| handle.id() != handles[3].id()) {
            result(handle).await.unwrap();
            let info = info(handle).await;
            assert_eq!((info.attempts, info.stalls), (1, 0));
        }
        // its slot is free, and its lease is not kept: another worker runs it
        assert_eq!(result(&other.dispatch(Adds { a: 1, b: 2 }).await.unwrap()).await.unwrap(), 3);
        let second = Probe::new();
        second.open(1);
        refusing.shutdown().await.unwrap();
        let next = worker(&other, &second).await;
        assert_eq!(result(&handles[3]).await.unwrap(), 3);
        assert_eq!(info(&handles[3]).await.stalls, 1);
        next.shutdown().await.unwrap();
    }

    async fn a_lease_whose_outcome_is_refused_is_not_kept_by_a_worker_that_goes_on(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let refusing = worker(&app, &probe).await;
        let handle = other.dispatch(Holds { n: 1 }).await.unwrap();
        probe.until(1).await;
        let poisoned = handle.id().clone();
        switch.refusal.set(move |call| call.settles_job(&poisoned).then(protocol)?);
        probe.open(2);
        // it runs again, here or elsewhere, as often as its leases pass
        probe.until(2).await;
        switch.refusal.clear();
        probe.open(5);
        assert_eq!(result(&handle).await.unwrap(), 1);
        assert!(info(&handle).await.stalls > 0);
        refusing.shutdown().await.unwrap();
    }

    async fn a_store_that_refuses_everything_costs_time_and_no_job(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let refusing = worker(&app, &probe).await;
        let handles = other.dispatch_many((0..10).map(|n| Holds { n })).await.unwrap();
        probe.until(10).await;
        switch.refusal.set(|_| protocol());
        probe.open(10);
        let second = Probe::new();
        second.open(20);
        let alive = worker(&other, &second).await;
        for handle in &handles {
            result(handle).await.unwrap();
            let info = info(handle).await;
            assert_eq!((info.attempts, info.stalls), (1, 1));
        }
        alive.shutdown().await.unwrap();
        // and it works again when the store does
        switch.refusal.clear();
        assert_eq!(result(&other.dispatch(Adds { a: 1, b: 2 }).await.unwrap()).await.unwrap(), 3);
        refusing.shutdown().await.unwrap();
    }

    async fn a_wait_that_is_refused_keeps_no_job_from_its_worker(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        switch.refusal.set(|call| matches!(call, Called::Wait).then(protocol)?);
        let worker = worker(&app, &probe).await;
        for n in 0..3 {
            assert_eq!(result(&other.dispatch(Adds { a: n, b: 2 }).await.unwrap()).await.unwrap(), n + 2);
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_lease_that_cannot_be_renewed_costs_no_other_lease(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let refusing = worker(&app, &probe).await;
        let listening = Probe::new();
        let listens = quick(&app).state(listening.clone()).register::<Listens>().start().await.unwrap();
        let kept = other.dispatch(Holds { n: 1 }).await.unwrap();
        probe.until(1).await;
        let lost = other.dispatch(Listens {}).await.unwrap();
        until(2, || async { other.counts("holds").await.unwrap().active + other.counts("listens").await.unwrap().active }).await;
        let poisoned = lost.id().clone();
        switch.refusal.set(move |call| match call {
            Called::Renew(leases) if leases.iter().any(|renew| renew.lease.id == poisoned) => protocol(),
            _ => None,
        });
        // whichever of the two workers has it is told when its lease has passed
        until_is(|told| *told, || async { probe.count("told") + listening.count("told") > 0 }, || "told".into()).await;
        assert_eq!(info(&kept).await.stalls, 0);
        switch.refusal.clear();
        // an attempt that was told may still be at the gate, and takes a turn
        probe.open(20);
        listening.open(20);
        result(&kept).await.unwrap();
        result(&lost).await.unwrap();
        assert_eq!((info(&kept).await.stalls, info(&kept).await.attempts), (0, 1));
        refusing.shutdown().await.unwrap();
        listens.shutdown().await.unwrap();
    }

    async fn a_report_that_is_refused_costs_no_other_report(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let handles = other.dispatch_many((0..10).map(|progress| Reports { progress })).await.unwrap();
        let poisoned = handles[4].id().clone();
        switch.refusal.set(move |call| match call {
            Called::Note(notes) if notes.iter().any(|note| note.lease.id == poisoned) => protocol(),
            _ => None,
        });
        let worker = worker(&app, &probe).await;
        for (n, handle) in handles.iter().enumerate() {
            result(handle).await.unwrap();
            let expected = (n != 4).then_some(n as u32);
            assert_eq!(handle.progress::<u32>().await.unwrap(), expected);
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_task_that_cannot_be_swept_costs_no_other_task(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let handle = other.dispatch(Holds { n: 1 }).await.unwrap();
        store.ghost().await.claim_one::<Holds>(LEASE).await;
        switch.refusal.set(|call| match call {
            Called::Sweep(tasks) if tasks.iter().any(|task| &**task == "adds") => protocol(),
            _ => None,
        });
        probe.open(1);
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&handle).await.unwrap(), 1);
        assert_eq!(info(&handle).await.stalls, 1);
        worker.shutdown().await.unwrap();
    }
}

/// Virtual time: how many calls a minute holds is what this is about.
#[tokio::test(start_paused = true)]
async fn claims_that_are_refused_are_repeated_and_not_hotly() {
    let store = Store::memory();
    let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
    switch.refusal.set(|call| call.claims().then(protocol)?);
    let worker = worker(&app, &probe).await;
    let handle = other.dispatch(Adds { a: 1, b: 2 }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let calls = switch.calls.load(Ordering::SeqCst);
    assert!((5..60).contains(&calls), "{calls} calls in a minute");
    switch.refusal.clear();
    assert_eq!(result(&handle).await.unwrap(), 3);
    worker.shutdown().await.unwrap();
}

/// A shutdown settles one by one, too, what the store refuses together.
#[tokio::test(start_paused = true)]
async fn a_last_call_that_is_refused_hands_back_all_other_jobs() {
    let store = Store::memory();
    let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
    let worker = worker(&app, &probe).await;
    let handles = other.dispatch_many((0..10).map(|n| Holds { n })).await.unwrap();
    probe.until(10).await;
    let poisoned = handles[3].id().clone();
    switch.refusal.set(move |call| call.settles_job(&poisoned).then(protocol)?);
    worker.shutdown_within(Duration::ZERO).await.unwrap();
    for (n, handle) in handles.iter().enumerate() {
        let expected = if n == 3 { JobState::Active } else { JobState::Waiting };
        assert_eq!(handle.state().await.unwrap(), Some(expected), "job {n}");
    }
}
