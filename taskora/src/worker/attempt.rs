//! One attempt, from its claim to its settlement. Reads from top to bottom.

use std::sync::Arc;
use std::time::Duration;

use super::input;
use super::judge::Judge;
use super::late_key::LateKey;
use super::registry::ErasedHandler;
use super::supervise::{Ran, catch, supervise};
use crate::adapter::{AttemptEnd, KeyTaken, Settlement};
use crate::context::{Context, StopReason};
use crate::failure::Failure;
use crate::workflow::Composed;

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

/// Why the handler was not started.
enum NotStarted {
    /// The attempt has ended like this.
    Ran(Ran),
    /// The job waits in the lane of its key.
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
            Err(NotStarted::Waits) => return Over::Waits,
            // the handler was not started, so there is nothing that a hook could clean up
            Err(NotStarted::Ran(ran)) => (None, ran),
        };
        let Some(end) = self.judge(ran).await else { return Over::GivenUp };
        if let Some(input) = input
            && matches!(end, AttemptEnd::Cancel)
        {
            self.handler.clean_up(&input, &self.context, &self.context).await;
        }
        let contract = &self.handler.contract;
        if contract.limit().is_some() || contract.key_limit().is_some() {
            self.handler.keep_the_place(&self.context).await;
        }
        // what the handler reported is written before the job may end
        self.context.notes_written().await;
        Over::Settled(self.context.settlement(end))
    }

    /// The handler's input, or how the attempt has ended without it.
    async fn prepare(&self, payload: Vec<u8>) -> Result<Composed, NotStarted> {
        let input = unless_stopped(&self.context, input::prepare(&self.context, payload));
        let input = input.await.map_err(NotStarted::Ran)?;
        let Some(key) = &self.late_key else { return Ok(input) };
        let taken = unless_stopped(&self.context, key.take(&self.context, &self.handler, &input));
        match taken.await.map_err(NotStarted::Ran)? {
            KeyTaken::Go => Ok(input),
            KeyTaken::Waits => Err(NotStarted::Waits),
            KeyTaken::Stale => Err(NotStarted::Ran(Ran::Stopped(StopReason::LeaseLost))),
        }
    }

    /// Polls the handler until it returns, its time is up, or it must stop.
    async fn supervise(&self, input: &Composed) -> Ran {
        let handler = catch(|| self.handler.run(input, self.context.clone()));
        let timeout = self.handler.contract.timeout();
        self.context.handler_starts();
        let ran = supervise(handler, &self.context, self.context.stopped(), timeout, self.grace).await;
        self.context.handler_has_ended();
        ran
    }

    /// Decides what happens next.
    async fn judge(&self, ran: Ran) -> Option<AttemptEnd> {
        let judge = Judge { handler: &self.handler, max_result: self.max_result };
        let result = match ran {
            Ran::Stopped(reason) => return Judge::stopped(reason, self.context.has_thread()),
            Ran::TimedOut(limit) => Err(judge.timed_out(limit)),
            Ran::Returned(result) => judge.returned(result),
        };
        Some(match result {
            Ok(result) => AttemptEnd::Complete(result),
            Err(failure) => judge.failed(&self.context, &failure).await,
        })
    }
}

/// Does what must be done before a handler starts, unless its attempt is told to stop.
pub(super) async fn unless_stopped<T>(
    context: &Context,
    does: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Ran> {
    if let Some(reason) = context.stop_reason() {
        return Err(Ran::Stopped(reason));
    }
    tokio::select! {
        biased;
        reason = context.stopped() => Err(Ran::Stopped(reason)),
        done = does => done.map_err(|failure| Ran::Returned(Err(failure))),
    }
}
