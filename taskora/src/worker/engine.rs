//! The heart of a worker: takes jobs as long as there is room, and gives back what has ended.
//!
//! One task owns all of its state. Settling and claiming are one call to the store, and up to two calls are under
//! way at a time: what ends meanwhile goes with the next one. So batches grow with the load, without a timer, and
//! at low load nothing waits. With nothing to do, a third call claims a job as soon as there is one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::calls::{Call, Calls};
use super::capacity::{Capacity, Reservation};
use super::leases::Leases;
use super::registry::ErasedHandler;
use crate::adapter::{
    AdapterError, AttemptEnd, Claim, ClaimedJob, Exchange, Exchanged, Settled, Settlement, TaskName,
};
use crate::app::App;
use crate::context::{Context, StopReason};
use crate::error::WorkerError;

/// Attempts settled, and jobs claimed, in one call.
const BATCH: usize = 64;
/// Bytes of results in one call.
const BATCH_BYTES: usize = 1024 * 1024;
/// How long after the shutdown's grace the worker is gone, whatever the store and the handlers do.
const SHUTDOWN_REST: Duration = Duration::from_millis(900);
/// The longest grace that is told from for ever: a year.
const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the last call may take.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What the engine needs to know of a name it claims.
pub(crate) struct Runnable {
    pub(crate) handler: Arc<ErasedHandler>,
    pub(crate) lease: Duration,
    pub(crate) pool: Option<usize>,
}

/// An order from outside.
pub(crate) enum Order {
    /// Stop within this grace.
    Stop(Duration),
}

/// What attempts tell the engine.
enum Ended {
    /// An attempt is over; `None` if its lease was lost.
    Attempt { context: Context, pool: Option<usize>, settlement: Option<Settlement>, slot_is_free: bool },
    /// A thread that had outlived its attempt is over.
    Thread { pool: Option<usize> },
}

/// A claimed job that has not been started.
struct Ready {
    runnable: Arc<Runnable>,
    context: Context,
    payload: Vec<u8>,
}

pub(crate) struct Settings {
    pub(crate) worker: Arc<str>,
    pub(crate) cancel_grace: Duration,
}

pub(crate) struct Engine {
    app: App,
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

    /// There may be jobs to claim.
    maybe_work: bool,
    /// How often there was news of work.
    news: u64,
    due: Option<Instant>,

    orders: mpsc::UnboundedReceiver<Order>,
    ended: mpsc::UnboundedReceiver<Ended>,
    ends: mpsc::UnboundedSender<Ended>,
    stopping: Option<Stopping>,
}

struct Stopping {
    /// The running attempts are told to stop then.
    grace_ends: Instant,
    told: bool,
}

enum Event {
    Ended(Ended),
    Answered(Vec<(Call, Exchanged)>),
    Due,
    Order(Order),
    GraceEnds,
}

