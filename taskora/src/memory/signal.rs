//! Wake-ups: which callers wait for work, and which tasks have work that no caller was told of.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use super::queue::Queue;
use crate::adapter::TaskName;
use crate::job::JobId;

/// One signal wakes one waiter, first come, first served. If nobody waits, the signal is kept, one per task.
#[derive(Default)]
pub(super) struct Wakes {
    kept: HashSet<TaskName>,
    waiting: VecDeque<Waiter>,
    last_waiter: u64,
    /// Some task's first delayed job, or a workflow's deadline, is due earlier than before: waiting callers reset their
    /// timers.
    pub(super) earlier: Arc<Notify>,
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

    pub(super) fn enter(&mut self, tasks: &[TaskName]) -> (u64, oneshot::Receiver<TaskName>) {
        let (wake, woken) = oneshot::channel();
        self.last_waiter += 1;
        let number = self.last_waiter;
        match tasks.iter().find(|task| self.kept.remove(*task)) {
            Some(task) => drop(wake.send(task.clone())),
            None => self.waiting.push_back(Waiter { number, tasks: tasks.to_vec(), wake }),
        }
        (number, woken)
    }

    pub(super) fn leave(&mut self, number: u64, woken: &mut oneshot::Receiver<TaskName>) {
        self.waiting.retain(|waiter| waiter.number != number);
        // it was woken, but is gone before it could act: wake the next one
        if let Ok(task) = woken.try_recv() {
            self.wake(&task);
        }
    }
}
