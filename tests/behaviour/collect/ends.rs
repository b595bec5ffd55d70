//! How the items of a batch end: each for itself.

use super::*;

on_both! {
    async fn x27_each_item_is_read_by_itself(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let other = |table: &str, row: Option<&str>| {
            app.dispatch(other::InsertRow { table: table.into(), row: row.map(Into::into) })
        };
        let good = app.dispatch_many(rows("a", [1, 2])).await.unwrap();
        let bad = other("a", Some("seven")).await.unwrap();
        let worker = worker(&app, &probe).await;
        completed(&good, 2).await;
        let (message, attempts) = failure(result(&bad).await);
        assert!(message.contains("the payload is not a valid `insert-row`"), "{message}");
        assert_eq!(attempts, 3);
        let old = other("b", None).await.unwrap();
        app.queues().flush::<InsertRow>("b").await.unwrap();
        completed(&[old], 1).await;
        assert_eq!(probe.seen(), ["1 2", "0"]);
        worker.shutdown().await.unwrap();
    }

    async fn an_item_ends_as_its_batch_says(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many(rows("a", [1, 90, 91])).await.unwrap();
        assert_eq!(result(&handles[0]).await.unwrap(), 3);
        assert_eq!(failure(result(&handles[1]).await), ("bad row".to_owned(), 1));
        assert_eq!(result(&handles[2]).await.unwrap(), 1, "it comes back alone");
        let hopeless = app.dispatch(row("a", 92)).await.unwrap();
        app.queues().flush::<InsertRow>("a").await.unwrap();
        let (message, attempts) = failure(result(&hopeless).await);
        assert_eq!((message.as_str(), attempts), ("its batch asked for another attempt", 3));
        assert_eq!(probe.seen(), ["1 90 91", "91", "92", "92", "92"]);
        worker.shutdown().await.unwrap();
    }

    async fn what_fails_a_batch_fails_each_item_by_its_own_policy(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        for (bad, said, attempts) in [(93, "panicked: a bad row", 3), (94, "down", 3), (95, "gone", 1)] {
            let handles = app.dispatch_many(rows("a", [90, bad, bad])).await.unwrap();
            for (handle, said) in [(&handles[1], said), (&handles[2], said)] {
                assert_eq!(failure(result(handle).await), (said.to_owned(), attempts));
            }
            assert_eq!(failure(result(&handles[0]).await), ("bad row".to_owned(), 1));
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_cancelled_item_does_not_stop_the_others(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many(rows("a", [1, 96, 2])).await.unwrap();
        probe.until(1).await;
        handles[0].cancel("not this one").await.unwrap();
        probe.open(1);
        assert_eq!(cancellation(result(&handles[0]).await), "not this one");
        completed(&handles[1..], 3).await;
        worker.shutdown().await.unwrap();
    }

    async fn a_batch_stops_when_all_of_it_is_cancelled(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many([1, 2].map(|n| Ping { n })).await.unwrap();
        probe.until(1).await;
        for handle in &handles {
            handle.cancel("stop").await.unwrap();
        }
        for handle in &handles {
            assert_eq!(cancellation(result(handle).await), "stop");
        }
        assert_eq!(probe.sorted(), ["2", "undo 1", "undo 2"]);
        let told = app.dispatch_many(rows("a", [97, 1, 2])).await.unwrap();
        probe.until(4).await;
        for handle in &told {
            handle.cancel("stop").await.unwrap();
        }
        for handle in &told {
            assert_eq!(cancellation(result(handle).await), "stop");
        }
        worker.shutdown().await.unwrap();
    }

    async fn what_a_batch_reports_is_known_of_each_item(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many(rows("a", [98, 1, 2])).await.unwrap();
        completed(&handles, 3).await;
        for handle in &handles {
            let lines: Vec<_> = handle.logs().await.unwrap().into_iter().map(|line| line.message).collect();
            assert_eq!(lines, ["inserted"]);
            assert_eq!(handle.progress::<u32>().await.unwrap(), Some(7));
        }
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_each_item() {
    // ten minutes of a handler are real on Redis
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let worker = worker(&app, &probe).await;
    let handles = app.dispatch_many([1, 2].map(|n| Ping { n })).await.unwrap();
    for handle in &handles {
        assert_eq!(failure(handle.result_within(LONG).await).0, "timed out after 600s");
    }
    worker.shutdown().await.unwrap();
}
