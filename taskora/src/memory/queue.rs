//! The indexes of one task: its waiting line, its delayed and active sets, and its ended jobs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::collects::{BatchLane, Collects};
use super::lanes::Lanes;
use super::line::Place;
use super::record::{Phase, Record};
use crate::adapter::{JobCounts, LimitKey};
use crate::check;
use crate::job::{JobId, JobState};

/// The indexes of one task. Each unfinished job is in exactly one of them; all times are milliseconds.
#[derive(Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, JobId>,
    pub(super) lanes: Lanes,
    pub(super) collects: Collects,
    /// Jobs that wait for another job to end.
    behind: BTreeSet<JobId>,
    /// Delayed and retrying jobs by due time.
    delayed: BTreeSet<(u64, JobId)>,
    /// Active jobs by the deadline of their lease.
    active: BTreeSet<(u64, JobId)>,
    /// Jobs in line or delayed with a deadline to start, by that deadline.
    deadlines: BTreeSet<(u64, JobId)>,
    completed: Ended,
    failed: Ended,
    cancelled: Ended,
    expired: Ended,
}

/// Where a job's id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// taskora has generated it.
    Generated,
    /// It is the caller's own.
    Named,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Generated, Self::Named];
}

/// Jobs that ended in one state, in the order they ended, with the time. Each kind has its own retention.
#[derive(Default)]
pub(super) struct Ended {
    generated: VecDeque<(u64, JobId)>,
    named: VecDeque<(u64, JobId)>,
}

impl Ended {
    pub(super) const fn of(&self, kind: Kind) -> &VecDeque<(u64, JobId)> {
        match kind {
            Kind::Generated => &self.generated,
            Kind::Named => &self.named,
        }
    }

    fn of_its_kind(&mut self, id: &JobId) -> &mut VecDeque<(u64, JobId)> {
        if id.is_generated() { &mut self.generated } else { &mut self.named }
    }

    fn remove(&mut self, at: u64, id: &JobId) {
        let jobs = self.of_its_kind(id);
        let first = jobs.partition_point(|(ended, _)| *ended < at);
        let place =
            jobs.iter().skip(first).take_while(|(ended, _)| *ended == at).position(|(_, known)| known == id);
        place.and_then(|place| jobs.remove(first + place));
    }

    fn len(&self) -> usize {
        self.generated.len() + self.named.len()
    }

    fn iter(&self) -> impl Iterator<Item = &(u64, JobId)> {
        self.generated.iter().chain(&self.named)
    }
}

