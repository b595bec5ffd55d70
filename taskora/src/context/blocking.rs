//! Blocking handlers: each runs on its own thread, which cannot be stopped.

use std::panic::AssertUnwindSafe;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Context;
use crate::failure::Failure;
use crate::threads;

impl Context {
    /// Runs a blocking handler on its own thread. The thread has the caller's tokio runtime, tracing subscriber and span.
    pub(crate) async fn blocking<T: Send + 'static>(
        self,
        function: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.attempt.threads.enter();
        let running = RunningThread(self.clone());
        let runtime = tokio::runtime::Handle::current();
        let subscriber = tracing::dispatcher::get_default(Clone::clone);
        let span = tracing::Span::current();
        let (returned, result) = oneshot::channel();
        let work = move || {
            let _runtime = runtime.enter();
            let call = AssertUnwindSafe(|| {
                tracing::dispatcher::with_default(&subscriber, || span.in_scope(function))
            });
            // on a busy machine, the attempt may be long over when the thread starts
            let result = if running.0.is_cancelled() {
                Ok(Err(Failure::retryable("stopped before it was started")))
            } else {
                std::panic::catch_unwind(call)
            };
            drop(running);
            let _ = returned.send(result);
        };
        if !self.attempt.app.setup().adapter().inspection().is_remote() && time_is_paused() {
            // virtual time advances while the runtime is idle; the only threads that it waits for are those of tokio's pool
            drop(tokio::task::spawn_blocking(work));
        } else if let Err(error) = threads::run(&self.attempt.lease.task, Box::new(work)) {
            return Err(Failure::retryable(format!("cannot start a thread: {error}")));
        }
        match result.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(Failure::retryable("its thread has ended")),
        }
    }

    /// Whether a thread of a blocking handler still runs; it cannot be stopped.
    pub(crate) fn has_thread(&self) -> bool {
        self.attempt.threads.any()
    }

    /// Resolves when no thread of a blocking handler is left.
    pub(crate) async fn threads_ended(&self) {
        self.attempt.threads.none_left().await;
    }
}

/// Whether a test has paused tokio's clock.
fn time_is_paused() -> bool {
    let (virtual_start, start) = (Instant::now(), std::time::Instant::now());
    while std::time::Instant::now() == start {
        std::hint::spin_loop();
    }
    Instant::now() == virtual_start
}

struct RunningThread(Context);

impl Drop for RunningThread {
    fn drop(&mut self) {
        self.0.attempt.threads.leave();
    }
}
