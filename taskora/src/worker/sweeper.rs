//! Sweeps the store periodically.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::backoff::random;
use super::engine::Order;
use super::ticker::TickTimes;
use crate::adapter::{Adapter, AdapterError, Swept, TaskName};
use crate::policy::Retention;

/// Runs until it is aborted, or the store refuses this version. Workers that start together sweep at different times.
pub(crate) async fn run(
    adapter: Arc<dyn Adapter>,
    tasks: Vec<TaskName>,
    retention: Retention,
    interval: Duration,
    engine: mpsc::UnboundedSender<Order>,
    ticks: Option<TickTimes>,
) {
    let mut rest = interval.mul_f64(random());
    loop {
        tokio::time::sleep(rest).await;
        rest = interval.mul_f64(0.95 + random() * 0.05);
        match sweep(&*adapter, &tasks, retention, ticks.as_ref()).await {
            Ok(()) => {}
            Err(error) if error.is_retryable() => tracing::warn!(%error, "cannot sweep"),
            // the namespace was raised beyond this version after the worker had started
            Err(error @ AdapterError::Incompatible(_)) => {
                let _ = engine.send(Order::End(error));
                return;
            }
            Err(error) if tasks.len() == 1 => tracing::error!(%error, ?tasks, "the store refuses to sweep"),
            Err(error) => {
                tracing::error!(%error, "the store refuses to sweep; sweeping the tasks one by one");
                for task in tasks.chunks(1) {
                    if let Err(error) = sweep(&*adapter, task, retention, ticks.as_ref()).await {
                        tracing::error!(%error, ?task, "the store refuses to sweep a task");
                    }
                }
            }
        }
    }
}

/// Sweeps until there is nothing more to do.
async fn sweep(
    adapter: &dyn Adapter,
    tasks: &[TaskName],
    retention: Retention,
    ticks: Option<&TickTimes>,
) -> Result<(), AdapterError> {
    loop {
        let swept = adapter.jobs().sweep(tasks, retention).await?;
        report(&swept);
        if let Some(ticks) = ticks.filter(|_| swept.ticks) {
            let _ = ticks.send(tokio::time::Instant::now());
        }
        if !swept.more {
            return Ok(());
        }
    }
}

fn report(swept: &Swept) {
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
