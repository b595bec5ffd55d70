//! The settings of gates: limits, rates and pauses of tasks.

use std::collections::{BTreeSet, HashMap};

use super::key_gates::KeyGates;
use super::pauses::Paused;
use super::starts::{Starts, kind};
use crate::adapter::{DeclaredLimit, GatedTask, LimitKey, Pause, PerKey, Rate, TaskName};

/// All gates.
#[derive(Default)]
pub(super) struct Gates {
    by_task: HashMap<TaskName, Settings>,
    /// The task that has the gate of an alias.
    of_alias: HashMap<TaskName, TaskName>,
    /// Until when workers were told of what time has opened.
    pub(super) told: u64,
}

/// The settings of one gate.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) declared: Option<u32>,
    pub(super) set: Option<u32>,
    /// The declared limit of each key.
    pub(super) per_key: Option<PerKey>,
    pub(super) keys: KeyGates,
    pub(super) declared_rate: Option<Rate>,
    pub(super) set_rate: Option<Rate>,
    starts: Starts,
    pub(super) paused: Paused,
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

    /// A job of this task starts.
    pub(super) fn start(&mut self, task: &TaskName, key: Option<&LimitKey>, cost: u32, now: u64) {
        let name = self.name_of(task).clone();
        let Some(settings) = self.by_task.get_mut(&name) else { return };
        if let Some(rate) = settings.rate() {
            settings.starts.add(rate, cost, now);
        }
        if let Some(key) = key {
            settings.start_of_key(key, cost, now);
        }
    }

    /// A job that runs already has taken this key.
    pub(super) fn start_late(&mut self, task: &TaskName, key: &LimitKey, cost: u32, now: u64) {
        let name = self.name_of(task).clone();
        if let Some(settings) = self.by_task.get_mut(&name) {
            settings.start_of_key(key, cost, now);
        }
    }

    /// The tasks of which time may open something.
    pub(super) fn timed(&self) -> impl Iterator<Item = &TaskName> {
        self.by_task.iter().filter(|(_, settings)| settings.is_timed()).map(|(name, _)| name)
    }

    /// No job of this key starts before a time.
    pub(super) fn close_key(&mut self, task: &TaskName, key: &LimitKey, until: u64) {
        let name = self.name_of(task).clone();
        if let Some(settings) = self.by_task.get_mut(&name).filter(|settings| settings.per_key.is_some()) {
            settings.keys.close(key, until);
        }
    }

    /// Changes a gate, and learns its aliases, and theirs. The limits and the pause of a task stay when its name becomes an alias,
    /// unless the gate has its own.
    pub(super) fn change<T>(
        &mut self,
        task: &GatedTask,
        now: u64,
        change: impl FnOnce(&mut Settings) -> T,
    ) -> T {
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
            settings.keys.adopt(former.keys, settings.per_key.is_none(), now);
            settings.per_key = settings.per_key.or(former.per_key);
            settings.paused.adopt(former.paused, now);
            if settings.rate().is_none() {
                settings.starts = former.starts;
            }
            settings.declared_rate = settings.declared_rate.or(former.declared_rate);
            settings.set_rate = settings.set_rate.or(former.set_rate);
            for line in former.aliases.into_iter().chain([alias.clone()]).filter(|line| *line != name) {
                self.of_alias.insert(line.clone(), name.clone());
                settings.aliases.insert(line);
            }
        }
        let settings = self.by_task.entry(name.clone()).or_default();
        let (before, of_keys) = (settings.rate(), settings.keys.rates(settings.key_rate()));
        let changed = change(settings);
        settings.paused.forget_over(now);
        settings.keys.forget_over(now);
        settings.rate_has_changed(before, now);
        settings.keys.rates_have_changed(&of_keys, settings.key_rate(), now);
        if settings.is_empty() {
            self.by_task.remove(&name);
            self.of_alias.retain(|_, task| *task != name);
        }
        changed
    }

    /// The tasks that are paused, in order.
    pub(super) fn paused(&self, now: u64) -> Vec<(TaskName, Pause)> {
        let pause =
            |(name, settings): (&TaskName, &Settings)| Some((name.clone(), settings.paused.at(now)?.clone()));
        let mut paused: Vec<_> = self.by_task.iter().filter_map(pause).collect();
        paused.sort_by(|a, b| a.0.cmp(&b.0));
        paused
    }

    /// The names that share a gate with this one.
    pub(super) fn lines_of(&self, task: &TaskName) -> Vec<TaskName> {
        let aliases = self.get(task).into_iter().flat_map(|settings| &settings.aliases);
        std::iter::once(self.name_of(task)).chain(aliases).cloned().collect()
    }
}

