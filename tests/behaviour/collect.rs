//! Jobs that gather, and are run in batches.

use std::time::Duration;

use serde_json::json;
use taskora::prelude::*;
use taskora::{Outcome, Worker};

use crate::support::{
    LEASE, PATIENCE, Probe, SWEEP, Store, cancellation, failure, on_both, quick, result, until, until_state,
};

const LONG: Duration = Duration::from_secs(30 * 60);

/// Three go at once, and what is left after half an hour, or after an hour in which others came.
#[derive(Debug, PartialEq, Task, Serialize, Deserialize)]
#[task(
    output = usize,
    retry(attempts = 3, delay = "10ms"),
    collect(key = |t| t.table, delay = "30m", max_size = 3, max_wait = "60m")
)]
struct InsertRow {
    #[serde(default)]
    table: Option<String>,
    /// Added later.
    #[serde(default)]
    row: u32,
}

fn row(table: &str, row: u32) -> InsertRow {
    InsertRow { table: Some(table.to_owned()), row }
}

fn rows(table: &str, rows: impl IntoIterator<Item = u32>) -> Vec<InsertRow> {
    rows.into_iter().map(|of| row(table, of)).collect()
}

/// Says which rows came together; 90 and more have their own ways to end.
#[task(implements = InsertRow, batch)]
async fn insert_rows(items: Vec<InsertRow>, ctx: &Context, probe: State<Probe>) -> Result<usize, TaskError> {
    let _running = probe.enter();
    let batch: Vec<String> = items.iter().map(|item| item.row.to_string()).collect();
    probe.saw(batch.join(" "));
    assert_eq!(items.len(), ctx.items().len());
    for (item, job) in items.iter().zip(ctx.items()) {
        match item.row {
            90 => job.fail("bad row"),
            91 if job.attempt() == 1 => job.retry(),
            92 => job.retry(),
            93 => panic!("a bad row"),
            94 => return Err(TaskError::msg("down")),
            95 => return Err(TaskError::give_up("gone")),
            96 => probe.gate().await,
            97 => ctx.cancelled().await,
            98 => {
                ctx.info("inserted");
                ctx.progress(7);
            }
            _ => {}
        }
    }
    Ok(items.len())
}

/// One group, whose next batch waits for the one before.
#[derive(Debug, Task, Serialize, Deserialize)]
#[task(output = (), timeout = "10m", collect(delay = "30m", max_size = 2, serial))]
struct Ping {
    n: u32,
}

#[task(implements = Ping, batch, on_cancel = undo)]
async fn pings(pings: Vec<Ping>, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(pings.len());
    probe.gate().await;
}

/// As many as there can be, on a thread.
#[derive(Debug, Task, Serialize, Deserialize)]
#[task(output = u64, collect(delay = "30m", max_size = 500))]
struct Sum {
    n: u64,
}

#[task(implements = Sum, batch, blocking)]
fn sums(items: Vec<Sum>, ctx: Context, probe: State<Probe>) -> u64 {
    assert_eq!(items.len(), ctx.items().len());
    probe.saw(items.len());
    items.iter().map(|item| item.n).sum()
}

async fn undo(ping: Ping, _ctx: Context, probe: State<Probe>) {
    probe.saw(format!("undo {}", ping.n));
}

/// A process of another build, whose rows have text.
mod other {
    use super::{Deserialize, Serialize, Task};

    #[derive(Debug, Task, Serialize, Deserialize)]
    #[task(name = "insert-row", output = usize, collect(key = |t| t.table, delay = "30m", max_size = 3))]
    pub(super) struct InsertRow {
        pub(super) table: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) row: Option<String>,
    }
}

/// A worker of an earlier build, which knows of no batches.
mod before {
    use super::{Probe, State, task};

    #[task]
    pub(super) async fn insert_row(row: u32, probe: State<Probe>) -> usize {
        probe.saw(format!("alone {row}"));
        1
    }
}

#[task]
async fn free() {}

/// Gives what a batch returns.
#[task]
async fn make_row(row: u32) -> InsertRow {
    InsertRow { table: Some("made".to_owned()), row }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let worker = quick(app).state(probe.clone()).cancel_grace(Duration::from_millis(200));
    worker
        .register_all(tasks![InsertRowsHandler, PingsHandler, SumsHandler, Free, MakeRow])
        .start()
        .await
        .unwrap()
}

/// A job of another task has run, so what could be claimed before it was.
async fn nothing_runs(app: &App, probe: &Probe, seen: usize) {
    result(&app.dispatch(Free {}).await.unwrap()).await.unwrap();
    assert_eq!(probe.seen().len(), seen, "{:?}", probe.seen());
}

async fn completed(handles: &[JobHandle<usize>], output: usize) {
    for handle in handles {
        assert_eq!(result(handle).await.unwrap(), output);
    }
}

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

    async fn a_timeout_ends_each_item(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        if matches!(store, Store::Redis(_)) {
            return; // ten minutes of a handler are real there
        }
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many([1, 2].map(|n| Ping { n })).await.unwrap();
        for handle in &handles {
            assert_eq!(failure(handle.result_within(LONG).await).0, "timed out after 600s");
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

    async fn a_worker_without_batches_runs_items_one_by_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many(rows("a", 1..=3)).await.unwrap();
        let worker = quick(&app).state(probe.clone()).concurrency(1).register::<before::InsertRow>();
        let worker = worker.start().await.unwrap();
        completed(&handles, 1).await;
        assert_eq!(probe.seen(), ["alone 1", "alone 2", "alone 3"]);
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
