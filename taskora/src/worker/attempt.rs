//! One attempt, from its claim to its settlement. Reads from top to bottom.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::backoff::random;
use super::input;
use super::late_key::LateKey;
use super::registry::ErasedHandler;
use crate::adapter::{AttemptEnd, KeyTaken, Settlement};
use crate::context::{Context, StopReason};
use crate::failure::{Cause, Failure};
use crate::workflow::Composed;

/// The delay of a job that this build cannot run but another one may.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(5);
/// How long attempts may go on after the shutdown's grace period.
const SHUTDOWN_MOMENT: Duration = Duration::from_millis(500);

/// What an attempt runs with.
pub(crate) struct Attempt {
    pub(crate) handler: Arc<ErasedHandler>,
    pub(crate) context: Context,
    pub(crate) payload: Vec<u8>,
    /// Set if the job does not hold its key.
    pub(crate) late_key: Option<LateKey>,
    /// How long an attempt may go on after it was told to stop, before it is dropped.
    pub(crate) grace: Duration,
    /// The largest result in bytes.
    pub(crate) max_result: usize,
}

/// How an attempt is over.
pub(crate) enum Over {
    /// It ends like this.
    Settled(Settlement),
    /// There is nothing to settle, because its lease is lost or must expire.
    GivenUp,
    /// There is nothing to settle, because the job waits in the lane of its key.
    Waits,
}

/// How the handler's future ended.
enum Ran {
    Returned(Result<Vec<u8>, Failure>),
    TimedOut(Duration),
    Stopped(StopReason),
    /// The handler was not started.
    Waits,
}

impl Attempt {
    /// Runs the attempt, whatever the user's code does.
    pub(crate) async fn run(mut self) -> Over {
        let payload = std::mem::take(&mut self.payload);
        // the handler's own panics are caught where it is polled; a backoff function may panic, too, and so may a future
        // while it is dropped
        match catch(|| Box::pin(async { Ok(self.run_to_the_end(payload).await) })).await {
            Ok(over) => over,
            Err(Failure { message, .. }) => Over::Settled(self.context.settlement(AttemptEnd::Fail(message))),
        }
    }

    async fn run_to_the_end(&self, payload: Vec<u8>) -> Over {
        let (input, ran) = match self.prepare(payload).await {
            Ok(input) => {
                let ran = self.supervise(&input).await;
                (Some(input), ran)
            }
            Err(Ran::Waits) => return Over::Waits,
            // the handler was not started, so there is nothing that a hook could clean up
            Err(ran) => (None, ran),
        };
        let Some(end) = self.judge(ran).await else { return Over::GivenUp };
        if let Some(input) = input
            && matches!(end, AttemptEnd::Cancel)
        {
            self.clean_up(&input).await;
        }
        self.keep_the_place().await;
        // what the handler reported is written before the job may end
        self.context.notes_written().await;
        Over::Settled(self.context.settlement(end))
    }

    /// The handler's input, or how the attempt has ended without it.
    async fn prepare(&self, payload: Vec<u8>) -> Result<Composed, Ran> {
        if let Some(reason) = self.context.stop_reason() {
            return Err(Ran::Stopped(reason));
        }
        tokio::select! {
            biased;
            reason = self.context.stopped() => Err(Ran::Stopped(reason)),
            input = self.input(payload) => input,
        }
    }

    async fn input(&self, payload: Vec<u8>) -> Result<Composed, Ran> {
        let failed = |failure| Ran::Returned(Err(failure));
        let input = input::prepare(&self.context, payload).await.map_err(failed)?;
        let Some(key) = &self.late_key else { return Ok(input) };
        match key.take(&self.context, &self.handler, &input).await.map_err(failed)? {
            KeyTaken::Go => Ok(input),
            KeyTaken::Waits => Err(Ran::Waits),
            KeyTaken::Stale => Err(Ran::Stopped(StopReason::LeaseLost)),
        }
    }

    /// Polls the handler until it returns, its time is up, or it must stop.
    async fn supervise(&self, input: &Composed) -> Ran {
        let mut handler = std::pin::pin!(catch(|| self.handler.run(input, self.context.clone())));
        let timeout = self.handler.contract.timeout();
        let reason = tokio::select! {
            // the stop comes first: a handler that listens for it returns at the same time
            biased;
            reason = self.context.stopped() => reason,
            result = &mut handler => return Ran::Returned(result),
            () = sleep(timeout) => {
                self.context.stop(StopReason::TimedOut);
                return Ran::TimedOut(timeout.unwrap_or_default());
            }
        };
        // time to clean up; the return value is discarded
        let moment = match reason {
            StopReason::LeaseLost | StopReason::TimedOut => Duration::ZERO,
            StopReason::Shutdown => self.grace.min(SHUTDOWN_MOMENT),
            StopReason::Cancelled => self.grace,
        };
        if !moment.is_zero() {
            let _ = tokio::time::timeout(moment, handler).await;
        }
        Ran::Stopped(reason)
    }

