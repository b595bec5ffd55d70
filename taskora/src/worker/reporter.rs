//! Writes what handlers report, in the background and in batches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::pause::Pause;
use crate::adapter::{Adapter, Notes};
use crate::context::Context;

/// At most so many attempts' reports are written in one call.
const BATCH: usize = 64;

/// Runs until every sender is gone.
pub(crate) async fn run(adapter: Arc<dyn Adapter>, mut reports: mpsc::UnboundedReceiver<Context>) {
    let mut contexts = Vec::with_capacity(BATCH);
    while reports.recv_many(&mut contexts, BATCH).await > 0 {
        // an attempt that went on reporting meanwhile is written again, in the same round as the new ones
        while !contexts.is_empty() {
            let mut notes = Vec::with_capacity(contexts.len());
            contexts.retain(|context| match context.take_notes() {
                Some(taken) => {
                    notes.push(taken);
                    true
                }
                None => false,
            });
            if !notes.is_empty() {
                write(&*adapter, notes).await;
            }
        }
    }
}

/// Writes until the store has answered: it refuses what comes from an attempt whose lease is gone.
async fn write(adapter: &dyn Adapter, notes: Vec<Notes>) {
    let mut pause = Pause::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        match adapter.note(notes.clone()).await {
            Ok(_) => return,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "cannot write progress and logs yet");
                pause.rest().await;
            }
            Err(error) => {
                tracing::error!(%error, "progress and logs are lost");
                return;
            }
        }
    }
}
