//! Claiming batches, and looking at what gathers for them.

use super::calls::Claimed;
use super::collects::BatchLane;
use super::record::Phase;
use super::store::{PAGE, Store};
use crate::adapter::{Collected, GatedTask, LimitKey, TaskName};
use crate::job::{Blocked, JobId, Timestamp};

impl Store {
    /// Hands out the batch that begins with this item. Returns how many items ended instead, because they were too late. `None` if it is
    /// no item.
    pub(super) fn hand_out_batch(
        &mut self,
        first: &JobId,
        last: i64,
        number: u32,
        deadline: u64,
        now: u64,
    ) -> Option<(Vec<Claimed>, usize)> {
        let record = self.jobs.get(first)?;
        let task = record.new.task.clone();
        let Phase::Gathering(item) = &record.phase else { return None };
        let lane = item.lane.clone();
        let collects = &mut self.queues.get_mut(&task)?.collects;
        let (ids, rule) = collects.batch(&lane, last, PAGE)?;
        collects.serve(lane.clone());
        let (mut batch, mut voids) = (Vec::new(), 0);
        for id in ids {
            if batch.len() == rule.max_size as usize || self.places(&task) == 0 || !self.has_starts(&task, 1)
            {
                break;
            }
            if self.end_void(&id, now) || self.end_late(&id, now) {
                voids += 1;
            } else if let Some(claimed) = self.hand_out(&id, deadline, now) {
                batch.push(Claimed { batch: Some(number), ..claimed });
                if let Some(queue) = self.queues.get_mut(&task).filter(|_| rule.serial) {
                    queue.collects.start(&lane.key, &id);
                }
            }
        }
        Some((batch, voids))
    }

    /// Why an item of this lane may not go; `None` if it may.
    pub(super) fn why_it_gathers(&self, task: &TaskName, lane: &BatchLane, now: u64) -> Option<Blocked> {
        if self.is_batch_paused(task, &lane.key) {
            return Some(Blocked::Paused);
        }
        self.queues.get(task)?.collects.why_closed(lane, now)
    }

    pub(super) fn is_batch_paused(&self, task: &TaskName, key: &LimitKey) -> bool {
        let settings = self.gates.get(task);
        settings
            .and_then(|settings| settings.keys.get(key))
            .is_some_and(|key| key.paused.at(self.clock).is_some())
    }

    /// When the first items of these tasks go that do not go yet.
    pub(super) fn first_batch(&self, tasks: &[TaskName], now: u64) -> Option<u64> {
        tasks.iter().filter_map(|task| self.queues.get(task)?.collects.first_opening(now)).min()
    }

    /// Wakes workers for items that have begun to go by time.
    pub(super) fn open_batches(&mut self, tasks: &[TaskName], now: u64) {
        let opened: Vec<TaskName> = tasks
            .iter()
            .filter(|task| self.queues.get_mut(*task).is_some_and(|queue| queue.collects.has_opened(now)))
            .cloned()
            .collect();
        self.wake(opened);
    }

    pub(super) fn flush(&mut self, task: &GatedTask, key: &LimitKey, now: u64) -> bool {
        let lines: Vec<TaskName> = lines(task).cloned().collect();
        let flush = |line| self.queues.get_mut(line).is_some_and(|queue| queue.collects.flush(key, now));
        let is_there = lines.iter().map(flush).fold(false, |sum, there| sum | there);
        self.wake(lines);
        is_there
    }

    pub(super) fn collected(&self, task: &GatedTask, key: &LimitKey, limit: usize) -> Option<Collected> {
        let mut all: Option<Collected> = None;
        for items in lines(task).filter_map(|line| self.queues.get(line)?.collects.gathered(key)) {
            let ((oldest, newest), due) = (items.times()?, items.opens_at()?);
            let [oldest, newest, due] = [oldest, newest, due].map(Timestamp::from_millis);
            let taken = all.as_ref().map_or(0, |all| all.items.len());
            let room = limit.min(Collected::MAX_ITEMS).saturating_sub(taken);
            let payload = |id: &JobId| Some((id.clone(), self.jobs.get(id)?.new.payload.clone()));
            let mut line = Collected::new(items.len(), oldest, newest, due);
            line.items = items.ids().take(room).filter_map(payload).collect();
            match &mut all {
                Some(all) => all.merge(line),
                None => all = Some(line),
            }
        }
        all
    }
}

fn lines(task: &GatedTask) -> impl Iterator<Item = &TaskName> {
    std::iter::once(&task.task).chain(&task.aliases)
}
