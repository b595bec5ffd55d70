//! Gates: how many jobs of a task may run at once, and start in a time, and which tasks are paused. How many run is what the active sets
//! say, so nothing has to be counted up or down.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryAdapter;
use super::gates::Settings;
use super::line::{Line, Place};
use super::queue::Queue;
use super::store::Store;
use crate::adapter::{
    AdapterError, Collected, Control, DeclaredLimit, Gate, GatedTask, KeyTaken, Kind, Lease, LimitKey,
    NewPause, Pause, PerKey, Rate, TaskName, What, no_limit_of_zero,
};
use crate::job::{Blocked, JobId, Timestamp, millis};

impl Store {
    fn running(&self, lines: &[TaskName]) -> usize {
        lines.iter().filter_map(|line| self.queues.get(line)).map(Queue::active).sum()
    }

    /// How many more jobs of this task may run, whatever its rate says.
    pub(super) fn places(&self, task: &TaskName) -> usize {
        let Some(settings) = self.gates.get(task) else { return usize::MAX };
        if settings.paused.at(self.clock).is_some() {
            return 0;
        }
        let Some(limit) = settings.limit() else { return usize::MAX };
        (limit as usize).saturating_sub(self.running(&self.gates.lines_of(task)))
    }

    /// Whether the gate of a task lets the next job start.
    pub(super) fn is_open(&self, task: &TaskName) -> bool {
        self.places(task) > 0 && self.opens_at(task, self.clock).is_none()
    }

    /// What the gate of a task says about its keys, if it has limits by key.
    pub(super) fn per_key(&self, task: &TaskName) -> Option<PerKey> {
        self.gates.get(task)?.per_key
    }

    fn holders(&self, task: &TaskName, key: &LimitKey) -> usize {
        let lines = self.gates.lines_of(task);
        lines.iter().filter_map(|line| self.queues.get(line)).map(|queue| queue.lanes.holders(key)).sum()
    }

    /// Why no job of this key may be claimed that costs so much; `None` if one may.
    fn why_no_key_room(&self, task: &TaskName, key: &LimitKey, cost: u32) -> Option<Blocked> {
        let settings = self.gates.get(task)?;
        let is_full = |limit| self.holders(task, key) >= limit as usize;
        if settings.is_paused(key, self.clock) {
            Some(Blocked::Paused)
        } else if settings.limit_of(key).is_some_and(is_full) {
            Some(Blocked::LimitKey(key.to_string()))
        } else {
            settings.key_opens_at(key, cost, self.clock).map(|_| Blocked::Rate)
        }
    }

    /// Why the next job in the lane of this key may not be claimed; `None` if it may.
    pub(super) fn why_no_turn(&self, task: &TaskName, key: &LimitKey) -> Option<Blocked> {
        self.why_no_key_room(task, key, self.next_cost_of_key(task, key))
    }

    /// Whether a job of this key may run that costs so much.
    pub(super) fn has_key_room(&self, task: &TaskName, key: &LimitKey, cost: u32) -> bool {
        self.why_no_key_room(task, key, cost).is_none()
    }

    /// The job of this line that is claimed next, of those that were in it when this number was the last.
    pub(super) fn next_in_line(&self, task: &TaskName, last: i64) -> Option<(Place, &JobId)> {
        let queue = self.queues.get(task)?;
        let in_lane = queue.lanes.next(last, |key, id| self.has_key_room(task, key, self.cost(id)));
        let in_batch = queue.collects.next(last, self.clock, |key| !self.is_batch_paused(task, key));
        queue.first_until(last).into_iter().chain(in_lane).chain(in_batch).min_by_key(|(place, _)| *place)
    }

    /// Whether a claim would hand out a job of this line.
    pub(super) fn has_claimable(&self, task: &TaskName) -> bool {
        self.is_open(task) && self.next_in_line(task, i64::MAX).is_some()
    }

