//! Bad input: it ends in a typed, visible state, and the worker goes on.

use taskora::{DispatchError, JobError, prelude::*};

use crate::support::{Store, failure, info, on_both, result};

#[task]
async fn length(text: String) -> usize {
    text.len()
}

#[task]
async fn inflate(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[task]
async fn panics_at_once(text: String) {
    panic!("no {text} here");
}

#[task(retry(attempts = 2, delay = "10ms"))]
async fn panics_later(ctx: &Context) -> u32 {
    tokio::task::yield_now().await;
    assert!(ctx.attempt() > 1, "attempt {}", ctx.attempt());
    ctx.attempt()
}

#[task(blocking)]
fn panics_on_a_thread() -> u32 {
    let nothing: Vec<u32> = Vec::new();
    nothing[1]
}

#[task]
async fn panics_oddly() {
    std::panic::panic_any(7_u8);
}

/// A payload that cannot be written.
#[derive(Deserialize)]
pub(crate) struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("ink is out"))
    }
}

#[task]
async fn takes_unwritable(value: Unwritable) {
    let _ = value;
}

#[task]
async fn returns_unwritable() -> Unwritable {
    Unwritable
}

async fn worker(app: &App) -> Worker {
    Worker::builder(app)
        .register_all(tasks![Length, Inflate, PanicsAtOnce, PanicsLater, PanicsOnAThread, PanicsOddly])
        .register::<ReturnsUnwritable>()
        .start()
        .await
        .unwrap()
}

/// The worker is alive and well.
async fn goes_on(app: &App, worker: Worker) {
    let handle = app.dispatch(Length { text: "four".into() }).await.unwrap();
    assert_eq!(result(&handle).await.unwrap(), 4);
    worker.shutdown().await.unwrap();
}

on_both! {
    async fn a_payload_that_is_not_the_contracts_fails_the_job_with_the_reason(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        for (payload, reason) in [
            (serde_json::json!({ "text": 4711 }), "invalid type, expected a string"),
            (serde_json::json!({}), "missing field `text`"),
            (serde_json::json!(null), "invalid type, expected struct Length"),
            (serde_json::json!("hunter2"), "invalid type, expected struct Length"),
        ] {
            let handle = app.dispatch_raw("length", payload).await.unwrap();
            let (message, attempts) = failure(result(&handle).await);
            assert!(message.starts_with("the payload is not a valid `length`: "), "{message}");
            assert!(message.contains(reason), "{message}");
            assert!(!message.contains("4711") && !message.contains("hunter2"), "{message}");
            assert_eq!((attempts, info(&handle).await.state), (1, JobState::Failed));
        }
        goes_on(&app, worker).await;
    }

    async fn a_payload_above_the_limit_is_refused_at_the_dispatch(store: Store) {
        let app = store.builder().await.max_payload(64).build();
        let error = app.dispatch(Length { text: "x".repeat(100) }).await.unwrap_err();
        assert!(!error.is_retryable());
        match &error {
            DispatchError::TooLarge { task, size, limit } => {
                assert_eq!((task.as_str(), *size, *limit), ("length", 111, 64));
            }
            other => panic!("{other:?}"),
        }
        assert!(error.to_string().contains("111 bytes"), "{error}");
        assert_eq!(app.counts("length").await.unwrap().waiting, 0);
        // one byte more would be too many
        app.dispatch(Length { text: "x".repeat(64 - 11) }).await.unwrap();
    }

    async fn the_default_limit_is_eight_megabytes(store: Store) {
        let app = store.app().await;
        let error = app.dispatch(Length { text: "x".repeat(App::DEFAULT_MAX_PAYLOAD) }).await.unwrap_err();
        assert!(matches!(error, DispatchError::TooLarge { limit: 8_388_608, .. }), "{error:?}");
    }

    async fn a_result_above_the_limit_fails_the_job(store: Store) {
        let app = store.builder().await.max_payload(64).build();
        let worker = worker(&app).await;
        let handle = app.dispatch(Inflate { bytes: 100 }).await.unwrap();
        let expected = "result of 102 bytes is above the limit of 64 bytes";
        assert_eq!(failure(result(&handle).await), (expected.into(), 1));
        goes_on(&app, worker).await;
    }

    async fn a_handler_that_panics_fails_its_job_with_the_message(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let at_once = app.dispatch(PanicsAtOnce { text: "cake".into() }).await.unwrap();
        assert_eq!(failure(result(&at_once).await), ("panicked: no cake here".into(), 1));
        let on_a_thread = app.dispatch(PanicsOnAThread {}).await.unwrap();
        let message = failure(result(&on_a_thread).await).0;
        assert_eq!(message, "panicked: index out of bounds: the len is 0 but the index is 1");
        let oddly = app.dispatch(PanicsOddly {}).await.unwrap();
        assert_eq!(failure(result(&oddly).await).0, "panicked: with a value that is not text");
        goes_on(&app, worker).await;
    }

    async fn a_panic_is_retried_like_an_error(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let later = app.dispatch(PanicsLater {}).await.unwrap();
        assert_eq!(result(&later).await.unwrap(), 2);
        assert_eq!(info(&later).await.error, None);
        goes_on(&app, worker).await;
    }

    async fn what_cannot_be_written_is_refused_or_fails_the_job(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let error = app.dispatch(TakesUnwritable { value: Unwritable }).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid payload for task `takes-unwritable`: ink is out");
        let handle = app.dispatch(ReturnsUnwritable {}).await.unwrap();
        let message = failure(app.raw_job(handle.id()).result().await).0;
        assert_eq!(message, "the result of `returns-unwritable` cannot be written as JSON: ink is out");
        goes_on(&app, worker).await;
    }

    async fn a_result_of_another_type_is_a_typed_error_of_the_caller(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let handle = app.dispatch(Length { text: "four".into() }).await.unwrap();
        let misled = app.job::<Inflate>(handle.id());
        match result(&misled).await.unwrap_err() {
            JobError::Undecodable { id, expected, message } => {
                assert_eq!((&id, expected), (handle.id(), "alloc::string::String"));
                assert!(message.starts_with("invalid type, expected a string"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        goes_on(&app, worker).await;
    }

    async fn a_name_that_no_task_can_have_is_refused(store: Store) {
        let app = store.app().await;
        for name in ["", "a\nb", &"x".repeat(201)] {
            let error = app.dispatch_raw(name, serde_json::json!({})).await.unwrap_err();
            assert!(matches!(error, DispatchError::InvalidTask { .. }), "{error:?}");
        }
    }
}
