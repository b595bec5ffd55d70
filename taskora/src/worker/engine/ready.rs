//! Jobs between their claim and their start.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;

use super::{Ended, Engine, Runnable};
use crate::adapter::{AttemptEnd, ClaimedJob};
use crate::context::{Context, StopReason};
use crate::worker::attempt::Attempt;
use crate::worker::batch::BatchAttempt;
use crate::worker::late_key::LateKey;

/// What was claimed for one place, and has not been started.
pub(super) struct Ready {
    pub(super) runnable: Arc<Runnable>,
    work: Work,
}

enum Work {
    Job {
        context: Context,
        payload: Vec<u8>,
        late_key: Option<LateKey>,
    },
    /// Items of a batch, with their payloads.
    Batch(Vec<(Context, Vec<u8>)>),
}

impl Ready {
    /// The attempts that it is made of.
    pub(super) fn contexts(&self) -> impl DoubleEndedIterator<Item = &Context> {
        let (job, items) = match &self.work {
            Work::Job { context, .. } => (Some(context), None),
            Work::Batch(items) => (None, Some(items)),
        };
        job.into_iter().chain(items.into_iter().flatten().map(|(context, _)| context))
    }
}

impl Engine {
    /// Accepts claimed jobs. Those of one batch follow each other.
    pub(super) fn accept_all(&mut self, jobs: Vec<ClaimedJob>, asked: Instant) {
        let mut jobs = jobs.into_iter().peekable();
        while let Some(job) = jobs.next() {
            let Some(runnable) = self.runnables.get(&job.lease.task).cloned() else {
                tracing::error!(task = %job.lease.task, "the store handed out a job of a task that was not asked for");
                self.hand_back(&job);
                continue;
            };
            if !runnable.handler.runs_batches() {
                self.accept(runnable, job, asked);
                continue;
            }
            let number = job.batch;
            let mut batch = vec![job];
            while let Some(job) = jobs.next_if(|next| number.is_some() && next.batch == number) {
                batch.push(job);
            }
            self.accept_batch(runnable, batch, asked);
        }
    }

    fn accept(&mut self, runnable: Arc<Runnable>, mut job: ClaimedJob, asked: Instant) {
        if asked.elapsed() >= runnable.lease {
            // the answer came after the lease had expired, so another worker may run the job: give it back; the store
            // refuses that if one does
            self.hand_back(&job);
            return;
        }
        let late_key = LateKey::of(&mut job, &runnable.handler);
        let context = self.hold(&runnable, &mut job, asked);
        self.capacity.take(runnable.pool);
        let work = Work::Job { context, payload: job.payload, late_key };
        self.ready.push_back(Ready { runnable, work });
    }

    /// The same for a batch, which takes one place.
    fn accept_batch(&mut self, runnable: Arc<Runnable>, batch: Vec<ClaimedJob>, asked: Instant) {
        if asked.elapsed() >= runnable.lease {
            batch.iter().rev().for_each(|job| self.hand_back(job));
            return;
        }
        let mut item = |mut job: ClaimedJob| (self.hold(&runnable, &mut job, asked), job.payload);
        let items = batch.into_iter().map(&mut item).collect();
        self.capacity.take(runnable.pool);
        self.ready.push_back(Ready { runnable, work: Work::Batch(items) });
    }

    /// The attempt of a claimed job, whose lease is kept from now on.
    fn hold(&self, runnable: &Runnable, job: &mut ClaimedJob, asked: Instant) -> Context {
        let max_attempts = runnable.handler.contract.retry().max_attempts();
        let (reporter, heartbeat) = (self.reporter.clone(), self.heartbeat.clone());
        let context = Context::new(self.app.clone(), job, max_attempts, reporter, heartbeat);
        if job.cancelled {
            context.stop(StopReason::Cancelled);
        }
        self.leases.take(context.clone(), runnable.lease, asked);
        context
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
            if let Some(Ready { runnable, work }) = self.ready.remove(at) {
                self.running += 1;
                match work {
                    Work::Job { context, payload, late_key } => {
                        self.start(&runnable, context, payload, late_key);
                    }
                    Work::Batch(items) => self.start_batch(&runnable, items),
                }
            }
        }
    }

    fn start(&self, runnable: &Runnable, context: Context, payload: Vec<u8>, late_key: Option<LateKey>) {
        let (ends, pool) = (self.ends.clone(), runnable.pool);
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
        spawn(span, async move {
            let over = attempt.run().await;
            // the thread of a blocking handler cannot be stopped, so it keeps its slot until it ends
            let slot_is_free = !context.has_thread();
            let _ = ends.send(Ended::Attempt { context: context.clone(), pool, over, slot_is_free });
            if !slot_is_free {
                context.threads_ended().await;
                let _ = ends.send(Ended::Thread { pool });
            }
        });
    }

    fn start_batch(&self, runnable: &Runnable, items: Vec<(Context, Vec<u8>)>) {
        let (ends, pool) = (self.ends.clone(), runnable.pool);
        let batch = BatchAttempt {
            handler: runnable.handler.clone(),
            grace: self.settings.cancel_grace,
            max_result: self.app.setup().max_payload(),
        };
        let span = tracing::info_span!("batch", task = %runnable.handler.name, items = items.len());
        spawn(span, async move {
            let mut over = batch.run(items).await;
            let ran = over.ran.take().filter(Context::has_thread);
            let _ = ends.send(Ended::Batch { pool, over, slot_is_free: ran.is_none() });
            if let Some(ran) = ran {
                ran.threads_ended().await;
                let _ = ends.send(Ended::Thread { pool });
            }
        });
    }
}

fn spawn(span: tracing::Span, run: impl Future<Output = ()> + Send + 'static) {
    if span.is_disabled() {
        tokio::spawn(run);
    } else {
        tokio::spawn(run.instrument(span));
    }
}
