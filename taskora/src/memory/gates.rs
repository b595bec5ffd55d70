//! The settings of gates: limits and pauses of tasks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::adapter::{DeclaredLimit, GatedTask, LimitKey, PerKey, TaskName};

/// All gates.
#[derive(Default)]
pub(super) struct Gates {
    by_task: HashMap<TaskName, Settings>,
    /// The task that has the gate of an alias.
    of_alias: HashMap<TaskName, TaskName>,
}

/// The settings of one gate.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) declared: Option<u32>,
    pub(super) set: Option<u32>,
    /// The declared limit of each key.
    pub(super) per_key: Option<PerKey>,
    /// Those of single keys that were set.
    pub(super) set_keys: BTreeMap<LimitKey, u32>,
    /// Since when, and why.
    pub(super) paused: Option<(u64, String)>,
    pub(super) aliases: BTreeSet<TaskName>,
}

impl Gates {
    /// The name of the task whose gate it is.
    fn name_of<'a>(&'a self, task: &'a TaskName) -> &'a TaskName {
        self.of_alias.get(task).unwrap_or(task)
    }

    pub(super) fn get(&self, task: &TaskName) -> Option<&Settings> {
        self.by_task.get(self.name_of(task))
    }

    /// Changes a gate, and learns its aliases, and theirs. The limits and the pause of a task stay when its name becomes an alias,
    /// unless the gate has its own.
    pub(super) fn change<T>(&mut self, task: &GatedTask, change: impl FnOnce(&mut Settings) -> T) -> T {
        let name = self.name_of(&task.task).clone();
        for alias in task.aliases.iter().filter(|alias| **alias != name) {
            let other = self.of_alias.get(alias).filter(|other| **other != name);
            if let Some(other) = other.and_then(|other| self.by_task.get_mut(other)) {
                other.aliases.remove(alias);
            }
            let former = self.by_task.remove(alias).unwrap_or_default();
            let settings = self.by_task.entry(name.clone()).or_default();
            settings.declared = settings.declared.or(former.declared);
            settings.set = settings.set.or(former.set);
            settings.per_key = settings.per_key.or(former.per_key);
            for (key, max) in former.set_keys {
                settings.set_keys.entry(key).or_insert(max);
            }
            settings.paused = settings.paused.take().or(former.paused);
            for line in former.aliases.into_iter().chain([alias.clone()]).filter(|line| *line != name) {
                self.of_alias.insert(line.clone(), name.clone());
                settings.aliases.insert(line);
            }
        }
        let settings = self.by_task.entry(name.clone()).or_default();
        let changed = change(settings);
        if settings.is_empty() {
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
    fn is_empty(&self) -> bool {
        let has_limit = self.limit().is_some() || self.per_key.is_some() || !self.set_keys.is_empty();
        !has_limit && self.paused.is_none()
    }

    /// Declares limits, and returns those that were declared before.
    pub(super) fn declare(&mut self, limit: &DeclaredLimit) -> DeclaredLimit {
        let before = DeclaredLimit::none(limit.task.clone()).max(self.declared).per_key(self.per_key);
        (self.declared, self.per_key) = (limit.max, limit.per_key);
        before
    }

    /// How many jobs of this key may run at once.
    pub(super) fn limit_of(&self, key: &LimitKey) -> Option<u32> {
        self.per_key.and_then(|per_key| self.set_keys.get(key).copied().or(per_key.max))
    }

    pub(super) fn limit(&self) -> Option<u32> {
        self.set.or(self.declared)
    }
}
