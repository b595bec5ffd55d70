//! Runs a handler's code: in time, until it must stop, and whatever it does.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::context::{Context, StopReason};
use crate::failure::Failure;

/// How long attempts may go on after the shutdown's grace period.
const SHUTDOWN_MOMENT: Duration = Duration::from_millis(500);

/// How a handler's future ended.
pub(super) enum Ran {
    Returned(Result<Vec<u8>, Failure>),
    TimedOut(Duration),
    Stopped(StopReason),
}

/// Polls a handler until it returns, its time is up, or it must stop. Then it has up to `grace` to clean up; its return value is
/// discarded.
pub(super) async fn supervise(
    handler: impl Future<Output = Result<Vec<u8>, Failure>>,
    context: &Context,
    stopped: impl Future<Output = StopReason>,
    timeout: Option<Duration>,
    grace: Duration,
) -> Ran {
    let mut handler = std::pin::pin!(handler);
    let reason = tokio::select! {
        // the stop comes first: a handler that listens for it returns at the same time
        biased;
        reason = stopped => reason,
        result = &mut handler => return Ran::Returned(result),
        () = sleep(timeout) => {
            context.stop(StopReason::TimedOut);
            return Ran::TimedOut(timeout.unwrap_or_default());
        }
    };
    let moment = match reason {
        StopReason::LeaseLost | StopReason::TimedOut => Duration::ZERO,
        StopReason::Shutdown => grace.min(SHUTDOWN_MOMENT),
        StopReason::Cancelled => grace,
    };
    if !moment.is_zero() {
        let _ = tokio::time::timeout(moment, handler).await;
    }
    Ran::Stopped(reason)
}

async fn sleep(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Runs a handler's code, and turns a panic into a failure like any other.
pub(super) async fn catch<'a, T>(start: impl FnOnce() -> Boxed<'a, T>) -> Result<T, Failure> {
    let mut future = std::panic::catch_unwind(AssertUnwindSafe(start)).map_err(panicked)?;
    std::future::poll_fn(move |cx| {
        std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    })
    .await
}

#[allow(clippy::needless_pass_by_value, reason = "what `catch_unwind` returns")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Failure {
    Failure::retryable(format!("panicked: {}", text_of(&*panic)))
}

pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is not text")
}
