//! Cancelling jobs, wherever they are.

use std::time::Duration;

use taskora::{CancelOutcome, prelude::*};

use crate::support::{Probe, Store, cancellation, info, on_both, quick, result, soon, until_state};

#[task(on_cancel = clean_up)]
async fn build(name: String, probe: State<Probe>) -> String {
    let _running = probe.enter();
    probe.saw(&name);
    probe.gate().await;
    name
}

async fn clean_up(task: Build, probe: State<Probe>, ctx: Context) {
    ctx.info(format!("cleaned up {}", task.name));
    probe.saw(format!("cleaned up {}", task.name));
}

#[task]
async fn polite(probe: State<Probe>, ctx: Context) -> String {
    probe.saw("started");
    ctx.cancelled().await;
    probe.saw("told");
    "what it returns is not used".into()
}

#[task]
async fn deaf(probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw("started");
    std::future::pending().await
}

#[task(blocking)]
fn blocking(probe: State<Probe>, ctx: Context) {
    probe.saw("started");
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    probe.saw("told");
}

#[task(retry(attempts = 2, delay = "1h"))]
async fn rests() -> Result<(), String> {
    Err("try again".into())
}

#[task(on_cancel = fails_to_clean_up)]
async fn doomed(probe: State<Probe>) {
    probe.saw("started");
    std::future::pending().await
}

async fn fails_to_clean_up(_: Doomed) {
    panic!("the broom is broken");
}

fn named(name: &str) -> Build {
    Build { name: name.to_owned() }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app)
        .state(probe.clone())
        .register_all(tasks![Build, Polite, Deaf, Blocking, Rests, Doomed])
        .cancel_grace(Duration::from_millis(100))
        .start()
        .await
        .unwrap()
}

