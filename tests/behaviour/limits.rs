//! How many jobs of a task run at once, in all processes, and tasks that are paused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::prelude::*;
use taskora::{JobHandle, JobState, Worker};

use crate::support::{LEASE, PATIENCE, Probe, Recorder, Store, on_both, quick, result, soon, until};

/// The limit is `2`, over all workers.
#[task(limit(max = 2))]
async fn two_at_once(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
}

#[task(singleton, aliases = ["sole-before"], retry(attempts = 3, delay = "10ms"))]
async fn sole(n: u32, probe: State<Probe>) -> Result<u32, std::io::Error> {
    let _running = probe.enter();
    probe.saw(n);
    // gives another attempt every chance to start
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    if n == 3 && probe.seen().iter().filter(|seen| *seen == "3").count() < 3 {
        return Err(std::io::Error::other("again"));
    }
    Ok(n)
}

/// It notices only when it is late that it was told to stop.
#[task(blocking, singleton, timeout = "1s")]
fn late(n: u32, ctx: &Context, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // gives another attempt every chance to start
    std::thread::sleep(Duration::from_millis(50));
}

/// The same task as `sole`, before it had a limit.
mod before {
    use super::{Probe, State, task};

    #[task(name = "sole")]
    pub(super) async fn plain(n: u32, probe: State<Probe>) -> u32 {
        let _running = probe.enter();
        probe.saw(n);
        probe.gate().await;
        n
    }

    #[task(name = "two-at-once", limit(max = 5))]
    pub(super) async fn five_at_once(n: u32) {
        let _ = n;
    }
}

#[task]
async fn free(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
}

/// A job that may run, and may end.
async fn dispatch_free(app: &App, probe: &Probe, n: u32) -> JobHandle<()> {
    probe.open(1);
    app.dispatch(Free { n }).await.unwrap()
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app).state(probe.clone()).register_all(tasks![TwoAtOnce, Sole, Free]).start().await.unwrap()
}

