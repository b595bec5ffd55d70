//! An adapter that writes down what a worker claims, renews and settles, and what the store said to it.
//!
//! The product tells nobody which of an attempt's outcomes was accepted; here it is heard where it is answered. A process
//! that dies between the store's answer and the record leaves none, so that records are proof of what they say, and
//! their absence is proof of nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskora::adapter::{
    Adapter, AdapterError, AttemptEnd, CallId, DeclaredLimit, DueSchedules, Exchange, Exchanged, Forward,
    KeyTaken, Lease, LimitKey, PerKey, RenewLease, Renewal, Settled, Swept, TaskName, WorkListener,
    WorkerReport,
};
use taskora::{Retention, Task};
use tokio::sync::Notify;

use crate::ledger::{Ledger, Record, now};
use crate::tasks::{Done, Work};

type Asked = HashMap<(Arc<str>, u8), (u64, u64)>;

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct Observed {
    inner: Arc<dyn Adapter>,
    witness: Witness,
    per_key: Option<PerKey>,
}

impl Observed {
    /// Watches this adapter.
    pub fn new(inner: impl Adapter, ledger: Ledger) -> Self {
        Self { inner: Arc::new(inner), witness: Witness { ledger, asked: Arc::default() }, per_key: None }
    }

    /// As if the contract of `work` had this limit for each key.
    #[must_use]
    pub fn per_key(self, per_key: Option<PerKey>) -> Self {
        Self { per_key, ..self }
    }
}

/// Writes down exchanges, whichever way they are made.
#[derive(Debug, Clone)]
struct Witness {
    ledger: Ledger,
    /// By worker and slot: the number of its last exchange, and when that was asked for first. A repetition is answered with
    /// what the first one did, and its leases are as old.
    asked: Arc<Mutex<Asked>>,
}

impl Witness {
    /// When this exchange was asked for first.
    fn asked(&self, call: &CallId) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let last = asked.entry((call.worker.clone(), call.slot)).or_insert((call.number, now()));
        if last.0 != call.number {
            *last = (call.number, now());
        }
        last.1
    }

    /// What a sweep has rescued.
    fn rescued(&self, swept: &Swept) {
        if swept.rescued + swept.stalled > 0 {
            self.ledger.write(Record::Rescued { jobs: swept.rescued, stalled: swept.stalled });
        }
    }

    /// Before the call; answers when it was asked for first.
    fn begin(&self, exchange: &Exchange) -> u64 {
        for settlement in &exchange.settle {
            let (job, token) = (settlement.lease.id.to_string(), settlement.lease.token);
            self.ledger.write(Record::Settling { job, token, end: kind(&settlement.end).to_owned() });
        }
        self.asked(&exchange.call)
    }

    /// What the store said.
    fn end(&self, exchange: &Exchange, asked: u64, answer: &Exchanged) {
        for (settlement, settled) in exchange.settle.iter().zip(&answer.settled) {
            let state = match settled {
                Settled::Now(state) => Some(state.to_string()),
                Settled::Stale => None,
            };
            self.ledger.write(Record::Settled {
                job: settlement.lease.id.to_string(),
                token: settlement.lease.token,
                state,
                nonce: nonce(&settlement.end),
            });
        }
        if answer.ticks.is_some() {
            self.ledger.write(Record::Timed {});
        }
        let tasks = exchange.claim.as_ref().map(|claim| &claim.tasks);
        for job in &answer.jobs {
            let claim =
                tasks.iter().flat_map(|tasks| tasks.iter()).find(|claim| claim.task == job.lease.task);
            self.ledger.write(Record::Claimed {
                job: job.lease.id.to_string(),
                token: job.lease.token,
                asked,
                lease: claim.map_or(0, |claim| micros(claim.lease)),
            });
        }
    }
}

/// A listener whose claims are written down.
struct ObservedListener {
    inner: Box<dyn WorkListener>,
    witness: Witness,
}

#[async_trait]
impl WorkListener for ObservedListener {
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError> {
        // a lease begins with the claim, which is made at some moment of the wait: so it lasts from now at least
        let asked = self.witness.begin(exchange);
        let answer = self.inner.wait(exchange, limit, wake_early).await?;
        self.witness.end(exchange, asked, &answer);
        Ok(answer)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn kind(end: &AttemptEnd) -> &'static str {
    match end {
        AttemptEnd::Complete(_) => "complete",
        AttemptEnd::Retry { .. } => "retry",
        AttemptEnd::Fail(_) => "fail",
        AttemptEnd::Cancel => "cancel",
        AttemptEnd::Release { .. } => "release",
    }
}

fn nonce(end: &AttemptEnd) -> Option<u64> {
    match end {
        AttemptEnd::Complete(result) => serde_json::from_slice::<Done>(result).ok().map(|done| done.nonce),
        _ => None,
    }
}

#[async_trait]
impl Forward for Observed {
    fn inner(&self) -> &dyn Adapter {
        &*self.inner
    }

    async fn declare_limits(
        &self,
        mut limits: Vec<DeclaredLimit>,
    ) -> Result<Vec<DeclaredLimit>, AdapterError> {
        for limit in limits.iter_mut().filter(|limit| &*limit.task.task == Work::NAME) {
            limit.per_key = limit.per_key.or(self.per_key);
        }
        let before = self.inner.control().declare_limits(limits).await?;
        self.witness.ledger.write(Record::Declared {});
        Ok(before)
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        let asked = self.witness.begin(&exchange);
        let answer = self.inner.jobs().exchange(exchange.clone()).await?;
        self.witness.end(&exchange, asked, &answer);
        Ok(answer)
    }

    async fn take_key(&self, lease: &Lease, key: &LimitKey) -> Result<KeyTaken, AdapterError> {
        let (job, token) = (lease.id.to_string(), lease.token);
        // a job that must wait loses its lease in this call
        let end = "take_key".to_owned();
        self.witness.ledger.write(Record::Settling { job: job.clone(), token, end });
        let taken = self.inner.control().take_key(lease, key).await?;
        if taken == KeyTaken::Go {
            self.witness.ledger.write(Record::TookKey { job, token });
        }
        Ok(taken)
    }

    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError> {
        let asked = now();
        let answer = self.inner.jobs().renew(leases.clone()).await?;
        for (renew, renewal) in leases.iter().zip(&answer) {
            self.witness.ledger.write(Record::Renewed {
                job: renew.lease.id.to_string(),
                token: renew.lease.token,
                asked,
                lease: micros(renew.length),
                extended: *renewal != Renewal::Lost,
            });
        }
        Ok(answer)
    }

    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError> {
        let swept = self.inner.jobs().sweep(tasks, retention).await?;
        self.witness.rescued(&swept);
        Ok(swept)
    }

    async fn sweep_for(
        &self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        let swept = self.inner.jobs().sweep_for(report, tasks, retention).await?;
        self.witness.rescued(&swept);
        Ok(swept)
    }

    async fn due_schedules(&self, worker: &str) -> Result<DueSchedules, AdapterError> {
        let due = self.inner.schedules().due_schedules(worker).await?;
        for schedule in &due.schedules {
            let late = schedule.next.map_or(0, |next| due.now.as_millis().saturating_sub(next.as_millis()));
            self.witness.ledger.write(Record::Due { schedule: schedule.name.clone(), late });
        }
        if due.next.is_some() {
            self.witness.ledger.write(Record::Timed {});
        }
        Ok(due)
    }

    fn work(&self) -> Box<dyn WorkListener> {
        Box::new(ObservedListener { inner: self.inner.signals().work(), witness: self.witness.clone() })
    }
}
