//! Bad input: it ends in a typed, visible state, and the worker goes on.

use taskora::{DispatchError, JobError, WorkflowBuilder, prelude::*};

use crate::support::{Store, failure, info, on_both, result, until_is};

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

#[task(retry(attempts = 3, delay = "10ms"))]
async fn three_times(list: Vec<u8>) -> usize {
    list.len()
}

/// A task as an older build of the worker has it.
mod before {
    use taskora::prelude::*;

    #[task(retry(attempts = 100, backoff = fixed, delay = "50ms"))]
    pub(super) async fn rename(text: String) -> String {
        text
    }
}

/// The same task in a newer build.
mod after {
    use taskora::prelude::*;

    #[task(retry(attempts = 100, backoff = fixed, delay = "50ms"))]
    pub(super) async fn rename(name: String) -> String {
        name
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reading {
    celsius: f64,
    before: Option<f64>,
}

#[task(retry(attempts = 2, delay = "10ms"))]
async fn average(sensor: String, readings: Vec<Reading>) -> f64 {
    let _ = sensor;
    // 0.0 / 0.0 without readings
    readings.iter().map(|reading| reading.celsius).sum::<f64>() / readings.len() as f64
}

#[task(retry(attempts = 2, delay = "10ms"))]
async fn reports_nan(ctx: &Context) {
    ctx.progress(f64::NAN);
}

#[task]
async fn deepen(value: serde_json::Value) -> serde_json::Value {
    serde_json::json!([value])
}

/// The arguments of [`Length`], and an output that it does not have.
mod renamed {
    use taskora::prelude::*;

    #[derive(Task, Serialize, Deserialize)]
    #[task(name = "length", output = String)]
    pub(super) struct Spell {
        pub text: String,
    }
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
            (serde_json::json!({ "text": 4711 }), "at `text`: invalid type, expected a string"),
            (serde_json::json!({}), "missing field `text`"),
            (serde_json::json!(null), "invalid type, expected struct Length"),
            (serde_json::json!("hunter2"), "invalid type, expected struct Length"),
        ] {
            let handle = app.dispatch_raw("length", payload).await.unwrap();
            let (message, attempts) = failure(result(&handle).await);
            assert_eq!(message, format!("the payload is not a valid `length`: {reason}"));
            assert_eq!((attempts, info(&handle).await.state), (1, JobState::Failed));
        }
        goes_on(&app, worker).await;
    }

    async fn a_payload_that_is_not_the_contracts_is_a_failed_attempt_like_others(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<ThreeTimes>().start().await.unwrap();
        let handle = app.dispatch_raw("three-times", serde_json::json!({ "list": [1, "two"] })).await.unwrap();
        let (message, attempts) = failure(result(&handle).await);
        let expected = "the payload is not a valid `three-times`: at `list[1]`: invalid type, expected u8";
        assert_eq!((message.as_str(), attempts), (expected, 3));
        worker.shutdown().await.unwrap();
    }

