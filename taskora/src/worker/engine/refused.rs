//! What the engine does when the store refuses a call: it asks for less, and gives up what is still refused.

use tokio::time::Instant;

use super::Engine;
use crate::adapter::{AdapterError, Settlement};
use crate::worker::calls::Call;
use crate::worker::store::{Refused, ends_the_worker};

impl Engine {
    pub(super) fn on_refused(&mut self, call: Call, refused: Refused) {
        let Refused { error, settle } = refused;
        if let Some(reservation) = call.reservation {
            self.capacity.release(reservation);
        }
        if ends_the_worker(&error) {
            self.refusals.fatal.get_or_insert(error);
            return;
        }
        if call.limit > 0 {
            let rest = self.refusals.backoff.delay();
            self.refusals.claim_again = Some(Instant::now() + rest);
            if settle.is_empty() {
                tracing::error!(%error, again_in = ?rest, "the store refuses to hand out jobs");
                return;
            }
        } else if let [alone] = &*settle {
            self.leave(alone, &error);
            return;
        }
        tracing::error!(%error, outcomes = settle.len(), "the store refuses a call; settling its outcomes one by one");
        self.refusals.singles.extend(settle);
    }

    /// Gives up an outcome that the store refuses even alone. Its job runs again once its lease has expired.
    pub(super) fn leave(&self, settlement: &Settlement, error: &AdapterError) {
        let lease = &settlement.lease;
        tracing::error!(
            job = %lease.id, task = %lease.task, end = ?settlement.end, %error,
            "the store refuses the outcome of an attempt; the job runs again when its lease has passed"
        );
        self.leases.give_up(lease);
    }

    pub(super) fn on_claim_again(&mut self) {
        self.refusals.claim_again = None;
        self.may_have_work = true;
        self.work_epoch += 1;
    }
}
