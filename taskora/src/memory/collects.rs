//! Items that gather under keys, and are claimed in batches.

use std::collections::{BTreeMap, BTreeSet};

use super::line::Place;
use crate::adapter::{Collect, LimitKey};
use crate::job::{Blocked, JobId, millis};

/// The items of one task that gather.
#[derive(Default)]
pub(super) struct Collects {
    by_lane: BTreeMap<BatchLane, Items>,
    /// When each lane opens.
    opens: BTreeSet<(u64, BatchLane)>,
    /// Active items of serial batches.
    running: BTreeSet<(LimitKey, JobId)>,
    /// Lanes that have given a batch in this call.
    served: BTreeSet<BatchLane>,
    /// Workers were woken for the lanes that opened until this time.
    told: u64,
}

/// Where items of a key gather: those that came back do so apart from new ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchLane {
    pub(super) key: LimitKey,
    pub(super) is_returned: bool,
}

/// An item that gathers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) lane: BatchLane,
    pub(super) place: Place,
    /// When it came.
    pub(super) at: u64,
    pub(super) rule: Collect,
}

#[derive(Default)]
pub(super) struct Items {
    /// With the time at which they came.
    jobs: BTreeMap<Place, (JobId, u64)>,
    came: BTreeSet<(u64, Place)>,
    /// That of the item that came last.
    rule: Option<Collect>,
    /// What came until then goes now.
    flushed: Option<u64>,
}

impl Items {
    /// When the first and the last one came.
    pub(super) fn times(&self) -> Option<(u64, u64)> {
        Some((self.came.first()?.0, self.came.last()?.0))
    }

    /// When they go.
    pub(super) fn opens_at(&self) -> Option<u64> {
        let ((first, last), rule) = (self.times()?, self.rule?);
        if self.jobs.len() >= rule.max_size as usize || self.flushed >= Some(first) {
            return Some(last);
        }
        let by_delay = last.saturating_add(millis(rule.delay));
        let by_wait = rule.max_wait.map(|wait| first.saturating_add(millis(wait)));
        Some(by_wait.map_or(by_delay, |by_wait| by_wait.min(by_delay)))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// In the order of claims.
    pub(super) fn ids(&self) -> impl Iterator<Item = &JobId> {
        self.jobs.values().map(|(id, _)| id)
    }

    /// Those that were in line when this number was the last.
    fn until(&self, last: i64) -> impl Iterator<Item = (Place, &JobId)> {
        self.jobs.iter().filter(move |(place, _)| place.1 <= last).map(|(place, (id, _))| (*place, id))
    }
}

impl Collects {
    /// Changes a lane, and keeps the time at which it opens.
    fn change(&mut self, lane: &BatchLane, change: impl FnOnce(&mut Items)) {
        let items = self.by_lane.entry(lane.clone()).or_default();
        let opens_at = |items: &Items| if lane.is_returned { Some(0) } else { items.opens_at() };
        if let Some(at) = opens_at(items) {
            self.opens.remove(&(at, lane.clone()));
        }
        change(items);
        if items.jobs.is_empty() {
            self.by_lane.remove(lane);
        } else if let Some(at) = opens_at(items) {
            self.opens.insert((at, lane.clone()));
        }
    }

    pub(super) fn insert(&mut self, item: &Item, id: JobId) {
        self.change(&item.lane, |items| {
            items.jobs.insert(item.place, (id, item.at));
            items.came.insert((item.at, item.place));
            items.rule = Some(item.rule);
        });
    }

    pub(super) fn remove(&mut self, lane: &BatchLane, place: Place) {
        self.change(lane, |items| {
            if let Some((_, at)) = items.jobs.remove(&place) {
                items.came.remove(&(at, place));
            }
        });
    }

    /// An item goes to another place in its lane. It came when it came.
    pub(super) fn move_to(&mut self, item: &Item, to: Place) {
        self.change(&item.lane, |items| {
            if let Some((id, at)) = items.jobs.remove(&item.place) {
                items.came.remove(&(at, item.place));
                items.jobs.insert(to, (id, at));
                items.came.insert((at, to));
            }
        });
    }

