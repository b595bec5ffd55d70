//! What the tests share: the stores, a probe that handlers report to, and faults.

mod ghost;
mod probe;
mod recorder;
mod store;
mod switch;
mod tasks;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use taskora::{App, JobError, JobHandle, JobInfo, JobState, Worker, WorkerBuilder};
use tokio::time::Instant;

pub(crate) use ghost::Ghost;
pub(crate) use probe::Probe;
pub(crate) use recorder::Recorder;
pub(crate) use store::{Store, patient};
pub(crate) use switch::{Called, Switch};
pub(crate) use tasks::{Echo, Held};

/// How long anything may take that should happen. Generous: nothing waits this long that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The length of leases in tests about time. On Redis time is real: a busy machine may keep a worker waiting for a good part
/// of this.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// How often workers sweep in tests about time.
pub(crate) const SWEEP: Duration = Duration::from_millis(100);

/// Runs each of these tests on every adapter: in memory with virtual time, on Redis with the real one.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($store:ident: $type:ty) $body:block)*) => {
        $($(#[$attribute])* async fn $name($store: $type) $body)*

        mod memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$name($crate::support::Store::memory()).await;
                }
            )*
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::support::Store::redis().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_both;

/// A worker that notices a lost lease soon.
pub(crate) fn quick(app: &App) -> WorkerBuilder<()> {
    Worker::builder(app).lease(LEASE).sweep(SWEEP)
}

/// Asks again and again until the answer is the expected one.
pub(crate) async fn until<T, F>(expected: T, ask: impl Fn() -> F)
where
    T: PartialEq + Debug,
    F: Future<Output = T>,
{
    until_is(|answer| *answer == expected, ask, || format!("{expected:?}")).await;
}

/// Asks again and again until the answer is as it should be, and returns it.
pub(crate) async fn until_is<T, F>(
    is: impl Fn(&T) -> bool,
    ask: impl Fn() -> F,
    expected: impl Fn() -> String,
) -> T
where
    T: Debug,
    F: Future<Output = T>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if is(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}, and not {}", expected());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What should happen soon.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// How a job ends, which it should do soon.
pub(crate) async fn result<Out: DeserializeOwned>(handle: &JobHandle<Out>) -> Result<Out, JobError> {
    handle.result_within(PATIENCE).await
}

/// What is known of a job that there is.
pub(crate) async fn info<T>(handle: &JobHandle<T>) -> JobInfo {
    handle.info().await.unwrap().unwrap()
}

/// Waits until a job is in this state.
pub(crate) async fn until_state<T>(handle: &JobHandle<T>, state: JobState) {
    until(Some(state), || async { handle.state().await.unwrap() }).await;
}

/// The message of a job that failed, and the number of its attempts.
pub(crate) fn failure<T: Debug>(result: Result<T, JobError>) -> (String, u32) {
    match result {
        Err(JobError::Failed { message, attempts, .. }) => (message, attempts),
        other => panic!("not a failure: {other:?}"),
    }
}

/// The reason of a job that was cancelled.
pub(crate) fn cancellation<T: Debug>(result: Result<T, JobError>) -> String {
    match result {
        Err(JobError::Cancelled { reason, .. }) => reason,
        other => panic!("not cancelled: {other:?}"),
    }
}
