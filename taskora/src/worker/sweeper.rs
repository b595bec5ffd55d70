//! Sweeps the store periodically.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::backoff::random;
use super::engine::Order;
use super::report::Reports;
use super::ticker::TickTimes;
use crate::adapter::{Adapter, AdapterError, Swept, TaskName, TaskSums};
use crate::policy::Retention;

/// The first sweep comes within this share of the interval, so that a worker that has started is soon known.
const FIRST: f64 = 0.2;

/// Sweeps for one worker.
pub(crate) struct Sweeper {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) tasks: Vec<TaskName>,
    pub(crate) retention: Retention,
    pub(crate) interval: Duration,
}

impl Sweeper {
    /// Runs until it is aborted, or the store refuses this version. Workers that start together sweep at different times.
    pub(crate) async fn run(self, engine: mpsc::UnboundedSender<Order>, ticks: Option<TickTimes>) {
        let mut rest = self.interval.mul_f64(FIRST * random());
        loop {
            tokio::time::sleep(rest).await;
            rest = self.interval.mul_f64(0.95 + random() * 0.05);
            match self.sweep(&self.tasks, ticks.as_ref()).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => tracing::warn!(%error, "cannot sweep"),
                // the namespace was raised beyond this version after the worker had started
                Err(error @ AdapterError::Incompatible(_)) => {
                    let _ = engine.send(Order::End(error));
                    return;
                }
                Err(error) if self.tasks.len() == 1 => {
                    tracing::error!(%error, tasks = ?self.tasks, "the store refuses to sweep");
                }
                Err(error) => {
                    tracing::error!(%error, "the store refuses to sweep; sweeping the tasks one by one");
                    for task in self.tasks.chunks(1) {
                        if let Err(error) = self.sweep(task, ticks.as_ref()).await {
                            tracing::error!(%error, ?task, "the store refuses to sweep a task");
                        }
                    }
                }
            }
        }
    }

    /// Sweeps until there is nothing more to do, or the worker has ended.
    async fn sweep(&self, tasks: &[TaskName], ticks: Option<&TickTimes>) -> Result<(), AdapterError> {
        while let Some(report) = self.reports.now().await {
            let swept = self.adapter.jobs().sweep_for(&report, tasks, self.retention).await?;
            self.reports.answered(&swept);
            tell_of(&swept);
            if let Some(ticks) = ticks.filter(|_| swept.ticks) {
                let _ = ticks.send(tokio::time::Instant::now());
            }
            // a few outcomes may have come since; they need no call of their own
            let is_full = report.sums.len() == TaskSums::MAX_PER_REPORT && self.reports.has_more();
            if !swept.more && !is_full {
                break;
            }
        }
        Ok(())
    }
}

fn tell_of(swept: &Swept) {
    if swept.rescued + swept.stalled > 0 {
        tracing::warn!(
            rescued = swept.rescued,
            failed = swept.stalled,
            rescued_first = ?swept.rescued_ids,
            failed_first = ?swept.stalled_ids,
            "took back jobs from workers that stopped renewing their leases"
        );
    }
}
