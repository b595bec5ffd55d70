//! The adapter: each call is one step on the store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use super::key::Key;
use super::listener::MemoryListener;
use super::queue::Queue;
use super::record::Record;
use super::shared::Shared;
use crate::adapter::{
    Actions, Adapter, AdapterError, Admission, Admissions, Admitted, AdmittedWorkflow, CancelOutcome,
    Cancellation, Control, Declaration, Declared, DueSchedules, Ended, Enqueued, Events, Exchange, Exchanged,
    HistoryStep, Inspection, JobCounts, JobData, JobNews, JobQuery, JobReport, Jobs, Listed, ListedWorkflows,
    NewJob, NewTick, NewWorkflow, Once, Overview, PutSchedule, RemoveOutcome, RenewLease, Renewal, Schedules,
    Signals, StoredHistory, StoredSchedule, Swept, TaskName, Ticked, Triggered, Upkeep, WorkListener,
    WorkerInfo, WorkerReport, WorkflowEnded, WorkflowQuery, WorkflowRecord, Workflows,
};
use crate::job::{JobId, JobInfo, LogEntry, Timestamp, millis};
use crate::policy::Retention;
use crate::schedules::Overlap;
use crate::workflow::WorkflowId;

/// A store in this process's memory. Clones share one store, which is gone when the last clone is dropped.
///
/// It does exactly what a remote store does, so what works here works there. It uses tokio's clock: a test that starts with
/// a paused clock gets virtual time, in which a job that is delayed for a week runs at once.
///
/// ```
/// use taskora::MemoryAdapter;
///
/// let store = MemoryAdapter::new();
/// let the_same = store.clone();
/// # drop(the_same);
/// ```
#[derive(Clone)]
pub struct MemoryAdapter(pub(super) Arc<Shared>);

impl MemoryAdapter {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(SystemTime::now())
    }

    /// An empty store whose clock begins at this time: to see what schedules do on a certain day.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use taskora::MemoryAdapter;
    ///
    /// let evening_of_28_march_2026 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_720_800);
    /// let store = MemoryAdapter::starting_at(evening_of_28_march_2026);
    /// # drop(store);
    /// ```
    #[must_use]
    pub fn starting_at(time: SystemTime) -> Self {
        let epoch = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis);
        Self(Arc::new(Shared::new(epoch)))
    }
}

impl Default for MemoryAdapter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAdapter").field("jobs", &self.0.lock().jobs.len()).finish_non_exhaustive()
    }
}

impl Adapter for MemoryAdapter {
    fn jobs(&self) -> &dyn Jobs {
        self
    }

    fn admissions(&self) -> &dyn Admissions {
        self
    }

    fn signals(&self) -> &dyn Signals {
        self
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    fn workflows(&self) -> &dyn Workflows {
        self
    }

    fn upkeep(&self) -> &dyn Upkeep {
        self
    }

    fn schedules(&self) -> &dyn Schedules {
        self
    }

    fn control(&self) -> &dyn Control {
        self
    }

    fn events(&self) -> &dyn Events {
        self
    }

    fn actions(&self) -> &dyn Actions {
        self
    }
}

#[async_trait]
impl Jobs for MemoryAdapter {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError> {
        jobs.iter().try_for_each(NewJob::check)?;
        Ok(self.0.lock().enqueue(jobs, self.0.now()))
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        Ok(self.0.lock().exchange(exchange, self.0.now()))
    }

    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError> {
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(leases.iter().map(|renew| store.renew(renew, now)).collect())
    }

    async fn note(&self, notes: Vec<JobReport>) -> Result<Vec<bool>, AdapterError> {
        let mut store = self.0.lock();
        Ok(notes.into_iter().map(|notes| store.note(notes)).collect())
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError> {
        Ok(self.0.lock().cancel(id, reason, self.0.now()))
    }

    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError> {
        Ok(self.0.lock().sweep(tasks, retention, self.0.now()).0)
    }

    async fn sweep_for(
        &self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        report.worker.check()?;
        Ok(self.0.lock().sweep_for(report, tasks, retention, self.0.now()))
    }

    async fn sign_off(&self, report: &WorkerReport) -> Result<(), AdapterError> {
        report.worker.check()?;
        self.0.lock().sign_off(report, self.0.now());
        Ok(())
    }
}

#[async_trait]
impl Signals for MemoryAdapter {
    fn work(&self) -> Box<dyn WorkListener> {
        Box::new(MemoryListener(Arc::clone(&self.0)))
    }

    fn cancellations(&self) -> broadcast::Receiver<Cancellation> {
        self.0.lock().cancellations.subscribe()
    }

    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError> {
        let answer = self.0.lock().await_end(id);
        match answer {
            Some(Ok(ended)) => Ok(Some(ended)),
            // the store never drops the other side before the job has ended
            Some(Err(told)) => Ok(told.await.ok()),
            None => Ok(None),
        }
    }

    fn watch(&self, id: &JobId) -> watch::Receiver<Option<JobNews>> {
        let mut store = self.0.lock();
        store.jobs.get_mut(id).map_or_else(|| watch::channel(None).1, Record::watch)
    }
}

#[async_trait]
impl Workflows for MemoryAdapter {
    async fn start(&self, workflow: NewWorkflow) -> Result<Enqueued, AdapterError> {
        Ok(self.0.lock().start(workflow, self.0.now()))
    }

    async fn node_results(
        &self,
        id: &WorkflowId,
        nodes: &[u32],
    ) -> Result<Vec<Option<Vec<u8>>>, AdapterError> {
        Ok(self.0.lock().node_results(id, nodes))
    }

    async fn cancel_workflow(&self, id: &WorkflowId, reason: &str) -> Result<CancelOutcome, AdapterError> {
        Ok(self.0.lock().cancel_flow(id, reason, self.0.now()))
    }

