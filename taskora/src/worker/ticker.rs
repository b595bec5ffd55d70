//! Schedules: a worker declares those of its code, and makes ticks when it is told that one is due.
//!
//! It does so beside the engine, so that ticks are on time also while every slot of the worker is taken.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::at;
use super::backoff::StoreBackoff;
use super::store::backoff;
use crate::adapter::{AdapterError, NewTick, Ticked};
use crate::app::App;
use crate::schedules::{DeclaredSchedules, run};

/// How often a worker says that it still declares its schedules.
const DECLARES: Duration = Duration::from_secs(60);

/// What an answer may take on its way: a time that it tells is known already if it is not earlier than this.
const TRANSIT: Duration = Duration::from_millis(2);

/// Where the sweeper says that a tick is due.
pub(crate) type TickTimes = mpsc::UnboundedSender<Instant>;

/// The engine's hold on the ticker, which ends with it.
pub(crate) struct Ticking {
    pub(crate) times: TickTimes,
    /// When the ticker asks for what is due.
    next: watch::Receiver<Option<Instant>>,
    task: JoinHandle<()>,
    declared: Option<oneshot::Receiver<()>>,
}

impl Ticking {
    /// Waits until the worker's schedules are declared.
    pub(crate) async fn declared(&mut self) {
        if let Some(declared) = self.declared.take() {
            let _ = declared.await;
        }
    }

    /// Whether it makes no more ticks, because the store refuses that.
    pub(crate) fn has_ended(&self) -> bool {
        self.times.is_closed()
    }

    /// A tick is due in this time. Every answer says so, hence the ticker is woken only for what it does not know.
    pub(crate) fn due_in(&self, time: Duration) {
        let at = Instant::now() + time;
        if self.next.borrow().is_none_or(|next| next > at + TRANSIT) {
            let _ = self.times.send(at);
        }
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
    next: watch::Sender<Option<Instant>>,
    backoff: StoreBackoff,
    /// Those that cannot be read, which is said once.
    unreadable: HashSet<String>,
}

impl Ticker {
    pub(crate) fn start(app: &App, worker: &Arc<str>, declared: DeclaredSchedules) -> Ticking {
        let (times, told) = mpsc::unbounded_channel();
        let (next, next_told) = watch::channel(None);
        let (app, worker) = (app.clone(), worker.clone());
        let (done, is_declared) = oneshot::channel();
        let is_declared = (!declared.is_empty()).then_some(is_declared);
        let ticker =
            Self { app, worker, declared, told, next, backoff: backoff(), unreadable: HashSet::new() };
        Ticking { times, next: next_told, task: tokio::spawn(ticker.run(done)), declared: is_declared }
    }

    /// Runs until it is aborted, or the store has no schedules or refuses this version.
    async fn run(mut self, declared: oneshot::Sender<()>) {
        if !self.declared.is_empty() && self.declare_at_start(declared).await.is_none() {
            return;
        }
        let mut declare_at = Instant::now() + DECLARES;
        loop {
            let next = *self.next.borrow();
            let declares = (!self.declared.is_empty()).then_some(declare_at);
            tokio::select! {
                told = self.told.recv() => {
                    let Some(told) = told else { return };
                    self.next.send_replace(Some(next.map_or(told, |next| next.min(told))));
                }
                () = at(next) => {
                    // what is told from now on is news
                    self.next.send_replace(None);
                    let later = match self.tick_due().await {
                        Ok(later) => {
                            self.backoff.reset();
                            later
                        }
                        Err(error) if ends_ticks("make ticks", &error) => return,
                        Err(_) => Some(Instant::now() + self.backoff.delay()),
                    };
                    self.next.send_replace(later);
                }
                () = at(declares) => {
                    declare_at = Instant::now() + DECLARES;
                    if let Err(error) = self.declared.declare(&self.app).await
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
                    self.declared.declare(&self.app).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_is_earlier_than_what_it_knows_wakes_the_ticker() {
        const MINUTE: Duration = Duration::from_secs(60);
        let (times, mut told) = mpsc::unbounded_channel();
        let (known, next) = watch::channel(None);
        let ticking = Ticking { times, next, task: tokio::spawn(std::future::pending()), declared: None };
        let in_a_minute = Instant::now() + MINUTE;
        let cases = [
            (None, MINUTE, true),
            (Some(in_a_minute), MINUTE, false),
            (Some(in_a_minute), 2 * MINUTE, false),
            (Some(in_a_minute), MINUTE / 2, true),
        ];
        for (next, time, is_told) in cases {
            known.send_replace(next);
            ticking.due_in(time);
            assert_eq!(told.try_recv().ok(), is_told.then(|| Instant::now() + time), "{next:?} {time:?}");
        }
    }
}
