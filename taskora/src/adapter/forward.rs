//! An adapter around another one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use super::{
    Acted, Actions, Adapter, AdapterError, Admission, Admissions, Admitted, AdmittedWorkflow, Audit,
    CancelOutcome, Cancellation, Collected, Control, Declaration, Declared, DeclaredLimit, DueSchedules,
    Ended, Enqueued, EventId, EventPage, Events, Exchange, Exchanged, Finding, Gate, GatedTask, HistoryStep,
    Inspection, JobCounts, JobData, JobNews, JobQuery, JobReport, Jobs, KeyTaken, Kinds, Lease, LimitKey,
    Listed, ListedWorkflows, NewJob, NewPause, NewTick, NewWorkflow, Once, Overview, Pause, PutSchedule,
    Rate, RemoveOutcome, RenewLease, Renewal, RepairOutcome, Revival, Schedules, Signals, StoredHistory,
    StoredSchedule, Swept, TaskName, Ticked, Triggered, Upkeep, WorkListener, WorkerInfo, WorkerReport,
    WorkflowEnded, WorkflowQuery, WorkflowRecord, Workflows,
};
use crate::job::{JobId, JobInfo, LogEntry, Timestamp};
use crate::policy::Retention;
use crate::schedules::Overlap;
use crate::workflow::WorkflowId;

/// Declares [`Forward`] and implements the roles for every type that implements it: each method of a role calls the one of
/// `Forward`, whose default calls the wrapped adapter's.
macro_rules! forward {
    ($($role:ident by $accessor:ident {
        $(async $name:ident($($argument:ident: $ty:ty),*) -> $output:ty;)*
        $(sync $sync:ident($($sync_argument:ident: $sync_ty:ty),*) -> $sync_output:ty;)*
    })*) => {
        /// An adapter that wraps another one: methods that you do not write are passed on. Use it for metrics, for tests
        /// that delay calls or make them fail, and for anything else between an app and its store.
        ///
        /// Every type that implements this is an [`Adapter`]. Its methods have the names and the rules of the roles:
        ///
        /// ```
        /// use std::sync::atomic::{AtomicU64, Ordering};
        /// use taskora::adapter::{Adapter, AdapterError, Enqueued, Forward, NewJob};
        /// use taskora::prelude::*;
        ///
        /// #[derive(Debug)]
        /// struct Counting {
        ///     inner: MemoryAdapter,
        ///     stored: AtomicU64,
        /// }
        ///
        /// #[async_trait::async_trait]
        /// impl Forward for Counting {
        ///     fn inner(&self) -> &dyn Adapter {
        ///         &self.inner
        ///     }
        ///
        ///     async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError> {
        ///         self.stored.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        ///         self.inner().jobs().enqueue(jobs).await
        ///     }
        /// }
        ///
        /// let app = App::new(Counting { inner: MemoryAdapter::new(), stored: AtomicU64::new(0) });
        /// # let _ = app;
        /// ```
        #[async_trait]
        pub trait Forward: fmt::Debug + Send + Sync + 'static {
            /// The adapter that calls are passed on to.
            fn inner(&self) -> &dyn Adapter;

            $($(
                #[doc = concat!("See [`", stringify!($role), "::", stringify!($name), "`].")]
                async fn $name(&self $(, $argument: $ty)*) -> $output {
                    self.inner().$accessor().$name($($argument),*).await
                }
            )*
            $(
                #[doc = concat!("See [`", stringify!($role), "::", stringify!($sync), "`].")]
                fn $sync(&self $(, $sync_argument: $sync_ty)*) -> $sync_output {
                    self.inner().$accessor().$sync($($sync_argument),*)
                }
            )*)*
        }

        #[diagnostic::do_not_recommend]
        impl<F: Forward> Adapter for F {
            $(fn $accessor(&self) -> &dyn $role {
                self
            })*
        }

        $(
            #[diagnostic::do_not_recommend]
            #[async_trait]
            impl<F: Forward> $role for F {
                $(async fn $name(&self $(, $argument: $ty)*) -> $output {
                    Forward::$name(self $(, $argument)*).await
                })*
                $(fn $sync(&self $(, $sync_argument: $sync_ty)*) -> $sync_output {
                    Forward::$sync(self $(, $sync_argument)*)
                })*
            }
        )*
    };
}