on_both! {
    async fn a_limit_holds_over_all_workers(store: Store) {
        let probe = Probe::new();
        let apps = [store.app().await, store.app().await, store.app().await];
        let mut workers = Vec::new();
        for app in &apps {
            workers.push(worker(app, &probe).await);
        }
        let handles = apps[0].dispatch_many((0..20).map(|n| TwoAtOnce { n })).await.unwrap();
        probe.until(2).await;
        // others are not held up
        let others = apps[1].dispatch_many((20..25).map(|n| Free { n })).await.unwrap();
        until(7, || async { probe.running() }).await;
        assert_eq!(apps[2].queues().gate::<TwoAtOnce>().await.unwrap().to_string(), "2 of 2");
        assert_eq!(apps[2].counts("two-at-once").await.unwrap().waiting, 18);
        probe.open(25);
        for handle in others.iter().chain(&handles) {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 7);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn s077_a_singleton_never_overlaps_in_any_process(store: Store) {
        let probe = Probe::new();
        let apps = [store.app().await, store.app().await];
        let mut handles = apps[0].dispatch_many((0..15).map(|n| Sole { n })).await.unwrap();
        for name in ["sole-before", "sole"] {
            let handle = apps[1].dispatch_raw(name, serde_json::json!({ "n": 99 })).await.unwrap();
            handles.push(apps[1].job::<Sole>(handle.id().clone()));
        }
        let workers = [worker(&apps[0], &probe).await, worker(&apps[1], &probe).await];
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!((probe.most(), probe.seen().len()), (1, 19), "with two retries");
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn x22_a_job_is_handed_over_to_another_process_without_polling(store: Store) {
        let (first, second) = (Probe::new(), Probe::new());
        let apps = [store.app().await, store.app().await];
        let busy = quick(&apps[0]).state(first.clone()).register::<TwoAtOnce>().concurrency(2);
        let busy = busy.start().await.unwrap();
        let held = apps[0].dispatch_many((0..2).map(|n| TwoAtOnce { n })).await.unwrap();
        first.until(2).await;
        // it sweeps so seldom that a sweep would be too late
        let idle = Worker::builder(&apps[1]).sweep(PATIENCE * 10).state(second.clone()).register::<TwoAtOnce>();
        let idle = idle.start().await.unwrap();
        let next = apps[1].dispatch(TwoAtOnce { n: 2 }).await.unwrap();
        assert_eq!(next.state().await.unwrap(), Some(JobState::Waiting));
        let stopping = tokio::spawn(busy.shutdown());
        first.open(2);
        soon("the hand-over", second.until(1)).await;
        second.open(1);
        for handle in held.iter().chain([&next]) {
            result(handle).await.unwrap();
        }
        stopping.await.unwrap().unwrap();
        idle.shutdown().await.unwrap();
    }

    async fn a_full_task_wakes_no_worker(store: Store) {
        let (busy, idle) = (Probe::new(), Probe::new());
        let app = store.app().await;
        let busy_worker = quick(&app).state(busy.clone()).register::<TwoAtOnce>().start().await.unwrap();
        let held = app.dispatch_many((0..2).map(|n| TwoAtOnce { n })).await.unwrap();
        busy.until(2).await;
        let (mut workers, mut switches) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let (app, switch) = store.switched().await;
            // leases so long that waits do not end by themselves
            let worker = Worker::builder(&app).lease(PATIENCE * 4).sweep(PATIENCE * 10).state(idle.clone());
            workers.push(worker.register_all(tasks![TwoAtOnce, Free]).start().await.unwrap());
            switches.push(switch);
        }
        // all of them have looked once, and wait
        for n in 0..5 {
            result(&dispatch_free(&app, &idle, n).await).await.unwrap();
        }
        let calls = || switches.iter().map(|switch| switch.calls.load(Ordering::Relaxed)).sum::<usize>();
        let before = calls();
        let mut waiting = Vec::new();
        for n in 0..200 {
            waiting.push(app.dispatch(TwoAtOnce { n }).await.unwrap());
        }
        result(&dispatch_free(&app, &idle, 9).await).await.unwrap();
        let made = calls() - before;
        assert!(made <= 10, "{made} calls for one job that may run, and 200 that may not");
        busy.open(202);
        idle.open(202);
        for handle in held.iter().chain(&waiting) {
            result(handle).await.unwrap();
        }
        for worker in workers.into_iter().chain([busy_worker]) {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_limit_that_is_set_survives_the_start_of_workers(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        app.queues().limit::<TwoAtOnce>().set(4).await.unwrap();
        let handles = app.dispatch_many((0..8).map(|n| TwoAtOnce { n })).await.unwrap();
        let first = worker(&app, &probe).await;
        until(4, || async { probe.running() }).await;
        let gate = app.queues().gate::<TwoAtOnce>().await.unwrap();
        assert_eq!((gate.declared, gate.set, gate.to_string().as_str()), (Some(2), Some(4), "4 of 4"));
        app.queues().limit::<TwoAtOnce>().set(6).await.unwrap();
        until(6, || async { probe.running() }).await;
        app.queues().limit::<TwoAtOnce>().reset().await.unwrap();
        assert_eq!(app.queues().gate::<TwoAtOnce>().await.unwrap().to_string(), "6 of 2");
        probe.open(8);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 6);
        first.shutdown().await.unwrap();
    }

    async fn a_paused_task_waits_until_it_is_resumed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        probe.open(9);
        let worker = worker(&app, &probe).await;
        result(&app.dispatch(Free { n: 1 }).await.unwrap()).await.unwrap();
        assert!(app.queues().pause::<Free>().reason("provider down").await.unwrap());
        assert!(!app.queues().pause::<Free>().await.unwrap(), "it is already");
        let waits = app.dispatch(Free { n: 2 }).await.unwrap();
        result(&app.dispatch(Sole { n: 0 }).await.unwrap()).await.unwrap();
        assert_eq!(waits.state().await.unwrap(), Some(JobState::Waiting));
        let gate = app.queues().gate::<Free>().await.unwrap();
        assert_eq!(gate.to_string(), "0, paused: provider down");
        worker.shutdown().await.unwrap();
        // another process
        let other = store.app().await;
        let worker = self::worker(&other, &probe).await;
        result(&other.dispatch(Sole { n: 1 }).await.unwrap()).await.unwrap();
        assert_eq!(waits.state().await.unwrap(), Some(JobState::Waiting));
        assert!(other.queues().resume::<Free>().await.unwrap());
        result(&waits).await.unwrap();
        assert!(!other.queues().resume::<Free>().await.unwrap());
        worker.shutdown().await.unwrap();
    }

    async fn the_newest_start_says_what_the_limit_is(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let newer = worker(&app, &probe).await;
        until(Some(1), || async { app.queues().gate::<Sole>().await.unwrap().declared }).await;
        newer.shutdown().await.unwrap();
        // a build that does not know of a limit
        let older = quick(&app).state(probe.clone()).register::<before::Plain>().start().await.unwrap();
        until(None, || async { app.queues().gate::<Sole>().await.unwrap().declared }).await;
        let handles = app.dispatch_many((0..3).map(|n| before::Plain { n })).await.unwrap();
        until(3, || async { probe.running() }).await;
        probe.open(3);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        older.shutdown().await.unwrap();
    }

    async fn a_thread_that_outlives_its_attempt_keeps_its_place(store: Store) {
        store.real_time();
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..2).map(|n| Late { n })).await.unwrap();
        let workers = [
            Worker::builder(&app).state(probe.clone()).register::<Late>().start().await.unwrap(),
            Worker::builder(&store.app().await).state(probe.clone()).register::<Late>().start().await.unwrap(),
        ];
        for handle in &handles {
            let error = result(handle).await.unwrap_err();
            assert!(error.to_string().contains("timed out"), "{error}");
        }
        assert_eq!((probe.most(), probe.seen().len()), (1, 2));
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_killed_worker_keeps_its_place_until_it_is_rescued(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let ghost = store.ghost().await;
        app.queues().limit::<Sole>().set(1).await.unwrap();
        let handles = app.dispatch_many((0..2).map(|n| Sole { n })).await.unwrap();
        let long = 60 * LEASE;
        assert_eq!(ghost.claim::<Sole>(9, long).await.len(), 1);
        let worker = worker(&app, &probe).await;
        store.pass(long / 2).await;
        assert_eq!(app.queues().gate::<Sole>().await.unwrap().running, 1);
        assert!(probe.seen().is_empty());
        store.pass(long).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 1);
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_differs_from_that_of_another_build_is_said_once() {
    let (lines, _guard) = Recorder::start();
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let older = Worker::builder(&app).register::<before::FiveAtOnce>().start().await.unwrap();
    until(Some(5), || async { app.queues().gate::<TwoAtOnce>().await.unwrap().declared }).await;
    for _ in 0..2 {
        let newer = worker(&app, &probe).await;
        until(Some(2), || async { app.queues().gate::<TwoAtOnce>().await.unwrap().declared }).await;
        newer.shutdown().await.unwrap();
    }
    older.shutdown().await.unwrap();
    let said = lines.lines("the limit of task");
    assert_eq!(said, ["WARN the limit of task two-at-once is 2 now; another build has declared 5"]);
}
