//! Removing finished jobs. Workflows are removed in `workflow.rs`, together with their nodes.

use std::collections::BTreeSet;

use super::queue::Kind;
use super::store::{PAGE, Store};
use crate::adapter::TaskName;
use crate::job::{JobState, millis};
use crate::policy::{Retention, RetentionLimit};

/// The states in which jobs end.
const ENDS: [JobState; 4] = [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Expired];

impl Store {
    /// Removes finished jobs of these tasks and states by number, once there are enough above the limit.
    pub(super) fn trim_by_count(&mut self, ended: &BTreeSet<(TaskName, JobState)>, retention: Retention) {
        for (task, state) in ended {
            for kind in Kind::ALL {
                let count = kept(*state, kind, retention).count;
                if self.ended(task, *state, kind) > count.saturating_add(Retention::SLACK) {
                    self.trim(task, *state, kind, |_, left| left > count);
                }
            }
        }
    }

    /// Removes finished jobs of this task by age and number. Returns whether some had to be left.
    pub(super) fn trim_old(&mut self, task: &TaskName, retention: Retention, now: u64) -> bool {
        let mut more = false;
        for state in ENDS {
            for kind in Kind::ALL {
                let keep = kept(state, kind, retention);
                let old = now.saturating_sub(millis(keep.age));
                let trimmed = self.trim(task, state, kind, |at, left| at < old || left > keep.count);
                more |= trimmed == PAGE;
            }
        }
        more
    }

    fn ended(&self, task: &TaskName, state: JobState, kind: Kind) -> usize {
        let ended = self.queues.get(task).and_then(|queue| queue.ended(state));
        ended.map_or(0, |ended| ended.of(kind).len())
    }

    /// Removes finished jobs, oldest first and a page at most, while `is_old` is true for the job's end time and the number
    /// of jobs. Returns how many it removed.
    fn trim(
        &mut self,
        task: &TaskName,
        state: JobState,
        kind: Kind,
        is_old: impl Fn(u64, usize) -> bool,
    ) -> usize {
        let Some(ended) = self.queues.get(task).and_then(|queue| queue.ended(state)) else { return 0 };
        let ended = ended.of(kind);
        let left = (1..=ended.len()).rev();
        let old: Vec<_> = ended
            .iter()
            .zip(left)
            .take_while(|((at, _), left)| is_old(*at, *left))
            .take(PAGE)
            .map(|((_, id), _)| id.clone())
            .collect();
        for id in &old {
            self.forget(id);
        }
        old.len()
    }
}

/// How many of the jobs that ended in this state are kept, and for how long.
fn kept(state: JobState, kind: Kind, retention: Retention) -> RetentionLimit {
    let keep = if state == JobState::Completed { retention.completed } else { retention.failed };
    match kind {
        Kind::Generated => keep,
        Kind::Named => RetentionLimit { count: Retention::MAX_NAMED, ..keep },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::adapter::NewJob;
    use crate::job::JobId;

    const TASK: &str = "send-email";

    #[test]
    fn jobs_with_ids_of_the_callers_own_have_a_limit_too() {
        let mut store = Store::new();
        let beyond = Retention::MAX_NAMED + 2 * PAGE;
        for n in 0..beyond {
            let id = JobId::from(n.to_string());
            store.enqueue(vec![NewJob::new(id.clone(), TASK, "1")], 0);
            store.cancel(&id, "why", 0);
        }
        let keep = Retention {
            failed: RetentionLimit { age: Duration::from_secs(60), count: 0 },
            ..Retention::default()
        };
        while store.sweep(&[TASK.into()], keep, 1).0.more {}
        assert_eq!(store.jobs.len(), Retention::MAX_NAMED);
        assert!(!store.jobs.contains_key(&"0".into()), "the oldest ones go");
    }
}
