//! Calls the store's repairs now and then.

use std::sync::Arc;
use std::time::Duration;

use super::pause::random;
use crate::adapter::{Adapter, TaskName};
use crate::policy::Retention;

/// Runs until it is aborted. Workers that start together sweep at different times.
pub(crate) async fn run(
    adapter: Arc<dyn Adapter>,
    tasks: Vec<TaskName>,
    retention: Retention,
    interval: Duration,
) {
    let mut rest = interval.mul_f64(random());
    loop {
        tokio::time::sleep(rest).await;
        rest = interval.mul_f64(0.95 + random() * 0.05);
        loop {
            match adapter.sweep(&tasks, retention).await {
                Ok(swept) => {
                    if swept.rescued + swept.stalled > 0 {
                        tracing::warn!(
                            rescued = swept.rescued,
                            failed = swept.stalled,
                            "took back jobs from workers that stopped renewing their leases"
                        );
                    }
                    if !swept.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot sweep");
                    break;
                }
            }
        }
    }
}
