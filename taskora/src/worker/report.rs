//! What a worker says of itself with each sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::engine::Order;
use super::pace::{Pace, tell};
use super::tally::Tally;
use crate::adapter::{Adapter, Program, Swept, TaskName, WorkerEntry, WorkerReport, WorkerState};
use crate::job::JobId;

/// How many sweeps a worker may miss before it counts as gone.
const MISSED: u32 = 6;
/// How long the last report may take.
const LAST_CALL: Duration = Duration::from_millis(500);

/// What the engine says when it is asked.
#[derive(Default)]
pub(crate) struct Doing {
    /// How many places are taken.
    pub(crate) running: usize,
    /// The first of the jobs that run.
    pub(crate) jobs: Vec<JobId>,
    pub(crate) is_stopping: bool,
}

/// Writes the reports of one worker.
pub(crate) struct Reports {
    entry: WorkerEntry,
    started: Instant,
    pace: watch::Sender<Pace>,
    engine: mpsc::UnboundedSender<Order>,
    /// What was counted, if the app keeps a history.
    tally: Option<Arc<Tally>>,
    /// Whether the store has had a report.
    is_known: AtomicBool,
}

impl Reports {
    pub(crate) fn new(
        id: Arc<str>,
        tasks: &[TaskName],
        sweep: Duration,
        pace: watch::Sender<Pace>,
        engine: mpsc::UnboundedSender<Order>,
        tally: Option<Arc<Tally>>,
    ) -> Self {
        let mut entry = WorkerEntry::new(id);
        entry.program = Program::this();
        entry.tasks = tasks.iter().take(WorkerEntry::MAX_TASKS).cloned().collect();
        entry.silence =
            sweep.saturating_mul(MISSED).clamp(WorkerEntry::SILENCE, WorkerEntry::LONGEST_SILENCE);
        Self { entry, started: Instant::now(), pace, engine, tally, is_known: AtomicBool::new(false) }
    }

    /// What the worker does now; `None` if its engine has ended.
    pub(crate) async fn now(&self) -> Option<WorkerReport> {
        let (answer, answered) = oneshot::channel();
        self.engine.send(Order::Report(answer)).ok()?;
        let doing = answered.await.ok()?;
        Some(self.report(doing))
    }

    /// The last report, unless the store has never had one and there is nothing to report. If it fails, the store forgets the worker by itself.
    pub(crate) async fn sign_off(&self, adapter: &dyn Adapter) {
        if !self.is_known.load(Ordering::Relaxed) && !self.has_more() {
            return;
        }
        let last = self.report(Doing { is_stopping: true, ..Doing::default() });
        match tokio::time::timeout(LAST_CALL, adapter.jobs().sign_off(&last)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the worker could not sign off"),
            Err(_) => tracing::debug!("the store did not answer when the worker signed off"),
        }
    }

    fn report(&self, doing: Doing) -> WorkerReport {
        let pace = *self.pace.borrow();
        let mut entry = self.entry.clone();
        entry.up = self.started.elapsed();
        entry.concurrency = pace.concurrency;
        entry.running = doing.running;
        entry.jobs = doing.jobs;
        entry.state = match pace {
            _ if doing.is_stopping => WorkerState::Stopping,
            pace if pace.claims_nothing() => WorkerState::Paused,
            _ => WorkerState::Running,
        };
        let mut report = WorkerReport::new(entry);
        report.history = self.tally.is_some();
        // gone if the store does not get it, because nobody knows whether it has
        report.sums = self.tally.as_ref().map(|tally| tally.take()).unwrap_or_default();
        report
    }

    /// Whether there is more than one report has told.
    pub(crate) fn has_more(&self) -> bool {
        self.tally.as_ref().is_some_and(|tally| !tally.is_empty())
    }

    /// The store has answered a report.
    pub(crate) fn answered(&self, swept: &Swept) {
        self.is_known.store(true, Ordering::Relaxed);
        if self.pace.borrow().is_quiet != swept.quiet {
            let told = if swept.quiet { "to claim nothing" } else { "that it may claim again" };
            tracing::info!(worker = %self.entry.id, "the worker was told from outside {told}");
            tell(&self.pace, |pace| pace.is_quiet = swept.quiet);
        }
    }
}
