//! Where the jobs of one task are: its waiting line, its delayed and active sets, and what has ended.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::record::Phase;
use crate::adapter::JobCounts;
use crate::job::{JobId, JobState};

/// A place in the waiting line. Places sort as jobs are claimed: higher priority first, then the sequence number,
/// which is negative for jobs that came back.
pub(super) type Place = (Reverse<i16>, i64);

/// The indexes of one task. Each unfinished job is in exactly one of them; all times are milliseconds.
#[derive(Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, JobId>,
    /// Delayed and retrying jobs by the time they are due.
    delayed: BTreeSet<(u64, JobId)>,
    /// Active jobs by the deadline of their lease.
    active: BTreeSet<(u64, JobId)>,
    completed: Ended,
    failed: Ended,
    cancelled: Ended,
    expired: Ended,
}

/// Jobs in the order they ended, with the time.
pub(super) type Ended = VecDeque<(u64, JobId)>;

impl Queue {
    pub(super) fn insert(&mut self, id: &JobId, phase: &Phase) {
        match phase {
            Phase::Waiting(place) => drop(self.waiting.insert(*place, id.clone())),
            Phase::Delayed { due, .. } => drop(self.delayed.insert((*due, id.clone()))),
            Phase::Active { deadline, .. } => drop(self.active.insert((*deadline, id.clone()))),
            Phase::Ended { at, ending, .. } => {
                if let Some(ended) = self.ended(ending.state()) {
                    ended.push_back((*at, id.clone()));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, id: &JobId, phase: &Phase) {
        match phase {
            Phase::Waiting(place) => drop(self.waiting.remove(place)),
            Phase::Delayed { due, .. } => drop(self.delayed.remove(&(*due, id.clone()))),
            Phase::Active { deadline, .. } => drop(self.active.remove(&(*deadline, id.clone()))),
            // a job that ended stays where it is until it is trimmed
            Phase::Ended { .. } => {}
        }
    }

    /// The place of the job that is claimed next.
    pub(super) fn first(&self) -> Option<(Place, &JobId)> {
        self.waiting.first_key_value().map(|(place, id)| (*place, id))
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The delayed job that becomes ready first.
    pub(super) fn first_due(&self) -> Option<&(u64, JobId)> {
        self.delayed.first()
    }

    /// Delayed jobs that are due, in order.
    pub(super) fn due(&self, now: u64) -> impl Iterator<Item = &(u64, JobId)> {
        self.delayed.iter().take_while(move |(due, _)| *due <= now)
    }

    /// Active jobs whose lease has passed, the longest passed first.
    pub(super) fn lapsed(&self, now: u64) -> impl Iterator<Item = &(u64, JobId)> {
        self.active.iter().take_while(move |(deadline, _)| *deadline <= now)
    }

    /// The jobs that ended in this state; `None` if it is not an end.
    pub(super) fn ended(&mut self, state: JobState) -> Option<&mut Ended> {
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
            waiting: self.waiting.len(),
            delayed: self.delayed.len(),
            active: self.active.len(),
            completed: self.completed.len(),
            failed: self.failed.len(),
            cancelled: self.cancelled.len(),
            expired: self.expired.len(),
        }
    }
}
