//! The leases that a worker holds.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::adapter::{Lease, RenewLease, Renewal};
use crate::context::{Context, StopReason};
use crate::job::JobId;

/// The leases that a worker holds. Shared by the engine, which takes leases and gives them up, and the keeper, which renews
/// them.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<JobId, Held>>,
    /// Cancelled jobs that were not held when the cancellation arrived: their claim may be in flight.
    early: Mutex<HashMap<JobId, Instant>>,
}

/// How long an early cancellation is remembered, and how many of them.
const EARLY: (Duration, usize) = (Duration::from_secs(10), 1_000);

struct Held {
    context: Context,
    length: Duration,
    /// When the last extension that succeeded was asked for: the store's deadline is never earlier than this plus
    /// the length.
    since: Instant,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashMap<JobId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, context: Context, length: Duration, asked: Instant) {
        let mut early = self.early();
        if early.remove(context.id()).is_some_and(|heard| heard >= asked) {
            context.stop(StopReason::Cancelled);
        }
        self.held().insert(context.id().clone(), Held { context, length, since: asked });
    }

    /// Returns the attempt that has held it.
    pub(crate) fn give_up(&self, lease: &Lease) -> Option<Context> {
        let mut held = self.held();
        held.get(&lease.id).filter(|held| held.context.lease() == lease)?;
        held.remove(&lease.id).map(|held| held.context)
    }

    fn early(&self) -> MutexGuard<'_, HashMap<JobId, Instant>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the attempt of this job to stop, even if the job is only just being claimed.
    pub(crate) fn cancel(&self, id: JobId) {
        // locks in the same order as `take`, so that `take` sees the one or the other
        let mut early = self.early();
        if let Some(held) = self.held().get(&id) {
            held.context.stop(StopReason::Cancelled);
            return;
        }
        let now = Instant::now();
        if early.len() >= EARLY.1 {
            early.retain(|_, heard| now.saturating_duration_since(*heard) < EARLY.0);
        }
        if early.len() < EARLY.1 {
            early.insert(id, now);
        }
    }

    /// Tells every attempt to stop.
    pub(crate) fn stop_all(&self, reason: StopReason) {
        self.held().values().for_each(|held| held.context.stop(reason));
    }

    /// The jobs of leases that are held for others than these, in order of their ids: the first so many.
    pub(crate) fn some<'a>(&self, most: usize, but: impl Iterator<Item = &'a Context>) -> Vec<JobId> {
        let but: HashSet<&JobId> = but.map(Context::id).collect();
        let mut ids: Vec<JobId> = self.held().keys().filter(|id| !but.contains(id)).cloned().collect();
        ids.sort_unstable();
        ids.truncate(most);
        ids
    }

    /// The leases that have used up `share` of their length, or that were last extended at `missed` or before.
    pub(crate) fn due(&self, now: Instant, share: f64, missed: Instant) -> Vec<RenewLease> {
        self.held()
            .values()
            .filter(|held| {
                held.since <= missed
                    || now.saturating_duration_since(held.since) >= held.length.mul_f64(share)
            })
            .map(|held| RenewLease { lease: held.context.lease().clone(), length: held.length })
            .collect()
    }

    /// Records what happened to leases that were to be extended at `asked`.
    pub(crate) fn renewed(&self, asked: Instant, renewals: &[(RenewLease, Renewal)]) {
        let mut held = self.held();
        for (renew, renewal) in renewals {
            let Some(held) =
                held.get_mut(&renew.lease.id).filter(|held| *held.context.lease() == renew.lease)
            else {
                continue; // settled in the meantime
            };
            match renewal {
                Renewal::Extended => held.since = asked,
                Renewal::Cancelled => {
                    held.since = asked;
                    held.context.stop(StopReason::Cancelled);
                }
                Renewal::Lost => held.context.stop(StopReason::LeaseLost),
            }
        }
    }

    /// Stops the attempts whose lease has expired without an extension: the store cannot be reached, and other workers may
    /// be running their jobs by now.
    pub(crate) fn stop_overdue(&self, now: Instant) {
        for held in self.held().values() {
            if now.saturating_duration_since(held.since) >= held.length {
                held.context.stop(StopReason::LeaseLost);
            }
        }
    }
}
