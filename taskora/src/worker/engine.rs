//! The core of a worker: claims jobs while there is room, and settles those that have ended.
//!
//! One tokio task owns all of its state. Settling and claiming are one call to the store, and up to two calls are in flight
//! at a time: jobs that end meanwhile go with the next call. So batches grow with the load, without a timer, and at low load
//! nothing waits. When the engine is idle, a third call claims a job as soon as there is one.

mod refusals;
mod refused;
mod requests;
mod shutdown;
mod stopping;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tracing::Instrument;

use self::refusals::Refusals;
use self::stopping::Stopping;
use super::at;
use super::attempt::{Attempt, Over};
use super::calls::{Answer, Call, Calls};
use super::capacity::Capacity;
use super::late_key::LateKey;
use super::leases::Leases;
use super::registry::ErasedHandler;
use super::store::Store;
use super::ticker::Ticking;
use crate::adapter::{AdapterError, AttemptEnd, ClaimedJob, Exchanged, Settled, Settlement, TaskName};
use crate::app::App;
use crate::context::{Context, StopReason};
use crate::error::WorkerError;

/// What the engine needs to know about a name that it claims.
pub(crate) struct Runnable {
    pub(crate) handler: Arc<ErasedHandler>,
    pub(crate) lease: Duration,
    pub(crate) pool: Option<usize>,
}

/// An order from outside.
pub(crate) enum Order {
    /// Stop within this grace period; of several, the one that ends first counts.
    Stop(Duration),
    /// The store knows the limits of this worker's tasks.
    LimitsDeclared,
    /// End: the store does not work with this version.
    End(AdapterError),
}

/// Messages from attempts to the engine.
enum Ended {
    /// An attempt is over.
    Attempt { context: Context, pool: Option<usize>, over: Over, slot_is_free: bool },
    /// A thread that had outlived its attempt has ended.
    Thread { pool: Option<usize> },
}

/// A claimed job that has not been started.
struct Ready {
    runnable: Arc<Runnable>,
    context: Context,
    payload: Vec<u8>,
    late_key: Option<LateKey>,
}

pub(crate) struct Settings {
    pub(crate) worker: Arc<str>,
    pub(crate) cancel_grace: Duration,
}

pub(crate) struct Engine {
    app: App,
    store: Arc<Store>,
    settings: Settings,
    runnables: HashMap<TaskName, Arc<Runnable>>,
    capacity: Capacity,
    leases: Arc<Leases>,
    heartbeat: Arc<Notify>,
    reporter: mpsc::UnboundedSender<Context>,

    ready: VecDeque<Ready>,
    running: usize,
    /// Threads of blocking handlers that have outlived their attempts.
    threads: usize,
    outcomes: VecDeque<Settlement>,
    calls: Calls,
    refusals: Refusals,

    /// There may be jobs to claim.
    may_have_work: bool,
    /// Counts the hints that there may be work.
    work_epoch: u64,
    due: Option<Instant>,

    ticker: Option<Ticking>,
    orders: mpsc::UnboundedReceiver<Order>,
    ended: mpsc::UnboundedReceiver<Ended>,
    ends: mpsc::UnboundedSender<Ended>,
    stopping: Option<Stopping>,
}

enum Event {
    Ended(Ended),
    Answered(Vec<(Call, Answer)>),
    Due,
    ClaimAgain,
    StoreLost,
    Order(Order),
    GraceEnds,
}

/// The receivers that the engine listens to.
pub(crate) struct Channels {
    pub(crate) ticker: Option<Ticking>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) reporter: mpsc::UnboundedSender<Context>,
}

