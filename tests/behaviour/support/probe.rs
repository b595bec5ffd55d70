//! What handlers tell their test, and how the test holds them up.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use taskora::Context;
use tokio::sync::{Notify, Semaphore};

use super::soon;

/// Shared by a test and its handlers, as a worker's state.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Shared>);

struct Shared {
    seen: Mutex<Vec<String>>,
    changed: Notify,
    gate: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            seen: Mutex::default(),
            changed: Notify::new(),
            gate: Semaphore::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }))
    }

    /// Notes that something happened.
    pub(crate) fn saw(&self, what: impl fmt::Display) {
        self.0.seen.lock().unwrap().push(what.to_string());
        self.0.changed.notify_waiters();
    }

    /// Notes that an attempt is told to stop, when it is: also after its handler is gone.
    pub(crate) fn watch(&self, ctx: &Context) {
        let (probe, ctx) = (self.clone(), ctx.clone());
        tokio::spawn(async move {
            ctx.cancelled().await;
            probe.saw("told");
        });
    }

    /// What has happened, in order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.0.seen.lock().unwrap().clone()
    }

    /// The same, sorted.
    pub(crate) fn sorted(&self) -> Vec<String> {
        let mut seen = self.seen();
        seen.sort();
        seen
    }

    /// How often this has happened.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| *seen == what).count()
    }

    /// Waits until so many things have happened, and says which.
    pub(crate) async fn until(&self, number: usize) -> Vec<String> {
        soon(&format!("{number} events, and there were {:?}", self.seen()), async {
            loop {
                let mut changed = std::pin::pin!(self.0.changed.notified());
                changed.as_mut().enable();
                let seen = self.seen();
                if seen.len() >= number {
                    return seen;
                }
                changed.await;
            }
        })
        .await
    }

    /// Waits until the test opens the gate.
    pub(crate) async fn gate(&self) {
        self.0.gate.acquire().await.unwrap().forget();
    }

    /// The same on a thread that may block.
    pub(crate) fn blocking_gate(&self) {
        while self.0.gate.try_acquire().map(|permit| permit.forget()).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Lets so many handlers through the gate.
    pub(crate) fn open(&self, handlers: usize) {
        self.0.gate.add_permits(handlers);
    }

    /// Counts an attempt as running, as long as the guard lives.
    pub(crate) fn enter(&self) -> Running {
        let now = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        Running(self.clone())
    }

    /// Attempts that run now.
    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    /// The most attempts that ran at once.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }
}

/// An attempt that runs.
pub(crate) struct Running(Probe);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