/// The ends of the channels that the engine listens to.
pub(crate) struct Channels {
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
        let calls = Calls::new(app.adapter().clone(), settings.worker.clone());
        Self {
            app,
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
            maybe_work: true,
            news: 0,
            due: None,
            orders: channels.orders,
            ended,
            ends,
            stopping: None,
        }
    }

    /// Runs until it is told to stop, and has.
    pub(crate) async fn run(mut self) -> Result<(), WorkerError> {
        loop {
            self.pump();
            if let Some(stopping) = &self.stopping {
                if self.is_drained() {
                    return self.close().await;
                }
                let last = stopping.grace_ends + SHUTDOWN_REST;
                let Ok(event) = tokio::time::timeout_at(last, self.next_event()).await else {
                    return self.close().await;
                };
                self.handle(event);
            } else {
                let event = self.next_event().await;
                self.handle(event);
            }
            // whatever else has ended by now goes with the same call
            while let Ok(ended) = self.ended.try_recv() {
                self.on_ended(ended);
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let grace_ends = self.stopping.as_ref().filter(|stopping| !stopping.told).map(|s| s.grace_ends);
        tokio::select! {
            biased;
            Some(order) = self.orders.recv(), if self.stopping.is_none() => Event::Order(order),
            Some(ended) = self.ended.recv() => Event::Ended(ended),
            answers = self.calls.answered() => Event::Answered(answers),
            () = at(self.due) => Event::Due,
            () = at(grace_ends) => Event::GraceEnds,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Ended(ended) => self.on_ended(ended),
            Event::Answered(answers) => self.on_answers(answers),
            Event::Due => self.on_due(),
            Event::Order(Order::Stop(grace)) => self.on_stop(grace),
            Event::GraceEnds => {
                if let Some(stopping) = &mut self.stopping {
                    stopping.told = true;
                }
                self.leases.stop_all(StopReason::Shutdown);
            }
        }
    }

    fn on_due(&mut self) {
        self.due = None;
        if self.calls.listening().is_some() {
            self.calls.hurry();
        } else {
            self.maybe_work = true;
            self.news += 1;
        }
    }

    fn on_ended(&mut self, ended: Ended) {
        match ended {
            Ended::Attempt { context, pool, settlement, slot_is_free } => {
                self.running -= 1;
                if slot_is_free {
                    self.capacity.end(pool);
                } else {
                    self.threads += 1;
                }
                match settlement {
                    Some(settlement) => self.outcomes.push_back(settlement),
                    None => {
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

    fn on_answers(&mut self, answers: Vec<(Call, Exchanged)>) {
        for (call, answer) in answers {
            self.on_answer(call, answer);
        }
    }

    fn on_answer(&mut self, call: Call, answer: Exchanged) {
        let Call { sent, reservation, limit, asked, news, .. } = call;
        for (lease, settled) in sent.iter().zip(&answer.settled) {
            self.leases.give_up(lease);
            if *settled == Settled::Stale {
                tracing::warn!(
                    job = %lease.id, task = %lease.task,
                    "the outcome of an attempt was refused: its lease had passed, and the job was taken back"
                );
            }
        }
        if let Some(reservation) = reservation {
            self.capacity.release(reservation);
            if limit > 0 && news == self.news {
                self.maybe_work = answer.more;
            }
        }
        if let Some(next_due) = answer.next_due {
            self.due = Some(Instant::now() + next_due);
        }
        if self.stopping.is_some() {
            answer.jobs.iter().rev().for_each(|job| self.hand_back(job));
            return;
        }
        for job in answer.jobs {
            self.accept(job, asked);
        }
    }

    /// Takes a claimed job into hand.
    fn accept(&mut self, mut job: ClaimedJob, asked: Instant) {
        let Some(runnable) = self.runnables.get(&job.lease.task).cloned() else {
            tracing::error!(task = %job.lease.task, "the store handed out a job of a task that was not asked for");
            self.hand_back(&job);
            return;
        };
        if asked.elapsed() >= runnable.lease {
            // the answer took so long that others may be running the job: given back, which is refused if they are
            self.hand_back(&job);
            return;
        }
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
        self.ready.push_back(Ready { runnable, context, payload: job.payload });
    }

    /// Gives back a claimed job; of several, the last one first, as each goes before all others of its priority.
    fn hand_back(&mut self, job: &ClaimedJob) {
        self.outcomes.push_back(Settlement {
            lease: job.lease.clone(),
            attempt: job.attempt,
            started_at: job.claimed_at,
            end: AttemptEnd::Release,
            node: job.node.clone(),
        });
    }

    fn on_stop(&mut self, grace: Duration) {
        // a longer grace is as good as for ever, and a time that far does not exist
        self.stopping = Some(Stopping { grace_ends: Instant::now() + grace.min(LONGEST_GRACE), told: false });
        // the last one first: each goes before all others of its priority
        for Ready { runnable, context, .. } in std::mem::take(&mut self.ready).into_iter().rev() {
            self.capacity.give_back(runnable.pool);
            self.outcomes.push_back(Settlement {
                lease: context.lease().clone(),
                attempt: context.attempt(),
                started_at: context.claimed_at(),
                end: AttemptEnd::Release,
                node: context.node().cloned(),
            });
        }
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
                at += 1; // its task is at its limit; others may go
                continue;
            }
            if let Some(ready) = self.ready.remove(at) {
                self.start(ready);
            }
        }
    }

    fn start(&mut self, Ready { runnable, context, payload }: Ready) {
        self.running += 1;
        let ends = self.ends.clone();
        let pool = runnable.pool;
        let attempt = Attempt {
            handler: runnable.handler.clone(),
            context: context.clone(),
            payload,
            grace: self.settings.cancel_grace,
            max_result: self.app.max_payload(),
        };
        tokio::spawn(async move {
            let settlement = attempt.run().await;
            // nothing can stop the thread of a blocking handler, so it keeps its slot until it is over
            let slot_is_free = !context.has_thread();
            let _ = ends.send(Ended::Attempt { context: context.clone(), pool, settlement, slot_is_free });
            if !slot_is_free {
                context.threads_ended().await;
                let _ = ends.send(Ended::Thread { pool });
            }
        });
    }

    /// Sends what there is to settle, and claims; `false` if there is nothing to do.
    fn exchange(&mut self, slot: usize) -> bool {
        let free = if self.stopping.is_some() { 0 } else { self.capacity.free().min(BATCH) };
        let claims = free > 0 && (self.maybe_work || !self.outcomes.is_empty());
        if self.outcomes.is_empty() && !claims {
            return false;
        }
        let (claim, reservation) = if claims { self.claim(free) } else { (None, None) };
        if claims {
            // until the answer says otherwise, a claim that fills this worker takes all there is
            self.maybe_work &= self.capacity.free() > 0;
        }
        let call = self.calls.name(slot);
        let exchange =
            Exchange { call, settle: self.take_outcomes(), claim, retention: self.app.retention() };
        self.calls.exchange(slot, exchange, reservation, self.news);
        true
    }

    /// A claim, and what is set aside for it.
    fn claim(&mut self, limit: usize) -> (Option<Claim>, Option<Reservation>) {
        let (room, tasks) = (self.capacity.free(), self.capacity.claims());
        (Some(Claim { limit, room, tasks }), Some(self.capacity.reserve(limit)))
    }

    /// Has the ear claim when there is work, if there is room and, as far as is known, nothing to claim.
    fn listen(&mut self) {
        if self.stopping.is_some() {
            self.calls.hurry();
            return;
        }
        if self.maybe_work || self.calls.claims() {
            return;
        }
        if let Some(tasks) = self.calls.listening() {
            // a task that is full is not worth a new wait; one that has room again is
            if self.capacity.has_opened(tasks) {
                self.calls.hurry();
            }
            return;
        }
        if !self.capacity.has_room() {
            return;
        }
        // one that a dead worker is handed waits for its lease to pass; what else there is, the answer's next exchange claims
        let (claim, reservation) = self.claim(1);
        let call = self.calls.name_ear();
        let exchange = Exchange { call, settle: Vec::new(), claim, retention: self.app.retention() };
        self.calls.listen(exchange, reservation, self.news);
    }

    fn take_outcomes(&mut self) -> Vec<Settlement> {
        let mut taken = Vec::with_capacity(self.outcomes.len().min(BATCH));
        let mut bytes = 0;
        while let Some(outcome) = self.outcomes.pop_front_if(|outcome| {
            bytes += if let AttemptEnd::Complete(result) = &outcome.end { result.len() } else { 0 };
            taken.is_empty() || (taken.len() < BATCH && bytes <= BATCH_BYTES)
        }) {
            taken.push(outcome);
        }
        taken
    }

    /// Whether all has been settled. The ear's claim, which may be on its way, is left to [`Engine::close`].
    fn is_drained(&self) -> bool {
        self.running == 0 && self.outcomes.is_empty() && !self.calls.exchanges()
    }

    /// The last call: hands back what is left, and passes on a signal that this worker may have heard last.
    async fn close(mut self) -> Result<(), WorkerError> {
        // also a store that does not answer holds up the end no longer than said
        let patience = self.stopping.as_ref().map_or(LAST_CALL, |stopping| {
            (stopping.grace_ends + LAST_CALL).saturating_duration_since(Instant::now()).min(LAST_CALL)
        });
        let patience = patience.max(LAST_CALL / 10);
        let deadline = Instant::now() + patience;
        // what earlier calls still hand out goes back with the last one
        while self.calls.any() {
            match tokio::time::timeout_at(deadline - patience / 2, self.calls.answered()).await {
                Ok(answers) => self.on_answers(answers),
                Err(_) => break,
            }
        }
        let call = self.calls.name_ear();
        let claim = Some(Claim { limit: 0, room: 0, tasks: self.capacity.claims() });
        let settle = self.outcomes.drain(..).collect();
        let last = Exchange { call, settle, claim, retention: self.app.retention() };
        let (adapter, calls, mut late) = (self.app.adapter().clone(), &mut self.calls, Vec::new());
        // what was sent before, and is not answered yet, must be known to have arrived
        let earlier = async {
            while calls.exchanges() {
                late.extend(calls.answered().await);
            }
        };
        let mut answer =
            tokio::time::timeout_at(deadline, async { tokio::join!(adapter.exchange(last), earlier).0 })
                .await;
        self.on_answers(late);
        if !self.outcomes.is_empty() && matches!(answer, Ok(Ok(_))) {
            // jobs that were handed out at the very last
            let call = self.calls.name_ear();
            let settle = self.outcomes.drain(..).collect();
            let rest = Exchange { call, settle, claim: None, retention: self.app.retention() };
            // the store is there, so that a moment is enough, also beyond the time
            let last = deadline.max(Instant::now() + LAST_CALL / 10);
            answer = tokio::time::timeout_at(last, adapter.exchange(rest)).await;
        }
        let attempts = self.running + self.threads;
        match answer {
            Ok(Ok(_)) if attempts == 0 => Ok(()),
            Ok(Ok(_)) => Err(WorkerError::StillRunning { attempts }),
            Ok(Err(error)) => Err(WorkerError::HandBack(error)),
            Err(_) => Err(WorkerError::HandBack(AdapterError::Unavailable {
                address: "the store".to_owned(),
                message: format!("no answer within {patience:?}"),
            })),
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
