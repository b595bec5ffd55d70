//! Jobs that are stored only if their key allows it.

use std::time::Duration;

use serde_json::json;
use taskora::prelude::*;
use taskora::{Blocked, DispatchError, JobError};

use crate::support::{PATIENCE, Probe, Store, info, on_both, quick, result};

const HOUR: Duration = Duration::from_secs(3_600);

#[task(retry = 2)]
async fn sync(account: u32, note: String, probe: State<Probe>) -> String {
    probe.saw(format!("{account} {note}"));
    note
}

/// Holds its slot until the test lets it go.
#[task]
async fn hold(note: String, ctx: &Context, probe: State<Probe>) -> Result<String, TaskError> {
    probe.saw(&note);
    tokio::select! {
        () = probe.gate() => Ok(note),
        _ = ctx.cancelled() => Err(TaskError::give_up("stopped")),
    }
}

#[task]
async fn fails(ctx: &Context) -> Result<(), String> {
    Err(ctx.idempotency_key().unwrap_or("none").to_owned())
}

#[task]
async fn echo(n: u32) -> u32 {
    n
}

fn job(account: u32, note: &str) -> Sync {
    Sync { account, note: note.to_owned() }
}

fn holding(note: &str) -> Hold {
    Hold { note: note.to_owned() }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let worker = quick(app).state(probe.clone()).register::<Sync>().register::<Hold>();
    worker.concurrency(4).start().await.unwrap()
}

