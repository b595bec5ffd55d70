//! Why tasks are not drained.

use std::time::Duration;

use crate::adapter::{AdapterError, JobCounts, TaskName};

/// Why [`Queues::drained`](crate::Queues::drained) has not seen the tasks without jobs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// There were jobs left when the time was over.
    #[error(
        "not drained within {waited:?}: {}; see that workers serve these tasks and that they are not paused, or give it longer with `.within(..)`",
        listed(left)
    )]
    StillBusy {
        /// How long was waited.
        waited: Duration,
        /// The tasks that have jobs left, in the order in which they were named, with all their counts.
        left: Vec<(TaskName, JobCounts)>,
    },
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] AdapterError),
}

fn listed(left: &[(TaskName, JobCounts)]) -> String {
    let line = |(task, counts): &(TaskName, JobCounts)| {
        let JobCounts { waiting, delayed, active, .. } = counts;
        format!("`{task}` has {waiting} waiting, {delayed} delayed or retrying, {active} active")
    };
    left.iter().map(line).collect::<Vec<_>>().join(", ")
}