    async fn a_worker_that_knows_the_new_payload_runs_what_an_old_one_could_not_read(store: Store) {
        let app = store.app().await;
        let old = Worker::builder(&app).register::<before::Rename>().start().await.unwrap();
        let handle = app.dispatch(after::Rename { name: "Ada".into() }).await.unwrap();
        until_is(|attempts| *attempts > 0, || async { info(&handle).await.attempts }, || "a failed attempt".into()).await;
        old.shutdown().await.unwrap();
        let new = Worker::builder(&app).register::<after::Rename>().start().await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), "Ada");
        assert!(info(&handle).await.attempts > 1);
        new.shutdown().await.unwrap();
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

    async fn annotations_have_a_limit(store: Store) {
        let app = store.app().await;
        let length = || Length { text: "four".into() };
        let most = "x".repeat(16 * 1024 - 1);
        app.dispatch(length()).meta("k", &most).await.unwrap();
        app.dispatch(length()).meta("k", "y".repeat(99_999)).meta("k", &most).await.unwrap();
        for error in [
            app.dispatch(length()).meta("k", &most).meta("", "y").await.map(drop).unwrap_err(),
            app.dispatch_many([length()]).meta("kk", &most).await.map(drop).unwrap_err(),
            app.dispatch_raw("length", serde_json::json!({})).meta("kk", &most).await.map(drop).unwrap_err(),
            app.dispatch(group([length()])).meta("kk", &most).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, DispatchError::MetaTooLarge { size: 16_385, limit: 16_384 }), "{error:?}");
        }
        assert_eq!(app.counts("length").await.unwrap().waiting, 2);
    }

    async fn what_cannot_be_written_is_refused_or_fails_the_job(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let error = app.dispatch(TakesUnwritable { value: Unwritable }).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid payload for task `takes-unwritable`: ink is out");
        let handle = app.dispatch(ReturnsUnwritable {}).await.unwrap();
        let message = failure(app.job_raw(handle.id()).result().await).0;
        assert_eq!(message, "the result of `returns-unwritable` cannot be written as JSON: ink is out");
        goes_on(&app, worker).await;
    }

    async fn a_number_that_json_does_not_have_is_refused_where_it_is_written(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register_all(tasks![Average, ReportsNan, Length]).start().await.unwrap();
        let reading = |before| Reading { celsius: 20.5, before };
        let rest = "is a number that JSON does not have (NaN or infinite); use an `Option`, or check it before";
        let refused = |task: &str, path: &str| format!("invalid payload for task `{task}`: {path} {rest}");
        // an `Option` would come back as `None`
        let bad = || vec![reading(None), reading(Some(f64::INFINITY))];
        let of = |readings| Average { sensor: "secret".into(), readings };
        let expected = refused("average", "`readings[1].before`");
        for error in [
            app.dispatch(of(bad())).await.map(drop).unwrap_err(),
            app.dispatch_many([of(vec![]), of(bad())]).await.map(drop).unwrap_err(),
            app.dispatch(Average::s().sensor("a").readings(bad())).await.map(drop).unwrap_err(),
            app.dispatch(group([of(bad())])).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, DispatchError::InvalidPayload { .. }), "{error:?}");
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(app.counts("average").await.unwrap().waiting, 0, "nothing was stored");

        let fine = app.dispatch(of(vec![reading(None), reading(Some(1.0))])).await.unwrap();
        assert_eq!(result(&fine).await.unwrap(), 20.5);
        let none = app.dispatch(of(vec![])).await.unwrap();
        let message = format!("the result of `average` cannot be written as JSON: the value {rest}");
        assert_eq!(failure(result(&none).await), (message, 2), "an attempt that failed, as others do");
        let reported = app.dispatch(ReportsNan {}).await.unwrap();
        result(&reported).await.unwrap();
        assert_eq!(reported.progress::<f64>().await.unwrap(), None);
        let logs = reported.logs().await.unwrap();
        assert_eq!(logs[0].message, format!("progress cannot be written as JSON: the value {rest}"));
        goes_on(&app, worker).await;
    }

    async fn what_is_nested_too_deep_to_be_read_is_refused_where_it_is_written(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register_all(tasks![Deepen, Length]).start().await.unwrap();
        let nested = |depth| (1..depth).fold(serde_json::json!([]), |value, _| serde_json::json!([value]));
        // the contract is one level, and the handler adds one that makes up for it
        let deepest = app.dispatch(Deepen { value: nested(126) }).await.unwrap();
        assert_eq!(result(&deepest).await.unwrap(), nested(127));
        for value in [nested(127), nested(500)] {
            let flow = WorkflowBuilder::new().node("a", "deepen", serde_json::json!({ "value": value })).build();
            let untyped = app.dispatch(flow.unwrap()).await.map(drop).unwrap_err();
            assert!(matches!(&untyped, DispatchError::InvalidPayload { .. }), "{untyped:?}");
            let raw = app.dispatch_raw("deepen", serde_json::json!({ "value": value })).await.map(drop).unwrap_err();
            assert!(matches!(&raw, DispatchError::InvalidPayload { .. }), "{raw:?}");
            let error = app.dispatch(Deepen { value }).await.unwrap_err();
            assert!(matches!(&error, DispatchError::InvalidPayload { .. }), "{error:?}");
            assert!(error.to_string().contains("`value[0][0][0][0]..[0]` is nested deeper than 127 levels"), "{error}");
        }
        goes_on(&app, worker).await;
    }

    async fn a_result_of_another_type_is_a_typed_error_of_the_caller(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let handle = app.dispatch(Length { text: "four".into() }).await.unwrap();
        let misled = app.job::<renamed::Spell>(handle.id());
        match result(&misled).await.unwrap_err() {
            JobError::Undecodable { id, expected, message } => {
                assert_eq!((&id, expected), (handle.id(), "alloc::string::String"));
                assert_eq!(message, "invalid type, expected a string");
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