impl Settings {
    fn is_empty(&self) -> bool {
        let has_keys = self.per_key.is_some() || self.keys.any_set();
        self.limit().is_none() && !has_keys && self.rate().is_none() && !self.paused.is_some()
    }

    /// Declares limits, and returns those that were declared before.
    pub(super) fn declare(&mut self, limit: &DeclaredLimit) -> DeclaredLimit {
        let before = DeclaredLimit::none(limit.task.clone());
        let before = before.max(self.declared).per_key(self.per_key).rate(self.declared_rate);
        (self.declared, self.per_key, self.declared_rate) = (limit.max, limit.per_key, limit.rate);
        before
    }

    pub(super) fn is_paused(&self, key: &LimitKey, now: u64) -> bool {
        self.per_key.is_some() && self.keys.get(key).is_some_and(|key| key.paused.at(now).is_some())
    }

    /// When pauses end by themselves, of the task and of its keys, also those that have ended.
    pub(super) fn pauses_end_at(&self) -> impl Iterator<Item = u64> {
        self.paused.until().into_iter().chain(self.keys.pauses_end_at())
    }

    /// Whether time may open the gate, or a key.
    pub(super) fn is_timed(&self) -> bool {
        self.rate().is_some() || self.has_timed_keys() || self.pauses_end_at().next().is_some()
    }

    /// How many jobs of this key may run at once.
    pub(super) fn limit_of(&self, key: &LimitKey) -> Option<u32> {
        let set = self.keys.get(key).and_then(|key| key.limit);
        self.per_key.and_then(|per_key| set.or(per_key.max))
    }

    /// How many jobs of each key may start in a time.
    fn key_rate(&self) -> Option<Rate> {
        self.per_key.and_then(|per_key| per_key.rate)
    }

    /// When time lets a job of the task start that costs so much, if not now.
    pub(super) fn opens_at(&self, cost: u32, now: u64) -> Option<u64> {
        self.rate().and_then(|rate| self.starts.opens_at(rate, cost, now))
    }

    /// The same for a job of this key, as far as the key is concerned.
    pub(super) fn key_opens_at(&self, key: &LimitKey, cost: u32, now: u64) -> Option<u64> {
        self.per_key.and_then(|_| self.keys.get(key)?.opens_at(self.key_rate(), cost, now))
    }

    /// Whether time may open a key.
    pub(super) fn has_timed_keys(&self) -> bool {
        self.per_key.is_some() && (self.key_rate().is_some() || self.keys.any_timed())
    }

    fn start_of_key(&mut self, key: &LimitKey, cost: u32, now: u64) {
        if self.per_key.is_some() {
            self.keys.start(key, self.key_rate(), cost, now);
        }
    }

    pub(super) fn limit(&self) -> Option<u32> {
        self.set.or(self.declared)
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        self.set_rate.or(self.declared_rate)
    }

    /// Starts that a window of another length, or a bucket, would have counted otherwise are forgotten.
    fn rate_has_changed(&mut self, before: Option<Rate>, now: u64) {
        if before.map(kind) != self.rate().map(kind) {
            self.starts = Starts::default();
        }
        if let Some(rate) = self.rate() {
            self.starts.adjust(rate, now);
        }
    }
}