impl Engine {
    pub(crate) fn new(
        app: App,
        settings: Settings,
        runnables: HashMap<TaskName, Arc<Runnable>>,
        capacity: Capacity,
        (leases, heartbeat): (Arc<Leases>, Arc<Notify>),
        channels: Channels,
    ) -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        let store = Arc::new(Store::new(app.setup().adapter().clone()));
        let calls = Calls::new(store.clone(), settings.worker.clone());
        Self {
            app,
            store,
            settings,
            runnables,
            capacity,
            leases,
            heartbeat,
            reporter: channels.reporter,
            ready: VecDeque::new(),
            running: 0,
            threads: 0,
            outcomes: VecDeque::new(),
            calls,
            refusals: Refusals::new(),
            may_have_work: true,
            work_epoch: 0,
            due: None,
            ticker: channels.ticker,
            orders: channels.orders,
            ended,
            ends,
            stopping: None,
        }
    }

    /// Runs until it was told to stop and has stopped, or until the store refuses to work with it at all.
    pub(crate) async fn run(mut self) -> Result<(), WorkerError> {
        loop {
            if let Some(error) = self.refusals.fatal.take() {
                return Err(self.abandon(error).await);
            }
            self.pump();
            if let Some(last) = self.stopping.as_ref().map(Stopping::last_moment) {
                if self.may_close() {
                    return self.close().await;
                }
                let Ok(event) = tokio::time::timeout_at(last, self.next_event()).await else {
                    return self.close().await;
                };
                self.handle(event);
            } else {
                let event = self.next_event().await;
                self.handle(event);
            }
            // everything else that has ended by now goes with the same call
            while let Ok(ended) = self.ended.try_recv() {
                self.on_ended(ended);
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let grace_ends = self.stopping.as_ref().filter(|stopping| !stopping.told).map(|s| s.grace_ends);
        tokio::select! {
            biased;
            Some(order) = self.orders.recv() => Event::Order(order),
            Some(ended) = self.ended.recv() => Event::Ended(ended),
            answers = self.calls.answered() => Event::Answered(answers),
            () = at(self.due) => Event::Due,
            () = at(self.refusals.claim_again) => Event::ClaimAgain,
            // a shutdown does not wait for an unreachable store
            () = self.store.lost(), if self.stopping.is_some() => Event::StoreLost,
            () = at(grace_ends) => Event::GraceEnds,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Ended(ended) => self.on_ended(ended),
            Event::Answered(answers) => self.on_answers(answers),
            Event::Due => self.on_due(),
            Event::Order(Order::Stop(grace)) => self.on_stop(grace),
            Event::Order(Order::LimitsDeclared) => {
                self.capacity.open_gates();
                self.look_for_work();
            }
            Event::Order(Order::End(error)) => self.refusals.fatal = Some(error),
            Event::ClaimAgain => self.on_claim_again(),
            Event::StoreLost => {}
            Event::GraceEnds => self.on_grace_ends(),
        }
    }

    fn on_due(&mut self) {
        self.due = None;
        self.look_for_work();
    }

    fn look_for_work(&mut self) {
        if self.calls.listening().is_some() {
            self.calls.wake_early();
        } else {
            self.may_have_work = true;
            self.work_epoch += 1;
        }
    }

    fn on_ended(&mut self, ended: Ended) {
        match ended {
            Ended::Attempt { context, pool, over, slot_is_free } => {
                self.running -= 1;
                if slot_is_free {
                    self.capacity.end(pool);
                } else {
                    self.threads += 1;
                }
                match over {
                    Over::Settled(settlement) => {
                        if let (AttemptEnd::Release { .. }, Some(stopping)) =
                            (&settlement.end, &mut self.stopping)
                        {
                            stopping.note_release(&settlement.lease);
                        }
                        self.outcomes.push_back(settlement);
                    }
                    Over::Waits => self.leases.give_up(context.lease()),
                    Over::GivenUp => {
                        tracing::warn!(job = %context.id(), task = context.task(), "gave up the lease");
                        self.leases.give_up(context.lease());
                    }
                }
            }
            Ended::Thread { pool } => {
                self.threads -= 1;
                self.capacity.end(pool);
            }
        }
    }

    fn on_answers(&mut self, answers: Vec<(Call, Answer)>) {
        for (call, answer) in answers {
            match answer {
                Ok(answer) => self.on_answer(call, answer),
                Err(refused) => self.on_refused(call, refused),
            }
        }
    }

    fn on_answer(&mut self, call: Call, answer: Exchanged) {
        let Call { sent, reservation, limit, asked, work_epoch, .. } = call;
        for (at, lease) in sent.iter().enumerate() {
            self.leases.give_up(lease);
            if answer.settled.get(at) == Some(&Settled::Stale) {
                tracing::warn!(
                    job = %lease.id, task = %lease.task,
                    "the outcome of an attempt was refused: its lease had passed, and the job was rescued"
                );
            }
        }
        if let Some(reservation) = reservation {
            self.capacity.release(reservation);
            if limit > 0 {
                self.refusals.claimed();
                if work_epoch == self.work_epoch {
                    self.may_have_work = answer.more;
                }
            }
        }
        if let Some(next_due) = answer.next_due {
            self.due = Some(Instant::now() + next_due);
        }
        if let (Some(ticks), Some(ticker)) = (answer.ticks, &self.ticker) {
            ticker.due_in(ticks);
        }
        if self.stopping.is_some() {
            answer.jobs.iter().rev().for_each(|job| self.hand_back(job));
            return;
        }
        for job in answer.jobs {
            self.accept(job, asked);
        }
    }

    /// Accepts a claimed job.
    fn accept(&mut self, mut job: ClaimedJob, asked: Instant) {
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
    fn hand_back(&mut self, job: &ClaimedJob) {
        self.release(job.settlement(AttemptEnd::release()));
    }

    /// Does everything that can be done now.
    fn pump(&mut self) {
        self.start_ready();
        while let Some(slot) = self.calls.free_slot() {
            if !self.exchange(slot) {
                break;
            }
        }
        self.listen();
    }

    fn start_ready(&mut self) {
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
