//! How many attempts run at once.

use std::time::Duration;

use taskora::prelude::*;

use crate::support::{Probe, Store, on_both, result, until};

#[task]
async fn pass(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
}

#[task(concurrency = 1)]
async fn alone(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    // gives another attempt every chance to start
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[task(concurrency = 1, aliases = ["pair-before"])]
async fn pair(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
}

#[task(blocking, timeout = "800ms")]
fn block(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.blocking_gate();
}

on_both! {
    async fn s005_twenty_jobs_at_five_at_once_are_all_handled_and_none_twice(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((10..30).map(|n| Pass { n })).await.unwrap();
        let worker =
            Worker::builder(&app).state(probe.clone()).register::<Pass>().concurrency(5).start().await.unwrap();
        until(5, || async { probe.running() }).await;
        assert_eq!(app.counts("pass").await.unwrap().active, 5);
        probe.open(20);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.sorted(), (10..30).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(probe.most(), 5);
        worker.shutdown().await.unwrap();
    }

    async fn s078_without_a_limit_of_its_own_a_task_overlaps(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        app.dispatch_many((0..2).map(|n| Pass { n })).await.unwrap();
        let worker = Worker::builder(&app).state(probe.clone()).register::<Pass>().start().await.unwrap();
        until(2, || async { probe.running() }).await;
        probe.open(2);
        worker.shutdown().await.unwrap();
    }

    async fn a_task_limited_to_one_never_overlaps(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Alone>().start().await.unwrap();
        let handles = app.dispatch_many((0..50).map(|n| Alone { n })).await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 1);
        assert_eq!(probe.seen(), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
        worker.shutdown().await.unwrap();
    }

    async fn a_limited_task_does_not_hold_up_the_others(store: Store) {
        let (app, held, free) = (store.app().await, Probe::new(), Probe::new());
        let worker = Worker::builder(&app)
            .state(held.clone())
            .register::<Pair>()
            .state(free.clone())
            .register::<Alone>()
            .concurrency(3)
            .start()
            .await
            .unwrap();
        app.dispatch_many((0..10).map(|n| Pair { n })).await.unwrap();
        held.until(1).await;
        for handle in &app.dispatch_many((0..10).map(|n| Alone { n })).await.unwrap() {
            result(handle).await.unwrap();
        }
        assert_eq!(held.seen().len(), 1);
        held.open(10);
        held.until(10).await;
        assert_eq!(held.most(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_task_and_its_aliases_share_one_limit(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut handles = Vec::new();
        for name in ["pair", "pair-before", "pair", "pair-before"] {
            handles.push(app.dispatch_raw(name, serde_json::json!({ "n": 1 })).await.unwrap());
        }
        let worker = Worker::builder(&app).state(probe.clone()).register::<Pair>().start().await.unwrap();
        probe.until(1).await;
        probe.open(4);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_blocking_handler_keeps_its_slot_beyond_its_timeout(store: Store) {
        store.real_time();
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app)
            .state(probe.clone())
            .register_all(tasks![Block, Pass])
            .concurrency(2)
            .cancel_grace(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        let handles = app.dispatch_many((0..2).map(|n| Block { n })).await.unwrap();
        probe.until(2).await;
        let others = app.dispatch_many((2..6).map(|n| Pass { n })).await.unwrap();
        // both have failed, and nothing can stop their threads
        for handle in &handles {
            let error = result(handle).await.unwrap_err();
            assert!(error.to_string().contains("800ms"), "{error}");
        }
        // whoever could start is given the time to
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((probe.running(), probe.seen().len()), (2, 2));
        probe.open(6);
        for handle in &others {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.most(), 2);
        worker.shutdown().await.unwrap();
    }
}
