//! What a producer process does: dispatches, tries again what failed, cancels, awaits, and writes it all down.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use taskora::prelude::*;
use taskora::{DispatchError, Schedule, ScheduleError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::config::Producer;
use crate::ledger::{Ledger, Record, now};
use crate::seed::Random;
use crate::tasks::{Act, Done, End, Follow, Gather, Row, Serve, Work};

/// The rest before a call is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// Keys that jobs share.
pub const KEYS: u64 = 6;
/// How many throttled jobs of a key are stored in which time.
pub const THROTTLED: (u32, Duration) = (2, Duration::from_millis(300));

/// Members of a header whose workflow is started in several calls.
const HUGE: u64 = 1_400;

/// What all lanes share.
pub(super) struct Desk {
    pub(super) app: App,
    pub(super) ledger: Ledger,
    name: String,
    settings: Producer,
    dispatched: AtomicU64,
    is_stopping: AtomicBool,
}

pub(super) async fn run(app: App, ledger: Ledger, name: String, seed: u64, settings: Producer) {
    let lanes = settings.lanes.max(1);
    let desk = Arc::new(Desk {
        app,
        ledger,
        name,
        settings,
        dispatched: AtomicU64::new(0),
        is_stopping: AtomicBool::new(false),
    });
    let stopped = Arc::clone(&desk);
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::spawn(async move {
            terminate.recv().await;
            stopped.is_stopping.store(true, Ordering::Relaxed);
        });
    }
    desk.ledger.write(Record::Ready { name: desk.name.clone() });
    let mut running = JoinSet::new();
    for lane in 0..lanes {
        running.spawn(Arc::clone(&desk).lane(Random::new(seed ^ ((lane as u64) << 32))));
    }
    while running.join_next().await.is_some() {}
}

impl Desk {
    async fn lane(self: Arc<Self>, mut random: Random) {
        let mut waits = JoinSet::new();
        while !self.is_stopping.load(Ordering::Relaxed) {
            let number = self.dispatched.fetch_add(1, Ordering::Relaxed);
            if self.settings.count > 0 && number >= self.settings.count {
                break;
            }
            Arc::clone(&self).one(number, &mut random, &mut waits).await;
            let pause = self.settings.pause.as_micros() as u64;
            if pause > 0 {
                tokio::time::sleep(Duration::from_micros(random.below(2 * pause))).await;
            }
        }
        while waits.join_next().await.is_some() {}
    }

    async fn one(self: Arc<Self>, number: u64, random: &mut Random, waits: &mut JoinSet<()>) {
        let mix = self.settings.mix;
        let mut act = Act::returns(random.below(self.settings.millis + 1));
        let weights = [
            mix.plain,
            mix.delayed,
            mix.retried,
            mix.failing,
            mix.urgent,
            mix.large,
            mix.cancelled,
            mix.chain,
            mix.chord,
            mix.cancelled_flow,
            mix.failing_flow,
            mix.huge,
            mix.keyed,
            mix.scheduled,
            mix.limited,
            mix.gathered,
            mix.throttled,
        ];
        let kind = random.weighted(&weights);
        // every other one has an id of its own making, so that both ways to store ids are used
        let id = if number.is_multiple_of(2) {
            JobId::new()
        } else {
            JobId::from(format!("{}-{number}", self.name))
        };
        let is_awaited = random.percent(self.settings.awaited);
        let delay = self.settings.least_delay + Duration::from_millis(random.below(500));
        let priority = random.below(9) as i16 - 4;
        if let 12 | 16 = kind {
            let rule = if kind == 12 { random.below(4) } else { 4 };
            return self.keyed(rule, act, number, random, waits).await;
        }
        if kind == 13 {
            return self.scheduled(act, number).await;
        }
        if kind == 14 {
            return self.limited(act, number, &id, random).await;
        }
        if kind == 15 {
            return self.gathered(act, &id, random).await;
        }
        let (size, moment) = (random.between(1, 10), Duration::from_millis(random.below(60)));
        match kind {
            2 => act.end = End::FailBefore(1 + random.between(1, 4) as u32),
            3 => act.end = End::GiveUp,
            5 => {
                act.ballast = "x".repeat(random.between(4_000, 20_000) as usize);
                act.notes = true;
            }
            _ => {}
        }
        if kind < 7 {
            let dispatch = || {
                let dispatch = self.app.dispatch(Work { act: act.clone() }).id(id.clone());
                match kind {
                    1 => dispatch.delay(delay),
                    // it ends at once when it is cancelled, so it can be retried
                    6 if number.is_multiple_of(3) => dispatch.delay(delay + Duration::from_millis(100)),
                    4 => dispatch.priority(priority),
                    _ => dispatch,
                }
                .into_future()
            };
            let duplicate = |handle: &JobHandle<Done>| matches!(handle.outcome(), Outcome::Duplicate(_));
            let handle = self.insist(id.as_str(), false, dispatch, duplicate).await;
            // where a least delay is checked, each begins when it is due
            if kind == 1 && self.settings.least_delay.is_zero() {
                match number % 5 {
                    0 => self.change(id.as_str(), "run now", || handle.run_now()).await,
                    1 => self.replace(&handle, &act).await,
                    _ => {}
                }
            }
            if kind == 4 && number.is_multiple_of(3) {
                self.change(id.as_str(), "reprioritise", || handle.reprioritise(-priority)).await;
            }
            if kind == 6 {
                tokio::time::sleep(moment).await;
                self.cancel(id.as_str(), || handle.cancel("by its producer")).await;
                // whoever awaits it from here on is told of its last end
                if number.is_multiple_of(3) {
                    self.ledger.write(Record::Reviving { job: id.to_string() });
                    self.change(id.as_str(), "retry", || handle.retry()).await;
                }
            }
            if self.settings.looks {
                self.look(&handle).await;
            }
            if is_awaited {
                waits.spawn(async move {
                    let result = handle.result().await;
                    self.seen(id.as_str(), false, result.map_err(|error| job_state(&error)));
                });
            }
            return;
        }
        let flow_id = id.as_str().to_owned();
        let size = if kind == 11 { HUGE } else { size };
        let step = |number: u64| {
            if kind == 11 {
                return Act::default();
            }
            let fails = kind == 10 && number == size % 3;
            Act::ends(act.millis, if fails { End::GiveUp } else { End::Return })
        };
        let flow = || {
            if kind == 7 || size < 3 {
                let chain =
                    Work { act: step(0) }.then(Follow::s().act(step(1))).then(Follow::s().act(step(2)));
                let dispatch = self.app.dispatch(chain).id(flow_id.as_str());
                match self.settings.ttl {
                    Some(ttl) => dispatch.ttl(ttl),
                    None => dispatch,
                }
                .into_future()
            } else {
                let header: Vec<_> = (0..size).map(|number| Work { act: step(number) }).collect();
                let chord = chord(header, Gather::s().act(step(size)));
                self.app.dispatch(chord).id(flow_id.as_str()).into_future()
            }
        };
        // a repeated start is answered with the handle, and not with what was there
        let handle: WorkflowHandle<Done> = self.insist(&flow_id, true, flow, |_| false).await;
        if kind == 9 {
            tokio::time::sleep(moment).await;
            self.cancel(&flow_id, || handle.cancel("by its producer")).await;
        }
        if self.settings.looks {
            // only read here, and an answer that is lost is asked for again by whoever needs it
            let _ = (handle.state().await, handle.graph().await);
        }
        if is_awaited {
            waits.spawn(async move {
                let result = handle.result().await;
                self.seen(&flow_id, true, result.map_err(|error| flow_state(&error)));
            });
        }
    }

