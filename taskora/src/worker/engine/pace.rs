//! How the engine follows what its worker is told at run time: another concurrency, a pause, and its end.

use super::Engine;
use crate::adapter::{AttemptEnd, Claim, Exchange};

impl Engine {
    /// The worker was told another concurrency, or to pause, or to go on.
    pub(super) fn on_pace(&mut self) {
        let pace = *self.pace.borrow_and_update();
        if self.stopping.is_some() {
            return;
        }
        let was_paused = self.capacity.is_paused();
        self.capacity.set_concurrency(pace.concurrency);
        let is_paused = pace.claims_nothing();
        self.capacity.set_paused(is_paused);
        self.shed();
        if is_paused && !was_paused {
            self.passes_on = true;
            // the next one that it is told was passed on
            self.due = None;
        } else if was_paused && !is_paused {
            self.passes_on = false;
            self.calls.wake_early();
            self.may_have_work = true;
            self.work_epoch += 1;
        }
    }

    /// Hands back the jobs for which there is no room any more. In reverse order, because each goes before all others of its priority.
    pub(super) fn shed(&mut self) {
        while self.capacity.is_over()
            && let Some(ready) = self.ready.pop_back()
        {
            self.capacity.give_back(ready.runnable.pool);
            for context in ready.contexts().rev() {
                self.release(context.settlement(AttemptEnd::release()));
            }
        }
    }

    /// Whether a paused worker may pass on what it was told: calls in flight may still be told something.
    pub(super) fn may_pass_on(&self) -> bool {
        let may_claim = self.stopping.is_none() && self.refusals.claim_again.is_none();
        self.passes_on && may_claim && !self.calls.claims() && self.calls.listening().is_none()
    }

    /// Claims nothing, and so passes on all signals and times of jobs. This worker goes on making ticks.
    pub(super) fn pass_on(&mut self, slot: usize) {
        self.passes_on = false;
        let claim = Some(Claim { limit: 0, room: 0, tasks: self.capacity.claims_of_tasks().collect() });
        let call = self.calls.name(slot);
        let exchange =
            Exchange { call, settle: self.outcomes.take(), claim, retention: self.app.setup().retention() };
        self.calls.exchange(slot, exchange, None, self.work_epoch);
    }

    /// What a paused worker waits for: the ticks of schedules.
    pub(super) fn listen_for_ticks(&mut self) {
        if self.passes_on {
            // a wait for jobs ends
            self.calls.wake_early();
            return;
        }
        if self.calls.listening().is_some() || self.refusals.claim_again.is_some() {
            return;
        }
        self.look_at_ticker();
        let Some(ticks) = self.capacity.claim_of_ticks() else { return };
        let claim = Some(Claim { limit: 1, room: 1, tasks: [ticks].into() });
        let call = self.calls.name_listener();
        let exchange = Exchange { call, settle: Vec::new(), claim, retention: self.app.setup().retention() };
        self.calls.listen(exchange, None, self.work_epoch);
    }
}
