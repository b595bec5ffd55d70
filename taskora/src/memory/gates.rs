//! Gates: how many jobs of a task may run at once, and which tasks are paused. How many run is what the active sets say, so nothing
//! has to be counted up or down.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::MemoryAdapter;
use super::queue::Queue;
use super::store::Store;
use crate::adapter::{AdapterError, Control, DeclaredLimit, Gate, GatedTask, TaskName, no_limit_of_zero};
use crate::job::{Blocked, Timestamp};

/// All gates.
#[derive(Default)]
pub(super) struct Gates {
    by_task: HashMap<TaskName, Settings>,
    /// The task that has the gate of an alias.
    of_alias: HashMap<TaskName, TaskName>,
}

/// The settings of one gate.
#[derive(Default)]
struct Settings {
    declared: Option<u32>,
    set: Option<u32>,
    /// Since when, and why.
    paused: Option<(u64, String)>,
    aliases: BTreeSet<TaskName>,
}

impl Gates {
    /// The name of the task whose gate it is.
    fn name_of<'a>(&'a self, task: &'a TaskName) -> &'a TaskName {
        self.of_alias.get(task).unwrap_or(task)
    }

    fn get(&self, task: &TaskName) -> Option<&Settings> {
        self.by_task.get(self.name_of(task))
    }

    /// Changes a gate, and learns its aliases.
    fn change<T>(&mut self, task: &GatedTask, change: impl FnOnce(&mut Settings) -> T) -> T {
        let name = self.name_of(&task.task).clone();
        let settings = self.by_task.entry(name.clone()).or_default();
        for alias in task.aliases.iter().filter(|alias| **alias != name) {
            settings.aliases.insert(alias.clone());
            self.of_alias.insert(alias.clone(), name.clone());
        }
        let changed = change(settings);
        if settings.limit().is_none() && settings.paused.is_none() {
            self.by_task.remove(&name);
            self.of_alias.retain(|_, task| *task != name);
        }
        changed
    }

    /// The names that share a gate with this one.
    pub(super) fn lines_of(&self, task: &TaskName) -> Vec<TaskName> {
        let aliases = self.get(task).into_iter().flat_map(|settings| &settings.aliases);
        std::iter::once(self.name_of(task)).chain(aliases).cloned().collect()
    }
}

impl Settings {
    fn limit(&self) -> Option<u32> {
        self.set.or(self.declared)
    }
}

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
        let mut lines: BTreeSet<TaskName> = self.gates.lines_of(&task.task).into_iter().collect();
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
            running: self.running(&self.gates.lines_of(task)),
            paused: paused.map(|(since, reason)| (Timestamp::from_millis(since), reason)),
        }
    }
}

#[async_trait]
impl Control for MemoryAdapter {
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<Option<u32>>, AdapterError> {
        limits.iter().try_for_each(|limit| no_limit_of_zero(limit.max))?;
        let mut store = self.0.lock();
        Ok(limits
            .iter()
            .map(|limit| {
                store.change_gate(&limit.task, |gate| std::mem::replace(&mut gate.declared, limit.max))
            })
            .collect())
    }

    async fn set_limit(&self, task: &GatedTask, max: Option<u32>) -> Result<(), AdapterError> {
        no_limit_of_zero(max)?;
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