forward! {
    Jobs by jobs {
        async enqueue(jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError>;
        async exchange(exchange: Exchange) -> Result<Exchanged, AdapterError>;
        async renew(leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError>;
        async note(reports: Vec<JobReport>) -> Result<Vec<bool>, AdapterError>;
        async cancel(id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError>;
        async sweep(tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError>;
        async sweep_for(report: &WorkerReport, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError>;
        async sign_off(report: &WorkerReport) -> Result<(), AdapterError>;
    }
    Admissions by admissions {
        async admit(admissions: Vec<Admission>) -> Result<Vec<Admitted>, AdapterError>;
        async admit_workflow(workflow: NewWorkflow, key: &str, once: Once) -> Result<AdmittedWorkflow, AdapterError>;
        async key_owner(task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;
        async release_key(task: &str, key: &str) -> Result<Option<JobId>, AdapterError>;
    }
    Signals by signals {
        async ended(id: &JobId) -> Result<Option<Ended>, AdapterError>;
        sync work() -> Box<dyn WorkListener>;
        sync cancellations() -> broadcast::Receiver<Cancellation>;
        sync watch(id: &JobId) -> watch::Receiver<Option<JobNews>>;
    }
    Inspection by inspection {
        async job(id: &JobId) -> Result<Option<JobInfo>, AdapterError>;
        async logs(id: &JobId) -> Result<Vec<LogEntry>, AdapterError>;
        async counts(task: &str) -> Result<JobCounts, AdapterError>;
        async list(query: &JobQuery) -> Result<Listed, AdapterError>;
        async list_workflows(query: &WorkflowQuery) -> Result<ListedWorkflows, AdapterError>;
        async details(id: &JobId) -> Result<Option<JobData>, AdapterError>;
        async overview() -> Result<Overview, AdapterError>;
        async workers() -> Result<Vec<WorkerInfo>, AdapterError>;
        async history(task: &str, step: HistoryStep, slots: usize) -> Result<StoredHistory, AdapterError>;
        async now() -> Result<Timestamp, AdapterError>;
        async is_served_by_another_build(task: &str) -> Result<bool, AdapterError>;
        sync is_remote() -> bool;
    }
    Workflows by workflows {
        async start(workflow: NewWorkflow) -> Result<Enqueued, AdapterError>;
        async node_results(id: &WorkflowId, nodes: &[u32]) -> Result<Vec<Option<Vec<u8>>>, AdapterError>;
        async cancel_workflow(id: &WorkflowId, reason: &str) -> Result<CancelOutcome, AdapterError>;
        async workflow_ended(id: &WorkflowId) -> Result<Option<WorkflowEnded>, AdapterError>;
        async workflow(id: &WorkflowId, nodes: bool) -> Result<Option<WorkflowRecord>, AdapterError>;
    }
    Schedules by schedules {
        async declare(schedules: Vec<Declaration>) -> Result<Declared, AdapterError>;
        async put_schedules(schedules: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError>;
        async schedule(name: &str) -> Result<(Timestamp, Option<StoredSchedule>), AdapterError>;
        async list_schedules() -> Result<Vec<StoredSchedule>, AdapterError>;
        async due_schedules(worker: &str) -> Result<DueSchedules, AdapterError>;
        async tick(ticks: Vec<NewTick>) -> Result<Vec<Ticked>, AdapterError>;
        async trigger(name: &str, job: NewJob, overlap: Overlap) -> Result<Triggered, AdapterError>;
        async pause_schedule(name: &str, reason: &str) -> Result<bool, AdapterError>;
        async remove_schedule(name: &str) -> Result<RemoveOutcome, AdapterError>;
    }
    Control by control {
        async declare_limits(limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError>;
        async set_limit(task: &GatedTask, key: Option<&LimitKey>, max: Option<u32>) -> Result<(), AdapterError>;
        async set_rate(task: &GatedTask, key: Option<&LimitKey>, rate: Option<Rate>) -> Result<(), AdapterError>;
        async pause(task: &GatedTask, key: Option<&LimitKey>, pause: NewPause) -> Result<bool, AdapterError>;
        async resume(task: &GatedTask, key: Option<&LimitKey>) -> Result<bool, AdapterError>;
        async paused() -> Result<Vec<(TaskName, Pause)>, AdapterError>;
        async gate(task: &GatedTask, key: Option<&LimitKey>) -> Result<Gate, AdapterError>;
        async quiet(worker: &str, is_quiet: bool) -> Result<bool, AdapterError>;
        async take_key(lease: &Lease, key: &LimitKey) -> Result<KeyTaken, AdapterError>;
        async close_key(lease: &Lease, time: Duration) -> Result<(), AdapterError>;
        async collected(task: &GatedTask, key: &LimitKey, limit: usize) -> Result<Option<Collected>, AdapterError>;
        async flush(task: &GatedTask, key: &LimitKey) -> Result<bool, AdapterError>;
    }
    Events by events {
        async listen(kinds: Kinds, after: Option<EventId>) -> Result<EventPage, AdapterError>;
        sync arrivals() -> watch::Receiver<u64>;
    }
    Actions by actions {
        async revive(jobs: Vec<Revival>) -> Result<Vec<Acted>, AdapterError>;
        async promote(id: &JobId) -> Result<Acted, AdapterError>;
        async withdraw(ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError>;
        async delete(ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError>;
        async discard(jobs: Vec<(JobId, Timestamp)>) -> Result<Vec<Acted>, AdapterError>;
        async reprioritise(id: &JobId, priority: i16) -> Result<Acted, AdapterError>;
        async replace(id: &JobId, with: NewJob, reason: &str) -> Result<Acted, AdapterError>;
    }
    Upkeep by upkeep {
        async repair(finding: &Finding) -> Result<RepairOutcome, AdapterError>;
        sync audit() -> Box<dyn Audit>;
    }
}
