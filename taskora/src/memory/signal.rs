//! Wake-ups: which callers wait for work, and which tasks have work that no caller was told of.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::time;

use super::Shared;
use super::queue::Queue;
use crate::adapter::{AdapterError, Claim, Exchange, Exchanged, TaskName, WorkListener};
use crate::job::JobId;

/// One signal wakes one waiter, first come, first served. If nobody waits, the signal is kept, one per task.
#[derive(Default)]
pub(super) struct Wakes {
    kept: HashSet<TaskName>,
    waiting: VecDeque<Waiter>,
    last_waiter: u64,
    /// Some task's first delayed job, or a workflow's deadline, is due earlier than before: waiting callers reset their
    /// timers.
    earlier: Arc<Notify>,
}

struct Waiter {
    number: u64,
    tasks: Vec<TaskName>,
    wake: oneshot::Sender<TaskName>,
}

impl Wakes {
    /// Tells one waiter that this task may have work, now or as soon as there is one.
    pub(super) fn wake(&mut self, task: &TaskName) {
        while let Some(next) = self.waiting.iter().position(|waiter| waiter.tasks.contains(task)) {
            if self.waiting.remove(next).is_some_and(|waiter| waiter.wake.send(task.clone()).is_ok()) {
                return;
            }
        }
        self.kept.insert(task.clone());
    }

    /// Nothing of this task can be claimed for now.
    pub(super) fn quiet(&mut self, task: &TaskName) {
        self.kept.remove(task);
    }

    /// Must be called for each job that was put into an index of this queue.
    pub(super) fn placed(&self, id: &JobId, queue: &Queue) {
        if queue.first_due().is_some_and(|(_, first)| first == id) {
            self.due_earlier();
        }
    }

    /// Something is due earlier than everything before.
    pub(super) fn due_earlier(&self) {
        self.earlier.notify_waiters();
    }

    fn enter(&mut self, tasks: &[TaskName]) -> (u64, oneshot::Receiver<TaskName>) {
        let (wake, woken) = oneshot::channel();
        self.last_waiter += 1;
        let number = self.last_waiter;
        match tasks.iter().find(|task| self.kept.remove(*task)) {
            Some(task) => drop(wake.send(task.clone())),
            None => self.waiting.push_back(Waiter { number, tasks: tasks.to_vec(), wake }),
        }
        (number, woken)
    }

    fn leave(&mut self, number: u64, woken: &mut oneshot::Receiver<TaskName>) {
        self.waiting.retain(|waiter| waiter.number != number);
        // it was woken, but is gone before it could act: wake the next one
        if let Ok(task) = woken.try_recv() {
            self.wake(&task);
        }
    }
}

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
