//! A batch: one run of a handler for the attempts of several jobs, from its claim to its settlements.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Over, unless_stopped};
use super::input;
use super::judge::Judge;
use super::registry::{ErasedHandler, ReadyItem};
use super::supervise::{Ran, catch, supervise};
use crate::adapter::AttemptEnd;
use crate::context::{Context, Item, StopReason};
use crate::failure::Failure;
use crate::workflow::Composed;

/// What a batch runs with.
pub(crate) struct BatchAttempt {
    pub(crate) handler: Arc<ErasedHandler>,
    /// How long the batch may go on after it was told to stop, before it is dropped.
    pub(crate) grace: Duration,
    /// The largest result in bytes.
    pub(crate) max_result: usize,
}

/// How a batch is over.
#[derive(Default)]
pub(crate) struct BatchOver {
    /// How each item is. The results of those that are completed are left out.
    pub(crate) items: Vec<(Context, Over)>,
    /// The result of each completed item.
    pub(crate) result: Vec<u8>,
    /// The context of the handler, if it was started.
    pub(crate) ran: Option<Context>,
}

/// How the handler of a batch has ended.
enum BatchRan {
    Completed,
    Failed(Failure),
    Stopped,
}

impl BatchAttempt {
    /// Runs the handler for those items that it can read, whatever the user's code does.
    pub(crate) async fn run(self, items: Vec<(Context, Vec<u8>)>) -> BatchOver {
        let mut over = BatchOver::default();
        let (mut contexts, mut inputs, mut ready) = (Vec::new(), Vec::new(), Vec::new());
        for (context, payload) in items {
            match unless_stopped(&context, self.read(&context, payload)).await {
                Ok((input, item)) => {
                    contexts.push(context);
                    // only a hook needs it again
                    inputs.push(Some(input).filter(|_| self.handler.options.has_on_cancel()));
                    ready.push(item);
                }
                // it never started, so there is nothing that a hook could clean up
                Err(ran) => {
                    let end = self.not_started(&context, ran).await;
                    over.items.push(settled(context, end).await);
                }
            }
        }
        let Some(first) = contexts.first() else { return over };
        let context = Context::of_batch(first, contexts.clone());
        let ran = self.supervise(ready, &context).await;
        let (ran, result) = self.judge(ran);
        over.result = result;
        let is_stopped = matches!(ran, BatchRan::Stopped);
        if self.handler.contract.collect().is_some_and(|collect| collect.serial) {
            self.handler.keep_the_place(&context).await;
        }
        let mut ended = Vec::with_capacity(contexts.len());
        for (item, input) in context.items().iter().zip(inputs) {
            let end = self.end(item, &ran, context.has_thread()).await;
            if let (Some(input), Some(AttemptEnd::Cancel)) = (input, &end) {
                self.handler.clean_up(&input, item.context(), &context).await;
            }
            ended.push(settled(item.context().clone(), end).await);
        }
        if is_stopped {
            // each of those that are handed back goes before all others
            ended.reverse();
        }
        over.items.extend(ended);
        over.ran = Some(context);
        over
    }

    /// An item as the handler takes it.
    async fn read(&self, context: &Context, payload: Vec<u8>) -> Result<(Composed, ReadyItem), Failure> {
        let input = input::prepare(context, payload).await?;
        let item = catch(|| Box::pin(std::future::ready(self.handler.read_item(&input)))).await?;
        Ok((input, item))
    }

    /// Polls the handler until it returns, its time is up, or it must stop.
    async fn supervise(&self, items: Vec<ReadyItem>, context: &Context) -> Ran {
        let timeout = self.handler.contract.timeout();
        let run = async {
            let handler = catch(|| self.handler.run_batch(items, context.clone()));
            context.handler_starts();
            let ran = supervise(handler, context, context.items_stopped(), timeout, self.grace).await;
            context.handler_has_ended();
            Ok(ran)
        };
        // a future may panic while it is dropped
        catch(|| Box::pin(run))
            .await
            .unwrap_or_else(|failure| Ran::Returned(Err(Failure::fatal(failure.message))))
    }

    /// How the handler has ended, and its result.
    fn judge(&self, ran: Ran) -> (BatchRan, Vec<u8>) {
        let judge = self.rules();
        let result = match ran {
            Ran::Stopped(_) => return (BatchRan::Stopped, Vec::new()),
            Ran::TimedOut(limit) => Err(judge.timed_out(limit)),
            Ran::Returned(result) => judge.returned(result),
        };
        match result {
            Ok(result) => (BatchRan::Completed, result),
            Err(failure) => (BatchRan::Failed(failure), Vec::new()),
        }
    }

    /// How an item ends; `None` if there is nothing to settle.
    async fn end(&self, item: &Item, ran: &BatchRan, has_thread: bool) -> Option<AttemptEnd> {
        let context = item.context();
        let stopped = context.stop_reason().filter(|reason| match ran {
            BatchRan::Stopped => true,
            // it has ended in time
            _ => *reason != StopReason::Shutdown,
        });
        if let Some(reason) = stopped {
            return Judge::stopped(reason, has_thread);
        }
        match (item.wished(), ran) {
            (Some(wish), _) => Some(self.failed(context, &wish.into_failure()).await),
            (None, BatchRan::Completed) => Some(AttemptEnd::Complete(Vec::new())),
            (None, BatchRan::Failed(failure)) => Some(self.failed(context, failure).await),
            (None, BatchRan::Stopped) => None,
        }
    }

    /// How an item ends for which the handler was not started.
    async fn not_started(&self, context: &Context, ran: Ran) -> Option<AttemptEnd> {
        match ran {
            Ran::Stopped(reason) => Judge::stopped(reason, false),
            Ran::Returned(Err(failure)) => Some(self.failed(context, &failure).await),
            Ran::Returned(Ok(_)) | Ran::TimedOut(_) => None,
        }
    }

    /// A backoff function may panic.
    async fn failed(&self, context: &Context, failure: &Failure) -> AttemptEnd {
        let judge = self.rules();
        let end = catch(|| Box::pin(async move { Ok(judge.failed(context, failure).await) }));
        end.await.unwrap_or_else(|Failure { message, .. }| AttemptEnd::Fail(message))
    }

    fn rules(&self) -> Judge<'_> {
        Judge { handler: &self.handler, max_result: self.max_result }
    }
}

/// An item that is over. What was reported for it is written before it may end.
async fn settled(context: Context, end: Option<AttemptEnd>) -> (Context, Over) {
    context.notes_written().await;
    let over = end.map_or(Over::GivenUp, |end| Over::Settled(context.settlement(end)));
    (context, over)
}
