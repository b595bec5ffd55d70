//! Follows the master that sentinels name, while an adapter is in use: also when the old one answers as before. A planned
//! failover leaves it so for seconds, a partition for longer, and what it accepts then is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::fault::pause;
use crate::route::Route;
use crate::sentinel::Sentinels;

/// Ends the task when it is dropped.
pub(crate) struct Follower {
    alive: watch::Sender<()>,
    is_running: Arc<AtomicBool>,
}

impl Default for Follower {
    fn default() -> Self {
        Self { alive: watch::Sender::new(()), is_running: Arc::default() }
    }
}

/// The runtime may end before the adapter does: the next connection, on another one, starts the task again.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Follower {
    /// Starts the task on this runtime, unless there is one.
    pub(crate) fn ensure(&self, sentinels: &Arc<Sentinels>, route: &Arc<Route>, limit: Duration) {
        if self.is_running.swap(true, Ordering::Relaxed) {
            return;
        }
        let running = Running(Arc::clone(&self.is_running));
        let (sentinels, route) = (Arc::clone(sentinels), Arc::clone(route));
        let mut alive = self.alive.subscribe();
        tokio::spawn(async move {
            let _running = running;
            let follow = async {
                let mut failures = 0;
                loop {
                    let told = AtomicBool::new(false);
                    let result = sentinels
                        .listen(limit, |server| {
                            told.store(true, Ordering::Relaxed);
                            route.go_to(server);
                        })
                        .await;
                    if let Err(error) = result {
                        tracing::debug!(%error, "a sentinel cannot be listened to");
                    }
                    sentinels.distrust();
                    failures = if told.into_inner() { 0 } else { failures + 1 };
                    sleep(pause(failures)).await;
                }
            };
            tokio::select! {
                _ = alive.changed() => {}
                () = follow => {}
            }
        });
    }
}
