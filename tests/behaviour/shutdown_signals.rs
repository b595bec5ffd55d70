//! Signals for work, and that none is lost with the worker that heard it.

use std::future::IntoFuture;
use std::time::Duration;

use taskora::{WorkerBuilder, prelude::*};

use crate::support::{Probe, Store, on_both, result, until};

/// How soon an idle worker must have taken and ended a job: far below the safety nets of the workers here, of which the first is
/// the end of a wait for work, after ten seconds.
const SOON: Duration = Duration::from_secs(5);

/// A worker without the safety nets that would find a job whose signal was lost.
fn alert(app: &App) -> WorkerBuilder<()> {
    Worker::builder(app).lease(Duration::from_secs(60)).sweep(Duration::from_secs(3_600))
}

#[task]
async fn quickly(n: u32) -> u32 {
    n
}

#[task]
async fn holds(probe: State<Probe>) {
    let _running = probe.enter();
    probe.gate().await;
}

#[task]
async fn elsewhere() {}

async fn idle_worker(app: &App) -> Worker {
    let worker = alert(app).register_all(tasks![Quickly, Elsewhere]).start().await.unwrap();
    // it has run something, and listens again
    app.dispatch(Elsewhere {}).await.unwrap().result_within(SOON).await.unwrap();
    worker
}

on_both! {
    async fn an_idle_worker_takes_a_job_at_once(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let worker = idle_worker(&app).await;
        for n in 0..20 {
            let handle = other.dispatch(Quickly { n }).await.unwrap();
            assert_eq!(handle.result_within(SOON).await.unwrap(), n);
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_signal_that_a_stopping_worker_may_have_heard_reaches_another(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        for n in 0..50 {
            // the first of the two waits for longer, so it is the one to be told
            let stopping = idle_worker(&app).await;
            let staying = idle_worker(&other).await;
            let (stopped, handle) =
                tokio::join!(stopping.shutdown(), other.dispatch(Quickly { n }).into_future());
            stopped.unwrap();
            assert_eq!(handle.unwrap().result_within(SOON).await.unwrap(), n, "round {n}");
            staying.shutdown().await.unwrap();
        }
    }

    async fn a_worker_that_stopped_while_idle_swallows_no_signal(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let staying = idle_worker(&other).await;
        for n in 0..50 {
            idle_worker(&app).await.shutdown().await.unwrap();
            let handle = app.dispatch(Quickly { n }).await.unwrap();
            assert_eq!(handle.result_within(SOON).await.unwrap(), n, "round {n}");
        }
        staying.shutdown().await.unwrap();
    }

    async fn a_job_that_was_dispatched_to_nobody_is_found_by_the_next_worker(store: Store) {
        let app = store.app().await;
        for n in 0..10 {
            idle_worker(&app).await.shutdown().await.unwrap();
            let handle = app.dispatch(Quickly { n }).await.unwrap();
            let next = idle_worker(&app).await;
            assert_eq!(handle.result_within(SOON).await.unwrap(), n);
            next.shutdown().await.unwrap();
        }
    }

    async fn one_signal_is_passed_on_until_everybody_works(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut workers = Vec::new();
        for _ in 0..4 {
            let builder = alert(&store.app().await).state(probe.clone()).register::<Holds>();
            workers.push(builder.concurrency(1).start().await.unwrap());
        }
        for round in 0..5 {
            let handles = app.dispatch_many([Holds {}, Holds {}, Holds {}, Holds {}]).await.unwrap();
            until(4, || async { probe.running() }).await;
            assert_eq!(probe.most(), 4, "round {round}");
            probe.open(4);
            for handle in &handles {
                result(handle).await.unwrap();
            }
        }
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_worker_that_is_full_leaves_the_signal_to_others(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let full = alert(&app).state(probe.clone()).register_all(tasks![Holds, Quickly]).concurrency(1);
        let full = full.start().await.unwrap();
        let held = app.dispatch(Holds {}).await.unwrap();
        until(1, || async { probe.running() }).await;
        let free = idle_worker(&store.app().await).await;
        for n in 0..10 {
            let handle = app.dispatch(Quickly { n }).await.unwrap();
            assert_eq!(handle.result_within(SOON).await.unwrap(), n);
        }
        probe.open(1);
        result(&held).await.unwrap();
        full.shutdown().await.unwrap();
        free.shutdown().await.unwrap();
    }
}
