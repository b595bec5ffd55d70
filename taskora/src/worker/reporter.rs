//! Writes what handlers report, in the background and in batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::backoff::StoreBackoff;
use crate::adapter::{Adapter, AdapterError, JobReport};
use crate::context::Context;

/// The most attempts whose reports go in one call.
const BATCH: usize = 64;

/// Runs until every sender is gone.
pub(crate) async fn run(adapter: Arc<dyn Adapter>, mut reports: mpsc::UnboundedReceiver<Context>) {
    let mut line = VecDeque::new();
    loop {
        if line.is_empty() {
            match reports.recv().await {
                Some(context) => line.push_back(context),
                None => return,
            }
        }
        while let Ok(context) = reports.try_recv() {
            line.push_back(context);
        }
        let mut notes = Vec::with_capacity(line.len().min(BATCH));
        for _ in 0..line.len().min(BATCH) {
            let Some(context) = line.pop_front() else { break };
            if let Some(taken) = context.take_notes() {
                notes.push(taken);
                // the attempt may report more in the meantime; it then queues behind those that have waited longer
                line.push_back(context);
            }
        }
        if !notes.is_empty() {
            write(&*adapter, notes).await;
        }
    }
}

/// Writes until the store has answered. The store refuses reports of an attempt that lost its lease.
async fn write(adapter: &dyn Adapter, notes: Vec<JobReport>) {
    let mut backoff = StoreBackoff::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        match adapter.jobs().note(notes.clone()).await {
            Ok(_) => return,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "cannot write progress and logs yet");
                backoff.wait().await;
            }
            Err(error) => return write_one_by_one(adapter, notes, &error).await,
        }
    }
}

/// One attempt whose reports the store refuses must not cost the others theirs.
async fn write_one_by_one(adapter: &dyn Adapter, notes: Vec<JobReport>, error: &AdapterError) {
    if let [alone] = &*notes {
        let (job, task) = (&alone.lease.id, &alone.lease.task);
        tracing::error!(%error, %job, %task, "the store refuses progress and logs of a job; they are lost");
        return;
    }
    for alone in notes {
        // boxed, because it is recursive
        Box::pin(write(adapter, vec![alone])).await;
    }
}
