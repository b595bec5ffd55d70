//! The workers that say what they do.

use std::collections::HashMap;
use std::sync::Arc;

use super::store::Store;
use crate::adapter::{Kind, Swept, TaskName, What, WorkerEntry, WorkerInfo, WorkerReport};
use crate::job::{Timestamp, millis};
use crate::policy::Retention;

/// The workers, by id.
#[derive(Default)]
pub(super) struct Workers(HashMap<Arc<str>, Known>);

struct Known {
    heard: u64,
    entry: WorkerEntry,
    is_quiet: bool,
}

impl Known {
    fn is_live(&self, now: u64) -> bool {
        let silence = self.entry.silence.min(WorkerEntry::LONGEST_SILENCE);
        self.heard.saturating_add(millis(silence)) > now
    }
}

impl Workers {
    /// Forgets those that are gone, and returns them.
    fn take_lost(&mut self, now: u64) -> Vec<Arc<str>> {
        let mut lost: Vec<Arc<str>> =
            self.0.extract_if(|_, known| !known.is_live(now)).map(|(id, _)| id).collect();
        lost.sort_unstable();
        lost
    }

    /// A sign of life. Returns whether the worker is to claim nothing.
    fn sign(&mut self, entry: &WorkerEntry, now: u64) -> bool {
        let is_quiet = self.0.get(&entry.id).is_some_and(|known| known.is_quiet);
        let mut entry = entry.clone();
        entry.tasks.truncate(WorkerEntry::MAX_TASKS);
        entry.jobs.truncate(WorkerEntry::MAX_JOBS);
        self.0.insert(entry.id.clone(), Known { heard: now, entry, is_quiet });
        is_quiet
    }

    /// How many workers serve this task.
    pub(super) fn of(&self, task: &str, now: u64) -> usize {
        let live = self.0.values().filter(|known| known.is_live(now));
        live.filter(|known| known.entry.tasks.iter().any(|name| **name == *task)).count()
    }

    /// How many there are.
    pub(super) fn count(&self, now: u64) -> usize {
        self.0.values().filter(|known| known.is_live(now)).count()
    }
}

impl Store {
    pub(super) fn sweep_for(
        &mut self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
        now: u64,
    ) -> Swept {
        for worker in self.workers.take_lost(now) {
            self.announce_of(None, Kind::WorkerLost, || What::WorkerLost { worker: worker.to_string() });
        }
        if !self.workers.0.contains_key(&report.worker.id) {
            let worker = report.worker.id.to_string();
            self.announce_of(None, Kind::WorkerStarted, || What::WorkerStarted { worker });
        }
        let quiet = self.workers.sign(&report.worker, now);
        let (swept, stalled) = self.sweep(tasks, retention, now);
        self.keep_history(report, tasks, stalled, now);
        Swept { quiet, ..swept }
    }

    pub(super) fn sign_off(&mut self, report: &WorkerReport, now: u64) {
        if self.workers.0.remove(&report.worker.id).is_some() {
            let worker = report.worker.id.to_string();
            self.announce_of(None, Kind::WorkerStopped, || What::WorkerStopped { worker });
        }
        self.history.add(&report.sums, now);
    }

    /// Returns whether there is such a worker.
    pub(super) fn keep_quiet(&mut self, worker: &str, is_quiet: bool, now: u64) -> bool {
        let Some(known) = self.workers.0.get_mut(worker).filter(|known| known.is_live(now)) else {
            return false;
        };
        known.is_quiet = is_quiet;
        true
    }

    pub(super) fn live_workers(&self, now: u64) -> Vec<WorkerInfo> {
        let live = self.workers.0.values().filter(|known| known.is_live(now));
        let mut workers: Vec<WorkerInfo> = live
            .map(|known| {
                WorkerInfo::new(known.entry.clone(), Timestamp::from_millis(known.heard), known.is_quiet)
            })
            .collect();
        workers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        workers
    }
}
