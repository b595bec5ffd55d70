//! Waiting for work.

use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::time;

use super::shared::Shared;
use crate::adapter::{AdapterError, Claim, Exchange, Exchanged, TaskName, WorkListener};

/// A worker's listener, see [`WorkListener`].
pub(super) struct MemoryListener(pub(super) Arc<Shared>);

#[async_trait]
impl WorkListener for MemoryListener {
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError> {
        let tasks: Vec<TaskName> = exchange.claim.iter().flat_map(Claim::open_tasks).cloned().collect();
        let earlier = Arc::clone(&self.0.lock().wakes.earlier);
        let mut turn = Turn::enter(&self.0, &tasks);
        let mut limit = std::pin::pin!(time::sleep(limit));
        let mut wake_early = std::pin::pin!(wake_early.notified());
        loop {
            let earlier = earlier.notified();
            let due = self.0.wake_due(&tasks);
            let alarm = async {
                match due {
                    Some(due) => time::sleep(due).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = &mut turn.woken => break,
                () = alarm => {}
                () = earlier => {}
                () = &mut wake_early => break,
                () = &mut limit => break,
            }
        }
        let mut store = self.0.lock();
        // the claim does what the signal asks for
        let _ = turn.woken.try_recv();
        let exchanged = store.exchange(exchange.clone(), self.0.now());
        drop(store);
        Ok(exchanged)
    }
}

impl fmt::Debug for MemoryListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryListener")
    }
}

/// A place among the waiters; dropping it passes on a wake-up that was not used.
struct Turn {
    shared: Arc<Shared>,
    number: u64,
    woken: oneshot::Receiver<TaskName>,
}

impl Turn {
    fn enter(shared: &Arc<Shared>, tasks: &[TaskName]) -> Self {
        let (number, woken) = shared.lock().wakes.enter(tasks);
        Self { shared: Arc::clone(shared), number, woken }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.lock().wakes.leave(self.number, &mut self.woken);
    }
}