    async fn workflow_ended(&self, id: &WorkflowId) -> Result<Option<WorkflowEnded>, AdapterError> {
        loop {
            let now = self.0.now();
            let answer = self.0.lock().await_flow(id, now);
            let (told, deadline) = match answer {
                Some(Ok(ended)) => return Ok(Some(ended)),
                Some(Err(running)) => running,
                None => return Ok(None),
            };
            // the store never drops the other side before the workflow has ended
            let Some(deadline) = deadline else { return Ok(told.await.ok()) };
            tokio::select! {
                biased;
                ended = told => return Ok(ended.ok()),
                // it is past its deadline now, and the next check ends it
                () = tokio::time::sleep(Duration::from_millis(deadline.saturating_sub(now))) => {}
            }
        }
    }

    async fn workflow(&self, id: &WorkflowId, nodes: bool) -> Result<Option<WorkflowRecord>, AdapterError> {
        self.0.lock().flow(id, nodes)
    }
}

#[async_trait]
impl Schedules for MemoryAdapter {
    async fn declare(&self, schedules: Vec<Declaration>) -> Result<Declared, AdapterError> {
        Ok(self.0.lock().declare_schedules(schedules, self.0.now()))
    }

    async fn put_schedules(&self, schedules: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError> {
        Ok(self.0.lock().put_schedules(schedules, self.0.now()))
    }

    async fn schedule(&self, name: &str) -> Result<(Timestamp, Option<StoredSchedule>), AdapterError> {
        let (store, now) = (self.0.lock(), self.0.now());
        Ok((Timestamp::from_millis(now), store.schedules.get(name, now)))
    }

    async fn list_schedules(&self) -> Result<Vec<StoredSchedule>, AdapterError> {
        Ok(self.0.lock().schedules.all(self.0.now()))
    }

    async fn due_schedules(&self, _worker: &str) -> Result<DueSchedules, AdapterError> {
        Ok(self.0.lock().schedules.due(self.0.now()))
    }

    async fn tick(&self, ticks: Vec<NewTick>) -> Result<Vec<Ticked>, AdapterError> {
        Ok(self.0.lock().tick(ticks, self.0.now()))
    }

    async fn trigger(&self, name: &str, job: NewJob, overlap: Overlap) -> Result<Triggered, AdapterError> {
        Ok(self.0.lock().trigger(name, job, overlap, self.0.now()))
    }

    async fn pause_schedule(&self, name: &str, reason: &str) -> Result<bool, AdapterError> {
        Ok(self.0.lock().pause_schedule(name, reason, self.0.now()))
    }

    async fn remove_schedule(&self, name: &str) -> Result<RemoveOutcome, AdapterError> {
        Ok(self.0.lock().remove_schedule(name, self.0.now()))
    }
}

#[async_trait]
impl Inspection for MemoryAdapter {
    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError> {
        self.0.lock().info(id, self.0.now()).transpose()
    }

    async fn logs(&self, id: &JobId) -> Result<Vec<LogEntry>, AdapterError> {
        let store = self.0.lock();
        Ok(store.jobs.get(id).map(|record| record.logs.iter().cloned().collect()).unwrap_or_default())
    }

    async fn now(&self) -> Result<Timestamp, AdapterError> {
        Ok(Timestamp::from_millis(self.0.now()))
    }

    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError> {
        Ok(self.0.lock().queues.get(task).map(Queue::counts).unwrap_or_default())
    }

    async fn list(&self, query: &JobQuery) -> Result<Listed, AdapterError> {
        Ok(self.0.lock().list(query, self.0.now()))
    }

    async fn details(&self, id: &JobId) -> Result<Option<JobData>, AdapterError> {
        let (store, now) = (self.0.lock(), self.0.now());
        let Some(record) = store.jobs.get(id) else { return Ok(None) };
        Ok(Some(JobData { is_served: store.registry.is_served(&record.new.task, now), ..record.data() }))
    }

    async fn list_workflows(&self, query: &WorkflowQuery) -> Result<ListedWorkflows, AdapterError> {
        self.0.lock().list_workflows(query)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, AdapterError> {
        Ok(self.0.lock().live_workers(self.0.now()))
    }

    async fn history(
        &self,
        task: &str,
        step: HistoryStep,
        slots: usize,
    ) -> Result<StoredHistory, AdapterError> {
        let (store, now) = (self.0.lock(), self.0.now());
        Ok(store.history.read(task, step, slots.clamp(1, step.kept()), now))
    }

    async fn overview(&self) -> Result<Overview, AdapterError> {
        Ok(self.0.lock().overview(self.0.now()))
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[async_trait]
impl Admissions for MemoryAdapter {
    async fn admit(&self, admissions: Vec<Admission>) -> Result<Vec<Admitted>, AdapterError> {
        admissions.iter().try_for_each(|admission| admission.job.check())?;
        let (mut store, now) = (self.0.lock(), self.0.now());
        Ok(admissions.into_iter().map(|admission| store.admit(admission, now)).collect())
    }

    async fn admit_workflow(
        &self,
        workflow: NewWorkflow,
        key: &str,
        once: Once,
    ) -> Result<AdmittedWorkflow, AdapterError> {
        Ok(self.0.lock().admit_workflow(workflow, key, once, self.0.now()))
    }

    async fn key_owner(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError> {
        Ok(self.0.lock().keys.owners.get(&Key::of_deduplicated(task, key)).map(|owner| owner.id.clone()))
    }

    async fn release_key(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError> {
        Ok(self.0.lock().keys.owners.remove(&Key::of_deduplicated(task, key)).map(|owner| owner.id))
    }
}
