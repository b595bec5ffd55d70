//! Several apps on one store: as several processes would be, as far as the store can tell.

use taskora::{CancelOutcome, prelude::*};

use crate::support::{Probe, Store, cancellation, on_both, quick, result};

#[derive(Clone, FromRef)]
struct Here {
    app: u32,
    probe: Probe,
}

#[task]
async fn work(n: u32, app: State<u32>, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(format!("{n} on {}", app.0));
    probe.gate().await;
    app.0
}

#[task(on_cancel = tidy)]
async fn build(name: String, probe: State<Probe>) {
    probe.saw(name);
    std::future::pending().await
}

async fn tidy(task: Build, ctx: Context) {
    ctx.info(format!("tidied {} at {}", task.name, ctx.meta("place").unwrap_or_default()));
}

async fn start(app: &App, number: u32, probe: &Probe, concurrency: usize) -> Worker {
    let here = Here { app: number, probe: probe.clone() };
    quick(app).state(here).register::<Work>().concurrency(concurrency).start().await.unwrap()
}

on_both! {
    async fn s273_three_apps_share_fifty_jobs(store: Store) {
        let probe = Probe::new();
        let mut workers = Vec::new();
        for number in 0..3 {
            workers.push(start(&store.app().await, number, &probe, 5).await);
        }
        let app = store.app().await;
        let handles = app.dispatch_many((0..50).map(|n| Work { n })).await.unwrap();
        // all three are at their limits
        crate::support::until(15, || async { probe.running() }).await;
        probe.open(50);
        let mut apps = std::collections::BTreeSet::new();
        for handle in &handles {
            apps.insert(result(handle).await.unwrap());
        }
        assert_eq!(apps.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        let mut numbers: Vec<u32> =
            probe.seen().iter().map(|seen| seen.split(' ').next().unwrap().parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        assert!(probe.most() <= 15);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn s274_every_app_dispatches_and_everybody_can_wait(store: Store) {
        let probe = Probe::new();
        let worker = start(&store.app().await, 9, &probe, 5).await;
        probe.open(3);
        let watching = store.app().await;
        for n in 0..3 {
            let app = store.app().await;
            let handle = app.dispatch(Work { n }).await.unwrap();
            assert_eq!(result(&watching.job::<Work>(handle.id())).await.unwrap(), 9);
        }
        worker.shutdown().await.unwrap();
        assert_eq!(probe.sorted(), ["0 on 9", "1 on 9", "2 on 9"]);
    }

    async fn s278_a_job_is_cancelled_from_anywhere_and_its_hook_runs_where_it_runs(store: Store) {
        let probe = Probe::new();
        let (producer, bystander, runs) = (store.app().await, store.app().await, store.app().await);
        let idle = start(&bystander, 1, &probe, 1).await;
        let worker = quick(&runs).state(probe.clone()).register::<Build>().start().await.unwrap();
        let handle = producer.dispatch(Build { name: "wall".into() }).meta("place", "home").await.unwrap();
        assert_eq!(probe.until(1).await, ["wall"]);
        let outcome = bystander.job::<Build>(handle.id()).cancel("storm").await.unwrap();
        assert_eq!(outcome, CancelOutcome::Requested);
        assert_eq!(cancellation(result(&handle).await), "storm");
        let logs = handle.logs().await.unwrap();
        assert_eq!(logs.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["tidied wall at home"]);
        worker.shutdown().await.unwrap();
        idle.shutdown().await.unwrap();
    }

    async fn two_workers_on_one_app_stop_one_by_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let (first, second) = (start(&app, 1, &probe, 1).await, start(&app, 2, &probe, 1).await);
        first.shutdown().await.unwrap();
        probe.open(2);
        assert_eq!(result(&app.dispatch(Work { n: 1 }).await.unwrap()).await.unwrap(), 2);
        second.shutdown().await.unwrap();
        let third = start(&app, 3, &probe, 1).await;
        assert_eq!(result(&app.dispatch(Work { n: 2 }).await.unwrap()).await.unwrap(), 3);
        third.shutdown().await.unwrap();
    }
}

/// Two stores have nothing in common, also not on one server.
async fn strangers(one: Store, other: Store) {
    let probe = Probe::new();
    let (here, there) = (one.app().await, other.app().await);
    let worker = start(&here, 1, &probe, 1).await;
    let ours = here.dispatch(Work { n: 1 }).id("same").await.unwrap();
    let theirs = there.dispatch(Work { n: 2 }).id("same").await.unwrap();
    assert_eq!(theirs.outcome(), &Outcome::Enqueued);
    probe.open(2);
    assert_eq!(result(&ours).await.unwrap(), 1);
    assert_eq!(theirs.state().await.unwrap(), Some(JobState::Waiting));
    worker.shutdown().await.unwrap();
    assert_eq!(probe.seen(), ["1 on 1"]);
}

#[tokio::test(start_paused = true)]
async fn two_stores_in_memory_are_strangers() {
    strangers(Store::memory(), Store::memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_namespaces_on_one_server_are_strangers() {
    strangers(Store::redis().await, Store::redis().await).await;
}
