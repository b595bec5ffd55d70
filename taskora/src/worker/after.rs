//! What follows a handler's run, before the attempt is settled.

use super::registry::ErasedHandler;
use super::supervise::catch;
use crate::context::Context;
use crate::workflow::Composed;

impl ErasedHandler {
    /// A thread cannot be stopped. If it outlives its attempt, the job keeps its place under the limit of its task, for the time of
    /// another timeout at most.
    pub(super) async fn keep_the_place(&self, context: &Context) {
        let Some(timeout) = self.contract.timeout() else { return };
        if tokio::time::timeout(timeout, context.threads_ended()).await.is_err() {
            let (job, task) = (context.id(), context.task());
            tracing::warn!(%job, task, "the handler still runs on its thread, and the limit of the task does not count it any more");
        }
    }

    /// Cleans up after a cancelled job, if there is a hook for it. `ran` is the context that its handler had.
    pub(super) async fn clean_up(&self, input: &Composed, job: &Context, ran: &Context) {
        if self.options.has_on_cancel() {
            ran.threads_ended().await;
        }
        let hook = catch(|| {
            let hook = self.on_cancel(input, job.clone());
            Box::pin(async {
                if let Some(hook) = hook {
                    hook.await;
                }
                Ok(())
            })
        });
        if let Err(failure) = hook.await {
            tracing::error!(job = %job.id(), task = job.task(), error = failure.message, "`on_cancel` failed");
        }
    }
}
