//! The schedules that the store keeps, and when each is looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapter::{
    Declaration, Declared, DueSchedules, Fingerprint, HELD, KEPT, MAX_SCHEDULES, Origin, PutSchedule,
    RemoveOutcome, SIGN, ScheduleVersion, StoredSchedule,
};
use crate::check::Violation;
use crate::job::{JobId, Timestamp, millis};

/// All schedules. Times are milliseconds since the Unix epoch.
#[derive(Default)]
pub(super) struct Book {
    pub(super) by_name: BTreeMap<String, Entry>,
    /// When a worker looks at each: at its next tick, or to see whether it is still declared.
    pub(super) looks: BTreeSet<(u64, String)>,
}

pub(super) struct Entry {
    pub(super) definition: Vec<u8>,
    pub(super) origin: Origin,
    /// When it was declared last.
    pub(super) signed: u64,
    pub(super) since: u64,
    pub(super) next: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) last_job: Option<JobId>,
    pub(super) paused: Option<(u64, String)>,
    pub(super) ran: u64,
    pub(super) skipped: u64,
    pub(super) missed: u64,
    pub(super) look: Option<u64>,
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

    pub(super) fn version(&self) -> ScheduleVersion {
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
    pub(super) fn put(&mut self, put: PutSchedule, now: u64) -> bool {
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

    pub(super) fn pause(&mut self, name: &str, reason: &str, now: u64) -> bool {
        let Some(entry) = self.by_name.get_mut(name) else { return false };
        entry.paused.get_or_insert_with(|| (now, reason.to_owned()));
        entry.next = None;
        self.look_anew(name, now);
        true
    }

    pub(super) fn remove(&mut self, name: &str, now: u64) -> RemoveOutcome {
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

    pub(super) fn look_anew(&mut self, name: &str, now: u64) {
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