/// What an index says about a job.
pub(super) enum Entry<'a> {
    Waiting(Place, &'a JobId),
    InLane(&'a LimitKey, Place, &'a JobId),
    Gathering(&'a BatchLane, Place, &'a JobId),
    Behind(&'a JobId),
    Delayed(u64, &'a JobId),
    Active(u64, &'a JobId),
    Ended(JobState, u64, &'a JobId),
}

impl Entry<'_> {
    pub(super) fn id(&self) -> &JobId {
        match self {
            Self::Waiting(_, id)
            | Self::InLane(_, _, id)
            | Self::Gathering(_, _, id)
            | Self::Behind(id)
            | Self::Delayed(_, id)
            | Self::Active(_, id)
            | Self::Ended(_, _, id) => id,
        }
    }

    /// Whether the job's record agrees.
    pub(super) fn fits(&self, phase: &Phase) -> bool {
        match (self, phase) {
            (Self::Waiting(place, _), Phase::Waiting(own)) => place == own,
            (Self::InLane(key, place, _), Phase::InLane(own_key, own)) => *key == own_key && place == own,
            (Self::Gathering(lane, place, _), Phase::Gathering(item)) => {
                **lane == item.lane && *place == item.place
            }
            (Self::Behind(_), Phase::Behind(_)) => true,
            (Self::Delayed(at, _), Phase::Delayed { due, .. }) => at == due,
            (Self::Active(at, _), Phase::Active { deadline, .. }) => at == deadline,
            (Self::Ended(state, at, _), Phase::Ended { at: own, ending, .. }) => {
                at == own && *state == ending.state()
            }
            _ => false,
        }
    }

    pub(super) fn index(&self) -> check::Place {
        match self {
            Self::Waiting(..) | Self::InLane(..) | Self::Gathering(..) => check::Place::Waiting,
            Self::Behind(..) => check::Place::Behind,
            Self::Delayed(..) => check::Place::Delayed,
            Self::Active(..) => check::Place::Active,
            Self::Ended(state, ..) => check::Place::Ended(*state),
        }
    }
}

impl Queue {
    /// All that is in the indexes.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let ended = [
            (JobState::Completed, &self.completed),
            (JobState::Failed, &self.failed),
            (JobState::Cancelled, &self.cancelled),
            (JobState::Expired, &self.expired),
        ];
        let waiting = self.waiting.iter().map(|(place, id)| Entry::Waiting(*place, id));
        let lanes = self.lanes.iter().map(|(key, place, id)| Entry::InLane(key, place, id));
        let gathering = self.collects.iter().map(|(lane, place, id)| Entry::Gathering(lane, place, id));
        let delayed = self.delayed.iter().map(|(due, id)| Entry::Delayed(*due, id));
        let active = self.active.iter().map(|(deadline, id)| Entry::Active(*deadline, id));
        let ended = ended
            .into_iter()
            .flat_map(|(state, jobs)| jobs.iter().map(move |(at, id)| Entry::Ended(state, *at, id)));
        let behind = self.behind.iter().map(Entry::Behind);
        waiting.chain(lanes).chain(gathering).chain(behind).chain(delayed).chain(active).chain(ended)
    }

    /// Removes a job's entry from an index, unless the job's record agrees with it.
    pub(super) fn expel(&mut self, index: check::Place, id: &JobId, record: Option<&Record>) {
        let phase = record.map(|record| &record.phase);
        let stays = |entry: Entry<'_>| entry.id() != id || phase.is_some_and(|phase| entry.fits(phase));
        match index {
            check::Place::Waiting => {
                self.waiting.retain(|place, id| stays(Entry::Waiting(*place, id)));
                let wrong: Vec<(LimitKey, Place)> = self
                    .lanes
                    .iter()
                    .filter(|(key, place, id)| !stays(Entry::InLane(key, *place, id)))
                    .map(|(key, place, _)| (key.clone(), place))
                    .collect();
                for (key, place) in wrong {
                    self.lanes.remove(&key, place);
                }
                let wrong: Vec<(BatchLane, Place)> = self
                    .collects
                    .iter()
                    .filter(|(lane, place, id)| !stays(Entry::Gathering(lane, *place, id)))
                    .map(|(lane, place, _)| (lane.clone(), place))
                    .collect();
                for (lane, place) in wrong {
                    self.collects.remove(&lane, place);
                }
            }
            check::Place::Behind => self.behind.retain(|id| stays(Entry::Behind(id))),
            check::Place::Delayed => self.delayed.retain(|(due, id)| stays(Entry::Delayed(*due, id))),
            check::Place::Active => self.active.retain(|(deadline, id)| stays(Entry::Active(*deadline, id))),
            check::Place::Deadlines => {
                let expires_at = record.and_then(Record::expires_at);
                self.deadlines.retain(|(deadline, known)| known != id || Some(*deadline) == expires_at);
            }
            check::Place::Ended(state) => {
                if let Some(ended) = self.ended_mut(state) {
                    ended.of_its_kind(id).retain(|(at, id)| stays(Entry::Ended(state, *at, id)));
                }
            }
        }
    }

    pub(super) fn insert(&mut self, id: &JobId, phase: &Phase) {
        match phase {
            Phase::Waiting(place) => drop(self.waiting.insert(*place, id.clone())),
            Phase::InLane(key, place) => self.lanes.insert(key, *place, id.clone()),
            Phase::Gathering(item) => self.collects.insert(item, id.clone()),
            Phase::Behind(_) => drop(self.behind.insert(id.clone())),
            Phase::Delayed { due, .. } => drop(self.delayed.insert((*due, id.clone()))),
            Phase::Active { deadline, .. } => drop(self.active.insert((*deadline, id.clone()))),
            Phase::Ended { at, ending, .. } => {
                if let Some(ended) = self.ended_mut(ending.state()) {
                    ended.of_its_kind(id).push_back((*at, id.clone()));
                }
            }
            Phase::Between { .. } => {}
        }
    }

    /// Moves the job with this phase to another place in its line.
    pub(super) fn move_in_line(&mut self, phase: &Phase, to: Place) {
        match phase {
            Phase::Waiting(from) => {
                if let Some(id) = self.waiting.remove(from) {
                    self.waiting.insert(to, id);
                }
            }
            Phase::InLane(key, from) => self.lanes.move_to(key, *from, to),
            Phase::Gathering(item) => self.collects.move_to(item, to),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, id: &JobId, phase: &Phase) {
        match phase {
            Phase::Waiting(place) => drop(self.waiting.remove(place)),
            Phase::InLane(key, place) => self.lanes.remove(key, *place),
            Phase::Gathering(item) => self.collects.remove(&item.lane, item.place),
            Phase::Behind(_) => drop(self.behind.remove(id)),
            Phase::Delayed { due, .. } => drop(self.delayed.remove(&(*due, id.clone()))),
            Phase::Active { deadline, .. } => drop(self.active.remove(&(*deadline, id.clone()))),
            Phase::Ended { at, ending, .. } => {
                if let Some(ended) = self.ended_mut(ending.state()) {
                    ended.remove(*at, id);
                }
            }
            Phase::Between { .. } => {}
        }
    }

    /// Keeps a deadline to start while the job is in line or delayed.
    pub(super) fn set_deadline(&mut self, id: &JobId, deadline: Option<u64>, phase: &Phase) {
        let Some(deadline) = deadline else { return };
        if phase.is_before_a_start() {
            self.deadlines.insert((deadline, id.clone()));
        } else {
            self.deadlines.remove(&(deadline, id.clone()));
        }
    }

    /// Jobs past their deadline to start, the latest last.
    pub(super) fn late(&self, now: u64) -> impl Iterator<Item = &(u64, JobId)> {
        self.deadlines.iter().take_while(move |(deadline, _)| *deadline <= now)
    }

    /// Whether the job is in the index with this deadline.
    pub(super) fn expires(&self, id: &JobId, deadline: u64) -> bool {
        self.deadlines.contains(&(deadline, id.clone()))
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = &(u64, JobId)> {
        self.deadlines.iter()
    }

    /// The first job without a lane, of those that were in line when this number was the last, with its place.
    pub(super) fn first_until(&self, last: i64) -> Option<(Place, &JobId)> {
        self.waiting.iter().find(|(place, _)| place.1 <= last).map(|(place, id)| (*place, id))
    }

    /// The first job of the default priority, the first of the others, and the first of those under keys.
    pub(super) fn heads(&self) -> impl Iterator<Item = &JobId> {
        let first = |is_default: bool| {
            let mut waiting = self.waiting.iter();
            waiting.find(|(place, _)| (place.0.0 == 0) == is_default).map(|(_, id)| id)
        };
        let lane =
            self.lanes.first().into_iter().chain(self.collects.first()).min_by_key(|(place, _)| *place);
        [first(true), first(false), lane.map(|(_, id)| id)].into_iter().flatten()
    }

    /// Jobs that wait for another job to end.
    pub(super) fn behind(&self) -> impl Iterator<Item = &JobId> {
        self.behind.iter()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.lanes.is_empty() || !self.collects.is_empty()
    }

    /// The delayed job that becomes ready first.
    pub(super) fn first_due(&self) -> Option<&(u64, JobId)> {
        self.delayed.first()
    }

    /// Delayed jobs that are due, in order.
    pub(super) fn due(&self, now: u64) -> impl Iterator<Item = &(u64, JobId)> {
        self.delayed.iter().take_while(move |(due, _)| *due <= now)
    }

    /// Active jobs whose lease has expired, the longest expired first.
    pub(super) fn lapsed(&self, now: u64) -> impl Iterator<Item = &(u64, JobId)> {
        self.active.iter().take_while(move |(deadline, _)| *deadline <= now)
    }

    /// How many jobs are active.
    pub(super) fn active(&self) -> usize {
        self.active.len()
    }

    /// The jobs that ended in this state; `None` if it is not terminal.
    pub(super) fn ended(&self, state: JobState) -> Option<&Ended> {
        match state {
            JobState::Completed => Some(&self.completed),
            JobState::Failed => Some(&self.failed),
            JobState::Cancelled => Some(&self.cancelled),
            JobState::Expired => Some(&self.expired),
            JobState::Waiting | JobState::Delayed | JobState::Active | JobState::Retrying => None,
        }
    }

    fn ended_mut(&mut self, state: JobState) -> Option<&mut Ended> {
        match state {
            JobState::Completed => Some(&mut self.completed),
            JobState::Failed => Some(&mut self.failed),
            JobState::Cancelled => Some(&mut self.cancelled),
            JobState::Expired => Some(&mut self.expired),
            JobState::Waiting | JobState::Delayed | JobState::Active | JobState::Retrying => None,
        }
    }

    pub(super) fn counts(&self) -> JobCounts {
        JobCounts {
            waiting: self.waiting.len() + self.lanes.len() + self.collects.len() + self.behind.len(),
            delayed: self.delayed.len(),
            active: self.active.len(),
            completed: self.completed.len(),
            failed: self.failed.len(),
            cancelled: self.cancelled.len(),
            expired: self.expired.len(),
        }
    }
}
