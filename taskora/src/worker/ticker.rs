//! Schedules: a worker declares those of its code, and makes ticks when it is told that one is due.
//!
//! It does so beside the engine, so that ticks are on time also while every slot of the worker is taken.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::backoff::StoreBackoff;
use super::store::backoff;
use crate::adapter::{AdapterError, NewTick, Ticked};
use crate::app::App;
use crate::schedules::{DeclaredSchedules, run};

/// How long the start of a worker waits for its schedules to be declared. A store that is away does not keep it from starting.
const ANSWERS: Duration = Duration::from_secs(1);

/// How often a worker says that it still declares its schedules.
const DECLARES: Duration = Duration::from_secs(60);

/// Where the sweeper says that a tick is due.
pub(crate) type TickTimes = mpsc::UnboundedSender<Instant>;

/// The engine's hold on the ticker, which ends with it.
pub(crate) struct Ticking {
    pub(crate) times: TickTimes,
    task: JoinHandle<()>,
    declared: Option<oneshot::Receiver<()>>,
}

impl Ticking {
    /// Waits until the worker's schedules are declared, if the store answers soon: so that one can be triggered as soon as its worker has
    /// started.
    pub(crate) async fn declared(&mut self) {
        if let Some(declared) = self.declared.take() {
            let _ = timeout(ANSWERS, declared).await;
        }
    }

    /// A tick is due in this time.
    pub(crate) fn due_in(&self, time: Duration) {
        let _ = self.times.send(Instant::now() + time);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) struct Ticker {
    app: App,
    worker: Arc<str>,
    declared: DeclaredSchedules,
    told: mpsc::UnboundedReceiver<Instant>,
    backoff: StoreBackoff,
    /// Those that cannot be read, which is said once.
    unreadable: HashSet<String>,
}

impl Ticker {
    pub(crate) fn start(app: &App, worker: &Arc<str>, declared: DeclaredSchedules) -> Ticking {
        let (times, told) = mpsc::unbounded_channel();
        let (app, worker) = (app.clone(), worker.clone());
        let (done, is_declared) = oneshot::channel();
        let is_declared = (!declared.is_empty()).then_some(is_declared);
        let ticker = Self { app, worker, declared, told, backoff: backoff(), unreadable: HashSet::new() };
        Ticking { times, task: tokio::spawn(ticker.run(done)), declared: is_declared }
    }

    /// Runs until it is aborted, or the store has no schedules or refuses this version.
    async fn run(mut self, declared: oneshot::Sender<()>) {
        if !self.declared.is_empty() && self.declare_at_start(declared).await.is_none() {
            return;
        }
        let mut declare_at = Instant::now() + DECLARES;
        let mut next = None;
        loop {
            let declares = (!self.declared.is_empty()).then_some(declare_at);
            tokio::select! {
                told = self.told.recv() => {
                    let Some(told) = told else { return };
                    next = Some(next.map_or(told, |next: Instant| next.min(told)));
                }
                () = at(next) => match self.tick_due().await {
                    Ok(later) => {
                        self.backoff.reset();
                        next = later;
                    }
                    Err(error) => {
                        if ends_ticks("make ticks", &error) {
                            return;
                        }
                        next = Some(Instant::now() + self.backoff.delay());
                    }
                },
                () = at(declares) => {
                    declare_at = Instant::now() + DECLARES;
                    if let Err(error) = self.declared.declare(&self.app, false).await
                        && ends_ticks("declare schedules", &error)
                    {
                        return;
                    }
                }
            }
        }
    }

    /// `None`: the store refuses.
    async fn declare_at_start(&mut self, declared: oneshot::Sender<()>) -> Option<()> {
        let (mut backoff, mut declared) = (backoff(), Some(declared));
        loop {
            let done = async {
                if declared.is_some() {
                    self.declared.declare(&self.app, true).await?;
                    declared.take().map(|declared| declared.send(()));
                }
                self.declared.run_at_start(&self.app).await
            };
            match done.await {
                Ok(()) => return Some(()),
                Err(error) if ends_ticks("declare schedules", &error) => return None,
                Err(_) => backoff.wait().await,
            }
        }
    }

    /// Makes all ticks that are due. When the next one is, if this worker is the one to come then.
    async fn tick_due(&mut self) -> Result<Option<Instant>, AdapterError> {
        let app = self.app.clone();
        let schedules = app.setup().adapter().schedules();
        loop {
            let due = schedules.due_schedules(&self.worker).await?;
            if due.schedules.is_empty() {
                return Ok(due.next.map(|next| Instant::now() + next));
            }
            let mut ticks = Vec::with_capacity(due.schedules.len());
            for schedule in &due.schedules {
                match run::due_tick(schedule, due.now) {
                    Ok(tick) => ticks.extend(tick),
                    Err(error) => self.leave(&schedule.name, &error),
                }
            }
            if ticks.is_empty() {
                continue;
            }
            let made = schedules.tick(ticks.clone()).await?;
            for (tick, ticked) in ticks.iter().zip(made) {
                log(tick, ticked);
            }
        }
    }

    /// Another worker may be able to read it.
    fn leave(&mut self, name: &str, error: &crate::schedules::ScheduleError) {
        if self.unreadable.insert(name.to_owned()) {
            tracing::error!("schedule {name} does not tick here: {error}");
        }
    }
}

fn log(tick: &NewTick, ticked: Ticked) {
    let name = &tick.name;
    let Ticked::Done { skipped, .. } = ticked else { return };
    if tick.missed > 0 {
        tracing::warn!(missed = tick.missed, "schedule {name} has missed ticks");
    }
    if skipped > 0 {
        tracing::info!(skipped, "schedule {name} skips a tick, as its last run has not ended");
    }
}

/// Whether no call can succeed. Other errors pass, as the engine sees them, too.
fn ends_ticks(what: &str, error: &AdapterError) -> bool {
    match error {
        AdapterError::Config(_) | AdapterError::Incompatible(_) => {
            tracing::error!(%error, "cannot {what}; this worker makes no ticks");
            true
        }
        error => {
            tracing::warn!(%error, "cannot {what} yet");
            false
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