    /// Why nobody may claim a job of this task; `None` if somebody may.
    pub(super) fn why_closed(&self, task: &TaskName) -> Option<Blocked> {
        let settings = self.gates.get(task)?;
        let is_full =
            settings.limit().is_some_and(|limit| self.running(&self.gates.lines_of(task)) >= limit as usize);
        if settings.paused.at(self.clock).is_some() {
            Some(Blocked::Paused)
        } else if is_full {
            Some(Blocked::Limit)
        } else {
            self.opens_at(task, self.clock).map(|_| Blocked::Rate)
        }
    }

    /// A worker has found the key of a job that it has claimed.
    fn take_key(&mut self, lease: &Lease, key: &LimitKey, now: u64) -> KeyTaken {
        let is_keyed = self.per_key(&lease.task).is_some();
        let Some(record) = self.jobs.get_mut(&lease.id).filter(|record| record.is_held_by(lease)) else {
            return KeyTaken::Stale;
        };
        // a job that is to be cancelled must not wait once more
        if !is_keyed || record.holds.is_some() || record.flag.is_some() || record.new.collect.is_some() {
            return KeyTaken::Go;
        }
        let key = record.new.limit_key.get_or_insert_with(|| key.clone()).clone();
        let cost = self.cost(&lease.id);
        let queue = self.queues.get(&lease.task);
        let is_first = queue.is_none_or(|queue| queue.lanes.first_of(&key).is_none());
        if is_first && self.has_key_room(&lease.task, &key, cost) {
            self.hold(&lease.id, &key);
            self.gates.start_late(&lease.task, &key, cost, now);
            self.wakes.due_earlier();
            return KeyTaken::Go;
        }
        self.leave_active(&lease.id);
        self.hand_back(&lease.id, Line::Back);
        self.wake([lease.task.clone()]);
        KeyTaken::Waits
    }

    /// No job of the key that this lease's job holds starts before a time.
    fn close_key(&mut self, lease: &Lease, until: u64) {
        let record = self.jobs.get(&lease.id).filter(|record| record.is_held_by(lease));
        if let Some(key) = record.and_then(|record| record.holds.clone()) {
            self.gates.close_key(&lease.task, &key, until);
            self.quiet([&lease.task]);
            self.wakes.due_earlier();
        }
    }

    /// Changes a gate: wakes workers if it is open now, and drops wake-ups if it is closed.
    fn change_gate<T>(&mut self, task: &GatedTask, now: u64, change: impl FnOnce(&mut Settings) -> T) -> T {
        self.open_gates(now);
        // the lines that leave the gate are opened, too
        let names = std::iter::once(&task.task).chain(&task.aliases);
        let mut lines: BTreeSet<TaskName> = names.flat_map(|name| self.gates.lines_of(name)).collect();
        let changed = self.gates.change(task, now, change);
        lines.extend(self.gates.lines_of(&task.task));
        self.wake(lines.iter().cloned());
        self.quiet(&lines);
        self.wakes.due_earlier();
        changed
    }

    /// Drops the wake-ups of tasks of which no job may be claimed.
    pub(super) fn quiet<'a>(&mut self, tasks: impl IntoIterator<Item = &'a TaskName>) {
        for task in tasks {
            let has_waiting = self.queues.get(task).is_some_and(Queue::has_waiting);
            if !self.is_open(task) || has_waiting && !self.has_claimable(task) {
                self.wakes.quiet(task);
            }
        }
    }

    fn gate(&self, task: &TaskName, key: Option<&LimitKey>, now: u64) -> Gate {
        let settings = self.gates.get(task);
        if let Some(key) = key {
            let per_key = settings.and_then(|settings| settings.per_key);
            let set = settings.and_then(|settings| settings.keys.get(key));
            return Gate {
                declared: per_key.and_then(|per_key| per_key.max),
                set: set.and_then(|key| key.limit),
                per_key,
                running: self.holders(task, key),
                declared_rate: per_key.and_then(|per_key| per_key.rate),
                set_rate: set.and_then(|key| key.rate),
                opens_at: self.key_opens_at(task, key, now).map(Timestamp::from_millis),
                paused: set.and_then(|key| key.paused.at(now).cloned()),
                ..Gate::default()
            };
        }
        Gate {
            declared: settings.and_then(|settings| settings.declared),
            set: settings.and_then(|settings| settings.set),
            per_key: settings.and_then(|settings| settings.per_key),
            running: self.running(&self.gates.lines_of(task)),
            declared_rate: settings.and_then(|settings| settings.declared_rate),
            set_rate: settings.and_then(|settings| settings.set_rate),
            opens_at: self.opens_at(task, now).map(Timestamp::from_millis),
            paused: settings.and_then(|settings| settings.paused.at(now).cloned()),
        }
    }
}