    /// Decides what happens next.
    async fn judge(&self, ran: Ran) -> Option<AttemptEnd> {
        let result = match ran {
            Ran::Stopped(StopReason::Cancelled) => return Some(AttemptEnd::Cancel),
            // a thread that does not end still works on the job: its lease must expire first
            Ran::Stopped(StopReason::Shutdown) if self.context.has_thread() => return None,
            Ran::Stopped(StopReason::Shutdown) => return Some(AttemptEnd::release()),
            Ran::Stopped(StopReason::LeaseLost | StopReason::TimedOut) | Ran::Waits => return None,
            Ran::TimedOut(limit) => {
                let message = format!("timed out after {limit:?}");
                Err(if self.handler.contract.retry().retries_timeouts() {
                    Failure::retryable(message)
                } else {
                    Failure::fatal(message)
                })
            }
            Ran::Returned(Ok(result)) if result.len() > self.max_result => Err(Failure::fatal(format!(
                "result of {} bytes is above the limit of {} bytes",
                result.len(),
                self.max_result
            ))),
            Ran::Returned(result) => result,
        };
        Some(match result {
            Ok(result) => AttemptEnd::Complete(result),
            Err(failure) if failure.cause == Cause::Newer => self.left_to_others(&failure.message),
            Err(failure) if failure.cause == Cause::Payload => self.after_unreadable(failure).await,
            Err(failure) => self.after(failure),
        })
    }

    /// What happens when this build cannot read the payload. While another build serves the task, which may be able to read
    /// it, no attempt is used up. Otherwise it is a failed attempt like any other.
    async fn after_unreadable(&self, failure: Failure) -> AttemptEnd {
        let adapter = self.context.app().setup().adapter();
        match adapter.inspection().is_served_by_another_build(self.context.task()).await {
            Ok(true) => self.left_to_others(&failure.message),
            // a store that cannot be reached cannot tell
            Ok(false) | Err(_) => self.after(failure),
        }
    }

    /// Hands the job back with a delay, so that a worker that can run it may claim it.
    fn left_to_others(&self, error: &str) -> AttemptEnd {
        let (job, task) = (self.context.id(), self.context.task());
        tracing::info!(%job, task, error, delay = ?LEFT_TO_OTHERS, "this build cannot run the job and leaves it to another one");
        AttemptEnd::Release { delay: LEFT_TO_OTHERS }
    }

    /// Another attempt, or the end.
    fn after(&self, Failure { message, advice, .. }: Failure) -> AttemptEnd {
        let retry = self.handler.contract.retry();
        let attempt = self.context.attempt();
        let (job, task) = (self.context.id(), self.context.task());
        if advice.never || !retry.allows_after(attempt) {
            tracing::warn!(%job, task, attempt, error = message, "the attempt failed and is not retried");
            return AttemptEnd::Fail(message);
        }
        let delay = advice.after.unwrap_or_else(|| retry.delay_after(attempt, random()));
        tracing::info!(%job, task, attempt, error = message, ?delay, "the attempt failed and is retried");
        AttemptEnd::Retry { error: message, delay }
    }

    /// A thread cannot be stopped. If it outlives its attempt, the job keeps its place under the limit of its task, for the time of
    /// another timeout at most.
    async fn keep_the_place(&self) {
        let contract = &self.handler.contract;
        let is_limited = contract.limit().is_some() || contract.key_limit().is_some();
        let Some(timeout) = contract.timeout().filter(|_| is_limited) else { return };
        if tokio::time::timeout(timeout, self.context.threads_ended()).await.is_err() {
            let (job, task) = (self.context.id(), self.context.task());
            tracing::warn!(%job, task, "the handler still runs on its thread, and the limit of the task does not count it any more");
        }
    }

    async fn clean_up(&self, input: &Composed) {
        if self.handler.options.has_on_cancel() {
            self.context.threads_ended().await;
        }
        let hook = catch(|| {
            let hook = self.handler.on_cancel(input, self.context.clone());
            Box::pin(async {
                if let Some(hook) = hook {
                    hook.await;
                }
                Ok(())
            })
        });
        if let Err(failure) = hook.await {
            tracing::error!(
                job = %self.context.id(), task = self.context.task(), error = failure.message, "`on_cancel` failed"
            );
        }
    }
}

async fn sleep(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Runs a handler's code, and turns a panic into a failure like any other.
async fn catch<'a, T>(start: impl FnOnce() -> Boxed<'a, T>) -> Result<T, Failure> {
    let panicked = |panic: Box<dyn Any + Send>| Failure::retryable(format!("panicked: {}", text_of(&*panic)));
    let mut future = std::panic::catch_unwind(AssertUnwindSafe(start)).map_err(panicked)?;
    std::future::poll_fn(move |cx| {
        std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    })
    .await
}

pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is not text")
}
