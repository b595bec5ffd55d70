//! Keeps a worker's leases, and receives cancellations.
//!
//! For a remote store it runs on its own thread, so that a handler that blocks the worker's threads neither loses its lease
//! nor misses its cancellation. A store in this process shares the worker's runtime, and so its clock, which a test may have
//! paused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;

use super::leases::Leases;
use crate::adapter::{Adapter, AdapterError, Cancellation, RenewLease};
use crate::error::WorkerError;

/// The share of a lease's length after which it is renewed.
const RENEW_AT: f64 = 0.3;
/// The shortest time between two heartbeats, however often handlers ask for one.
const HEARTBEATS: Duration = Duration::from_millis(10);
/// How often leases are checked, as a share of the shortest one.
const LOOK_AT: f64 = 0.1;
/// The most leases that one call renews.
const PAGE: usize = 500;

pub(crate) struct Keeper {
    pub(crate) adapter: Arc<dyn Adapter>,
    /// Subscribed before the first job was claimed.
    pub(crate) cancellations: broadcast::Receiver<Cancellation>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) shortest: Duration,
    /// Renew everything now.
    pub(crate) heartbeat: Arc<Notify>,
    /// Ends when this is closed.
    pub(crate) closed: watch::Receiver<()>,
}

impl Keeper {
    /// Starts the keeper.
    pub(crate) fn start(self) -> Result<(), WorkerError> {
        if !self.adapter.inspection().is_remote() {
            tokio::spawn(self.run());
            return Ok(());
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(WorkerError::Start)?;
        std::thread::Builder::new()
            .name("taskora-keeper".into())
            .spawn(move || runtime.block_on(self.run()))
            .map(drop)
            .map_err(WorkerError::Start)
    }

    async fn run(mut self) {
        let mut look = tokio::time::interval(self.shortest.mul_f64(LOOK_AT).max(Duration::from_millis(1)));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut not_before = Instant::now();
        // cancellations of jobs that were held at this time may have been missed
        let mut missed = Instant::now();
        loop {
            tokio::select! {
                _ = self.closed.changed() => return,
                cancelled = self.cancellations.recv() => match cancelled {
                    Ok(Cancellation::Of(id)) => self.leases.cancel(id),
                    // the next renewal sees it
                    Ok(Cancellation::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        missed = Instant::now();
                        self.renew(RENEW_AT, missed).await;
                    }
                    Err(broadcast::error::RecvError::Closed) => self.cancellations = self.adapter.signals().cancellations(),
                },
                () = heartbeat(&self.heartbeat, not_before) => {
                    not_before = Instant::now() + HEARTBEATS;
                    self.renew(0.0, missed).await;
                }
                _ = look.tick() => self.renew(RENEW_AT, missed).await,
            }
        }
    }

    /// Renews the leases that have used up `share` of their length, and those last extended at `missed` or before.
    async fn renew(&self, share: f64, missed: Instant) {
        let asked = Instant::now();
        let due = self.leases.due(asked, share, missed);
        for page in due.chunks(PAGE) {
            // a silent store answers none of the pages in time
            self.leases.stop_overdue(Instant::now());
            self.renew_page(asked, page).await;
        }
        self.leases.stop_overdue(Instant::now());
    }

    async fn renew_page(&self, asked: Instant, page: &[RenewLease]) {
        match self.try_to_renew(asked, page).await {
            Ok(()) => {}
            // one lease that the store refuses must not cost the others theirs
            Err(error) if !error.is_retryable() && page.len() > 1 => {
                tracing::error!(%error, leases = page.len(), "the store refuses to renew leases; renewing them one by one");
                for alone in page.chunks(1) {
                    if let Err(error) = self.try_to_renew(asked, alone).await {
                        Self::log(&error, alone);
                    }
                }
            }
            Err(error) => Self::log(&error, page),
        }
    }

    async fn try_to_renew(&self, asked: Instant, page: &[RenewLease]) -> Result<(), AdapterError> {
        let renewals = self.adapter.jobs().renew(page.to_vec()).await?;
        let renewals: Vec<_> = page.iter().cloned().zip(renewals).collect();
        self.leases.renewed(asked, &renewals);
        Ok(())
    }

    /// Leases that are not renewed are tried again shortly, until they have expired.
    fn log(error: &AdapterError, page: &[RenewLease]) {
        if let [RenewLease { lease, .. }] = page
            && !error.is_retryable()
        {
            tracing::error!(%error, job = %lease.id, task = %lease.task, "the store refuses to renew a lease");
        } else {
            tracing::warn!(%error, leases = page.len(), "cannot renew leases yet");
        }
    }
}

async fn heartbeat(asked: &Notify, not_before: Instant) {
    tokio::time::sleep_until(not_before).await;
    asked.notified().await;
}
