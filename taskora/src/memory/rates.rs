//! What time opens: rates, which count each start as what its job costs, keys that are closed, and pauses that end by themselves. Nothing of it
//! is kept; it follows from the starts, and from the jobs that are next in line.

use super::gates::Settings;
use super::store::Store;
use crate::adapter::{LimitKey, TaskName};
use crate::job::JobId;

impl Store {
    /// How many starts of a rate a job counts as.
    pub(super) fn cost(&self, id: &JobId) -> u32 {
        self.jobs.get(id).map_or(1, |record| record.new.cost.max(1))
    }

    /// What must be there for a job of this line to start: what the next one costs, and the next one of all lines that share its gate. 1
    /// if there is none.
    fn next_cost(&self, line: &TaskName) -> u32 {
        let lines = self.gates.lines_of(line);
        let firsts = lines.iter().filter_map(|other| Some((other, self.next_in_line(other, i64::MAX)?)));
        let firsts: Vec<_> = firsts.map(|(other, (place, id))| (place, other, self.cost(id))).collect();
        let of_all = firsts.iter().min().map(|(_, _, cost)| *cost);
        let of_line = firsts.iter().find(|(_, other, _)| *other == line).map(|(_, _, cost)| *cost);
        of_all.max(of_line).unwrap_or(1)
    }

    /// What the next job of a key costs; 1 if there is none.
    pub(super) fn next_cost_of_key(&self, task: &TaskName, key: &LimitKey) -> u32 {
        let first = self.queues.get(task).and_then(|queue| queue.lanes.first_job(key));
        first.map_or(1, |id| self.cost(id))
    }

    /// Whether the rate of a task lets a job start that costs so much.
    pub(super) fn has_starts(&self, task: &TaskName, cost: u32) -> bool {
        self.gates.get(task).is_none_or(|settings| settings.opens_at(cost, self.clock).is_none())
    }

    /// When time lets the next job of a line start, if not at `since`.
    pub(super) fn opens_at(&self, task: &TaskName, since: u64) -> Option<u64> {
        self.gates
            .get(task)
            .filter(|settings| settings.rate().is_some())?
            .opens_at(self.next_cost(task), since)
    }

    /// The same for the next job of a key, as far as the key is concerned.
    pub(super) fn key_opens_at(&self, task: &TaskName, key: &LimitKey, since: u64) -> Option<u64> {
        self.gates.get(task)?.key_opens_at(key, self.next_cost_of_key(task, key), since)
    }

    /// When time opens lanes of this line that it keeps closed at `since`.
    fn lanes_open_at(&self, line: &TaskName, since: u64) -> impl Iterator<Item = u64> {
        let is_timed = self.gates.get(line).is_some_and(Settings::has_timed_keys);
        let lanes = self.queues.get(line).filter(|_| is_timed).map(|queue| queue.lanes.keys());
        lanes.into_iter().flatten().filter_map(move |key| self.key_opens_at(line, key, since))
    }

    /// When pauses of this task, and of its keys, end by themselves that hold at `since`.
    fn pauses_end_at(&self, task: &TaskName, since: u64) -> impl Iterator<Item = u64> {
        let ends = self.gates.get(task).into_iter().flat_map(Settings::pauses_end_at);
        ends.filter(move |at| *at > since)
    }

    /// Whether time may open the gate of a task, or one of its lanes.
    pub(super) fn is_timed(&self, task: &TaskName) -> bool {
        self.gates.get(task).is_some_and(Settings::is_timed)
    }

    /// The tasks of which time has opened the gate, or a lane, since the last call.
    pub(super) fn opened(&mut self, now: u64) -> Vec<TaskName> {
        let before = std::mem::replace(&mut self.gates.told, now);
        let has_opened = |task: &&TaskName| {
            let lines = self.gates.lines_of(task);
            let of_keys = lines.iter().flat_map(|line| self.lanes_open_at(line, before));
            let of_lines = lines.iter().filter_map(|line| self.opens_at(line, before));
            of_lines.chain(of_keys).chain(self.pauses_end_at(task, before)).any(|at| at <= now)
        };
        self.gates.timed().filter(has_opened).cloned().collect()
    }

    /// Wakes workers for what time has opened.
    pub(super) fn open_gates(&mut self, now: u64) {
        let opened = self.opened(now);
        self.wake(opened);
    }

    /// When time opens the first gate or lane of these tasks in which a job waits.
    pub(super) fn first_opening(&self, tasks: &[TaskName]) -> Option<u64> {
        let opens = |task: &TaskName| {
            let waits = self.queues.get(task).is_some_and(|queue| queue.has_waiting());
            let of_task = waits.then(|| self.opens_at(task, self.clock)).flatten();
            let of_keys = self.lanes_open_at(task, self.clock);
            of_task.into_iter().chain(of_keys).chain(self.pauses_end_at(task, self.clock)).min()
        };
        tasks.iter().filter_map(opens).min()
    }

    /// A job of this task starts that holds this key.
    pub(super) fn count_start(&mut self, task: &TaskName, key: Option<&LimitKey>, cost: u32, now: u64) {
        self.gates.start(task, key, cost, now);
        if self.is_timed(task) {
            self.wakes.due_earlier();
        }
    }

    /// A job has left a line of this task without being claimed (`has_left`), or has come: another one may be the next, which costs less.
    pub(super) fn line_changed(&mut self, task: &TaskName, has_left: bool) {
        if !self.is_timed(task) {
            return;
        }
        if has_left {
            self.flows.released.insert(task.clone());
        }
        self.wakes.due_earlier();
    }
}
