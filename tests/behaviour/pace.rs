//! What a running worker can be told: another concurrency, to pause, and to go on.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{Schedule, WorkerBuilder, WorkerError};

use crate::support::{Called, PATIENCE, Probe, Store, info, on_both, result, soon, until, until_state};

/// It notes how many run, itself included.
#[task]
async fn pass(n: u32, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(probe.running());
    probe.gate().await;
    n
}

/// It notes which one it is.
#[task]
async fn named(n: u32, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
    n
}

#[task(concurrency = 1)]
async fn alone(probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(probe.running());
    probe.gate().await;
}

/// A worker whose sweeps come too late for any test.
fn builder(app: &App, probe: &Probe) -> WorkerBuilder<Probe> {
    let builder = Worker::builder(app).sweep(PATIENCE * 10).state(probe.clone());
    builder.register_all(tasks![Pass, Named, Alone])
}

async fn waiting_and_active(app: &App, task: &str) -> (usize, usize) {
    let counts = app.counts(task).await.unwrap();
    (counts.waiting, counts.active)
}

on_both! {
    async fn a_higher_concurrency_starts_more_at_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..5).map(|n| Pass { n })).await.unwrap();
        let worker = builder(&app, &probe).concurrency(2).start().await.unwrap();
        probe.until(2).await;
        assert_eq!((worker.concurrency(), waiting_and_active(&app, "pass").await), (2, (3, 2)));
        worker.set_concurrency(4).unwrap();
        assert_eq!(worker.concurrency(), 4);
        assert_eq!(probe.until(4).await.last().unwrap(), "4");
        until((1, 4), || waiting_and_active(&app, "pass")).await;
        probe.open(5);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 4);
        worker.shutdown().await.unwrap();
    }

    async fn a_lower_concurrency_lets_what_runs_end(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).concurrency(4).start().await.unwrap();
        let mut handles = app.dispatch_many((0..3).map(|n| Pass { n })).await.unwrap();
        probe.until(3).await;
        worker.set_concurrency(1).unwrap();
        handles.extend(app.dispatch_many((3..8).map(|n| Pass { n })).await.unwrap());
        // it gives back what it had asked for before
        until((5, 3), || waiting_and_active(&app, "pass")).await;
        probe.open(8);
        for handle in &handles {
            assert_eq!((result(handle).await.is_ok(), info(handle).await.stalls), (true, 0));
        }
        let seen = probe.seen();
        assert_eq!(seen[..3], ["1", "2", "3"]);
        assert_eq!(seen[3..], ["1"; 5], "one at a time");
        worker.shutdown().await.unwrap();
    }

    async fn prefetching_and_the_concurrency_of_a_task_follow(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).concurrency(2).prefetch(2).start().await.unwrap();
        let handles = app.dispatch_many((0..9).map(|n| Named { n })).await.unwrap();
        until((5, 4), || waiting_and_active(&app, "named")).await;
        worker.set_concurrency(1).unwrap();
        until((6, 3), || waiting_and_active(&app, "named")).await;
        worker.set_concurrency(5).unwrap();
        probe.until(5).await;
        until((2, 7), || waiting_and_active(&app, "named")).await;
        assert_eq!(probe.running(), 5);
        probe.open(9);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.sorted(), (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
        let alone = app.dispatch_many((0..3).map(|_| Alone {})).await.unwrap();
        probe.open(3);
        for handle in &alone {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen()[9..], ["1"; 3]);
        worker.shutdown().await.unwrap();
    }

    async fn no_concurrency_at_all_is_refused(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).concurrency(3).start().await.unwrap();
        let refused = worker.set_concurrency(0).unwrap_err();
        assert!(matches!(refused, WorkerError::InvalidSetting(_)));
        assert_eq!(
            refused.to_string(),
            "invalid worker setting: a concurrency of 0 would never run a job; to claim nothing for now, call `worker.pause()`"
        );
        assert_eq!(worker.concurrency(), 3);
        worker.set_concurrency(usize::MAX).unwrap();
        probe.open(1);
        assert_eq!(result(&app.dispatch(Pass { n: 7 }).await.unwrap()).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn a_paused_worker_hands_back_what_it_has_prefetched(store: Store) {
        let (app, first, second) = (store.app().await, Probe::new(), Probe::new());
        let handles = app.dispatch_many((0..6).map(|n| Named { n })).await.unwrap();
        let paused = builder(&app, &first).concurrency(1).prefetch(5).start().await.unwrap();
        until((0, 6), || waiting_and_active(&app, "named")).await;
        // it is the next one in line when these come back
        let other = builder(&app, &second).concurrency(1).start().await.unwrap();
        paused.pause();
        assert!(paused.is_paused());
        second.open(5);
        for (n, handle) in (0..6).zip(&handles).skip(1) {
            assert_eq!(result(handle).await.unwrap(), n);
        }
        assert_eq!((first.seen().len(), first.running()), (1, 1), "what runs goes on");
        assert_eq!(second.sorted(), ["1", "2", "3", "4", "5"]);
        first.open(1);
        for handle in &handles {
            result(handle).await.unwrap();
            let info = info(handle).await;
            assert_eq!((info.attempts, info.stalls), (1, 0));
        }
        for worker in [paused, other] {
            worker.shutdown().await.unwrap();
        }
    }

    async fn prefetched_jobs_come_back_in_their_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..6).map(|n| Named { n })).await.unwrap();
        let worker = builder(&app, &probe).concurrency(1).prefetch(3).start().await.unwrap();
        until((2, 4), || waiting_and_active(&app, "named")).await;
        worker.pause();
        until((5, 1), || waiting_and_active(&app, "named")).await;
        worker.resume();
        until((2, 4), || waiting_and_active(&app, "named")).await;
        probe.open(6);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen(), ["0", "1", "2", "3", "4", "5"]);
        worker.shutdown().await.unwrap();
    }

    async fn what_a_waiting_worker_would_have_taken_is_run_by_another(store: Store) {
        let (app, first, second) = (store.app().await, Probe::new(), Probe::new());
        let paused = builder(&app, &first).start().await.unwrap();
        let other = builder(&app, &second).start().await.unwrap();
        first.open(1);
        second.open(21);
        result(&app.dispatch(Named { n: 0 }).await.unwrap()).await.unwrap();
        let before = first.seen().len();
        paused.pause();
        for n in 1..=20 {
            result(&app.dispatch(Named { n }).await.unwrap()).await.unwrap();
        }
        assert_eq!(first.seen().len(), before);
        for worker in [paused, other] {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_worker_that_goes_on_starts_what_waits(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        worker.pause();
        worker.pause();
        let handle = app.dispatch(Named { n: 1 }).await.unwrap();
        until_state(&handle, JobState::Waiting).await;
        worker.resume();
        assert!(!worker.is_paused());
        probe.until(1).await;
        // and so it does if it goes on before it has noticed that it was paused
        worker.pause();
        worker.resume();
        probe.open(2);
        result(&app.dispatch(Named { n: 2 }).await.unwrap()).await.unwrap();
        result(&handle).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_paused_worker_passes_on_what_is_due_later(store: Store) {
        let ((app, switch), first, second) = (store.switched().await, Probe::new(), Probe::new());
        let paused = builder(&app, &first).start().await.unwrap();
        // it is told when this is due
        let late = app.dispatch(Named { n: 1 }).delay(Duration::from_secs(1)).await.unwrap();
        // on a very busy machine, it may run this before it is paused
        first.open(2);
        result(&app.dispatch(Named { n: 0 }).await.unwrap()).await.unwrap();
        let other = builder(&store.app().await, &second).start().await.unwrap();
        let passed_on = Probe::new();
        let noted = passed_on.clone();
        switch.refusal.set(move |called| {
            if matches!(called, Called::Exchange(exchange) if exchange.claim.as_ref().is_some_and(|claim| claim.room == 0)) {
                noted.saw("a claim of nothing");
            }
            None
        });
        paused.pause();
        second.open(1);
        passed_on.until(1).await;
        result(&late).await.unwrap();
        for worker in [paused, other] {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_paused_worker_makes_ticks(store: Store) {
        let (app, first, second) = (store.app().await, Probe::new(), Probe::new());
        let paused = builder(&app, &first).start().await.unwrap();
        let other = builder(&app, &second).schedules(false).start().await.unwrap();
        paused.pause();
        let schedule = Schedule::new("soon").every(Duration::from_secs(1)).unwrap().run(Named { n: 3 });
        app.schedules().upsert(schedule).await.unwrap();
        second.open(2);
        assert_eq!(second.until(2).await, ["3", "3"]);
        assert_eq!(first.seen().len(), 0);
        for worker in [paused, other] {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_paused_worker_shuts_down_like_any_other(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        let runs = app.dispatch(Named { n: 1 }).await.unwrap();
        probe.until(1).await;
        worker.pause();
        let waits = app.dispatch(Named { n: 2 }).await.unwrap();
        let stopping = tokio::spawn(worker.shutdown());
        probe.open(1);
        soon("the end of the shutdown", stopping).await.unwrap().unwrap();
        assert_eq!(runs.state().await.unwrap(), Some(JobState::Completed));
        let next = builder(&app, &probe).start().await.unwrap();
        probe.open(1);
        assert_eq!(result(&waits).await.unwrap(), 2);
        next.pause();
        soon("the end of an idle one", next.shutdown()).await.unwrap();
    }
}