on_both! {
    async fn s053_a_delayed_job_is_cancelled_at_once(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(named("a")).delay(Duration::from_secs(60)).await.unwrap();
        assert_eq!(handle.cancel("changed my mind").await.unwrap(), CancelOutcome::Cancelled);
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Cancelled));
        let counts = app.counts("build").await.unwrap();
        assert_eq!((counts.delayed, counts.cancelled), (0, 1));
    }

    async fn s055_a_job_that_has_ended_stays_as_it_is(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(named("a")).await.unwrap();
        probe.open(1);
        assert_eq!(result(&handle).await.unwrap(), "a");
        let outcome = handle.cancel("too late").await.unwrap();
        assert_eq!(outcome, CancelOutcome::AlreadyEnded(JobState::Completed));
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
        assert_eq!(result(&handle).await.unwrap(), "a");
        worker.shutdown().await.unwrap();
    }

    async fn s057_an_active_job_is_dropped_and_its_hook_runs_with_its_payload(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(named("house")).await.unwrap();
        probe.until(1).await;
        assert_eq!(handle.cancel("no budget").await.unwrap(), CancelOutcome::Requested);
        assert_eq!(cancellation(result(&handle).await), "no budget");
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Cancelled));
        assert_eq!(probe.running(), 0);
        let logs = handle.logs().await.unwrap();
        assert_eq!(logs.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["cleaned up house"]);
        assert_eq!(probe.seen(), ["house", "cleaned up house"], "the hook has the worker's state");
        assert_eq!(app.counts("build").await.unwrap().active, 0);
        worker.shutdown().await.unwrap();
    }

    async fn s058_everybody_who_waits_learns_the_reason(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let handle = app.dispatch(named("a")).await.unwrap();
        let elsewhere = other.job::<Build>(handle.id());
        let waiting = tokio::spawn(async move { result(&elsewhere).await });
        tokio::task::yield_now().await;
        handle.cancel("a reason").await.unwrap();
        match waiting.await.unwrap() {
            Err(JobError::Cancelled { id, reason }) => assert_eq!((&id, reason.as_str()), (handle.id(), "a reason")),
            other => panic!("{other:?}"),
        }
    }

    async fn s059_of_three_waiting_jobs_two_are_cancelled(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many(["a", "b", "c"].map(named)).await.unwrap();
        for handle in &handles[..2] {
            assert_eq!(handle.cancel("cleared").await.unwrap(), CancelOutcome::Cancelled);
        }
        let counts = app.counts("build").await.unwrap();
        assert_eq!((counts.cancelled, counts.waiting), (2, 1));
        probe.open(3);
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&handles[2]).await.unwrap(), "c");
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["c"]);
    }

    async fn s060_waiting_for_a_cancelled_job_ends_with_a_typed_error(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(named("a")).await.unwrap();
        handle.cancel("gone").await.unwrap();
        let error = result(&handle).await.unwrap_err();
        assert!(matches!(&error, JobError::Cancelled { id, .. } if id == handle.id()));
        assert!(error.to_string().ends_with("was cancelled: gone"), "{error}");
    }

    async fn s061_the_reason_stays_with_the_job_and_the_first_one_counts(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let waiting = app.dispatch(named("a")).await.unwrap();
        waiting.cancel("first").await.unwrap();
        let again = waiting.cancel("second").await.unwrap();
        assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Cancelled));
        assert_eq!(info(&waiting).await.error.as_deref(), Some("first"));

        let worker = worker(&app, &probe).await;
        let active = app.dispatch(Deaf {}).await.unwrap();
        probe.until(1).await;
        active.cancel("first").await.unwrap();
        active.cancel("second").await.unwrap();
        assert_eq!(cancellation(result(&active).await), "first");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_rests_between_attempts_is_cancelled_at_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Rests {}).await.unwrap();
        until_state(&handle, JobState::Retrying).await;
        assert_eq!(handle.cancel("enough").await.unwrap(), CancelOutcome::Cancelled);
        assert_eq!(cancellation(result(&handle).await), "enough");
        assert_eq!(app.counts("rests").await.unwrap().delayed, 0);
        worker.shutdown().await.unwrap();
    }

    async fn a_handler_that_listens_has_a_moment_to_clean_up(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Polite {}).await.unwrap();
        probe.until(1).await;
        handle.cancel("stop").await.unwrap();
        assert_eq!(cancellation(result(&handle).await), "stop");
        assert_eq!(probe.seen(), ["started", "told"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_handler_that_does_not_listen_is_dropped_after_its_grace(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Deaf {}).await.unwrap();
        probe.until(1).await;
        handle.cancel("stop").await.unwrap();
        assert_eq!(cancellation(result(&handle).await), "stop");
        assert_eq!(probe.running(), 0);
        worker.shutdown().await.unwrap();
    }

    async fn a_blocking_handler_sees_that_it_should_stop(store: Store) {
        store.real_time();
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Blocking {}).await.unwrap();
        probe.until(1).await;
        handle.cancel("stop").await.unwrap();
        assert_eq!(cancellation(result(&handle).await), "stop");
        assert_eq!(probe.until(2).await, ["started", "told"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_hook_that_panics_changes_nothing(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Doomed {}).await.unwrap();
        probe.until(1).await;
        handle.cancel("stop").await.unwrap();
        assert_eq!(cancellation(result(&handle).await), "stop");
        probe.open(1);
        assert_eq!(result(&app.dispatch(named("next")).await.unwrap()).await.unwrap(), "next");
        worker.shutdown().await.unwrap();
    }

    async fn the_hook_does_not_run_for_a_job_that_never_started(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(named("a")).await.unwrap();
        handle.cancel("never mind").await.unwrap();
        let worker = worker(&app, &probe).await;
        probe.open(1);
        result(&app.dispatch(named("b")).await.unwrap()).await.unwrap();
        worker.shutdown().await.unwrap();
        assert!(handle.logs().await.unwrap().is_empty());
        assert_eq!(probe.seen(), ["b"]);
    }

    async fn a_job_that_is_not_known_cannot_be_cancelled(store: Store) {
        let app = store.app().await;
        let outcome = soon("an answer", app.job::<Build>("nobody").cancel("x")).await.unwrap();
        assert_eq!(outcome, CancelOutcome::NotFound);
    }
}
