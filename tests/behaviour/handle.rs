//! What a handle knows and waits for.

use std::time::Duration;

use std::future::IntoFuture;

use taskora::adapter::AdapterError;
use taskora::{InvalidJobId, Retention, RetentionLimit, prelude::*};

use crate::support::{Echo, Held, Probe, Store, info, on_both, result, soon, until_is};

#[task]
async fn refuse() -> Result<u32, String> {
    Err("not today".into())
}

on_both! {
    async fn s013_an_id_that_is_not_given_is_a_uuid_of_36_characters(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(Echo::from("a")).await.unwrap();
        let id = handle.id().to_string();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4));
        assert_eq!(handle.outcome(), &Outcome::Enqueued);
        assert_ne!(handle.id(), app.dispatch(Echo::from("a")).await.unwrap().id());
    }

    async fn s014_a_dispatched_job_is_visible_as_waiting(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let handle = app.dispatch(Echo::from("a")).await.unwrap();
        let elsewhere = other.job::<Echo>(handle.id());
        assert_eq!(elsewhere.id(), handle.id());
        assert_eq!(elsewhere.outcome(), &Outcome::Attached);
        assert_eq!(elsewhere.state().await.unwrap(), Some(JobState::Waiting));
        assert_eq!(other.counts("echo").await.unwrap().waiting, 1);
    }

    async fn s015_the_result_is_what_the_handler_returned(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Echo>().start().await.unwrap();
        let handle = app.dispatch(Echo::from("value")).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "value");
        // and still is, for whoever asks later
        assert_eq!(handle.result().await.unwrap(), "value");
        assert_eq!(app.job_raw(handle.id()).result().await.unwrap(), serde_json::json!("value"));
        worker.shutdown().await.unwrap();
    }

    async fn s017_patience_that_ends_is_an_error_and_the_job_goes_on(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
        let handle = app.dispatch(Held {}).await.unwrap();
        probe.until(1).await;
        let patience = Duration::from_millis(50);
        let error = handle.result_within(patience).await.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(
            error.to_string(),
            format!("job `{}` did not end within 50ms and goes on: a worker runs it", handle.id())
        );
        assert!(matches!(
            &error,
            JobError::TimedOut { id, waited, state: JobState::Active } if id == handle.id() && *waited == patience
        ));
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Active));
        soon("a shutdown without grace", worker.shutdown_within(Duration::ZERO)).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
    }

    async fn a_timeout_says_where_the_job_is(store: Store) {
        let app = store.app().await;
        let soon = Duration::from_millis(20);
        let waiting = app.dispatch(Held {}).await.unwrap();
        let error = waiting.result_within(soon).await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { state: JobState::Waiting, .. }), "{error:?}");
        assert!(error.to_string().ends_with("goes on: still waiting: no worker has claimed it"), "{error}");
        let delayed = app.dispatch(Held {}).delay(Duration::from_secs(3600)).await.unwrap();
        let error = delayed.result_within(soon).await.unwrap_err();
        assert!(error.to_string().ends_with("goes on: delayed, and not due yet"), "{error}");
    }

    async fn a_timeout_while_the_store_is_away_says_so(store: Store) {
        let (app, switch) = store.switched().await;
        let handle = app.dispatch(Held {}).await.unwrap();
        switch.unreadable.store(true, std::sync::atomic::Ordering::SeqCst);
        let error = handle.result_within(Duration::from_millis(20)).await.unwrap_err();
        assert!(
            matches!(&error, JobError::Adapter { id, source: AdapterError::Unavailable { .. } } if id == handle.id()),
            "{error:?}"
        );
        assert_eq!(error.to_string(), format!("cannot ask the store about job `{}`", handle.id()));
    }

    async fn s018_a_failed_job_names_itself_its_task_and_its_error(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Refuse>().start().await.unwrap();
        let handle = app.dispatch(Refuse {}).await.unwrap();
        let error = result(&handle).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.id()), ("not today", handle.id()));
        assert!(matches!(&error, JobError::Failed { task, attempts: 1, .. } if task == "refuse"), "{error:?}");
        worker.shutdown().await.unwrap();
    }

    async fn s019_several_handles_are_awaited_together(store: Store) {
        let app = store.app().await;
        let (a, b, c) = tokio::join!(
            app.dispatch(Echo::from("a")).into_future(),
            app.dispatch(Echo::from("b")).into_future(),
            app.dispatch(Echo::from("c")).into_future()
        );
        let handles = [a.unwrap(), b.unwrap(), c.unwrap()];
        let worker = Worker::builder(&app).register::<Echo>().start().await.unwrap();
        let (a, b, c) = tokio::join!(result(&handles[0]), result(&handles[1]), result(&handles[2]));
        assert_eq!([a.unwrap(), b.unwrap(), c.unwrap()], ["a", "b", "c"]);
        worker.shutdown().await.unwrap();
    }

    async fn s022_a_job_that_was_never_dispatched_is_not_known(store: Store) {
        let app = store.app().await;
        let stranger = app.job::<Echo>(JobId::new());
        assert_eq!(stranger.state().await.unwrap(), None);
        assert!(stranger.info().await.unwrap().is_none());
        assert!(stranger.logs().await.unwrap().is_empty());
        assert_eq!(stranger.progress::<u8>().await.unwrap(), None);
        assert!(matches!(result(&stranger).await, Err(JobError::NotFound { id }) if id == *stranger.id()));
    }

    async fn x06_everybody_who_waits_for_a_job_gets_its_result(store: Store) {
        let (app, other, probe) = (store.app().await, store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
        let handle = app.dispatch(Held {}).await.unwrap();
        let mut waits = Vec::new();
        for n in 0..10 {
            let handle = if n % 2 == 0 { handle.clone() } else { other.job::<Held>(handle.id()) };
            waits.push(tokio::spawn(async move { result(&handle).await }));
        }
        // one that gives up does not take the others with it
        assert!(handle.result_within(Duration::from_millis(20)).await.is_err());
        probe.until(1).await;
        probe.open(1);
        for wait in waits {
            assert_eq!(wait.await.unwrap().unwrap(), 7);
        }
        worker.shutdown().await.unwrap();
    }

    async fn x07_a_wait_after_one_that_gave_up_is_a_wait_like_any_other(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
        let handle = app.dispatch(Held {}).await.unwrap();
        probe.until(1).await;
        for _ in 0..20 {
            assert!(handle.result_within(Duration::from_millis(2)).await.is_err());
        }
        let (waited, ()) = tokio::join!(result(&handle), async { probe.open(1) });
        assert_eq!(waited.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn x08_waiting_for_a_job_that_was_trimmed_ends(store: Store) {
        let few = RetentionLimit::new(Duration::from_secs(3_600), 1);
        let app = store.builder().await.retention(Retention::default().completed(few)).build();
        let worker = Worker::builder(&app).register::<Echo>().start().await.unwrap();
        let first = app.dispatch(Echo::from("first")).await.unwrap();
        assert_eq!(result(&first).await.unwrap(), "first");
        // trimming is bounded and lags behind by at most a few hundred
        until_is(Option::is_none, || async {
            for handle in app.dispatch_many((0..50).map(|_| Echo::from("more"))).await.unwrap() {
                // the newest may be trimmed before it is asked for
                let _ = result(&handle).await;
            }
            first.state().await.unwrap()
        }, || "trimmed".into()).await;
        assert!(matches!(result(&first).await, Err(JobError::NotFound { .. })));
        assert!(matches!(first.cancel("late").await, Ok(taskora::CancelOutcome::NotFound)));
        worker.shutdown().await.unwrap();
    }

    async fn an_id_of_the_callers_own_makes_a_dispatch_idempotent(store: Store) {
        let app = store.app().await;
        let first = app.dispatch(Echo::from("first")).id("order-4711").await.unwrap();
        assert_eq!(first.outcome(), &Outcome::Enqueued);
        let again = app.dispatch(Echo::from("second")).id("order-4711").await.unwrap();
        assert_eq!(again.outcome(), &Outcome::Duplicate("order-4711".into()));
        assert_eq!(app.counts("echo").await.unwrap().waiting, 1);

        let worker = Worker::builder(&app).register::<Echo>().start().await.unwrap();
        assert_eq!(result(&again).await.unwrap(), "first");
        // also when it has ended
        let late = app.dispatch(Echo::from("third")).id("order-4711").await.unwrap();
        assert_eq!(late.outcome(), &Outcome::Duplicate("order-4711".into()));
        assert_eq!(result(&late).await.unwrap(), "first");
        assert_eq!(app.counts("echo").await.unwrap().completed, 1);
        worker.shutdown().await.unwrap();
    }

    async fn ids_of_any_printable_text_work(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Echo>().start().await.unwrap();
        for id in ["a", "=x", "ключ:{a}:1", "with space", &"x".repeat(200), "00000000-0000-0000-0000-000000000000"] {
            let handle = app.dispatch(Echo::from(id)).id(id).await.unwrap();
            assert_eq!(result(&handle).await.unwrap(), id);
            assert_eq!(info(&handle).await.id.as_str(), id);
        }
        worker.shutdown().await.unwrap();
    }

    async fn an_id_that_cannot_name_a_job_is_refused(store: Store) {
        let app = store.app().await;
        for (id, expected) in [
            (String::new(), InvalidJobId::Empty),
            ("x".repeat(201), InvalidJobId::TooLong { len: 201 }),
            ("a\tb".into(), InvalidJobId::ControlCharacter),
        ] {
            match app.dispatch(Echo::from("a")).id(id).await {
                Err(taskora::DispatchError::InvalidId(error)) => assert_eq!(error, expected),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(app.counts("echo").await.unwrap().waiting, 0);
    }
}
