//! The core of a worker: claims jobs while there is room, and settles those that have ended.
//!
//! One tokio task owns all of its state. Settling and claiming are one call to the store, and up to two calls are in flight
//! at a time: jobs that end meanwhile go with the next call. So batches grow with the load, without a timer, and at low load
//! nothing waits. When the engine is idle, a third call claims a job as soon as there is one.

mod pace;
mod ready;
mod refusals;
mod refused;
mod requests;
mod shutdown;
mod stopping;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use self::ready::Ready;
use self::refusals::Refusals;
use self::stopping::Stopping;
use super::at;
use super::attempt::Over;
use super::batch::BatchOver;
use super::calls::{Answer, Call, Calls};
use super::capacity::Capacity;
use super::leases::Leases;
use super::outcomes::Outcomes;
use super::pace::Pace;
use super::registry::ErasedHandler;
use super::report::Doing;
use super::store::Store;
use super::tally::{Sent, Tally};
use super::ticker::Ticking;
use crate::adapter::{AdapterError, AttemptEnd, Exchanged, Settled, Settlement, TaskName, WorkerEntry};
use crate::app::App;
use crate::context::Context;
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
    /// Say what the worker does.
    Report(oneshot::Sender<Doing>),
}

/// Messages from attempts to the engine.
enum Ended {
    /// An attempt is over.
    Attempt { context: Context, pool: Option<usize>, over: Over, slot_is_free: bool },
    /// A batch is over.
    Batch { pool: Option<usize>, over: BatchOver, slot_is_free: bool },
    /// A thread that had outlived its attempt has ended.
    Thread { pool: Option<usize> },
}

pub(crate) struct Settings {
    pub(crate) worker: Arc<str>,
    pub(crate) cancel_grace: Duration,
    /// What counts how attempts end, unless the app keeps no history.
    pub(crate) tally: Option<Arc<Tally>>,
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
    outcomes: Outcomes,
    calls: Calls,
    refusals: Refusals,

    /// There may be jobs to claim.
    may_have_work: bool,
    /// Counts the hints that there may be work.
    work_epoch: u64,
    due: Option<Instant>,

    ticker: Option<Ticking>,
    orders: mpsc::UnboundedReceiver<Order>,
    pace: watch::Receiver<Pace>,
    /// It was paused, and has still to pass on what it was told: that there is work, and when there will be some.
    passes_on: bool,
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
    Pace,
    GraceEnds,
}

/// The receivers that the engine listens to.
pub(crate) struct Channels {
    pub(crate) ticker: Option<Ticking>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) pace: watch::Receiver<Pace>,
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
            outcomes: Outcomes::default(),
            calls,
            refusals: Refusals::new(),
            may_have_work: true,
            work_epoch: 0,
            due: None,
            ticker: channels.ticker,
            orders: channels.orders,
            pace: channels.pace,
            passes_on: false,
            ended,
            ends,
            stopping: None,
        }
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Runs until it was told to stop and has stopped, or until the store refuses to work with it at all.
    pub(crate) async fn run(mut self) -> Result<(), WorkerError> {
        loop {
            if let Some(error) = self.refusals.fatal.take() {
                return Err(self.abandon(error).await);
            }
            if self.pace.has_changed().unwrap_or(false) {
                // before anything is claimed or started
                self.on_pace();
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
            // it goes on as it is when its handle was dropped
            Ok(()) = self.pace.changed() => Event::Pace,
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
            Event::Pace => self.on_pace(),
            Event::Order(Order::Stop(grace)) => self.on_stop(grace),
            Event::Order(Order::LimitsDeclared) => {
                self.capacity.open_gates();
                self.look_for_work();
            }
            Event::Order(Order::End(error)) => self.refusals.fatal = Some(error),
            // who has asked may be gone
            Event::Order(Order::Report(answer)) => drop(answer.send(self.doing())),
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
                self.leave_slot(pool, slot_is_free);
                if let Some(settlement) = self.settlement(&context, over) {
                    self.outcomes.push(settlement);
                }
            }
            Ended::Batch { pool, over, slot_is_free } => {
                self.leave_slot(pool, slot_is_free);
                let items = over.items.into_iter();
                let settled = items.filter_map(|(context, over)| self.settlement(&context, over)).collect();
                self.outcomes.push_batch(settled, over.result);
            }
            Ended::Thread { pool } => {
                self.threads -= 1;
                self.capacity.end(pool);
            }
        }
    }

    /// What runs is over. The thread of a blocking handler keeps its slot.
    fn leave_slot(&mut self, pool: Option<usize>, slot_is_free: bool) {
        self.running -= 1;
        if slot_is_free {
            self.capacity.end(pool);
        } else {
            self.threads += 1;
        }
    }

    /// What there is to settle of an attempt that is over.
    fn settlement(&mut self, context: &Context, over: Over) -> Option<Settlement> {
        match over {
            Over::Settled(settlement) => {
                if let (AttemptEnd::Release { .. }, Some(stopping)) = (&settlement.end, &mut self.stopping) {
                    stopping.note_release(&settlement.lease);
                }
                return Some(settlement);
            }
            Over::Waits => {}
            Over::GivenUp => {
                tracing::warn!(job = %context.id(), task = context.task(), "gave up the lease");
            }
        }
        self.leases.give_up(context.lease());
        None
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
        self.on_settled(&sent, &answer.settled);
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
        if self.stopping.is_some() || self.capacity.is_paused() {
            answer.jobs.iter().rev().for_each(|job| self.hand_back(job));
            return;
        }
        self.accept_all(answer.jobs, asked);
        // the room for them may be gone since they were asked for
        self.shed();
    }

    fn doing(&self) -> Doing {
        Doing {
            running: self.running + self.threads,
            jobs: self.leases.some(WorkerEntry::MAX_JOBS, self.ready.iter().flat_map(Ready::contexts)),
            is_stopping: self.stopping.is_some(),
        }
    }

    /// The store has answered what these outcomes were.
    pub(in crate::worker) fn on_settled(&self, sent: &[Sent], settled: &[Settled]) {
        for (at, outcome) in sent.iter().enumerate() {
            let lease = &outcome.lease;
            let attempt = self.leases.give_up(lease);
            let Some(settled) = settled.get(at) else { continue };
            if *settled == Settled::Stale {
                tracing::warn!(
                    job = %lease.id, task = %lease.task,
                    "the outcome of an attempt was refused: its lease had passed, and the job was rescued"
                );
            } else if let Some(tally) = &self.settings.tally {
                tally.count(outcome, *settled, attempt.as_ref());
            }
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
}
