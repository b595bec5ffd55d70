//! Batches in workers: how many run, and what becomes of them when a worker stops or dies.

use super::*;

on_both! {
    async fn a_serial_batch_waits_for_the_one_before_and_a_batch_takes_one_slot(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..4).map(|n| Ping { n })).await.unwrap();
        probe.until(1).await;
        nothing_runs(&app, &probe, 1).await;
        assert_eq!(probe.running(), 1);
        probe.open(2);
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!((probe.most(), probe.seen()), (1, vec!["2".to_owned(), "2".to_owned()]));
        worker.shutdown().await.unwrap();
    }

    async fn a_worker_that_stops_hands_all_items_back_in_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = worker(&app, &probe).await;
        let handles = app.dispatch_many(rows("a", [96, 1, 2])).await.unwrap();
        probe.until(1).await;
        first.shutdown_within(Duration::ZERO).await.unwrap();
        for handle in &handles {
            assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
        }
        probe.open(1);
        let second = worker(&app, &probe).await;
        completed(&handles, 3).await;
        assert_eq!(probe.seen(), ["96 1 2", "96 1 2"]);
        for handle in &handles {
            assert_eq!(handle.info().await.unwrap().unwrap().attempts, 1);
        }
        second.shutdown().await.unwrap();
    }

    async fn items_of_a_worker_that_died_run_again_together(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many(rows("a", 1..=3)).await.unwrap();
        let claimed = store.ghost().await.claim::<InsertRow>(1, SWEEP).await;
        assert_eq!(claimed.len(), 3);
        store.pass(LEASE).await;
        let worker = worker(&app, &probe).await;
        for handle in &handles {
            result(handle).await.unwrap();
            let info = handle.info().await.unwrap().unwrap();
            assert_eq!((info.attempts, info.stalls), (1, 1));
        }
        let mut ran: Vec<_> = probe.seen().iter().flat_map(|batch| batch.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        ran.sort();
        assert_eq!(ran, ["1", "2", "3"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_large_batch_on_a_thread_is_settled_whole(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        store.real_time();
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..500).map(|n| Sum { n })).await.unwrap();
        for handle in &handles {
            assert_eq!(result(handle).await.unwrap(), 499 * 500 / 2);
        }
        assert_eq!(probe.seen(), ["500"]);
        assert!(app.check().await.unwrap().is_clean());
        worker.shutdown().await.unwrap();
    }

    async fn a_worker_without_batches_runs_items_one_by_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many(rows("a", 1..=3)).await.unwrap();
        let worker = quick(&app).state(probe.clone()).concurrency(1).register::<before::InsertRow>();
        let worker = worker.start().await.unwrap();
        completed(&handles, 1).await;
        assert_eq!(probe.seen(), ["alone 1", "alone 2", "alone 3"]);
        worker.shutdown().await.unwrap();
    }
}
