//! How a worker ends: it waits for running attempts, hands back the rest, and makes one last call.

use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use super::stopping::Stopping;
use crate::adapter::{AdapterError, Claim, Exchange, Settlement};
use crate::context::StopReason;
use crate::error::WorkerError;
use crate::worker::store::ends_the_worker;
use crate::worker::tally::Sent;

/// The longest grace period, a year; a longer one is cut to this.
const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the last call may take.
const LAST_CALL: Duration = Duration::from_secs(1);
impl Engine {
    /// Begins the shutdown. A further order may shorten the grace period.
    pub(super) fn on_stop(&mut self, grace: Duration) {
        // a longer grace period is as good as for ever, and the time might not be representable
        let grace_ends = Instant::now() + grace.min(LONGEST_GRACE);
        if let Some(stopping) = &mut self.stopping {
            stopping.grace_ends = stopping.grace_ends.min(grace_ends);
            return;
        }
        // the last call passes its next tick on
        self.ticker = None;
        self.stopping = Some(Stopping { grace_ends, told: false, released: (0, Vec::new()) });
        self.capacity.set_paused(true);
        self.shed();
    }

    pub(super) fn on_grace_ends(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            stopping.told = true;
        }
        self.leases.stop_all(StopReason::Shutdown);
    }

    /// Whether the worker may make its last call, which also voids a listener's claim in flight.
    pub(super) fn may_close(&self) -> bool {
        let Some(stopping) = &self.stopping else { return false };
        if self.running > 0 || self.has_outcomes() || self.calls.settles() {
            return false;
        }
        // do not wait for a claim that an unreachable store will not answer
        if self.calls.exchanges() && !self.store.is_away() {
            return false;
        }
        // a thread cannot be stopped, but it may end by itself within the grace period
        self.threads == 0 || stopping.told
    }

    /// Whether there are outcomes that no call has taken yet.
    fn has_outcomes(&self) -> bool {
        !self.outcomes.is_empty() || !self.refusals.singles.is_empty()
    }

    /// The last call: hands back what is left, and passes on a signal that this worker may have received.
    pub(super) async fn close(mut self) -> Result<(), WorkerError> {
        let ended = self.make_last_call().await;
        // jobs that are not settled by now run again when their leases expire
        let released = self.stopping.as_ref().map_or(0, |stopping| stopping.released.0);
        if ended.is_ok() && released > 0 {
            let first = self.stopping.as_ref().map(|stopping| &stopping.released.1);
            tracing::info!(jobs = released, ?first, "handed back the jobs that were not finished");
        }
        match ended {
            Err(error) if ends_the_worker(&error) => Err(WorkerError::Store(error)),
            Err(error) => Err(WorkerError::HandBack(error)),
            Ok(()) => match self.running + self.threads {
                0 => Ok(()),
                attempts => Err(WorkerError::StillRunning { attempts }),
            },
        }
    }

    async fn make_last_call(&mut self) -> Result<(), AdapterError> {
        let holds_jobs = self.running > 0 || self.has_outcomes() || self.calls.settles();
        if !holds_jobs && self.store.was_never_reached() {
            return Ok(());
        }
        // a store that does not answer must not delay the end beyond the limit
        let limit = self.stopping.as_ref().map_or(LAST_CALL, |stopping| {
            (stopping.grace_ends + LAST_CALL).saturating_duration_since(Instant::now()).min(LAST_CALL)
        });
        let limit = limit.max(LAST_CALL / 10);
        let deadline = Instant::now() + limit;
        // jobs that earlier calls still hand out go back with the last one
        while self.calls.any() {
            match tokio::time::timeout_at(deadline - limit / 2, self.calls.answered()).await {
                Ok(answers) => self.on_answers(answers),
                Err(_) => break,
            }
        }
        let claim = Claim { limit: 0, room: 0, tasks: self.capacity.claims() };
        let last = self.last_exchange(Some(claim));
        let holds_jobs = holds_jobs || !last.settle.is_empty();
        let (adapter, calls, mut late) = (self.store.adapter.clone(), &mut self.calls, Vec::new());
        // earlier calls without an answer must be known to have arrived
        let earlier = async {
            while calls.exchanges() {
                late.extend(calls.answered().await);
            }
        };
        let call = async { tokio::join!(adapter.jobs().exchange(last.clone()), earlier).0 };
        let mut answer = tokio::time::timeout_at(deadline, call).await;
        if let Ok(Ok(answer)) = &answer {
            let sent: Vec<Sent> = last.settle.iter().map(Sent::new).collect();
            self.on_settled(&sent, &answer.settled);
        }
        self.on_answers(late);
        if let Ok(Err(error)) = &answer
            && !error.is_retryable()
            && !ends_the_worker(error)
        {
            self.refusals.singles.extend(last.settle);
            answer = tokio::time::timeout_at(deadline, self.settle_singles()).await.map(Ok);
        }
        if self.has_outcomes() && matches!(answer, Ok(Ok(_))) {
            // jobs that were handed out at the last moment
            let rest = self.last_exchange(None);
            // the store answers, so a short time is enough, even beyond the limit
            let last = deadline.max(Instant::now() + LAST_CALL / 10);
            answer = tokio::time::timeout_at(last, adapter.jobs().exchange(rest)).await;
        }
        match answer {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if holds_jobs || !error.is_retryable() => Err(error),
            Err(_) if holds_jobs => Err(AdapterError::Unavailable {
                address: "the store".to_owned(),
                message: format!("no answer within {limit:?}"),
            }),
            _ => {
                tracing::warn!("the worker stops while the store is away; it holds no job");
                Ok(())
            }
        }
    }

    /// An exchange with everything that is left.
    fn last_exchange(&mut self, claim: Option<Claim>) -> Exchange {
        let call = self.calls.name_listener();
        let settle = self.refusals.singles.drain(..).chain(self.outcomes.drain()).collect();
        Exchange { call, settle, claim, retention: self.app.setup().retention() }
    }

    /// Settles outcomes one by one that the store has refused together.
    async fn settle_singles(&mut self) -> crate::adapter::Exchanged {
        while let Some(single) = self.refusals.singles.pop_front() {
            let exchange = Exchange {
                call: self.calls.name_listener(),
                settle: vec![single.clone()],
                claim: None,
                retention: self.app.setup().retention(),
            };
            if let Err(error) = self.store.adapter.jobs().exchange(exchange).await {
                self.leave(&single, &error);
            }
        }
        crate::adapter::Exchanged::default()
    }

    /// Ends a worker that cannot go on. Its attempts are told that they have lost their leases, because these are no longer
    /// renewed.
    pub(super) async fn abandon(mut self, error: AdapterError) -> WorkerError {
        tracing::error!(%error, attempts = self.running, "the worker cannot go on");
        self.leases.stop_all(StopReason::LeaseLost);
        let ended = async {
            while self.running > 0 {
                let Some(ended) = self.ended.recv().await else { break };
                self.on_ended(ended);
            }
        };
        let _ = tokio::time::timeout(LAST_CALL, ended).await;
        WorkerError::Store(error)
    }

    /// Gives a claimed job back.
    pub(super) fn release(&mut self, release: Settlement) {
        if let Some(stopping) = &mut self.stopping {
            stopping.note_release(&release.lease);
        }
        self.outcomes.push(release);
    }
}
