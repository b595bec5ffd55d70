//! An adapter whose calls a test can hold up or cut off.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use taskora::adapter::{
    Adapter, AdapterError, Cancellation, Exchange, Exchanged, Forward, JobCounts, JobReport, RenewLease,
    Renewal, Swept, TaskName, WorkListener, WorkerReport, WorkflowRecord,
};
use taskora::{JobId, JobInfo, Retention, WorkflowId};
use tokio::sync::{Notify, broadcast, watch};

use super::soon;

/// Holds up whoever comes while it is closed.
#[derive(Debug)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    arrived: Notify,
}

impl Gate {
    fn new() -> Self {
        Self { open: watch::Sender::new(true), arrived: Notify::new() }
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until somebody is held up.
    pub(crate) async fn arrived(&self) {
        soon("somebody at the gate", self.arrived.notified()).await;
    }

    async fn pass(&self) {
        let mut open = self.open.subscribe();
        if !*open.borrow_and_update() {
            self.arrived.notify_one();
            let _ = open.wait_for(|open| *open).await;
        }
    }
}

/// A worker's call, as a [`Refusal`] sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Called<'a> {
    Exchange(&'a Exchange),
    Wait,
    Renew(&'a [RenewLease]),
    Note(&'a [JobReport]),
    Sweep(&'a [TaskName]),
    Counts(&'a str),
}

impl Called<'_> {
    /// Whether it settles something.
    pub(crate) fn settles(&self) -> bool {
        matches!(self, Self::Exchange(exchange) if !exchange.settle.is_empty())
    }

    /// Whether it claims something.
    pub(crate) fn claims(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.claim.as_ref().is_some_and(|claim| claim.limit > 0),
            Self::Wait => true,
            _ => false,
        }
    }

    /// Whether it settles an attempt of this job.
    pub(crate) fn settles_job(&self, id: &JobId) -> bool {
        matches!(self, Self::Exchange(exchange) if exchange.settle.iter().any(|settled| settled.lease.id == *id))
    }
}

type Refuse = Box<dyn FnMut(Called<'_>) -> Option<AdapterError> + Send>;

/// Which calls fail, and how.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Refuse>>>);

impl Refusal {
    /// From now on, calls fail with what this function says of them.
    pub(crate) fn set(&self, refuse: impl FnMut(Called<'_>) -> Option<AdapterError> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(refuse));
    }

    /// From now on, no call fails.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn check(&self, called: Called<'_>) -> Result<(), AdapterError> {
        match self.0.lock().unwrap().as_mut().and_then(|refuse| refuse(called)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusal")
    }
}

/// Another adapter behind switches.
#[derive(Debug, Clone)]
pub(crate) struct Switch {
    inner: Arc<dyn Adapter>,
    /// Before calls that settle something.
    pub(crate) before_settle: Arc<Gate>,
    /// Between a call that has claimed something and its answer.
    pub(crate) after_claim: Arc<Gate>,
    /// What a worker does by itself does not reach the store while this is true.
    pub(crate) cut_off: Arc<AtomicBool>,
    /// Workers that start while this is true are never told of cancellations.
    pub(crate) mute: Arc<AtomicBool>,
    /// Results of nodes cannot be read while this is true.
    pub(crate) no_results: Arc<AtomicBool>,
    /// Jobs and workflows cannot be read while this is true.
    pub(crate) unreadable: Arc<AtomicBool>,
    /// What those are told instead.
    pub(crate) silence: broadcast::Sender<Cancellation>,
    /// Calls that fail.
    pub(crate) refusal: Refusal,
    /// Exchanges that are refused are made all the same; only their answer is lost.
    pub(crate) lose_answers: Arc<AtomicBool>,
    /// How many exchanges and waits there were.
    pub(crate) calls: Arc<AtomicUsize>,
}

impl Switch {
    pub(crate) fn new(inner: Arc<dyn Adapter>) -> Self {
        Self {
            inner,
            before_settle: Arc::new(Gate::new()),
            after_claim: Arc::new(Gate::new()),
            cut_off: Arc::default(),
            mute: Arc::default(),
            no_results: Arc::default(),
            unreadable: Arc::default(),
            silence: broadcast::Sender::new(1),
            refusal: Refusal::default(),
            lose_answers: Arc::default(),
            calls: Arc::default(),
        }
    }

    fn check(&self) -> Result<(), AdapterError> {
        if !self.cut_off.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Self::off())
    }

    fn check_readable(&self) -> Result<(), AdapterError> {
        if self.unreadable.load(Ordering::SeqCst) { Err(Self::off()) } else { Ok(()) }
    }

    /// What a claim has brought, without the results that cannot be read.
    fn given(&self, mut answer: Exchanged) -> Exchanged {
        if self.no_results.load(Ordering::SeqCst) {
            answer.jobs.iter_mut().for_each(|job| job.prior_result = None);
        }
        answer
    }

    fn off() -> AdapterError {
        AdapterError::Unavailable { address: "switch".into(), message: "switched off".into() }
    }
}

#[async_trait]
impl Forward for Switch {
    fn inner(&self) -> &dyn Adapter {
        &*self.inner
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        self.check()?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        if !exchange.settle.is_empty() {
            self.before_settle.pass().await;
        }
        if let Err(error) = self.refusal.check(Called::Exchange(&exchange)) {
            if self.lose_answers.load(Ordering::SeqCst) {
                self.inner.jobs().exchange(exchange).await?;
            }
            return Err(error);
        }
        let answer = self.given(self.inner.jobs().exchange(exchange).await?);
        if !answer.jobs.is_empty() {
            self.after_claim.pass().await;
        }
        Ok(answer)
    }

    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError> {
        self.check()?;
        self.refusal.check(Called::Renew(&leases))?;
        self.inner.jobs().renew(leases).await
    }

    async fn note(&self, notes: Vec<JobReport>) -> Result<Vec<bool>, AdapterError> {
        self.check()?;
        self.refusal.check(Called::Note(&notes))?;
        self.inner.jobs().note(notes).await
    }

    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError> {
        self.check()?;
        self.refusal.check(Called::Sweep(tasks))?;
        self.inner.jobs().sweep(tasks, retention).await
    }

    async fn sweep_for(
        &self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        self.check()?;
        self.refusal.check(Called::Sweep(tasks))?;
        self.inner.jobs().sweep_for(report, tasks, retention).await
    }

    async fn sign_off(&self, report: &WorkerReport) -> Result<(), AdapterError> {
        self.check()?;
        self.inner.jobs().sign_off(report).await
    }

    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError> {
        self.refusal.check(Called::Counts(task))?;
        self.inner.inspection().counts(task).await
    }

    fn work(&self) -> Box<dyn WorkListener> {
        Box::new(SwitchListener { inner: self.inner.signals().work(), switch: self.clone() })
    }

    fn cancellations(&self) -> broadcast::Receiver<Cancellation> {
        if self.mute.load(Ordering::SeqCst) {
            self.silence.subscribe()
        } else {
            self.inner.signals().cancellations()
        }
    }

    async fn node_results(
        &self,
        id: &WorkflowId,
        nodes: &[u32],
    ) -> Result<Vec<Option<Vec<u8>>>, AdapterError> {
        self.check()?;
        if self.no_results.load(Ordering::SeqCst) {
            return Err(Self::off());
        }
        self.inner.workflows().node_results(id, nodes).await
    }

    async fn workflow(&self, id: &WorkflowId, nodes: bool) -> Result<Option<WorkflowRecord>, AdapterError> {
        self.check_readable()?;
        self.inner.workflows().workflow(id, nodes).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError> {
        self.check_readable()?;
        self.inner.inspection().job(id).await
    }

    async fn is_served_by_another_build(&self, task: &str) -> Result<bool, AdapterError> {
        self.check_readable()?;
        self.inner.inspection().is_served_by_another_build(task).await
    }
}

struct SwitchListener {
    inner: Box<dyn WorkListener>,
    switch: Switch,
}

#[async_trait]
impl WorkListener for SwitchListener {
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError> {
        self.switch.calls.fetch_add(1, Ordering::SeqCst);
        self.switch.check()?;
        self.switch.refusal.check(Called::Wait)?;
        let answer = self.switch.given(self.inner.wait(exchange, limit, wake_early).await?);
        if !answer.jobs.is_empty() {
            self.switch.after_claim.pass().await;
        }
        // what was cut off meanwhile was not heard
        self.switch.check()?;
        Ok(answer)
    }
}
