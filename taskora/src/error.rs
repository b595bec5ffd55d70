//! Errors: one type per boundary, and [`Error`] for all of them.

mod action;
mod dispatch;
mod drain;
mod job;
mod worker;

use crate::adapter::AdapterError;
use crate::inspect::{ListError, WorkflowListError};
use crate::schedules::ScheduleError;
use crate::workflow::{GraphError, WorkflowError};

pub use action::{Action, ActionError};
pub use dispatch::DispatchError;
pub use drain::DrainError;
pub use job::JobError;
pub use worker::WorkerError;

/// A result with any of taskora's errors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any of taskora's errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dispatch failed.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// The store could not do what was asked.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A worker could not start or stop.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A job ended without a result.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Nothing could be done with a job.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// Tasks were not drained in time.
    #[error(transparent)]
    Drain(#[from] DrainError),
    /// A workflow ended without a result.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// A workflow cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A schedule cannot be, or could not be changed.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A list of jobs was not returned.
    #[error(transparent)]
    List(#[from] ListError),
    /// A list of workflows was not returned.
    #[error(transparent)]
    ListWorkflows(#[from] WorkflowListError),
}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use super::*;
    use crate::job::JobId;

    #[test]
    fn an_error_does_not_repeat_its_source() {
        let source = || AdapterError::Config("no such database".to_owned());
        let id = || JobId::from("a");
        let errors: [Box<dyn StdError>; 6] = [
            Box::new(DispatchError::Partial { stored: vec![id()], total: 2, source: source() }),
            Box::new(JobError::Adapter { id: id(), source: source() }),
            Box::new(WorkflowError::Adapter { id: "w".into(), source: source() }),
            Box::new(WorkerError::HandBack(source())),
            Box::new(WorkerError::Store(source())),
            Box::new(WorkerError::Start(std::io::Error::other("no such database"))),
        ];
        for error in errors {
            assert!(error.source().unwrap().to_string().ends_with("no such database"), "{error:?}");
            assert!(!error.to_string().contains("no such database"), "{error}");
        }
    }
}
