//! What operators do with single jobs.

use async_trait::async_trait;

use super::adapter::MemoryAdapter;
use super::line::Line;
use super::record::{Phase, Record};
use super::store::Store;
use crate::adapter::{Acted, Actions, AdapterError, CancelOutcome, Due, Ending, Kind, NewJob, Revival, What};
use crate::job::{JobId, JobState, Timestamp, millis};

impl Store {
    fn revive(&mut self, revival: &Revival, now: u64) -> Acted {
        let id = &revival.id;
        let record = match self.acted_on(id) {
            Ok(record) => record,
            Err(acted) => return acted,
        };
        let state = record.phase.state();
        match record.phase {
            Phase::Ended { at, .. }
                if state.may_be_revived() && Timestamp::from_millis(at) == revival.ended_at => {}
            _ => return Acted::Is(state),
        }
        let delay = millis(revival.delay);
        let due = (delay > 0).then(|| now.saturating_add(delay));
        let task = record.new.task.clone();
        // above those of its first life
        self.last_token += 1;
        if let Some(record) = self.jobs.get_mut(id) {
            if let Some(queue) = self.queues.get_mut(&task) {
                queue.remove(id, &record.phase);
            }
            record.revive(self.last_token, now);
            record.start_by(due.unwrap_or(now));
        }
        self.enter_line(id, due.map_or(Line::Back, Line::Due));
        let due_at = due.map(Timestamp::from_millis);
        self.announce(id, Kind::Revived, || What::Revived { due_at });
        self.wake([task]);
        Acted::Done
    }

    fn promote(&mut self, id: &JobId, now: u64) -> Acted {
        let record = match self.acted_on(id) {
            Ok(record) => record,
            Err(acted) => return acted,
        };
        let Phase::Delayed { due, .. } = record.phase else { return Acted::Is(record.phase.state()) };
        let task = record.new.task.clone();
        self.delay_anew(id, due.min(now));
        self.make_ready([&task], now);
        self.wake([task]);
        Acted::Done
    }

    fn withdraw(&mut self, id: &JobId, reason: &str, now: u64) -> Acted {
        let Some(record) = self.jobs.get(id) else { return Acted::NotFound };
        match record.phase.state() {
            state @ (JobState::Waiting | JobState::Delayed | JobState::Retrying) => {
                match self.cancel(id, reason, now) {
                    CancelOutcome::Cancelled => Acted::Done,
                    _ => Acted::Is(state),
                }
            }
            state => Acted::Is(state),
        }
    }

    fn delete(&mut self, id: &JobId, reason: &str, now: u64) -> Acted {
        let state = match self.acted_on(id) {
            Ok(record) => record.phase.state(),
            Err(acted) => return acted,
        };
        if state == JobState::Active {
            return Acted::Is(state);
        }
        if !state.is_terminal() {
            self.cancel(id, reason, now);
        }
        self.remove(id)
    }

    fn discard(&mut self, id: &JobId, ended_at: Timestamp) -> Acted {
        match self.acted_on(id).map(|record| &record.phase) {
            Err(acted) => acted,
            Ok(Phase::Ended { at, .. }) if Timestamp::from_millis(*at) == ended_at => self.remove(id),
            Ok(phase) => Acted::Is(phase.state()),
        }
    }

    fn replace_job(
        &mut self,
        id: &JobId,
        with: NewJob,
        reason: &str,
        now: u64,
    ) -> Result<Acted, AdapterError> {
        let record = match self.acted_on(id) {
            Ok(record) => record,
            Err(acted) => return Ok(acted),
        };
        let is_known = self.jobs.contains_key(&with.id);
        let due = match &record.phase {
            Phase::Ended { ending: Ending::Cancelled(known), .. } if is_known && known == reason => {
                return Ok(Acted::Done);
            }
            phase @ (Phase::Ended { .. } | Phase::Active { .. }) => return Ok(Acted::Is(phase.state())),
            Phase::Delayed { due, .. } => Some(*due).filter(|due| *due > now),
            _ => None,
        };
        if record.new.task != with.task {
            return Err(AdapterError::Config("a job is replaced by one of its own task".to_owned()));
        }
        if is_known {
            return Ok(Acted::Taken);
        }
        let (new, task) = (with.id.clone(), with.task.clone());
        let job = NewJob {
            priority: record.new.priority,
            due: Due::Now,
            replace_failed: false,
            tick: None,
            ..with
        };
        self.add_new(job, due.unwrap_or(now), now);
        let line = match self.hand_over(id, &new) {
            Some(front) => Line::Behind(front),
            None => due.map_or(Line::Back, Line::Due),
        };
        self.enter_line(&new, line);
        self.announce_enqueued(&new, due);
        self.cancel(id, reason, now);
        self.wake([task]);
        Ok(Acted::Done)
    }

    fn reprioritise(&mut self, id: &JobId, priority: i16) -> Acted {
        let record = match self.acted_on(id) {
            Ok(record) => record,
            Err(acted) => return acted,
        };
        if matches!(record.phase, Phase::Ended { .. } | Phase::Active { .. }) {
            return Acted::Is(record.phase.state());
        }
        if record.new.priority != priority {
            if let Some(record) = self.jobs.get_mut(id) {
                record.new.priority = priority;
            }
            self.place_anew(id);
        }
        Acted::Done
    }

    fn remove(&mut self, id: &JobId) -> Acted {
        self.announce(id, Kind::Deleted, || What::Deleted);
        self.forget(id);
        Acted::Done
    }

    /// A job that is not a node.
    fn acted_on(&self, id: &JobId) -> Result<&Record, Acted> {
        let record = self.jobs.get(id).ok_or(Acted::NotFound)?;
        match &record.node {
            Some(node) => Err(Acted::PartOf(node.workflow.clone())),
            None => Ok(record),
        }
    }
}

#[async_trait]
impl Actions for MemoryAdapter {
    async fn revive(&self, jobs: Vec<Revival>) -> Result<Vec<Acted>, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(jobs.iter().map(|revival| store.revive(revival, now)).collect())
    }

    async fn promote(&self, id: &JobId) -> Result<Acted, AdapterError> {
        Ok(self.0.lock().promote(id, self.0.now()))
    }

    async fn withdraw(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(ids.iter().map(|id| store.withdraw(id, reason, now)).collect())
    }

    async fn delete(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(ids.iter().map(|id| store.delete(id, reason, now)).collect())
    }

    async fn discard(&self, jobs: Vec<(JobId, Timestamp)>) -> Result<Vec<Acted>, AdapterError> {
        let mut store = self.0.lock();
        Ok(jobs.iter().map(|(id, ended_at)| store.discard(id, *ended_at)).collect())
    }

    async fn replace(&self, id: &JobId, with: NewJob, reason: &str) -> Result<Acted, AdapterError> {
        with.check()?;
        self.0.lock().replace_job(id, with, reason, self.0.now())
    }

    async fn reprioritise(&self, id: &JobId, priority: i16) -> Result<Acted, AdapterError> {
        Ok(self.0.lock().reprioritise(id, priority))
    }
}
