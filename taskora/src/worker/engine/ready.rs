//! Jobs between their claim and their start.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;

use super::{Ended, Engine, Runnable};
use crate::adapter::{AttemptEnd, ClaimedJob};
use crate::context::{Context, StopReason};
use crate::worker::attempt::Attempt;
use crate::worker::late_key::LateKey;

/// A claimed job that has not been started.
pub(super) struct Ready {
    pub(super) runnable: Arc<Runnable>,
    pub(super) context: Context,
    payload: Vec<u8>,
    late_key: Option<LateKey>,
}

impl Engine {
    /// Accepts a claimed job.
    pub(super) fn accept(&mut self, mut job: ClaimedJob, asked: Instant) {
        let Some(runnable) = self.runnables.get(&job.lease.task).cloned() else {
            tracing::error!(task = %job.lease.task, "the store handed out a job of a task that was not asked for");
            self.hand_back(&job);
            return;
        };
        if asked.elapsed() >= runnable.lease {
            // the answer came after the lease had expired, so another worker may run the job: give it back; the store
            // refuses that if one does
            self.hand_back(&job);
            return;
        }
        let late_key = LateKey::of(&mut job, &runnable.handler);
        let max_attempts = runnable.handler.contract.retry().max_attempts();
        let context = Context::new(
            self.app.clone(),
            &mut job,
            max_attempts,
            self.reporter.clone(),
            self.heartbeat.clone(),
        );
        if job.cancelled {
            context.stop(StopReason::Cancelled);
        }
        self.leases.take(context.clone(), runnable.lease, asked);
        self.capacity.take(runnable.pool);
        self.ready.push_back(Ready { runnable, context, payload: job.payload, late_key });
    }

    /// Gives back a claimed job. Give back several in reverse order, because each goes before all others of its priority.
    pub(super) fn hand_back(&mut self, job: &ClaimedJob) {
        self.release(job.settlement(AttemptEnd::release()));
    }

    pub(super) fn start_ready(&mut self) {
        let mut at = 0;
        while self.capacity.may_start_any() {
            let Some(ready) = self.ready.get(at) else { return };
            if !self.capacity.start(ready.runnable.pool) {
                at += 1; // its task is at its limit; others may start
                continue;
            }
            if let Some(ready) = self.ready.remove(at) {
                self.start(ready);
            }
        }
    }

    fn start(&mut self, Ready { runnable, context, payload, late_key }: Ready) {
        self.running += 1;
        let ends = self.ends.clone();
        let pool = runnable.pool;
        let attempt = Attempt {
            handler: runnable.handler.clone(),
            context: context.clone(),
            payload,
            late_key,
            grace: self.settings.cancel_grace,
            max_result: self.app.setup().max_payload(),
        };
        // costs nothing without a subscriber
        let span = tracing::info_span!(
            "attempt", task = context.task(), job = %context.id(), attempt = context.attempt()
        );
        let run = async move {
            let over = attempt.run().await;
            // the thread of a blocking handler cannot be stopped, so it keeps its slot until it ends
            let slot_is_free = !context.has_thread();
            let _ = ends.send(Ended::Attempt { context: context.clone(), pool, over, slot_is_free });
            if !slot_is_free {
                context.threads_ended().await;
                let _ = ends.send(Ended::Thread { pool });
            }
        };
        if span.is_disabled() {
            tokio::spawn(run);
        } else {
            tokio::spawn(run.instrument(span));
        }
    }
}
