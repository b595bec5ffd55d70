//! Who owns which key, and what was let through.

use std::collections::{HashMap, VecDeque};

use super::key::{Key, OnceKey};
use super::record::Record;
use crate::adapter::{Once, TaskName};
use crate::job::{JobId, millis};

#[derive(Default)]
pub(super) struct Keys {
    pub(super) owners: HashMap<Key, Owner>,
    /// The times of the last jobs of throttled keys, and when they can be dropped.
    pub(super) throttled: HashMap<(TaskName, String), (VecDeque<u64>, u64)>,
    once: HashMap<OnceKey, Standing>,
}

pub(super) struct Owner {
    /// When the key was last free.
    pub(super) first: u64,
    pub(super) id: JobId,
}

impl Keys {
    /// Keys whose owner has ended, is unknown, or does not own them.
    pub(super) fn stale<'a>(
        &'a self,
        jobs: &'a HashMap<JobId, Record>,
    ) -> impl Iterator<Item = (&'a Key, &'a JobId)> {
        let owns = |key: &Key, id: &JobId| {
            jobs.get(id).and_then(|job| job.held.as_ref()).is_some_and(|held| held.key == *key)
        };
        self.owners.iter().map(|(key, owner)| (key, &owner.id)).filter(move |(key, id)| !owns(key, id))
    }

    pub(super) fn forget_owner(&mut self, id: &JobId, jobs: &HashMap<JobId, Record>) {
        let stale: Vec<Key> =
            self.stale(jobs).filter(|(_, owner)| *owner == id).map(|(key, _)| key.clone()).collect();
        for key in stale {
            self.owners.remove(&key);
        }
    }

    /// What a key stands for; the error is a job or workflow with another payload.
    pub(super) fn standing(&self, key: &OnceKey, once: Once, now: u64) -> Option<Result<String, String>> {
        let standing = self.once.get(key).filter(|standing| standing.until > now)?;
        let is_same = standing.fingerprint == once.fingerprint;
        Some(if is_same { Ok(standing.id.clone()) } else { Err(standing.id.clone()) })
    }

    pub(super) fn stand(&mut self, key: OnceKey, id: String, once: Once, now: u64) {
        let until = now.saturating_add(millis(once.life));
        self.once.insert(key, Standing { until, fingerprint: once.fingerprint, id });
    }

    /// The key stands for another job from now on.
    pub(super) fn pass_on(&mut self, key: &OnceKey, from: &str, to: &str) {
        if let Some(standing) = self.once.get_mut(key).filter(|known| known.id == from) {
            to.clone_into(&mut standing.id);
        }
    }

    /// What the key stood for has ended without completing.
    pub(super) fn give_up(&mut self, key: Option<OnceKey>, id: &str) {
        if let Some(key) = key.filter(|key| self.once.get(key).is_some_and(|known| known.id == id)) {
            self.once.remove(&key);
        }
    }

    /// Drops entries that no rule needs any more.
    pub(super) fn forget(&mut self, now: u64) {
        self.throttled.retain(|_, (_, until)| *until > now);
        self.once.retain(|_, standing| standing.until > now);
    }
}

struct Standing {
    until: u64,
    fingerprint: u64,
    /// The id of a job or of a workflow.
    id: String,
}
