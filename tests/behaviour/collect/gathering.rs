//! What gathers, when it goes, and what can be seen and said of it.

use super::*;

on_both! {
    async fn s102_items_go_in_one_batch_when_no_other_has_come_for_a_while(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(row("a", 1)).await.unwrap();
        store.pass(LONG / 2).await;
        let second = app.dispatch(row("a", 2)).await.unwrap();
        store.pass(LONG / 2).await;
        nothing_runs(&app, &probe, 0).await;
        store.pass(LONG / 2).await;
        completed(&[first, second], 2).await;
        assert_eq!(probe.seen(), ["1 2"]);
        worker.shutdown().await.unwrap();
    }

    async fn s104_a_full_batch_goes_at_once_and_the_rest_gathers(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many(rows("a", 1..=4)).await.unwrap();
        completed(&handles[..3], 3).await;
        nothing_runs(&app, &probe, 1).await;
        assert!(app.queues().flush::<InsertRow>("a").await.unwrap());
        completed(&handles[3..], 1).await;
        assert_eq!(probe.seen(), ["1 2 3", "4"]);
        worker.shutdown().await.unwrap();
    }

    async fn s105_no_item_waits_for_longer_than_max_wait(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(row("a", 1)).await.unwrap();
        store.pass(LONG * 2 / 3).await;
        let second = app.dispatch(row("a", 2)).await.unwrap();
        store.pass(LONG * 2 / 3).await;
        nothing_runs(&app, &probe, 0).await;
        // an hour after the first one, and 40 minutes after the second one
        store.pass(LONG * 2 / 3).await;
        completed(&[first, second], 2).await;
        worker.shutdown().await.unwrap();
    }

    async fn s107_nothing_gathers_under_a_key_that_nobody_has_used(store: Store) {
        let app = store.app().await;
        assert_eq!(app.inspect().collected::<InsertRow>("a").await.unwrap(), None);
        assert!(!app.queues().flush::<InsertRow>("a").await.unwrap());
        let refused = app.inspect().collected::<InsertRow>("").await.unwrap_err().to_string();
        assert!(refused.contains("the key of a job of `insert-row` has 1 to 200 bytes"), "{refused}");
        let refused = app.queues().flush::<InsertRow>(None::<u32>).await.unwrap_err().to_string();
        assert!(refused.contains("has 1 to 200 bytes"), "{refused}");
    }

    async fn s108_what_gathers_can_be_seen(store: Store) {
        let app = store.app().await;
        let first = app.dispatch(row("a", 1)).await.unwrap();
        store.pass(LONG / 2).await;
        let second = app.dispatch(row("a", 2)).await.unwrap();
        let seen = app.inspect().collected::<InsertRow>("a").await.unwrap().unwrap();
        assert_eq!(seen.count, 2);
        assert_eq!(seen.items, [(first.id().clone(), row("a", 1)), (second.id().clone(), row("a", 2))]);
        assert!(seen.oldest < seen.newest);
        assert_eq!(seen.due.to_system_time(), seen.newest.to_system_time() + LONG);
        let limited = app.inspect().collected::<InsertRow>("a").limit(1).await.unwrap().unwrap();
        assert_eq!((limited.count, &limited.items[..]), (2, &seen.items[..1]));
        // what was cancelled does not gather any more, and what this build cannot read is counted
        first.cancel("no").await.unwrap();
        app.dispatch(other::InsertRow { table: "a".into(), row: Some("seven".into()) }).await.unwrap();
        let seen = app.inspect().collected::<InsertRow>("a").await.unwrap().unwrap();
        assert_eq!((seen.count, seen.items), (2, vec![(second.id().clone(), row("a", 2))]));
    }

    async fn s110_s111_what_a_worker_has_does_not_gather_any_more(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let of = async |key: &str| {
            app.inspect().collected::<InsertRow>(key).await.unwrap().map(|seen| seen.count)
        };
        let late = app.dispatch(row("late", 96)).await.unwrap();
        assert_eq!(of("late").await, Some(1));
        store.pass(LONG * 2).await;
        probe.until(1).await;
        assert_eq!(of("late").await, None);
        let full = app.dispatch_many(rows("full", [96, 1, 2])).await.unwrap();
        probe.until(2).await;
        assert_eq!(of("full").await, None);
        probe.open(2);
        completed(&[late], 1).await;
        completed(&full, 3).await;
        worker.shutdown().await.unwrap();
    }

    async fn s112_keys_gather_apart_and_an_item_without_one_does_not(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let alone = app.dispatch(InsertRow { table: None, row: 5 }).await.unwrap();
        completed(&[alone], 1).await;
        let a = app.dispatch_many(rows("a", [1, 2])).await.unwrap();
        let b = app.dispatch_many(rows("b", [3, 4])).await.unwrap();
        nothing_runs(&app, &probe, 1).await;
        let seen = app.inspect().collected::<InsertRow>("b").await.unwrap().unwrap();
        assert_eq!(seen.items.iter().map(|(_, item)| item.row).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(app.inspect().collected::<InsertRow>("c").await.unwrap(), None);
        app.queues().flush::<InsertRow>("b").await.unwrap();
        completed(&b, 2).await;
        app.queues().flush::<InsertRow>("a").await.unwrap();
        completed(&a, 2).await;
        assert_eq!(probe.seen(), ["5", "3 4", "1 2"]);
        worker.shutdown().await.unwrap();
    }

    async fn x26_items_of_a_process_without_a_worker_gather(store: Store) {
        let (producer, probe) = (store.app().await, Probe::new());
        let handles = producer.dispatch_many(rows("a", 1..=3)).await.unwrap();
        let worker = worker(&store.app().await, &probe).await;
        completed(&handles, 3).await;
        assert_eq!(probe.seen(), ["1 2 3"]);
        worker.shutdown().await.unwrap();
    }

    async fn what_does_not_gather_runs_alone(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let raw = app.dispatch_raw("insert-row", json!({ "table": "a", "row": 1 })).await.unwrap();
        assert_eq!(result(&raw).await.unwrap(), json!(1));
        let made = app.dispatch(MakeRow { row: 2 }.then(InsertRow::s())).await.unwrap();
        assert_eq!(made.result_within(PATIENCE).await.unwrap(), 1);
        let mapped = app.dispatch(InsertRow::map(rows("a", [3, 4, 5]))).await.unwrap();
        assert_eq!(mapped.result_within(PATIENCE).await.unwrap(), [1, 1, 1]);
        assert_eq!(probe.sorted(), ["1", "2", "3", "4", "5"]);
        worker.shutdown().await.unwrap();
    }

    async fn other_options_of_a_dispatch_hold_for_each_item(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = app.dispatch(row("a", 1)).id("row:1").await.unwrap();
        let again = app.dispatch(row("a", 1)).id("row:1").await.unwrap();
        assert_eq!(again.outcome(), &Outcome::Duplicate("row:1".into()));
        let urgent = app.dispatch(row("a", 2)).priority(9).deduplicate(2).await.unwrap();
        let twice = app.dispatch(row("a", 2)).deduplicate(2).await.unwrap();
        assert_eq!(twice.outcome(), &Outcome::Duplicate(urgent.id().clone()));
        let later = app.dispatch(row("a", 3)).delay(LONG * 2).await.unwrap();
        let seen = app.inspect().collected::<InsertRow>("a").await.unwrap().unwrap();
        assert_eq!(seen.items.iter().map(|(_, item)| item.row).collect::<Vec<_>>(), [2, 1]);
        let worker = worker(&app, &probe).await;
        store.pass(LONG).await;
        completed(&[first, urgent], 2).await;
        store.pass(LONG).await;
        until_state(&later, JobState::Waiting).await;
        store.pass(LONG).await;
        completed(&[later], 1).await;
        worker.shutdown().await.unwrap();
    }

    async fn what_does_not_go_with_collect_is_refused(store: Store) {
        let app = store.app().await;
        let second = Duration::from_secs(1);
        for refused in [
            app.dispatch(row("a", 1)).debounce("a", second).await.map(|_| ()),
            app.dispatch_many(rows("a", [1])).debounce(|row| row.row, second).await.map(|_| ()),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert_eq!(
                refused,
                "invalid option: `collect` says when the items of its task go; leave `debounce` out"
            );
        }
        for refused in [
            app.dispatch(row("a", 1)).ttl(LONG).await.map(|_| ()),
            app.dispatch_many(rows("a", [1])).ttl(LONG).await.map(|_| ()),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert_eq!(refused, "invalid option: a `ttl` of 1800s ends before `collect` opens after 1800s");
        }
        let refused = app.dispatch(row("a", 1)).limit_key("b").await.unwrap_err().to_string();
        assert!(refused.contains("`insert-row` is not limited by key"), "{refused}");
        let long = app.dispatch(row(&"x".repeat(201), 1)).await.unwrap_err().to_string();
        assert!(long.contains("200"), "{long}");
        assert_eq!(app.counts("insert-row").await.unwrap().waiting, 0);
    }

    async fn a_schedule_gathers_as_any_dispatch(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let schedule = taskora::Schedule::new("nightly").manual().run(row("a", 1));
        app.schedules().upsert(schedule).await.unwrap();
        let worker = worker(&app, &probe).await;
        app.schedules().trigger("nightly").await.unwrap();
        let handles = app.dispatch_many(rows("a", [2, 3])).await.unwrap();
        completed(&handles, 3).await;
        assert_eq!(probe.seen(), ["1 2 3"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_group_without_keys_has_one_name(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let ping = app.dispatch(Ping { n: 1 }).await.unwrap();
        until(Some(1), || async { app.inspect().collected::<Ping>("*").await.unwrap().map(|seen| seen.count) }).await;
        assert!(app.queues().flush::<Ping>("*").await.unwrap());
        probe.open(1);
        result(&ping).await.unwrap();
        worker.shutdown().await.unwrap();
    }
}
