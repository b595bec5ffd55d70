//! Schedules: what they are, when they are looked at, and their ticks. Every method is one atomic step: its caller holds the lock.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Phase;
use super::store::Store;
use crate::adapter::{
    Declaration, Declared, DueSchedules, Fingerprint, HELD, KEPT, MAX_SCHEDULES, NewJob, NewTick, Origin,
    PutSchedule, RemoveOutcome, SCHEDULES, SIGN, ScheduleVersion, StoredSchedule, Ticked, Triggered,
};
use crate::check::Violation;
use crate::job::{JobId, Timestamp, millis};
use crate::schedules::Overlap;

/// All schedules. Times are milliseconds since the Unix epoch.
#[derive(Default)]
pub(super) struct Book {
    by_name: BTreeMap<String, Entry>,
    /// When each is looked at: at its next tick, or to see whether anybody still declares it.
    looks: BTreeSet<(u64, String)>,
}

struct Entry {
    definition: Vec<u8>,
    origin: Origin,
    /// When it was declared last.
    signed: u64,
    since: u64,
    next: Option<u64>,
    last: Option<u64>,
    last_job: Option<JobId>,
    paused: Option<(u64, String)>,
    ran: u64,
    skipped: u64,
    missed: u64,
    look: Option<u64>,
}

impl Entry {
    fn is_declared(&self, now: u64) -> bool {
        matches!(self.origin, Origin::Api) || now.saturating_sub(self.signed) < millis(SIGN)
    }

    /// When it must be looked at.
    fn next_look(&self, now: u64) -> Option<u64> {
        let next = self.next.filter(|_| self.is_declared(now));
        next.or_else(|| matches!(self.origin, Origin::Code { .. }).then(|| self.signed + millis(KEPT)))
    }

    fn version(&self) -> ScheduleVersion {
        let definition = Fingerprint::of(&self.definition);
        ScheduleVersion { definition, next: self.next.map(Timestamp::from_millis) }
    }

    fn stored(&self, name: &str, now: u64) -> StoredSchedule {
        let time = Timestamp::from_millis;
        StoredSchedule {
            name: name.to_owned(),
            definition: self.definition.clone(),
            origin: self.origin,
            is_declared: self.is_declared(now),
            since: time(self.since),
            next: self.next.map(time),
            last: self.last.map(time),
            last_job: self.last_job.clone(),
            paused: self.paused.as_ref().map(|(at, reason)| (time(*at), reason.clone())),
            ran: self.ran,
            skipped: self.skipped,
            missed: self.missed,
        }
    }
}

impl Book {
    /// When a schedule is to be looked at next.
    pub(super) fn first_look(&self) -> Option<u64> {
        self.looks.first().map(|(at, _)| *at)
    }

    pub(super) fn get(&self, name: &str, now: u64) -> Option<StoredSchedule> {
        Some(self.by_name.get(name)?.stored(name, now))
    }

    pub(super) fn all(&self, now: u64) -> Vec<StoredSchedule> {
        self.by_name.iter().map(|(name, entry)| entry.stored(name, now)).collect()
    }

    pub(super) fn declare(&mut self, schedules: Vec<Declaration>, now: u64) -> Declared {
        let known = schedules
            .into_iter()
            .map(|Declaration { name, declared }| {
                let known = self.get(&name, now)?;
                if known.origin == (Origin::Code { declared }) {
                    self.by_name.get_mut(&name)?.signed = now;
                    self.look_anew(&name, now);
                }
                Some(known)
            })
            .collect();
        Declared { now: Timestamp::from_millis(now), known }
    }

    /// Whether it is now what it was to become.
    fn put(&mut self, put: PutSchedule, now: u64) -> bool {
        let PutSchedule { name, expected, definition, origin, since, next, resumes, declares } = put;
        let (since, next) = (since.as_millis(), next.map(Timestamp::as_millis));
        let known = self.by_name.get_mut(&name);
        let is_paused = known.as_ref().is_some_and(|entry| entry.paused.is_some()) && !resumes;
        let next = next.filter(|_| !is_paused);
        let is_there = known.as_ref().is_some_and(|entry| {
            entry.definition == definition
                && (entry.origin, entry.since, entry.next) == (origin, since, next)
                && entry.paused.is_some() == is_paused
        });
        if !is_there && known.as_ref().map(|entry| entry.version()) != expected {
            return false;
        }
        let entry = match known {
            Some(entry) => entry,
            None => self.by_name.entry(name.clone()).or_insert(Entry {
                definition: Vec::new(),
                origin,
                signed: now,
                since,
                next,
                last: None,
                last_job: None,
                paused: None,
                ran: 0,
                skipped: 0,
                missed: 0,
                look: None,
            }),
        };
        (entry.definition, entry.origin, entry.since, entry.next) = (definition, origin, since, next);
        if !is_paused {
            entry.paused = None;
        }
        if declares {
            entry.signed = now;
        }
        self.look_anew(&name, now);
        true
    }

