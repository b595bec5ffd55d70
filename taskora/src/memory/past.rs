//! What is kept of what happened to a job.

use super::record::{Phase, Record};
use super::store::Store;
use crate::adapter::{Ending, Happened, PastStep};
use crate::job::{JobId, Timestamp};

impl Record {
    /// Notes something that happened.
    fn add_past(&mut self, step: PastStep) {
        if self.node.is_some() {
            return;
        }
        if self.past.len() == PastStep::MAX {
            self.past.pop_front();
        }
        self.past.push_back(step);
    }

    /// Notes an attempt after which another one follows.
    fn add_attempt(&mut self, what: Happened, number: u32, started_at: Option<u64>, now: u64) {
        let error = self.error.as_deref().filter(|_| what == Happened::Retried).map(PastStep::text);
        let started_at = started_at.map(Timestamp::from_millis);
        self.add_past(PastStep { what, attempt: number, started_at, at: Timestamp::from_millis(now), error });
    }

    /// Notes the end of a life, and the revival.
    pub(super) fn add_revival(&mut self, now: u64) {
        let Phase::Ended { at, started_at, ending } = &self.phase else { return };
        let what = match ending {
            Ending::Completed(_) => Happened::Completed,
            Ending::Failed(_) => Happened::Failed,
            Ending::Stalled(_) => Happened::Stalled,
            Ending::Cancelled(_) => Happened::Cancelled,
            Ending::Expired => Happened::Expired,
        };
        let error = match ending {
            Ending::Failed(text) | Ending::Stalled(text) | Ending::Cancelled(text) => {
                Some(PastStep::text(text))
            }
            Ending::Completed(_) | Ending::Expired => None,
        };
        let (attempt, started_at) = (self.attempts, started_at.map(Timestamp::from_millis));
        self.add_past(PastStep { what, attempt, started_at, at: Timestamp::from_millis(*at), error });
        let (what, at) = (Happened::Revived, Timestamp::from_millis(now));
        self.add_past(PastStep { what, attempt: 0, started_at: None, at, error: None });
    }
}

impl Store {
    /// Notes an attempt of this job that is over, after which another one follows.
    pub(super) fn note_attempt(&mut self, id: &JobId, what: Happened, started_at: Option<u64>, now: u64) {
        if let Some(record) = self.jobs.get_mut(id) {
            // only a failed attempt counts
            let number = record.attempts + u32::from(what != Happened::Retried);
            record.add_attempt(what, number, started_at, now);
        }
    }
}