    /// A job of one of few keys: stored, dropped, replacing another one, or behind it, or throttled (rule 4). Its id names the key.
    async fn keyed(
        self: Arc<Self>,
        rule: u64,
        act: Act,
        number: u64,
        random: &mut Random,
        waits: &mut JoinSet<()>,
    ) {
        let key = random.below(KEYS);
        let kind = if rule == 4 { "throttled" } else { "key" };
        let id = format!("{kind}-{key}-{}-{number}", self.name);
        self.ledger.write(Record::Trying { job: id.clone(), workflow: false });
        let handle = loop {
            let asked = now();
            let dispatch = self.app.dispatch(Work { act: act.clone() }).id(id.as_str());
            let dispatch = match rule {
                0 => dispatch.deduplicate(key).into_future(),
                1 => dispatch.deduplicate(key).replace().into_future(),
                2 => dispatch.deduplicate(key).keep_last().into_future(),
                3 => dispatch.deduplicate(key).keep_last().cancel_running().into_future(),
                _ => dispatch.throttle(key, THROTTLED.0, THROTTLED.1).into_future(),
            };
            match dispatch.await {
                Ok(handle) => break handle,
                Err(error) => self.failed(&id, "dispatch", &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        };
        if let Outcome::Throttled { .. } = handle.outcome() {
            return;
        }
        // whichever job stands for it must end
        let job = handle.id().to_string();
        let duplicate = handle.outcome() != &Outcome::Enqueued;
        self.ledger.write(Record::Accepted { job: job.clone(), workflow: false, duplicate });
        if random.percent(self.settings.awaited) {
            waits.spawn(async move {
                let result = handle.result().await;
                self.seen(&job, false, result.map_err(|error| job_state(&error)));
            });
        }
    }

    /// A job of a task with limits by key.
    async fn limited(&self, mut act: Act, number: u64, id: &JobId, random: &mut Random) {
        let key = random.below(KEYS);
        if random.percent(10) {
            self.pause(id.as_str(), random).await;
        }
        if random.percent(25) {
            act.end = End::FailBefore(2);
        }
        let serve = || Serve { act: act.clone(), key };
        let is_duplicate = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate(_));
        if number.is_multiple_of(4) || number % 4 == 1 {
            let dispatch = || self.app.dispatch(serve()).id(id.clone()).into_future();
            self.insist(id.as_str(), false, dispatch, |handle| is_duplicate(handle.outcome())).await;
        } else {
            let payload = serde_json::to_value(serve()).unwrap_or_default();
            let dispatch =
                || self.app.dispatch_raw(Serve::NAME, payload.clone()).id(id.clone()).into_future();
            self.insist(id.as_str(), false, dispatch, |handle| is_duplicate(handle.outcome())).await;
        }
    }

    /// A job that gathers with others of its key.
    async fn gathered(&self, act: Act, id: &JobId, random: &mut Random) {
        let key = random.below(KEYS);
        let dispatch = || self.app.dispatch(Row { act: act.clone(), key }).id(id.clone()).into_future();
        let is_duplicate = |handle: &JobHandle<Done>| matches!(handle.outcome(), Outcome::Duplicate(_));
        self.insist(id.as_str(), false, dispatch, is_duplicate).await;
        if random.percent(30) {
            let (inspect, queues) = (self.app.inspect(), self.app.queues());
            self.done(id.as_str(), "collected", || async { Ok(inspect.collected::<Row>(key).await?) }).await;
            self.done(id.as_str(), "flush", || async { Ok(queues.flush::<Row>(key).await?) }).await;
        }
    }

    /// A schedule of its own, from its making to its end. What it runs must end, as any job.
    async fn scheduled(&self, act: Act, number: u64) {
        let (name, schedules) = (format!("{}-{number}", self.name), self.app.schedules());
        let manual = Schedule::new(&name).manual().run(Work { act });
        self.done(&name, "upsert", || schedules.upsert(manual.clone())).await;
        let run = self.done(&name, "trigger", || schedules.trigger(&name).into_future()).await;
        if let Some(run) = run {
            let (job, duplicate) = (run.id().to_string(), run.outcome() != &Outcome::Enqueued);
            self.ledger.write(Record::Trying { job: job.clone(), workflow: false });
            self.ledger.write(Record::Accepted { job, workflow: false, duplicate });
        }
        self.done(&name, "pause", || schedules.pause(&name).into_future()).await;
        self.done(&name, "list", || schedules.list()).await;
        self.done(&name, "remove", || schedules.remove(&name)).await;
    }

    /// Calls until it is done. A schedule that is gone was removed by a call that failed, whose outcome was unknown.
    async fn done<T, F>(&self, name: &str, what: &str, call: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, ScheduleError>>,
    {
        loop {
            let asked = now();
            match call().await {
                Ok(done) => return Some(done),
                Err(ScheduleError::NotFound { .. }) => return None,
                Err(error) => self.failed(name, what, &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn look(&self, handle: &JobHandle<Done>) {
        // only read here, as above
        let _ = (handle.info().await, handle.logs().await, self.app.counts(Work::NAME).await);
    }

    /// Dispatches until it is acknowledged.
    async fn insist<H, F: Future<Output = Result<H, DispatchError>>>(
        &self,
        job: &str,
        workflow: bool,
        dispatch: impl Fn() -> F,
        duplicate: impl Fn(&H) -> bool,
    ) -> H {
        self.ledger.write(Record::Trying { job: job.to_owned(), workflow });
        loop {
            let asked = now();
            match dispatch().await {
                Ok(handle) => {
                    let duplicate = duplicate(&handle);
                    self.ledger.write(Record::Accepted { job: job.to_owned(), workflow, duplicate });
                    return handle;
                }
                Err(error) => self.failed(job, "dispatch", &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn cancel<F, E>(&self, job: &str, cancel: impl Fn() -> F)
    where
        F: Future<Output = Result<taskora::CancelOutcome, E>>,
        E: Display,
    {
        loop {
            let asked = now();
            match cancel().await {
                Ok(outcome) => {
                    let outcome = format!("{outcome:?}");
                    self.ledger.write(Record::Cancelled { job: job.to_owned(), outcome });
                    return;
                }
                Err(error) => self.failed(job, "cancel", &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(super) fn failed(&self, job: &str, call: &str, error: &dyn Display, asked: u64) {
        let (job, call, error) = (job.to_owned(), call.to_owned(), error.to_string());
        self.ledger.write(Record::Failed { job, call, error, took: now() - asked });
    }

    fn seen(&self, job: &str, workflow: bool, result: Result<Done, String>) {
        let (state, nonce) = match result {
            Ok(done) => ("completed".to_owned(), Some(done.nonce)),
            Err(state) => (state, None),
        };
        self.ledger.write(Record::Seen { job: job.to_owned(), workflow, state, nonce });
    }
}

fn job_state(error: &JobError) -> String {
    match error {
        JobError::Failed { .. } | JobError::Stalled { .. } => "failed".to_owned(),
        JobError::Cancelled { .. } => "cancelled".to_owned(),
        JobError::Expired { .. } => "expired".to_owned(),
        other => format!("error: {other}"),
    }
}

fn flow_state(error: &WorkflowError) -> String {
    match error {
        WorkflowError::Failed { .. } => "failed".to_owned(),
        WorkflowError::Cancelled { .. } => "cancelled".to_owned(),
        WorkflowError::Expired { .. } => "expired".to_owned(),
        other => format!("error: {other}"),
    }
}
