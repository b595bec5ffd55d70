#![doc = include_str!("docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(feature = "runtime"))))]

// the macros' output names `::taskora`, also in this crate's own tests
#[cfg(test)]
extern crate self as taskora;

// the examples of README.md, docs/flow-control.md, docs/operating.md and docs/schedules.md are compiled and run
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/flow-control.md")]
mod flow_control_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/operating.md")]
mod operating_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/schedules.md")]
mod schedules_page {}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "runtime")]
mod actions;
#[cfg(feature = "runtime")]
pub mod adapter;
#[cfg(feature = "runtime")]
mod advice;
#[cfg(feature = "runtime")]
mod app;
#[cfg(feature = "runtime")]
pub mod check;
mod collect;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "runtime")]
mod context;
mod contract;
#[cfg(feature = "runtime")]
mod dead_letters;
#[cfg(feature = "runtime")]
mod dispatch;
#[cfg(feature = "runtime")]
mod error;
#[cfg(feature = "runtime")]
mod events;
#[cfg(feature = "runtime")]
mod failure;
#[cfg(feature = "runtime")]
mod handle;
#[cfg(feature = "runtime")]
mod handler;
#[cfg(feature = "runtime")]
mod inspect;
#[cfg(feature = "runtime")]
mod job;
#[cfg(feature = "runtime")]
mod json;
#[cfg(feature = "runtime")]
mod map;
#[cfg(feature = "runtime")]
mod memory;
#[cfg(feature = "runtime")]
mod pattern;
mod policy;
#[cfg(feature = "runtime")]
mod queues;
mod rate;
#[cfg(feature = "runtime")]
pub mod schedules;
#[cfg(feature = "runtime")]
mod setup;
#[cfg(feature = "runtime")]
pub mod signature;
#[cfg(feature = "runtime")]
mod state;
#[cfg(feature = "runtime")]
mod text;
#[cfg(feature = "runtime")]
mod threads;
#[cfg(feature = "runtime")]
mod tuples;
#[cfg(feature = "runtime")]
mod watcher;
#[cfg(feature = "runtime")]
mod wording;
#[cfg(feature = "runtime")]
mod worker;
#[cfg(feature = "runtime")]
mod workers;
#[cfg(feature = "runtime")]
pub mod workflow;

#[cfg(feature = "runtime")]
pub use actions::{RERUN_OF, Replacement};
#[cfg(feature = "runtime")]
pub use adapter::{
    Adapter, AdapterError, CancelOutcome, Depth, ErrorSum, Event, EventId, Gate, Happened, InvalidEventId,
    JobCounts, Kind, Overview, PastStep, Pause, TaskOverview, What, WorkerInfo, WorkerState,
};
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub use advice::Advice;
#[cfg(feature = "runtime")]
pub use app::{App, AppBuilder};
#[cfg(feature = "runtime")]
pub use check::{CheckReport, RepairReport, Violation};
#[cfg(feature = "runtime")]
pub use collect::Collect;
#[cfg(feature = "runtime")]
pub use context::{Context, Item, Reported, TestContext};
pub use contract::{Collects, Data, KeyLimit, Task, TaskOptions};
#[cfg(feature = "runtime")]
pub use dead_letters::{DeadLetterReport, DeadLetters, ErrorGroup};
#[cfg(feature = "runtime")]
pub use dispatch::{Dispatch, Dispatchable, IntoKey, Many};
#[cfg(feature = "runtime")]
pub use error::{Action, ActionError, DispatchError, DrainError, Error, JobError, Result, WorkerError};
#[cfg(feature = "runtime")]
pub use events::{Listen, Listener};
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub use failure::Failure;
#[cfg(feature = "runtime")]
pub use failure::TaskError;
#[cfg(feature = "runtime")]
pub use handle::{JobHandle, Outcome, results};
#[cfg(feature = "runtime")]
pub use handler::Handler;
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub use handler::HandlerOptions;
#[cfg(feature = "runtime")]
pub use inspect::{
    AskCollected, AskJobs, AskWorkflows, Collected, Cursor, HistorySlot, Inspect, InvalidCursor, JobDetails,
    JobPage, Last, ListError, Percentiles, Timeline, WorkflowCursor, WorkflowListError, WorkflowPage,
};
#[cfg(feature = "runtime")]
pub use job::{Blocked, InvalidJobId, JobId, JobInfo, JobState, LogEntry, LogLevel, Timestamp, UnknownState};
#[cfg(feature = "runtime")]
pub use memory::MemoryAdapter;
pub use policy::{Backoff, OnExpire, Retention, RetentionLimit, RetryPolicy, Ttl};
#[cfg(feature = "runtime")]
pub use queues::{
    Drained, PausedTask, Purge, Purged, Queues, TaskGate, TaskLimit, TaskPause, TaskRate, TaskResume,
};
pub use rate::Rate;
#[cfg(feature = "runtime")]
pub use schedules::{
    OnMissed, Overlap, Schedule, ScheduleError, ScheduleInfo, Schedules, Tick, Timetable, Upserted,
};
#[cfg(feature = "runtime")]
#[doc(hidden)]
pub use state::Scope;
#[cfg(feature = "runtime")]
pub use state::{FromRef, State};
#[cfg(feature = "runtime")]
#[doc = include_str!("docs/from_ref.md")]
pub use taskora_macros::FromRef;
#[doc = include_str!("docs/derive_task.md")]
pub use taskora_macros::Task;
#[cfg(feature = "runtime")]
#[doc = include_str!("docs/task.md")]
pub use taskora_macros::task;
#[cfg(feature = "runtime")]
pub use watcher::{JobWatcher, Watched};
#[cfg(feature = "runtime")]
pub use worker::{HandlerSet, Worker, WorkerBuilder};
#[cfg(feature = "runtime")]
pub use workers::{Workers, WorkersError};
#[cfg(feature = "runtime")]
pub use workflow::{
    Dag, Graph, Workflow, WorkflowBuilder, WorkflowError, WorkflowHandle, WorkflowId, WorkflowState,
};

/// The types for the `R` of a [`Dispatch`]: they tell the compiler which rule decides whether a job is stored. Code that
/// only chains the methods never names them.
#[cfg(feature = "runtime")]
pub mod rules {
    pub use crate::dispatch::{
        Debounced, Deduplicated, Follows, Idempotent, Leaves, NoRule, Rejecting, Replaces, RuleState,
        Throttled, Unruled,
    };
}

/// What almost every program needs: `use taskora::prelude::*;`.
pub mod prelude {
    pub use crate::Task;
    #[cfg(feature = "runtime")]
    pub use crate::workflow::{
        Dag, Step, StepOptions, Workflow, WorkflowError, WorkflowHandle, WorkflowId, WorkflowState, chain,
        chord, group,
    };
    #[cfg(feature = "runtime")]
    pub use crate::{
        App, Context, Dispatch, FromRef, JobError, JobHandle, JobId, JobState, MemoryAdapter, Outcome, State,
        TaskError, Worker, task, tasks,
    };
    pub use serde::{Deserialize, Serialize};
}