    /// What gathers under a key goes now. Returns whether there was something.
    pub(super) fn flush(&mut self, key: &LimitKey, now: u64) -> bool {
        let lane = BatchLane { key: key.clone(), is_returned: false };
        let is_there = self.by_lane.contains_key(&lane);
        if is_there {
            self.change(&lane, |items| items.flushed = Some(now));
        }
        is_there
    }

    /// New items of a key.
    pub(super) fn gathered(&self, key: &LimitKey) -> Option<&Items> {
        self.by_lane.get(&BatchLane { key: key.clone(), is_returned: false })
    }

    pub(super) fn start(&mut self, key: &LimitKey, id: &JobId) {
        self.running.insert((key.clone(), id.clone()));
    }

    pub(super) fn end(&mut self, key: &LimitKey, id: &JobId) {
        self.running.remove(&(key.clone(), id.clone()));
    }

    fn is_running(&self, key: &LimitKey) -> bool {
        let first = (key.clone(), JobId::from(""));
        self.running.range(first..).next().is_some_and(|(known, _)| known == key)
    }

    /// Why no batch of a lane may go; `None` if one may.
    pub(super) fn why_closed(&self, lane: &BatchLane, now: u64) -> Option<Blocked> {
        let items = self.by_lane.get(lane)?;
        if items.rule?.serial && self.is_running(&lane.key) {
            return Some(Blocked::LimitKey(lane.key.to_string()));
        }
        let gathers = !lane.is_returned && items.opens_at()? > now;
        gathers.then_some(Blocked::Gathering)
    }

    /// The first item of the lane that goes next, of those that were in line when this number was the last.
    pub(super) fn next(
        &self,
        last: i64,
        now: u64,
        may_go: impl Fn(&LimitKey) -> bool,
    ) -> Option<(Place, &JobId)> {
        let open = self.opens.iter().take_while(|(at, _)| *at <= now);
        open.filter(|(_, lane)| !self.served.contains(lane))
            .filter_map(|(_, lane)| {
                let items = self.by_lane.get(lane)?;
                let is_held = items.rule?.serial && self.is_running(&lane.key);
                if !is_held && may_go(&lane.key) { items.until(last).next() } else { None }
            })
            .min()
    }

    /// The items of a lane from which a batch is taken, at most `more` beyond its size, and its rule.
    pub(super) fn batch(&self, lane: &BatchLane, last: i64, more: usize) -> Option<(Vec<JobId>, Collect)> {
        let items = self.by_lane.get(lane)?;
        let rule = items.rule?;
        let ids = items.until(last).take(rule.max_size as usize + more);
        Some((ids.map(|(_, id)| id.clone()).collect(), rule))
    }

    /// This call takes nothing more from a lane.
    pub(super) fn serve(&mut self, lane: BatchLane) {
        self.served.insert(lane);
    }

    pub(super) fn end_call(&mut self) {
        self.served.clear();
    }

    /// When the next lane opens.
    pub(super) fn first_opening(&self, now: u64) -> Option<u64> {
        self.opens.iter().map(|(at, _)| *at).find(|at| *at > now)
    }

    /// Whether a lane has opened by time since the last call.
    pub(super) fn has_opened(&mut self, now: u64) -> bool {
        let before = std::mem::replace(&mut self.told, now);
        self.opens.iter().any(|(at, _)| (before + 1..=now).contains(at))
    }

    /// The first item of all lanes, whether it may go or not.
    pub(super) fn first(&self) -> Option<(Place, &JobId)> {
        self.by_lane.values().filter_map(|items| items.until(i64::MAX).next()).min()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&BatchLane, Place, &JobId)> {
        self.by_lane
            .iter()
            .flat_map(|(lane, items)| items.jobs.iter().map(move |(place, (id, _))| (lane, *place, id)))
    }

    pub(super) fn len(&self) -> usize {
        self.by_lane.values().map(Items::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_lane.is_empty()
    }
}
