//! User code that misbehaves outside its own attempt: it harms its own job, and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskora::prelude::*;
use taskora::{Error, WorkerError};
use tokio::time::Instant;

use crate::support::{Probe, Store, failure, info, on_both, quick, result};

/// Lets handlers end that run until then.
#[derive(Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, FromRef)]
struct Shared {
    probe: Probe,
    door: Door,
}

fn overflows(_: u32) -> Duration {
    panic!("no such power")
}

#[task(retry(attempts = 3, backoff = overflows))]
async fn badly_spaced() -> Result<(), String> {
    Err("once".into())
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[task(timeout = "20ms")]
async fn explodes_when_dropped() {
    let _explosive = Explosive;
    std::future::pending::<()>().await;
}

#[task]
async fn chatters(probe: State<Probe>, door: State<Door>, ctx: &Context) {
    probe.saw("started");
    let mut n = 0;
    while door.is_closed() {
        n += 1;
        ctx.progress(n);
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
}

#[task]
async fn says_one_thing(ctx: &Context) -> u32 {
    ctx.info("one thing");
    7
}

#[task(blocking)]
fn deaf(probe: State<Probe>, door: State<Door>) {
    probe.saw("started");
    while door.is_closed() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn worker(app: &App, probe: &Probe, door: &Door) -> Worker {
    quick(app)
        .state(Shared { probe: probe.clone(), door: door.clone() })
        .register_all(tasks![BadlySpaced, ExplodesWhenDropped, Chatters, SaysOneThing, Deaf])
        .start()
        .await
        .unwrap()
}

on_both! {
    async fn a_backoff_that_panics_fails_its_job(store: Store) {
        let (app, probe, door) = (store.app().await, Probe::new(), Door::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(BadlySpaced {}).await.unwrap();
        assert_eq!(failure(result(&handle).await).0, "panicked: no such power");
        assert_eq!(result(&app.dispatch(SaysOneThing {}).await.unwrap()).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn a_future_that_panics_when_it_is_dropped_fails_its_job(store: Store) {
        let (app, probe, door) = (store.app().await, Probe::new(), Door::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(ExplodesWhenDropped {}).await.unwrap();
        assert_eq!(failure(result(&handle).await).0, "panicked: dropped");
        assert_eq!(result(&app.dispatch(SaysOneThing {}).await.unwrap()).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn a_handler_that_never_stops_reporting_holds_up_nobody(store: Store) {
        let (app, probe, door) = (store.app().await, Probe::new(), Door::default());
        let worker = worker(&app, &probe, &door).await;
        let chatty = app.dispatch(Chatters {}).await.unwrap();
        probe.until(1).await;
        for _ in 0..5 {
            let handle = app.dispatch(SaysOneThing {}).await.unwrap();
            assert_eq!(result(&handle).await.unwrap(), 7);
            assert_eq!(handle.logs().await.unwrap().len(), 1);
        }
        assert_eq!(info(&chatty).await.state, JobState::Active);
        door.open();
        result(&chatty).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_grace_without_end_waits_for_what_runs(store: Store) {
        let (app, probe, door) = (store.app().await, Probe::new(), Door::default());
        let worker = worker(&app, &probe, &door).await;
        let handle = app.dispatch(Chatters {}).await.unwrap();
        probe.until(1).await;
        let stopping = tokio::spawn(worker.shutdown_within(Duration::MAX));
        door.open();
        stopping.await.unwrap().unwrap();
        assert_eq!(info(&handle).await.state, JobState::Completed);
    }
}

/// Real time: the thread does not know of a paused clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_handler_that_will_not_end_is_not_handed_to_others_while_it_runs() {
    let store = Store::redis().await;
    let (app, probe, door) = (store.app().await, Probe::new(), Door::default());
    let worker = worker(&app, &probe, &door).await;
    let handle = app.dispatch(Deaf {}).await.unwrap();
    probe.until(1).await;
    let began = Instant::now();
    match worker.shutdown_within(Duration::from_millis(50)).await.unwrap_err() {
        Error::Worker(WorkerError::StillRunning { attempts }) => assert_eq!(attempts, 1),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    assert_eq!(info(&handle).await.state, JobState::Active, "nobody else may have it yet");
    door.open();
}
