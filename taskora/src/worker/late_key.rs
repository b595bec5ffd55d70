//! Keys of limits that were not known when their jobs were dispatched: of a step with an open argument, of a job that was dispatched
//! without its contract, of one that is older than its task's limit. The worker that claims such a job takes its key before the
//! handler starts, so that the limit has no holes.

use std::time::Duration;

use super::backoff::StoreBackoff;
use super::registry::ErasedHandler;
use crate::adapter::{AdapterError, ClaimedJob, KeyTaken, LimitKey};
use crate::context::Context;
use crate::dispatch::checked_limit_key;
use crate::failure::Failure;
use crate::workflow::Composed;

/// A claimed job that does not hold its key.
pub(crate) struct LateKey {
    /// Its key, if it was stored with one.
    known: Option<LimitKey>,
}

impl LateKey {
    /// `None` if there is nothing to take.
    pub(crate) fn of(job: &mut ClaimedJob, handler: &ErasedHandler) -> Option<Self> {
        let is_limited = handler.contract.key_limit().is_some();
        (is_limited && !job.holds_key).then(|| Self { known: job.limit_key.take() })
    }

    /// Takes the key. Asks an unreachable store again until it answers.
    pub(super) async fn take(
        &self,
        context: &Context,
        handler: &ErasedHandler,
        input: &Composed,
    ) -> Result<KeyTaken, Failure> {
        let computed = || checked_limit_key(&handler.name, handler.limit_key(input));
        let key = match &self.known {
            Some(key) => Some(key.clone()),
            None => computed().map_err(|error| Failure::undecodable(error.to_string()))?,
        };
        let Some(key) = key else { return Ok(KeyTaken::Go) };
        let mut backoff = StoreBackoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match context.app().setup().adapter().control().take_key(context.lease(), &key).await {
                Ok(taken) => return Ok(taken),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(job = %context.id(), %error, "cannot ask yet whether the limit of the job's key lets it run");
                    backoff.wait().await;
                }
                Err(error @ AdapterError::Incompatible(_)) => return Err(Failure::newer(error.to_string())),
                Err(error) => {
                    let message =
                        format!("cannot ask whether the limit of the job's key lets it run: {error}");
                    return Err(Failure::retryable(message));
                }
            }
        }
    }
}
