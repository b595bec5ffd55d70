//! What operators do with single jobs.

use proptest::prelude::{Just, Strategy, prop_oneof};
use taskora::adapter::{Acted, Actions, Inspection, NewJob, Revival};
use taskora::{JobId, JobState, Retention};

use super::operation::{Target, fives};
use super::pair::{Pair, both, same};
use super::wait::end_of;

#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// After so many fives of seconds.
    Revive(u8),
    Promote,
    Withdraw,
    Reprioritise(i16),
    /// Only of what is gone at once on Redis: what has a tombstone waits for it.
    Delete,
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop_oneof![3 => Just(0u8), 1 => 1..4u8].prop_map(Act::Revive),
        2 => Just(Act::Promote),
        2 => Just(Act::Withdraw),
        3 => prop_oneof![Just(0i16), Just(-5), Just(9)].prop_map(Act::Reprioritise),
        1 => Just(Act::Delete),
    ]
}

impl Pair<'_> {
    pub(super) fn act(&mut self, act: Act, target: Target) -> Result<(), String> {
        let id = target.id();
        match act {
            Act::Revive(delay) => self.revive(&id, delay)?,
            Act::Promote => drop(both!(self, |adapter| adapter.promote(&id))),
            Act::Withdraw => drop(both!(self, |adapter| adapter.withdraw(std::slice::from_ref(&id), "why"))),
            // what has a tombstone is trimmed later on Redis
            Act::Reprioritise(_) if self.retention.completed != Retention::default().completed => {}
            Act::Reprioritise(priority) => {
                let acted = both!(self, |adapter| adapter.reprioritise(&id, priority));
                if acted == Acted::Done {
                    self.revived.insert(id.clone());
                }
            }
            Act::Delete => {
                let known = both!(self, |adapter| async {
                    Inspection::job(adapter, &id).await.map(|info| info.map(|info| info.state))
                });
                let is_gone = matches!(known, Some(JobState::Completed | JobState::Failed));
                if is_gone && !self.revived.contains(&id) {
                    both!(self, |adapter| adapter.delete(std::slice::from_ref(&id), "gone"));
                    self.registered.remove(&end_of(&id));
                }
            }
        }
        Ok(())
    }

    /// By a job of its own task.
    pub(super) fn replace(&mut self, target: Target, mut new: NewJob) -> Result<(), String> {
        if new.id == Target::Job(0).id() && self.is_used_up()? {
            return Ok(());
        }
        let (id, reason) = (target.id(), format!("replaced by {}", new.id));
        let old = self.memory.0.block_on(Inspection::job(&self.memory.1, &id));
        if let Some(old) = old.map_err(|error| error.to_string())? {
            new.task = old.task.into();
        }
        let acted = both!(self, |adapter| adapter.replace(&id, new.clone(), &reason));
        self.subjects.jobs.insert(new.id.clone());
        if acted == Acted::Done {
            self.registered.remove(&end_of(&new.id));
        }
        Ok(())
    }

    /// Each with its own time of the end.
    fn revive(&mut self, id: &JobId, delay: u8) -> Result<(), String> {
        let ends = [
            self.memory.0.block_on(Inspection::job(&self.memory.1, id)),
            self.redis.0.block_on(Inspection::job(&self.redis.1, id)),
        ];
        let mut revivals = Vec::new();
        for end in ends {
            let info = end.map_err(|error| error.to_string())?;
            let Some(ended_at) = info.and_then(|info| info.finished_at) else { return Ok(()) };
            revivals.push(vec![Revival { id: id.clone(), ended_at, delay: fives(delay) }]);
        }
        let there = revivals.pop().unwrap_or_default();
        let here = revivals.pop().unwrap_or_default();
        let memory = self.memory.0.block_on(self.memory.1.revive(here)).map_err(|error| error.to_string())?;
        let redis = self.redis.0.block_on(self.redis.1.revive(there)).map_err(|error| error.to_string())?;
        same("revived", &memory, &redis)?;
        if memory == [Acted::Done] {
            self.registered.remove(&end_of(id));
            self.revived.insert(id.clone());
        }
        Ok(())
    }
}