#[async_trait]
impl Control for MemoryAdapter {
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError> {
        limits.iter().try_for_each(DeclaredLimit::check)?;
        let (mut store, now) = (self.0.lock(), self.0.now());
        let declare = |limit: &DeclaredLimit| store.change_gate(&limit.task, now, |gate| gate.declare(limit));
        Ok(limits.iter().map(declare).collect())
    }

    async fn set_limit(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        max: Option<u32>,
    ) -> Result<(), AdapterError> {
        no_limit_of_zero(max)?;
        let (mut store, now) = (self.0.lock(), self.0.now());
        store.change_gate(task, now, |gate| match key {
            Some(key) => gate.keys.set(key, |gate| gate.limit = max),
            None => gate.set = max,
        });
        Ok(())
    }

    async fn set_rate(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        rate: Option<Rate>,
    ) -> Result<(), AdapterError> {
        rate.map_or(Ok(()), |rate| rate.check())?;
        let (mut store, now) = (self.0.lock(), self.0.now());
        store.change_gate(task, now, |gate| match key {
            Some(key) => gate.keys.set(key, |gate| gate.rate = rate),
            None => gate.set_rate = rate,
        });
        Ok(())
    }

    async fn pause(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        pause: NewPause,
    ) -> Result<bool, AdapterError> {
        pause.check()?;
        let (mut store, now) = (self.0.lock(), self.0.now());
        let reason = What::text(&pause.reason);
        let is_new = store.change_gate(task, now, |gate| match key {
            Some(key) => gate.keys.set(key, |gate| gate.paused.begin(pause, now)),
            None => gate.paused.begin(pause, now),
        });
        if is_new && key.is_none() {
            store.announce_of(Some(&task.task), Kind::Paused, || What::Paused { reason });
        }
        Ok(is_new)
    }

    async fn resume(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<bool, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        let was_paused = store.change_gate(task, now, |gate| match key {
            Some(key) => gate.keys.set(key, |gate| gate.paused.end(now)),
            None => gate.paused.end(now),
        });
        if was_paused && key.is_none() {
            store.announce_of(Some(&task.task), Kind::Resumed, || What::Resumed);
        }
        Ok(was_paused)
    }

    async fn paused(&self) -> Result<Vec<(TaskName, Pause)>, AdapterError> {
        Ok(self.0.lock().gates.paused(self.0.now()))
    }

    async fn gate(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<Gate, AdapterError> {
        Ok(self.0.lock().gate(&task.task, key, self.0.now()))
    }

    async fn quiet(&self, worker: &str, is_quiet: bool) -> Result<bool, AdapterError> {
        Ok(self.0.lock().keep_quiet(worker, is_quiet, self.0.now()))
    }

    async fn take_key(&self, lease: &Lease, key: &LimitKey) -> Result<KeyTaken, AdapterError> {
        Ok(self.0.lock().take_key(lease, key, self.0.now()))
    }

    async fn close_key(&self, lease: &Lease, time: Duration) -> Result<(), AdapterError> {
        self.0.lock().close_key(lease, self.0.now() + millis(time.min(Rate::LONGEST)));
        Ok(())
    }

    async fn collected(
        &self,
        task: &GatedTask,
        key: &LimitKey,
        limit: usize,
    ) -> Result<Option<Collected>, AdapterError> {
        Ok(self.0.lock().collected(task, key, limit))
    }

    async fn flush(&self, task: &GatedTask, key: &LimitKey) -> Result<bool, AdapterError> {
        Ok(self.0.lock().flush(task, key, self.0.now()))
    }
}
