//! Counts how the attempts of a worker have ended, until its next sweep takes the sums to the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::adapter::{AttemptEnd, Lease, Settled, Settlement, Sums, TaskName, TaskSums};
use crate::context::Context;
use crate::job::JobState;
use crate::pattern::pattern_of;

/// An outcome that a call takes to the store.
pub(crate) struct Sent {
    pub(crate) lease: Lease,
    /// The error of an attempt that has failed.
    error: Option<String>,
}

impl Sent {
    pub(crate) fn new(settlement: &Settlement) -> Self {
        let error = match &settlement.end {
            AttemptEnd::Retry { error, .. } | AttemptEnd::Fail(error) => Some(error.clone()),
            _ => None,
        };
        Self { lease: settlement.lease.clone(), error }
    }
}

/// The sums of a worker. What the store has not accepted is not in them.
#[derive(Default)]
pub(crate) struct Tally(Mutex<HashMap<TaskName, Sums>>);

impl Tally {
    /// Counts an outcome that the store has answered. The attempt is not known any more if its lease was given up before.
    pub(crate) fn count(&self, sent: &Sent, settled: Settled, attempt: Option<&Context>) {
        let Settled::Now(state) = settled else { return };
        // released, cancelled
        if state != JobState::Completed && sent.error.is_none() || state == JobState::Cancelled {
            return;
        }
        let mut sums = self.sums();
        let sums = match sums.get_mut(&sent.lease.task) {
            Some(sums) => sums,
            None => sums.entry(sent.lease.task.clone()).or_default(),
        };
        let count = match state {
            JobState::Completed => &mut sums.completed,
            JobState::Failed => &mut sums.failed,
            _ => &mut sums.retried,
        };
        *count += 1;
        if let Some(error) = &sent.error {
            sums.errors.add(&pattern_of(error), error, 1);
        }
        if let Some(ran) = attempt.and_then(Context::ran) {
            sums.runs.count(ran);
        }
        if let Some(waited) = attempt.and_then(Context::waited) {
            sums.waits.count(waited);
        }
    }

    /// Takes the sums of some tasks. They are gone if the store does not get them, because nobody knows whether it did.
    pub(crate) fn take(&self) -> Vec<TaskSums> {
        let mut sums = self.sums();
        let tasks: Vec<TaskName> = sums.keys().take(TaskSums::MAX_PER_REPORT).cloned().collect();
        tasks.into_iter().filter_map(|task| Some(TaskSums::new(task.clone(), sums.remove(&task)?))).collect()
    }

    /// Whether there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.sums().is_empty()
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<TaskName, Sums>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(task: &str, error: Option<&str>) -> Sent {
        let lease = Lease { id: "a".into(), task: task.into(), token: 1 };
        Sent { lease, error: error.map(str::to_owned) }
    }

    #[test]
    fn what_the_store_accepts_is_counted() {
        let tally = Tally::default();
        let count = |error, settled| tally.count(&sent("t", error), settled, None);
        count(None, Settled::Now(JobState::Completed));
        count(Some("no 1"), Settled::Now(JobState::Failed));
        count(Some("no 2"), Settled::Now(JobState::Retrying));
        count(Some("no 3"), Settled::Now(JobState::Waiting));
        // refused, released, cancelled
        count(None, Settled::Stale);
        count(Some("no 4"), Settled::Stale);
        count(None, Settled::Now(JobState::Waiting));
        count(None, Settled::Now(JobState::Delayed));
        count(None, Settled::Now(JobState::Cancelled));
        count(Some("no 5"), Settled::Now(JobState::Cancelled));
        let sums = tally.take().pop().expect("there are some").sums;
        assert_eq!((sums.completed, sums.failed, sums.retried), (1, 1, 2));
        let errors: Vec<_> = sums.errors.iter().map(|error| (&*error.pattern, error.count)).collect();
        assert_eq!(errors, [("no #", 3)]);
        assert!(tally.is_empty());
    }

    #[test]
    fn the_sums_of_many_tasks_go_in_several_reports() {
        let tally = Tally::default();
        for number in 0..2 * TaskSums::MAX_PER_REPORT {
            tally.count(&sent(&format!("t{number}"), None), Settled::Now(JobState::Completed), None);
        }
        let first: Vec<TaskName> = tally.take().into_iter().map(|sums| sums.task).collect();
        assert!(!tally.is_empty());
        let second = tally.take();
        assert!(tally.is_empty());
        assert_eq!((first.len(), second.len()), (TaskSums::MAX_PER_REPORT, TaskSums::MAX_PER_REPORT));
        assert!(second.iter().all(|sums| !first.contains(&sums.task)));
    }
}
