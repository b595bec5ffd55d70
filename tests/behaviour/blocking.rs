//! Handlers that block a thread, which nothing can stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskora::{Error, WorkerError, prelude::*};
use tokio::runtime::Handle;

use crate::support::{PATIENCE, Probe, Store, on_both, quick, result, soon};

/// Lets handlers end that run until then; also those of a test that has failed.
#[derive(Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.open();
    }
}

#[derive(Clone, FromRef)]
struct Shared {
    probe: Probe,
    door: Arc<Door>,
}

/// Its timeout leaves its thread the time to start, also on a busy machine.
#[task(blocking, timeout = "500ms")]
fn outlasts(probe: State<Probe>, door: State<Arc<Door>>) {
    probe.saw("started");
    while !door.0.0.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    probe.saw("ended");
}

#[task(blocking)]
fn names_its_thread() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

#[task(blocking)]
fn dispatches(ctx: &Context) -> Result<Option<String>, TaskError> {
    let runtime = Handle::current();
    runtime.block_on(async {
        // it has the runtime's clock and its spawn at hand
        tokio::spawn(tokio::time::sleep(Duration::from_millis(1))).await?;
        ctx.app().dispatch(NamesItsThread {}).await?.result().await.map_err(TaskError::from)
    })
}

#[task(blocking, timeout = "10s")]
fn takes_real_time() -> u32 {
    std::thread::sleep(Duration::from_millis(30));
    7
}

async fn worker(app: &App, probe: &Probe, door: &Arc<Door>) -> Worker {
    quick(app)
        .state(Shared { probe: probe.clone(), door: door.clone() })
        .register_all(tasks![Outlasts, NamesItsThread, Dispatches, TakesRealTime])
        .start()
        .await
        .unwrap()
}

on_both! {
    async fn a_blocking_handler_runs_on_a_thread_named_after_its_task(store: Store) {
        store.real_time();
        let (app, probe, door) = (store.app().await, Probe::new(), Arc::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(NamesItsThread {}).await.unwrap();
        assert_eq!(result(&handle).await.unwrap().as_deref(), Some("taskora-names-its-thread"));
        worker.shutdown().await.unwrap();
    }

    async fn a_blocking_handler_has_its_workers_runtime_at_hand(store: Store) {
        store.real_time();
        let (app, probe, door) = (store.app().await, Probe::new(), Arc::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(Dispatches {}).await.unwrap();
        assert_eq!(result(&handle).await.unwrap().as_deref(), Some("taskora-names-its-thread"));
        worker.shutdown().await.unwrap();
    }

    async fn a_shutdown_waits_for_threads_that_have_outlasted_their_attempts(store: Store) {
        store.real_time();
        let (app, probe, door) = (store.app().await, Probe::new(), Arc::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(Outlasts {}).await.unwrap();
        probe.until(1).await;
        assert_eq!(result(&handle).await.unwrap_err().to_string(), "timed out after 500ms");
        let mut stopping = tokio::spawn(worker.shutdown_within(PATIENCE));
        let early = tokio::time::timeout(Duration::from_millis(100), &mut stopping).await;
        assert!(early.is_err(), "its thread still runs: {early:?}");
        door.open();
        soon("the end of the shutdown", stopping).await.unwrap().unwrap();
        assert_eq!(probe.seen(), ["started", "ended"]);
    }

    async fn a_shutdown_waits_no_longer_than_its_grace_for_a_thread(store: Store) {
        store.real_time();
        let (app, probe, door) = (store.app().await, Probe::new(), Arc::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(Outlasts {}).await.unwrap();
        probe.until(1).await;
        result(&handle).await.unwrap_err();
        let ended = soon("the end of the shutdown", worker.shutdown_within(Duration::from_millis(50))).await;
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Worker(WorkerError::StillRunning { attempts: 1 })), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the worker stopped, but 1 attempt did not end in time; jobs that still run are recovered when their leases run out"
        );
        assert_eq!(probe.seen(), ["started"]);
        door.open();
    }
}

/// Virtual time waits for a blocking handler: no timer fires while it runs.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_a_blocking_handler_runs() {
    let (app, probe, door) = (Store::memory().app().await, Probe::new(), Arc::default());
    let worker = worker(&app, &probe, &door).await;
    let handle = app.dispatch(TakesRealTime {}).await.unwrap();
    assert_eq!(result(&handle).await.unwrap(), 7);
    worker.shutdown().await.unwrap();
}

/// A runtime waits for the threads of its own pool when it ends, so the process would, too.
#[test]
fn a_runtime_ends_while_a_blocking_handler_runs() {
    let (door, ends) = (Arc::<Door>::default(), std::sync::mpsc::channel());
    let (held, ended) = (door.clone(), ends.0);
    let process = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let error = runtime.block_on(async {
            let (app, probe) = (Store::memory().app().await, Probe::new());
            let worker = worker(&app, &probe, &held).await;
            app.dispatch(Outlasts {}).await.unwrap();
            probe.until(1).await;
            worker.shutdown_within(Duration::ZERO).await.unwrap_err()
        });
        drop(runtime);
        ended.send(error).unwrap();
    });
    let error = ends.1.recv_timeout(PATIENCE).expect("the runtime ends");
    assert!(matches!(error, Error::Worker(WorkerError::StillRunning { attempts: 1 })), "{error:?}");
    door.open();
    process.join().unwrap();
}