on_both! {
    async fn s086_s088_a_throttled_dispatch_says_when_to_try_again(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut outcomes = Vec::new();
        for number in 0..5 {
            let handle = app.dispatch(job(7, &number.to_string())).throttle(7, 3, HOUR).await.unwrap();
            outcomes.push(handle.outcome() == &Outcome::Enqueued);
            if let Outcome::Throttled { retry_in } = handle.outcome() {
                assert!(*retry_in <= HOUR && *retry_in > HOUR / 2);
                assert_eq!(handle.state().await.unwrap(), None);
                assert!(matches!(handle.result().await, Err(JobError::NotFound { .. })), "at once");
            }
        }
        assert_eq!(outcomes, [true, true, true, false, false]);
        let error = app.dispatch(job(7, "no")).throttle(7, 3, HOUR).reject_as_error().await.unwrap_err();
        assert!(error.to_string().starts_with("key `7` of task `sync` is throttled; try again in "), "{error}");
        assert!(matches!(error, DispatchError::Throttled { .. }) && !error.is_retryable());
        let worker = worker(&app, &probe).await;
        probe.until(3).await;
        worker.shutdown().await.unwrap();
        let mut seen = probe.seen();
        seen.sort();
        assert_eq!(seen, ["7 0", "7 1", "7 2"]);
    }

    async fn s091_of_many_at_once_as_many_are_let_through(store: Store) {
        let app = store.app().await;
        let calls = (0..21).map(|n| {
            tokio::spawn(app.dispatch(job(n, "x")).throttle("all", 20, HOUR).into_future())
        });
        let mut rejected = 0;
        for call in calls.collect::<Vec<_>>() {
            let handle = call.await.unwrap().unwrap();
            rejected += u32::from(matches!(handle.outcome(), Outcome::Throttled { .. }));
        }
        assert_eq!(rejected, 1);
    }

    async fn s093_s094_a_duplicate_is_the_job_that_has_the_key(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = app.dispatch(job(7, "first")).deduplicate(7).await.unwrap();
        let second = app.dispatch(job(7, "second")).deduplicate(7).await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Duplicate(first.id().clone()));
        let other = app.dispatch(job(8, "other")).deduplicate(8).await.unwrap();
        assert_eq!(other.outcome(), &Outcome::Enqueued);
        let error = app.dispatch(job(7, "third")).deduplicate(7).reject_as_error().await.unwrap_err();
        assert_eq!(error.to_string(), format!("task `sync` has job `{}` for key `7` already", first.id()));
        assert!(!error.is_retryable());
        assert_eq!(app.queues().owner_of::<Sync>(7).await.unwrap().unwrap().id(), first.id());

        let worker = worker(&app, &probe).await;
        assert_eq!(result(&second).await.unwrap(), "first");
        assert_eq!(result(&other).await.unwrap(), "other");
        assert!(app.queues().owner_of::<Sync>(7).await.unwrap().is_none());
        let again = app.dispatch(job(7, "again")).deduplicate(7).await.unwrap();
        assert_eq!((again.outcome(), result(&again).await.unwrap()), (&Outcome::Enqueued, "again".to_owned()));
        worker.shutdown().await.unwrap();
    }

    async fn a_key_is_released_by_hand(store: Store) {
        let app = store.app().await;
        let first = app.dispatch(job(7, "first")).deduplicate((7, "eu")).await.unwrap();
        let released = app.queues().release_key::<Sync>((7, "eu")).await.unwrap().unwrap();
        assert_eq!(released.id(), first.id());
        let second = app.dispatch(job(7, "second")).deduplicate((7, "eu")).await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Enqueued);
        assert!(app.queues().release_key::<Hold>((7, "eu")).await.unwrap().is_none(), "keys belong to a task");
    }

    async fn s084_the_newest_payload_runs(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let debounced = |n: u32| app.dispatch(job(7, &n.to_string())).debounce(7, Duration::from_millis(300));
        let first = debounced(1).await.unwrap();
        let mut last = first.clone();
        for number in 2..6 {
            last = debounced(number).await.unwrap();
            assert_eq!(last.outcome(), &Outcome::Replaced(first.id().clone()));
        }
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&first).await.unwrap(), "5");
        assert_eq!(result(&last).await.unwrap(), "5");
        let next = debounced(6).await.unwrap();
        assert_eq!(next.outcome(), &Outcome::Enqueued);
        assert_eq!(result(&next).await.unwrap(), "6");
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["7 5", "7 6"]);
    }

    async fn what_waits_is_replaced_and_keeps_its_place(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = app.dispatch(job(7, "old")).meta("n", "1").deduplicate(7).replace().await.unwrap();
        app.dispatch(job(8, "between")).await.unwrap();
        let second = app.dispatch(job(7, "new")).meta("n", "2").deduplicate(7).replace().await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Replaced(first.id().clone()));
        assert_eq!(info(&first).await.meta, [("n".to_owned(), "2".to_owned())]);
        let worker = quick(&app).state(probe.clone()).register::<Sync>().concurrency(1).start().await.unwrap();
        assert_eq!(result(&first).await.unwrap(), "new");
        probe.until(2).await;
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["7 new", "8 between"]);
    }

    async fn the_newest_runs_after_the_one_that_runs(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(holding("first")).deduplicate("k").keep_last().await.unwrap();
        probe.until(1).await;
        let second = app.dispatch(holding("second")).deduplicate("k").keep_last().await.unwrap();
        let third = app.dispatch(holding("third")).deduplicate("k").keep_last().await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Enqueued);
        assert_eq!(third.outcome(), &Outcome::Replaced(second.id().clone()));
        assert_eq!(info(&second).await.blocked, Some(Blocked::Behind(first.id().clone())));
        probe.open(1);
        assert_eq!(result(&first).await.unwrap(), "first");
        probe.until(2).await;
        assert_eq!(probe.seen(), ["first", "third"]);
        // the one that runs is told to stop
        let last = app.dispatch(holding("last")).deduplicate("k").keep_last().cancel_running().await.unwrap();
        assert!(matches!(result(&second).await, Err(JobError::Cancelled { .. })));
        probe.open(1);
        assert_eq!(result(&last).await.unwrap(), "last");
        worker.shutdown().await.unwrap();
    }

    async fn many_jobs_have_their_own_keys(store: Store) {
        let app = store.app().await;
        let accounts = [1, 2, 1, 3, 2];
        let jobs = accounts.map(|account| job(account, "x"));
        let handles = app.dispatch_many(jobs).deduplicate(|sync| sync.account).await.unwrap();
        let first = |at: usize| Outcome::Duplicate(handles[at].id().clone());
        let outcomes: Vec<&Outcome> = handles.iter().map(JobHandle::outcome).collect();
        assert_eq!(outcomes, [
            &Outcome::Enqueued, &Outcome::Enqueued, &first(0), &Outcome::Enqueued, &first(1),
        ]);
        // without a key there is no rule
        let jobs = [job(1, "a"), job(9, "b"), job(9, "c")];
        let only_one = |sync: &Sync| (sync.account == 1).then_some(sync.account);
        let handles = app.dispatch_many(jobs).deduplicate(only_one).await.unwrap();
        let stored: Vec<bool> = handles.iter().map(|job| job.outcome() == &Outcome::Enqueued).collect();
        assert_eq!(stored, [false, true, true]);
        let handles = app.dispatch_many((0..1_200).map(|n| job(n % 600, "x")))
            .throttle(|sync| sync.account, 1, HOUR).await.unwrap();
        let stored = handles.iter().filter(|job| job.outcome() == &Outcome::Enqueued).count();
        assert_eq!(stored, 600, "over three calls");
    }

    async fn an_idempotency_key_stands_for_one_job(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let once = |note: &str| app.dispatch(job(7, note)).idempotency(("order", 42), HOUR);
        let first = once("first").await.unwrap();
        assert_eq!(once("first").await.unwrap().outcome(), &Outcome::Duplicate(first.id().clone()));
        let error = once("second").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("idempotency key `order:42` of `sync` stands for `{}`, which has another payload; use another key", first.id())
        );
        assert!(!error.is_retryable());
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&once("first").await.unwrap()).await.unwrap(), "first");
        let many = [job(1, "a"), job(2, "b"), job(1, "a")];
        let handles = app.dispatch_many(many).idempotency(|sync| sync.account, HOUR).await.unwrap();
        assert_eq!(handles[2].outcome(), &Outcome::Duplicate(handles[0].id().clone()));
        let reused = app.dispatch_many([job(1, "x")]).idempotency(|sync| sync.account, HOUR).await;
        assert!(matches!(reused, Err(DispatchError::KeyReused { .. })));
        for life in [Duration::ZERO, HOUR * 24 * 400] {
            let refused = app.dispatch(job(7, "x")).idempotency("x", life).await.unwrap_err().to_string();
            assert!(refused.contains("above zero and at most 366 days"), "{refused}");
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_failure_frees_an_idempotency_key(store: Store) {
        let app = store.app().await;
        let worker = quick(&app).register::<Fails>().register::<Echo>().start().await.unwrap();
        let fails = || app.dispatch(Fails {}).idempotency("k", HOUR);
        let first = fails().await.unwrap();
        assert_eq!(crate::support::failure(result(&first).await).0, "k", "the handler reads its key");
        let second = fails().keep_failures().await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Enqueued);
        assert!(result(&second).await.is_err());
        assert_eq!(fails().await.unwrap().outcome(), &Outcome::Duplicate(second.id().clone()));
        worker.shutdown().await.unwrap();
    }

    async fn an_idempotency_key_stands_for_a_workflow(store: Store) {
        let app = store.app().await;
        let worker = quick(&app).register::<Fails>().register::<Echo>().start().await.unwrap();
        let flow = |n: u32| app.dispatch(Echo { n }.then(Echo::s())).idempotency("import-7", HOUR);
        let first = flow(1).await.unwrap();
        let second = flow(1).await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Duplicate(first.id().clone()));
        assert_eq!(second.result().await.unwrap(), 1);
        assert!(matches!(flow(2).await, Err(DispatchError::KeyReused { .. })));
        let fails = || app.dispatch(Fails {}.then(Echo::s().n(1u32))).idempotency("import-8", HOUR);
        let failed = fails().await.unwrap();
        assert!(failed.result().await.is_err());
        assert_eq!(fails().await.unwrap().outcome(), &Outcome::Enqueued);
        worker.shutdown().await.unwrap();
    }

    async fn rules_that_make_no_sense_are_refused(store: Store) {
        let app = store.app().await;
        let text = |error: DispatchError| error.to_string();
        let dispatch = || app.dispatch(job(7, "x"));
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        for (error, expected) in [
            (dispatch().throttle(7, 0, HOUR).await.unwrap_err(), "`throttle` with a `max` of 0 would let nothing through"),
            (dispatch().throttle(7, 1_001, HOUR).await.unwrap_err(), "`throttle` lets at most 1000 jobs of a key through in a window"),
            (dispatch().throttle(7, 1, Duration::ZERO).await.unwrap_err(), "`throttle` needs a `window` above zero"),
            (dispatch().debounce(7, Duration::ZERO).await.unwrap_err(), "`debounce` needs a `delay` above zero"),
            (dispatch().debounce(7, minute).max_wait(second).await.unwrap_err(), "`max_wait` (1s) is not longer than `delay` (60s)"),
            (dispatch().delay(second).debounce(7, minute).await.unwrap_err(), "`debounce` sets the due time; leave `delay` and `at` out"),
            (dispatch().debounce(7, minute).id("x").await.unwrap_err(), "many dispatches share a debounced job, so it has no id of yours; leave `id` out"),
            (dispatch().deduplicate(7).while_in([]).await.unwrap_err(), "`while_in` without a state would keep nothing out"),
            (dispatch().deduplicate(7).while_in([JobState::Completed]).await.unwrap_err(),
                "a job that is `completed` keeps no other one out; to run a job once and for all, give it an `.id(..)`"),
            (dispatch().deduplicate(7).keep_last().delay(second).await.unwrap_err(),
                "with `keep_last` a job starts when the one before it has ended; leave `delay` and `at` out"),
        ] {
            assert_eq!(text(error), format!("invalid option: {expected}"));
        }
        let long = "x".repeat(201);
        assert_eq!(
            text(dispatch().deduplicate(&long).await.unwrap_err()),
            "a key of 201 bytes for task `sync` is above the limit of 200 bytes; use an id, or a hash"
        );
        let many = app.dispatch_many([job(7, "x")]).deduplicate(|_| long.clone()).await;
        assert!(matches!(many, Err(DispatchError::KeyTooLong { size: 201, limit: 200, .. })));
        assert_eq!(app.counts("sync").await.unwrap().waiting, 0, "nothing was stored");
        dispatch().deduplicate(&long[1..]).await.unwrap();
    }

    async fn a_raw_dispatch_has_the_same_rules(store: Store) {
        let app = store.app().await;
        let raw = || app.dispatch_raw("sync", json!({ "account": 7, "note": "x" }));
        let first = raw().deduplicate(7).await.unwrap();
        let second = app.dispatch(job(7, "y")).deduplicate(7).await.unwrap();
        assert_eq!(second.outcome(), &Outcome::Duplicate(first.id().clone()));
        let none = raw().deduplicate(None::<u32>).await.unwrap();
        assert_eq!(none.outcome(), &Outcome::Enqueued, "without a key there is no rule");
        let delayed = raw().delay(PATIENCE).priority(3).deduplicate("later").await.unwrap();
        assert_eq!(delayed.state().await.unwrap(), Some(JobState::Delayed));
        assert_eq!(raw().deduplicate("later").await.unwrap().outcome(), &Outcome::Duplicate(delayed.id().clone()));
    }
}
