//! The engine's requests to the store: settlements and claims.

use super::Engine;
use crate::adapter::{Claim, Exchange};
use crate::worker::capacity::Reservation;
use crate::worker::ticker::Ticking;

/// The most jobs claimed in one call.
const BATCH: usize = 64;

impl Engine {
    /// Settles what has ended, and claims; `false` if there is nothing to do.
    pub(super) fn exchange(&mut self, slot: usize) -> bool {
        if let Some(single) = self.refusals.singles.pop_front() {
            let (call, settle) = (self.calls.name(slot), vec![single]);
            let exchange = Exchange { call, settle, claim: None, retention: self.app.setup().retention() };
            self.calls.exchange(slot, exchange, None, self.work_epoch);
            return true;
        }
        if self.may_pass_on() {
            self.pass_on(slot);
            return true;
        }
        let may_claim = self.stopping.is_none() && self.refusals.claim_again.is_none();
        let free = if may_claim { self.capacity.free().min(BATCH) } else { 0 };
        let claims = free > 0 && (self.may_have_work || !self.outcomes.is_empty());
        if self.outcomes.is_empty() && !claims {
            return false;
        }
        let (claim, reservation) = if claims { self.claim(free) } else { (None, None) };
        if claims {
            // until the answer says otherwise, assume that a claim that fills this worker takes all there is
            self.may_have_work &= self.capacity.free() > 0;
        }
        let call = self.calls.name(slot);
        let exchange =
            Exchange { call, settle: self.outcomes.take(), claim, retention: self.app.setup().retention() };
        self.calls.exchange(slot, exchange, reservation, self.work_epoch);
        true
    }

    /// A claim, and its reservation.
    fn claim(&mut self, limit: usize) -> (Option<Claim>, Option<Reservation>) {
        self.look_at_ticker();
        let (room, tasks) = (self.capacity.free(), self.capacity.claims());
        (Some(Claim { limit, room, tasks }), Some(self.capacity.reserve(limit)))
    }

    /// If the ticker has ended, another worker is to be told of ticks.
    pub(super) fn look_at_ticker(&mut self) {
        if self.ticker.as_ref().is_some_and(Ticking::has_ended) {
            self.ticker = None;
            self.capacity.stop_ticks();
        }
    }

    /// Makes the listener claim when there is work, if there is room and no known work.
    pub(super) fn listen(&mut self) {
        if self.stopping.is_some() {
            self.calls.wake_early();
            return;
        }
        if self.capacity.is_paused() {
            self.listen_for_ticks();
            return;
        }
        if self.may_have_work || self.calls.claims() || self.refusals.claim_again.is_some() {
            return;
        }
        if let Some(tasks) = self.calls.listening() {
            // a full task does not need a new wait; a task that has room again does, and one place less ends the wait
            if self.capacity.has_opened(tasks) || self.capacity.is_over() {
                self.calls.wake_early();
            }
            return;
        }
        if !self.capacity.has_room() {
            return;
        }
        // claims one job, because a job that is handed to a dead worker waits until its lease expires; the next exchange
        // claims more
        let (claim, reservation) = self.claim(1);
        let call = self.calls.name_listener();
        let exchange = Exchange { call, settle: Vec::new(), claim, retention: self.app.setup().retention() };
        self.calls.listen(exchange, reservation, self.work_epoch);
    }
}
