//! Waits for work while the engine has room for some.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::pause::Pause;
use crate::adapter::{TaskName, WorkSignal};

/// How long one wait lasts before it is begun anew. Nothing depends on it but how soon a dead connection is noticed.
const WAIT: Duration = Duration::from_secs(10);

/// What the engine wants to hear of.
#[derive(Clone)]
pub(crate) struct Listen {
    /// Of these tasks; of nothing if empty.
    pub(crate) tasks: Arc<[TaskName]>,
    /// Once in each round.
    pub(crate) round: u64,
}

/// Runs until the engine is gone. Sends the number of the round in which there may be work.
pub(crate) async fn run(
    mut signal: Box<dyn WorkSignal>,
    mut listen: watch::Receiver<Listen>,
    woken: mpsc::UnboundedSender<u64>,
) {
    let mut served = 0;
    let mut pause = Pause::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        let Listen { tasks, round } = listen.borrow_and_update().clone();
        if tasks.is_empty() || round == served {
            if listen.changed().await.is_err() {
                return;
            }
            continue;
        }
        let heard = tokio::select! {
            heard = signal.wait(&tasks, WAIT) => heard,
            changed = listen.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        match heard {
            Ok(false) => {
                pause.reset();
                continue;
            }
            Ok(true) => pause.reset(),
            Err(error) => {
                tracing::warn!(%error, "cannot wait for work");
                // a signal may have been missed meanwhile, so look for work
                pause.rest().await;
            }
        }
        served = round;
        if woken.send(round).is_err() {
            return;
        }
    }
}
