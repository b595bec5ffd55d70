//! What is generated does what it says, in a worker.
#![deny(warnings)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use taskora::prelude::*;

#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Counter {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[derive(Clone, FromRef)]
struct AppState {
    counter: Counter,
    sender: String,
}

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("busy")]
    Busy,
    #[error("gone")]
    Gone,
    #[error("odd")]
    Odd,
}

fn after(error: &ApiError) -> Option<Duration> {
    matches!(error, ApiError::Busy).then_some(Duration::from_millis(1))
}

/// Has an hour between its attempts, but for the errors that say otherwise.
#[task(retry(attempts = 3, delay = "1h", on = ApiError::Busy | ApiError::Gone, never_on = ApiError::Gone, after = after))]
async fn call(kind: String, ctx: Context) -> Result<u32, ApiError> {
    match kind.as_str() {
        "busy" if ctx.attempt() < 3 => Err(ApiError::Busy),
        "gone" => Err(ApiError::Gone),
        "odd" => Err(ApiError::Odd),
        _ => Ok(ctx.attempt()),
    }
}

#[task(blocking)]
fn count(ctx: &Context, counter: &State<Counter>, State(sender): State<String>) -> (u32, String) {
    (counter.next() + ctx.attempt(), sender)
}

type Count2 = State<Counter>;

#[derive(Task, Serialize, Deserialize)]
#[task(output = u32, retry(attempts = 2, delay = "1ms"))]
struct Add {
    left: u32,
    right: u32,
}

#[task(implements = Add, blocking, retry(on = _))]
fn add(right: u32, #[inject] counter: &Count2, left: u32) -> Result<u32, String> {
    match counter.next() {
        1 => Err("not yet".into()),
        _ => Ok(left * 10 + right),
    }
}

#[task]
async fn nothing() {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> taskora::Result<()> {
    let app = App::new(MemoryAdapter::new());
    let state = || AppState { counter: Counter::default(), sender: "me".into() };
    let worker = Worker::builder(&app)
        .state(state())
        .register_all(taskora::tasks![Call, Count, Nothing])
        .state(state())
        .register::<AddHandler>()
        .start()
        .await?;

    let call = |kind: &str| app.dispatch(Call::s().kind(kind));
    assert_eq!(call("fine").await?.result().await?, 1);
    assert_eq!(call("busy").await?.result().await?, 3);
    for kind in ["gone", "odd"] {
        let error = call(kind).await?.result().await.unwrap_err();
        assert!(matches!(&error, JobError::Failed { attempts: 1, .. }), "{error:?}");
        assert_eq!(error.to_string(), kind);
    }
    assert_eq!(app.dispatch(Count).await?.result().await?, (2, "me".into()));
    assert_eq!(app.dispatch(Add { left: 1, right: 2 }).await?.result().await?, 12);
    let () = app.dispatch(Nothing::s()).await?.result().await?;
    worker.shutdown().await
}
