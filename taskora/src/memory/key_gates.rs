//! What single keys of a task have beside what the contract says of each of them.

use std::collections::BTreeMap;

use super::pauses::Paused;
use super::starts::{Starts, kind};
use crate::adapter::{LimitKey, Rate};

/// How many keys there are at least before those are looked for that have nothing any more.
const FEW: usize = 64;

/// The keys of one gate.
#[derive(Default)]
pub(super) struct KeyGates {
    by_key: BTreeMap<LimitKey, KeyGate>,
    /// With so many keys, those go that have nothing any more.
    most: usize,
}

/// One key.
#[derive(Default)]
pub(super) struct KeyGate {
    /// The limit that was set.
    pub(super) limit: Option<u32>,
    /// The rate that was set.
    pub(super) rate: Option<Rate>,
    pub(super) paused: Paused,
    /// The starts that its rate counts.
    starts: Starts,
    /// It is closed until then, because the other side wants no more.
    closed_until: u64,
}

impl KeyGate {
    fn is_set(&self) -> bool {
        self.limit.is_some() || self.rate.is_some() || self.paused.is_some()
    }

    /// When a job may start that costs so much, if not now.
    pub(super) fn opens_at(&self, declared: Option<Rate>, cost: u32, now: u64) -> Option<u64> {
        let of_rate = self.rate_or(declared).and_then(|rate| self.starts.opens_at(rate, cost, now));
        of_rate.max(Some(self.closed_until).filter(|at| *at > now))
    }

    /// Whether starts until now may keep others from starting, or the key is closed.
    fn counts(&self, declared: Option<Rate>, now: u64) -> bool {
        self.closed_until > now || self.rate_or(declared).is_some_and(|rate| self.starts.counts(rate, now))
    }

    /// Its own rate, or that of each key.
    fn rate_or(&self, declared: Option<Rate>) -> Option<Rate> {
        self.rate.or(declared)
    }
}

impl KeyGates {
    pub(super) fn get(&self, key: &LimitKey) -> Option<&KeyGate> {
        self.by_key.get(key)
    }

    /// Whether something was set for a key.
    pub(super) fn any_set(&self) -> bool {
        self.by_key.values().any(KeyGate::is_set)
    }

    /// Whether a key has a rate of its own, or was closed.
    pub(super) fn any_timed(&self) -> bool {
        self.by_key.values().any(|key| key.rate.is_some() || key.closed_until > 0)
    }

    /// When the pauses of keys end by themselves, or have ended.
    pub(super) fn pauses_end_at(&self) -> impl Iterator<Item = u64> {
        self.by_key.values().filter_map(|key| key.paused.until())
    }

    /// Forgets the pauses that have ended by themselves.
    pub(super) fn forget_over(&mut self, now: u64) {
        self.by_key.values_mut().for_each(|key| key.paused.forget_over(now));
    }

    /// Changes what was set for a key.
    pub(super) fn set<T>(&mut self, key: &LimitKey, change: impl FnOnce(&mut KeyGate) -> T) -> T {
        change(self.by_key.entry(key.clone()).or_default())
    }

    /// A job starts that holds this key, and costs so much.
    pub(super) fn start(&mut self, key: &LimitKey, declared: Option<Rate>, cost: u32, now: u64) {
        let Some(rate) = self.by_key.get(key).and_then(|gate| gate.rate).or(declared) else { return };
        self.by_key.entry(key.clone()).or_default().starts.add(rate, cost, now);
        if self.by_key.len() > self.most.max(FEW) {
            self.by_key.retain(|_, gate| gate.is_set() || gate.counts(declared, now));
            self.most = 2 * self.by_key.len();
        }
    }

    /// No job of this key starts before a time.
    pub(super) fn close(&mut self, key: &LimitKey, until: u64) {
        let gate = self.by_key.entry(key.clone()).or_default();
        gate.closed_until = gate.closed_until.max(until);
    }

    /// The rate of each key.
    pub(super) fn rates(&self, declared: Option<Rate>) -> Vec<(LimitKey, Option<Rate>)> {
        self.by_key.iter().map(|(key, gate)| (key.clone(), gate.rate_or(declared))).collect()
    }

    /// The rates of keys were these. Starts that other rates would have counted otherwise are forgotten.
    pub(super) fn rates_have_changed(
        &mut self,
        before: &[(LimitKey, Option<Rate>)],
        declared: Option<Rate>,
        now: u64,
    ) {
        for (key, before) in before {
            let Some(gate) = self.by_key.get_mut(key) else { continue };
            let rate = gate.rate_or(declared);
            if before.map(kind) != rate.map(kind) {
                gate.starts = Starts::default();
            }
            if let Some(rate) = rate {
                gate.starts.adjust(rate, now);
            }
        }
    }

    /// The keys of another gate are those of this one, unless it has its own; with `keeps_starts`, so are the starts that the rate of
    /// each key counts.
    pub(super) fn adopt(&mut self, former: Self, keeps_starts: bool, now: u64) {
        for (key, theirs) in former.by_key {
            let own = self.by_key.entry(key).or_default();
            own.limit = own.limit.or(theirs.limit);
            own.paused.adopt(theirs.paused, now);
            own.closed_until = own.closed_until.max(theirs.closed_until);
            if own.rate.is_none() && (theirs.rate.is_some() || keeps_starts) {
                (own.rate, own.starts) = (theirs.rate, theirs.starts);
            }
        }
    }
}
