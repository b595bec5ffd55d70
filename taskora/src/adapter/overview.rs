//! What is in a namespace.

use std::time::Duration;

use super::{JobCounts, Pause};
use crate::job::Blocked;

/// What is in a namespace, see [`Inspect::overview`](crate::Inspect::overview).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Overview {
    /// Every task of which a job was ever stored, by name. If an alias is among them, it is a task of its own here.
    pub tasks: Vec<TaskOverview>,
    /// Workflows that have not ended.
    pub running_workflows: usize,
    /// Workflows that have ended with all their steps, and are still known.
    pub ended_workflows: usize,
    /// Workers that are alive, see [`Inspect::workers`](crate::Inspect::workers).
    pub workers: usize,
}

/// What is known about a task as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TaskOverview {
    /// Its name.
    pub task: String,
    /// How many jobs are in each state.
    pub counts: JobCounts,
    /// How long ago the oldest of these jobs was dispatched, in milliseconds: the first one in line of the default priority, the first of the other
    /// priorities, the first of those with limits by key and those that gather, and the first that waits for another job to end. A job
    /// behind them may be older: one that was delayed or came back, or one of a low priority. `None` if no job waits.
    pub oldest_waiting: Option<Duration>,
    /// The pause of the task.
    pub paused: Option<Pause>,
    /// Why no worker may claim any of its jobs now: the pause, the limit or the rate of the task; `None` if one may.
    pub blocked: Option<Blocked>,
    /// How many of the workers that are alive serve this name. 0: its jobs wait until a worker comes that does.
    pub workers: usize,
}