    fn pause(&mut self, name: &str, reason: &str, now: u64) -> bool {
        let Some(entry) = self.by_name.get_mut(name) else { return false };
        entry.paused.get_or_insert_with(|| (now, reason.to_owned()));
        entry.next = None;
        self.look_anew(name, now);
        true
    }

    fn remove(&mut self, name: &str, now: u64) -> RemoveOutcome {
        let Some(entry) = self.by_name.get(name) else { return RemoveOutcome::NotFound };
        if matches!(entry.origin, Origin::Code { .. }) && entry.is_declared(now) {
            return RemoveOutcome::Declared;
        }
        self.forget(name);
        RemoveOutcome::Removed
    }

    pub(super) fn due(&mut self, now: u64) -> DueSchedules {
        let due = |(at, _): &&(u64, String)| *at <= now;
        let names: Vec<String> =
            self.looks.iter().take_while(due).take(MAX_SCHEDULES).map(|(_, name)| name.clone()).collect();
        let mut schedules = Vec::new();
        for name in names {
            let Some(entry) = self.by_name.get(&name) else { continue };
            let is_declared = entry.is_declared(now);
            if is_declared && entry.next.is_some_and(|next| next <= now) {
                schedules.push(entry.stored(&name, now));
                self.look_at(&name, Some(now + millis(HELD)));
            } else if !is_declared && entry.signed + millis(KEPT) <= now {
                self.forget(&name);
            } else {
                self.look_anew(&name, now);
            }
        }
        let next = self.first_look().filter(|_| schedules.is_empty());
        let next = next.map(|at| std::time::Duration::from_millis(at.saturating_sub(now)));
        DueSchedules { now: Timestamp::from_millis(now), schedules, next }
    }

    fn forget(&mut self, name: &str) {
        self.look_at(name, None);
        self.by_name.remove(name);
    }

    fn look_anew(&mut self, name: &str, now: u64) {
        let look = self.by_name.get(name).and_then(|entry| entry.next_look(now));
        self.look_at(name, look);
    }

    fn look_at(&mut self, name: &str, look: Option<u64>) {
        let Some(entry) = self.by_name.get_mut(name) else { return };
        if let Some(old) = std::mem::replace(&mut entry.look, look) {
            self.looks.remove(&(old, name.to_owned()));
        }
        if let Some(look) = look {
            self.looks.insert((look, name.to_owned()));
        }
    }

    /// What does not agree.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let lost = self.by_name.iter().filter(|(name, entry)| {
            let is_there = entry.look.is_some_and(|at| self.looks.contains(&(at, (*name).clone())));
            // whatever the time is: one that ticks, or that code declares, is looked at
            let belongs = entry.next.is_some() || matches!(entry.origin, Origin::Code { .. });
            belongs && !is_there
        });
        let lost = lost.map(|(name, _)| Violation::ScheduleIndex { schedule: name.clone(), is_known: true });
        let stray = self
            .looks
            .iter()
            .filter(|(at, name)| self.by_name.get(name).is_none_or(|entry| entry.look != Some(*at)));
        let stray =
            stray.map(|(_, name)| Violation::ScheduleIndex { schedule: name.clone(), is_known: false });
        lost.chain(stray).collect()
    }

    pub(super) fn repair(&mut self, name: &str, is_known: bool, now: u64) {
        if is_known {
            if let Some(entry) = self.by_name.get_mut(name) {
                entry.look = Some(now);
                self.looks.insert((now, name.to_owned()));
            }
            return;
        }
        let look = self.by_name.get(name).and_then(|entry| entry.look);
        self.looks.retain(|(at, known)| known != name || Some(*at) == look);
    }
}

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
            Some((_, Phase::Behind(_))) if !is_caught_up => RunPlace::Nowhere,
            Some((last, _)) if is_caught_up || overlap == Overlap::Queue => RunPlace::Behind(last.clone()),
            Some(_) => RunPlace::Nowhere,
        }
    }

    /// Whether the run is a new job, and not known already; `None` if it is skipped.
    fn store_run(&mut self, schedule: &str, job: NewJob, place: RunPlace, now: u64) -> Option<bool> {
        match place {
            RunPlace::Nowhere => None,
            _ if self.jobs.contains_key(&job.id) => Some(false),
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
