#![doc = include_str!("docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// the macros' output names `::taskora`, also in this crate's own tests
#[cfg(test)]
extern crate self as taskora;

// the README's examples are compiled and run
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod adapter;
mod app;
pub mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod contract;
mod dispatch;
mod error;
mod failure;
mod handle;
mod handler;
mod job;
mod json;
mod memory;
mod policy;
pub mod signature;
mod state;
mod threads;
mod worker;
pub mod workflow;

pub use adapter::{Adapter, AdapterError, CancelOutcome, JobCounts};
pub use app::{App, AppBuilder};
pub use check::{CheckReport, RepairReport, Violation};
pub use context::{Context, Reported, TestContext};
pub use contract::{Data, Task, TaskOptions};
pub use dispatch::{Dispatch, Dispatchable};
pub use error::{DispatchError, Error, JobError, Result, WorkerError};
#[doc(hidden)]
pub use failure::Failure;
pub use failure::TaskError;
pub use handle::{JobHandle, Outcome, results};
pub use handler::{Advice, Handler, HandlerOptions};
pub use job::{InvalidJobId, JobId, JobInfo, JobState, LogEntry, LogLevel, Timestamp, UnknownState};
pub use memory::MemoryAdapter;
pub use policy::{Backoff, OnExpire, Retention, RetentionLimit, RetryPolicy, Ttl};
#[doc(hidden)]
pub use state::Scope;
pub use state::{FromRef, State};
#[doc = include_str!("docs/from_ref.md")]
pub use taskora_macros::FromRef;
#[doc = include_str!("docs/derive_task.md")]
pub use taskora_macros::Task;
#[doc = include_str!("docs/task.md")]
pub use taskora_macros::task;
pub use worker::{HandlerSet, Worker, WorkerBuilder};
pub use workflow::{
    Dag, Graph, Workflow, WorkflowBuilder, WorkflowError, WorkflowHandle, WorkflowId, WorkflowState,
};

/// What almost every program needs: `use taskora::prelude::*;`.
pub mod prelude {
    pub use crate::workflow::{
        Dag, Step, StepOptions, Workflow, WorkflowError, WorkflowHandle, WorkflowId, WorkflowState, chain,
        chord, group,
    };
    pub use crate::{
        App, Context, Dispatch, FromRef, JobError, JobHandle, JobId, JobState, MemoryAdapter, Outcome, State,
        Task, TaskError, Worker, task, tasks,
    };
    pub use serde::{Deserialize, Serialize};
}
