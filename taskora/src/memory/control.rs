//! Gates: how many jobs of a task may run at once, and which tasks are paused. How many run is what the active sets say, so nothing
//! has to be counted up or down.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryAdapter;
use super::gates::Settings;
use super::queue::Queue;
use super::store::Store;
use crate::adapter::{
    AdapterError, Control, DeclaredLimit, Gate, GatedTask, LimitKey, PerKey, TaskName, no_keys,
    no_limit_of_zero, no_rates,
};
use crate::job::{Blocked, Timestamp};

impl Store {
    fn running(&self, lines: &[TaskName]) -> usize {
        lines.iter().filter_map(|line| self.queues.get(line)).map(Queue::active).sum()
    }

    /// How many more jobs of this task may be claimed.
    pub(super) fn room(&self, task: &TaskName) -> usize {
        let Some(settings) = self.gates.get(task) else { return usize::MAX };
        if settings.paused.is_some() {
            return 0;
        }
        let Some(limit) = settings.limit() else { return usize::MAX };
        (limit as usize).saturating_sub(self.running(&self.gates.lines_of(task)))
    }

    /// Why nobody may claim a job of this task; `None` if somebody may.
    pub(super) fn why_closed(&self, task: &TaskName) -> Option<Blocked> {
        let is_paused = self.gates.get(task)?.paused.is_some();
        (self.room(task) == 0).then_some(if is_paused { Blocked::Paused } else { Blocked::Limit })
    }

    /// Changes a gate: wakes workers if it is open now, and drops wake-ups if it is closed.
    fn change_gate<T>(&mut self, task: &GatedTask, change: impl FnOnce(&mut Settings) -> T) -> T {
        // the lines that leave the gate are opened, too
        let names = std::iter::once(&task.task).chain(&task.aliases);
        let mut lines: BTreeSet<TaskName> = names.flat_map(|name| self.gates.lines_of(name)).collect();
        let changed = self.gates.change(task, change);
        lines.extend(self.gates.lines_of(&task.task));
        self.wake(lines.iter().cloned());
        self.quiet(&lines);
        changed
    }

    /// Drops the wake-ups of tasks whose gate is closed.
    pub(super) fn quiet<'a>(&mut self, tasks: impl IntoIterator<Item = &'a TaskName>) {
        for task in tasks {
            if self.room(task) == 0 {
                self.wakes.quiet(task);
            }
        }
    }

    fn gate(&self, task: &TaskName) -> Gate {
        let settings = self.gates.get(task);
        let paused = settings.and_then(|settings| settings.paused.clone());
        Gate {
            declared: settings.and_then(|settings| settings.declared),
            set: settings.and_then(|settings| settings.set),
            per_key: None,
            running: self.running(&self.gates.lines_of(task)),
            paused: paused.map(|(since, reason)| (Timestamp::from_millis(since), reason)),
        }
    }
}

#[async_trait]
impl Control for MemoryAdapter {
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError> {
        no_rates(&limits)?;
        no_keys(&limits)?;
        limits.iter().try_for_each(DeclaredLimit::check)?;
        let mut store = self.0.lock();
        Ok(limits
            .into_iter()
            .map(|limit| {
                let before =
                    store.change_gate(&limit.task, |gate| std::mem::replace(&mut gate.declared, limit.max));
                DeclaredLimit::none(limit.task).max(before)
            })
            .collect())
    }

    async fn set_limit(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        max: Option<u32>,
    ) -> Result<(), AdapterError> {
        no_limit_of_zero(max)?;
        if key.is_some() {
            return no_keys([&DeclaredLimit::none(task.clone()).per_key(Some(PerKey::fair()))]);
        }
        self.0.lock().change_gate(task, |gate| gate.set = max);
        Ok(())
    }

    async fn pause(&self, task: &GatedTask, reason: &str) -> Result<bool, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(store.change_gate(task, |gate| {
            let is_new = gate.paused.is_none();
            gate.paused.get_or_insert_with(|| (now, reason.to_owned()));
            is_new
        }))
    }

    async fn resume(&self, task: &GatedTask) -> Result<bool, AdapterError> {
        Ok(self.0.lock().change_gate(task, |gate| gate.paused.take().is_some()))
    }

    async fn gate(&self, task: &GatedTask) -> Result<Gate, AdapterError> {
        Ok(self.0.lock().gate(&task.task))
    }
}
