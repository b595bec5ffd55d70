//! What workers have reported, in slots of time.

use std::collections::{BTreeMap, HashMap};

use super::queue::Queue;
use super::store::Store;
use crate::adapter::{
    Depth, HistoryStep, SCHEDULES, StoredHistory, StoredSlot, Sums, TaskName, TaskSums, WorkerReport,
};
use crate::job::Timestamp;

/// How often the depth of a task is noted, in milliseconds.
const SAMPLED: u64 = 60_000;

/// The slots of each task and step, by their numbers.
#[derive(Default)]
pub(super) struct History {
    slots: HashMap<(TaskName, HistoryStep), BTreeMap<u64, StoredSlot>>,
    /// The minute in which a sweep has looked at the depth of a task.
    sampled: HashMap<TaskName, u64>,
}

impl History {
    pub(super) fn add(&mut self, sums: &[TaskSums], now: u64) {
        for TaskSums { task, sums } in sums {
            self.change(task, now, |slot| slot.sums.add(sums));
        }
    }

    /// Changes the slot of this time, of each length, and forgets those that are too old.
    fn change(&mut self, task: &TaskName, now: u64, change: impl Fn(&mut StoredSlot)) {
        for step in HistoryStep::ALL {
            let number = step.slot_at(Timestamp::from_millis(now));
            let slots = self.slots.entry((task.clone(), *step)).or_default();
            change(slots.entry(number).or_insert_with(|| StoredSlot::new(step.begin_of(number))));
            *slots = slots.split_off(&(number + 1).saturating_sub(step.kept() as u64));
        }
    }

    pub(super) fn read(&self, task: &str, step: HistoryStep, slots: usize, now: u64) -> StoredHistory {
        let now = Timestamp::from_millis(now);
        let first = (step.slot_at(now) + 1).saturating_sub(slots as u64);
        let known = self.slots.get(&(task.into(), step));
        let slots = known.into_iter().flat_map(|slots| slots.range(first..)).map(|(_, slot)| slot.clone());
        StoredHistory { now, slots: slots.collect() }
    }
}

impl Store {
    /// What a sweep of these tasks keeps of the report of its worker, and of the jobs that it has ended itself.
    pub(super) fn keep_history(
        &mut self,
        report: &WorkerReport,
        tasks: &[TaskName],
        stalled: Vec<(TaskName, usize)>,
        now: u64,
    ) {
        self.history.add(&report.sums, now);
        if !report.history {
            return;
        }
        for (task, jobs) in stalled.into_iter().filter(|(_, jobs)| *jobs > 0) {
            let sums = Sums { failed: jobs as u64, ..Sums::default() };
            self.history.add(&[TaskSums::new(task, sums)], now);
        }
        for task in tasks.iter().filter(|task| ***task != *SCHEDULES) {
            let minute = now / SAMPLED;
            if self.history.sampled.insert(task.clone(), minute) != Some(minute) {
                let depth = self.queues.get(task).map(Queue::depth).unwrap_or_default();
                self.history.change(task, now, |slot| slot.note(depth));
            }
        }
    }
}

impl Queue {
    fn depth(&self) -> Depth {
        let counts = self.counts();
        Depth::new(counts.waiting as u64, counts.delayed as u64, counts.active as u64)
    }
}
