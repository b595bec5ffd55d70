//! Decides how an attempt ends, and what follows.

use std::time::Duration;

use super::backoff::random;
use super::registry::ErasedHandler;
use crate::adapter::AttemptEnd;
use crate::context::{Context, StopReason};
use crate::failure::{Cause, Failure};

/// The delay of a job that this build cannot run but another one may.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(5);

/// The rules for a handler's attempts.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) handler: &'a ErasedHandler,
    /// The largest result in bytes.
    pub(super) max_result: usize,
}

impl Judge<'_> {
    /// How an attempt ends that was told to stop; `None` if there is nothing to settle.
    pub(super) fn stopped(reason: StopReason, has_thread: bool) -> Option<AttemptEnd> {
        match reason {
            StopReason::Cancelled => Some(AttemptEnd::Cancel),
            // a thread that does not end still works on the job: its lease must expire first
            StopReason::Shutdown if has_thread => None,
            StopReason::Shutdown => Some(AttemptEnd::release()),
            StopReason::LeaseLost | StopReason::TimedOut => None,
        }
    }

    /// The failure of an attempt whose time was up.
    pub(super) fn timed_out(self, limit: Duration) -> Failure {
        let message = format!("timed out after {limit:?}");
        if self.handler.contract.retry().retries_timeouts() {
            Failure::retryable(message)
        } else {
            Failure::fatal(message)
        }
    }

    /// The result, unless it is too large.
    pub(super) fn returned(self, result: Result<Vec<u8>, Failure>) -> Result<Vec<u8>, Failure> {
        match result {
            Ok(result) if result.len() > self.max_result => Err(Failure::fatal(format!(
                "result of {} bytes is above the limit of {} bytes",
                result.len(),
                self.max_result
            ))),
            result => result,
        }
    }

    /// How an attempt ends that has failed.
    pub(super) async fn failed(self, context: &Context, failure: &Failure) -> AttemptEnd {
        let is_left = match failure.cause {
            Cause::Newer => true,
            Cause::Payload => is_served_elsewhere(context).await,
            Cause::Attempt => false,
        };
        if is_left {
            return left_to_others(context, &failure.message);
        }
        if let (true, Some(time)) = (failure.advice.for_key, failure.advice.after) {
            self.close_key(context, time).await;
        }
        self.after(context, failure)
    }

    /// No job of the key starts within this time. If the store cannot be reached, they do, and find out themselves.
    async fn close_key(self, context: &Context, time: Duration) {
        if self.handler.contract.key_limit().is_none() {
            return;
        }
        let closed = context.app().setup().adapter().control().close_key(context.lease(), time).await;
        if let Err(error) = closed {
            tracing::warn!(job = %context.id(), task = context.task(), %error, "cannot close the key of the job");
        }
    }

    /// Another attempt, or the end.
    fn after(self, context: &Context, Failure { message, advice, .. }: &Failure) -> AttemptEnd {
        let retry = self.handler.contract.retry();
        let (attempt, error) = (context.attempt(), message.clone());
        let (job, task) = (context.id(), context.task());
        if advice.never || !retry.allows_after(attempt) {
            tracing::warn!(%job, task, attempt, error, "the attempt failed and is not retried");
            return AttemptEnd::Fail(error);
        }
        let delay = advice.after.unwrap_or_else(|| retry.delay_after(attempt, random()));
        tracing::info!(%job, task, attempt, error, ?delay, "the attempt failed and is retried");
        AttemptEnd::Retry { error, delay }
    }
}

/// Whether another build, which may be able to read the payload, serves the task. Then no attempt is used up. A store that cannot be
/// reached cannot tell.
async fn is_served_elsewhere(context: &Context) -> bool {
    let adapter = context.app().setup().adapter();
    adapter.inspection().is_served_by_another_build(context.task()).await.unwrap_or(false)
}

/// Hands the job back with a delay, so that a worker that can run it may claim it.
fn left_to_others(context: &Context, error: &str) -> AttemptEnd {
    let (job, task) = (context.id(), context.task());
    tracing::info!(%job, task, error, delay = ?LEFT_TO_OTHERS, "this build cannot run the job and leaves it to another one");
    AttemptEnd::Release { delay: LEFT_TO_OTHERS }
}
