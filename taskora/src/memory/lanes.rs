//! Lanes: the waiting lines of the keys of one task. They take turns: the lane that was served longest ago comes first, among those
//! whose first jobs have the highest priority. A new lane takes the number of the job that opens it, so it waits for all lanes that
//! were served before that job came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::line::Place;
use crate::adapter::LimitKey;
use crate::job::JobId;

#[derive(Default)]
pub(super) struct Lanes {
    by_key: HashMap<LimitKey, Lane>,
    /// The keys of all lanes, by the priority of their first job, then by turn.
    turns: BTreeMap<(Reverse<i16>, i64), LimitKey>,
    /// The jobs that hold a key.
    held: BTreeSet<(LimitKey, JobId)>,
}

#[derive(Default)]
struct Lane {
    jobs: BTreeMap<Place, JobId>,
    turn: i64,
}

impl Lane {
    fn turn(&self) -> Option<(Reverse<i16>, i64)> {
        self.jobs.first_key_value().map(|((priority, _), _)| (*priority, self.turn))
    }
}

impl Lanes {
    /// Changes a lane, and keeps its turn in order.
    fn change(&mut self, key: &LimitKey, change: impl FnOnce(&mut Lane)) {
        let lane = self.by_key.entry(key.clone()).or_default();
        if let Some(turn) = lane.turn() {
            self.turns.remove(&turn);
        }
        change(lane);
        match lane.turn() {
            Some(turn) => drop(self.turns.insert(turn, key.clone())),
            None => drop(self.by_key.remove(key)),
        }
    }

    pub(super) fn insert(&mut self, key: &LimitKey, place: Place, id: JobId) {
        self.change(key, |lane| {
            if lane.jobs.is_empty() {
                lane.turn = place.1;
            }
            lane.jobs.insert(place, id);
        });
    }

    pub(super) fn remove(&mut self, key: &LimitKey, place: Place) {
        self.change(key, |lane| drop(lane.jobs.remove(&place)));
    }

    /// A job goes to another place in its lane, which keeps its turn.
    pub(super) fn move_to(&mut self, key: &LimitKey, from: Place, to: Place) {
        self.change(key, |lane| {
            if let Some(id) = lane.jobs.remove(&from) {
                lane.jobs.insert(to, id);
            }
        });
    }

    /// A job of this lane was claimed: its next turn has this number.
    pub(super) fn served(&mut self, key: &LimitKey, turn: i64) {
        self.change(key, |lane| lane.turn = turn);
    }

    pub(super) fn hold(&mut self, key: &LimitKey, id: &JobId) {
        self.held.insert((key.clone(), id.clone()));
    }

    pub(super) fn let_go(&mut self, key: &LimitKey, id: &JobId) {
        self.held.remove(&(key.clone(), id.clone()));
    }

    pub(super) fn holders(&self, key: &LimitKey) -> usize {
        let first = (key.clone(), JobId::from(""));
        self.held.range(first..).take_while(|(known, _)| known == key).count()
    }

    /// The first place in a lane.
    pub(super) fn first_of(&self, key: &LimitKey) -> Option<Place> {
        self.by_key.get(key)?.jobs.first_key_value().map(|(place, _)| *place)
    }

    /// The first job in a lane.
    pub(super) fn first_job(&self, key: &LimitKey) -> Option<&JobId> {
        self.by_key.get(key)?.jobs.first_key_value().map(|(_, id)| id)
    }

    /// The first job of the first lane, whether it may go or not, with the place of the lane.
    pub(super) fn first(&self) -> Option<(Place, &JobId)> {
        let (turn, key) = self.turns.first_key_value()?;
        Some((*turn, self.first_job(key)?))
    }

    /// The job whose turn it is, of those that were in line when this number was the last, and that may go.
    pub(super) fn next(
        &self,
        last: i64,
        mut may_go: impl FnMut(&LimitKey, &JobId) -> bool,
    ) -> Option<(Place, &JobId)> {
        self.turns.values().find_map(|key| {
            let jobs = &self.by_key.get(key)?.jobs;
            let (place, id) = jobs.iter().find(|(place, _)| place.1 <= last)?;
            may_go(key, id).then_some((*place, id))
        })
    }

    /// The keys of all lanes.
    pub(super) fn keys(&self) -> impl Iterator<Item = &LimitKey> {
        self.turns.values()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&LimitKey, Place, &JobId)> {
        self.by_key.iter().flat_map(|(key, lane)| lane.jobs.iter().map(move |(place, id)| (key, *place, id)))
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.values().map(|lane| lane.jobs.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
