//! Keys, as jobs and workflows remember them.

use crate::adapter::TaskName;
use crate::job::JobId;

/// A key that a job may own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) task: TaskName,
    pub(super) is_debounced: bool,
    pub(super) text: String,
}

impl Key {
    pub(super) fn of_deduplicated(task: &str, text: &str) -> Self {
        Self { task: task.into(), is_debounced: false, text: text.to_owned() }
    }

    /// The key of a schedule's runs that wait for each other. No task has an empty name.
    pub(super) fn of_schedule(name: &str) -> Self {
        Self::of_deduplicated("", name)
    }

    pub(super) fn is_of_schedule(&self) -> bool {
        self.task.is_empty()
    }
}

/// A key that stands for a job of a task, or for a workflow, for a limited time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum OnceKey {
    OfJob(TaskName, String),
    OfWorkflow(String),
}

/// A job's relation to keys, until it has ended.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) key: Key,
    /// The job that waits for this one to end, if it still exists.
    pub(super) next: Option<JobId>,
}
