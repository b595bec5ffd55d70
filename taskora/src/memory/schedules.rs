//! Schedules: what they are, when they are looked at, and their ticks. Every method is one atomic step: its caller holds the lock.

use super::record::Phase;
use super::store::Store;
use crate::adapter::{
    Declaration, Declared, NewJob, NewTick, PutSchedule, RemoveOutcome, SCHEDULES, Ticked, Triggered,
};
use crate::job::{JobId, Timestamp};
use crate::schedules::Overlap;

impl Store {
    pub(super) fn put_schedules(&mut self, schedules: Vec<PutSchedule>, now: u64) -> Vec<bool> {
        let before = self.schedules.first_look();
        let put = schedules.into_iter().map(|put| self.schedules.put(put, now)).collect();
        self.wake_earlier_look(before);
        put
    }

    pub(super) fn declare_schedules(&mut self, schedules: Vec<Declaration>, now: u64) -> Declared {
        let before = self.schedules.first_look();
        let declared = self.schedules.declare(schedules, now);
        self.wake_earlier_look(before);
        declared
    }

    pub(super) fn pause_schedule(&mut self, name: &str, reason: &str, now: u64) -> bool {
        self.schedules.pause(name, reason, now)
    }

    pub(super) fn remove_schedule(&mut self, name: &str, now: u64) -> RemoveOutcome {
        self.schedules.remove(name, now)
    }

    /// Tells one worker if a schedule is looked at earlier than it was said.
    fn wake_earlier_look(&mut self, before: Option<u64>) {
        if self.schedules.first_look().is_some_and(|look| before.is_none_or(|before| look < before)) {
            self.wakes.wake(&SCHEDULES.into());
        }
    }

    pub(super) fn tick(&mut self, ticks: Vec<NewTick>, now: u64) -> Vec<Ticked> {
        ticks.into_iter().map(|tick| self.tick_one(tick, now)).collect()
    }

    fn tick_one(&mut self, tick: NewTick, now: u64) -> Ticked {
        let Some(entry) = self.schedules.by_name.get(&tick.name) else { return Ticked::Stale };
        if entry.version() != tick.expected || entry.paused.is_some() {
            return Ticked::Stale;
        }
        let (mut newest, mut at, mut ran, mut skipped) = (entry.last_job.clone(), entry.last, 0, 0);
        for (place, job) in tick.jobs.into_iter().enumerate() {
            let (id, stamp) = (job.id.clone(), job.tick.as_ref().and_then(|tick| tick.at));
            let place = self.place_of_run(newest.as_ref(), tick.overlap, place < tick.caught_up);
            match self.store_run(&tick.name, job, place, now) {
                None => {
                    skipped += 1;
                    continue;
                }
                Some(is_new) => ran += usize::from(is_new),
            }
            newest = Some(id);
            at = stamp.map(Timestamp::as_millis).or(at);
        }
        if let Some(entry) = self.schedules.by_name.get_mut(&tick.name) {
            (entry.last_job, entry.last) = (newest, at);
            entry.ran += ran as u64;
            entry.skipped += skipped as u64;
            entry.missed += tick.missed;
            entry.since = tick.since.as_millis();
            entry.next = tick.next.map(Timestamp::as_millis);
        }
        self.schedules.look_anew(&tick.name, now);
        Ticked::Done { ran, skipped }
    }

    pub(super) fn trigger(&mut self, name: &str, job: NewJob, overlap: Overlap, now: u64) -> Triggered {
        let Some(entry) = self.schedules.by_name.get(name) else { return Triggered::NotFound };
        let last = entry.last_job.clone();
        if self.jobs.contains_key(&job.id) {
            return Triggered::Stored;
        }
        let (id, place) = (job.id.clone(), self.place_of_run(last.as_ref(), overlap, false));
        let stored = self.store_run(name, job, place, now);
        if let (None, Some(last)) = (stored, last) {
            return Triggered::Unfinished(last);
        }
        if let Some(entry) = self.schedules.by_name.get_mut(name) {
            entry.last_job = Some(id);
            entry.ran += 1;
        }
        Triggered::Stored
    }

    /// Where the next run of a schedule goes if this one was its last.
    fn place_of_run(&self, last: Option<&JobId>, overlap: Overlap, is_caught_up: bool) -> RunPlace {
        let last = last.and_then(|id| Some((id, &self.jobs.get(id)?.phase)));
        match last {
            _ if overlap == Overlap::Allow => RunPlace::Line,
            None | Some((_, Phase::Ended { .. })) => RunPlace::Line,
            Some((last, _)) if !is_caught_up && self.is_followed_or_behind(last) => RunPlace::Nowhere,
            Some((last, _)) if is_caught_up || overlap == Overlap::Queue => {
                if self.has_other_key(last) {
                    RunPlace::Line
                } else {
                    RunPlace::Behind(last.clone())
                }
            }
            Some(_) => RunPlace::Nowhere,
        }
    }

    /// A run has ended while it waited behind another one. If it was the schedule's last one, that one is now: the next run must not
    /// pass it.
    pub(super) fn step_back(&mut self, id: &JobId, front: &JobId) {
        let name = self.jobs.get(id).and_then(|record| Some(&record.new.tick.as_ref()?.schedule));
        let entry = name.and_then(|name| self.schedules.by_name.get_mut(name));
        if let Some(entry) = entry.filter(|entry| entry.last_job.as_ref() == Some(id)) {
            entry.last_job = Some(front.clone());
        }
    }

    /// Whether the run is a new job, and not known already; `None` if it is skipped.
    fn store_run(&mut self, schedule: &str, job: NewJob, place: RunPlace, now: u64) -> Option<bool> {
        match place {
            _ if self.jobs.contains_key(&job.id) => Some(false),
            RunPlace::Nowhere => None,
            RunPlace::Line => {
                self.enqueue(vec![job], now);
                Some(true)
            }
            RunPlace::Behind(front) => {
                self.add_run_behind(&front, schedule, job, now);
                Some(true)
            }
        }
    }
}

/// Where a new run of a schedule goes.
enum RunPlace {
    Line,
    Behind(JobId),
    /// It is skipped.
    Nowhere,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::RepairOutcome;
    use crate::adapter::{Fingerprint, Origin};
    use crate::check::Violation;

    /// A schedule of each kind.
    fn store() -> Store {
        let mut store = Store::new();
        let put = |name: &str, origin, next: Option<u64>| PutSchedule {
            name: name.to_owned(),
            expected: None,
            definition: Vec::new(),
            origin,
            since: Timestamp::from_millis(0),
            next: next.map(Timestamp::from_millis),
            resumes: false,
            declares: true,
        };
        let code = Origin::Code { declared: Fingerprint(1) };
        let schedules = vec![
            put("ticks", Origin::Api, Some(5)),
            put("by hand", Origin::Api, None),
            put("declared", code, None),
        ];
        assert_eq!(store.put_schedules(schedules, 0), [true; 3]);
        assert_eq!(store.schedules.violations(), []);
        store
    }

    #[test]
    fn a_schedule_that_nobody_looks_at_is_looked_at_again() {
        for (name, due) in [("ticks", ["ticks"].as_slice()), ("declared", &[])] {
            let mut store = store();
            store.schedules.looks.retain(|(_, known)| known != name);
            let lost = Violation::ScheduleIndex { schedule: name.to_owned(), is_known: true };
            assert_eq!(store.schedules.violations(), std::slice::from_ref(&lost));
            assert_eq!(store.repair(&lost, 9), RepairOutcome::Repaired);
            assert_eq!(store.repair(&lost, 9), RepairOutcome::Gone);
            assert_eq!(store.schedules.violations(), []);
            store.schedules.looks.retain(|(_, known)| known == name);
            let found: Vec<_> =
                store.schedules.due(9).schedules.into_iter().map(|found| found.name).collect();
            assert_eq!(found, due);
        }
    }

    #[test]
    fn a_time_of_no_schedule_goes() {
        for (time, name) in [(7, "unknown"), (7, "ticks"), (7, "by hand")] {
            let mut store = store();
            store.schedules.looks.insert((time, name.to_owned()));
            let stray = Violation::ScheduleIndex { schedule: name.to_owned(), is_known: false };
            assert_eq!(store.schedules.violations(), std::slice::from_ref(&stray));
            assert_eq!(store.repair(&stray, 9), RepairOutcome::Repaired);
            assert_eq!(store.schedules.violations(), []);
            assert_eq!(store.schedules.first_look(), Some(5));
        }
    }
}
