//! Which tasks sweeps serve, and what they keep.

use std::collections::HashMap;
use std::time::Duration;

use super::store::Store;
use crate::adapter::{Swept, TaskName};
use crate::job::millis;
use crate::policy::{Retention, RetentionLimit};

/// How often the sweeps of a task are noted, in milliseconds.
const NOTED: u64 = 60_000;
/// How long finished jobs are kept at least of a task that no sweep has named, and how many of them.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const MANY: usize = 10_000;

/// The tasks that sweeps have named: when, and what their finished jobs are kept by.
#[derive(Default)]
pub(super) struct Registry(HashMap<TaskName, (u64, Retention)>);

impl Registry {
    fn sign(&mut self, tasks: &[TaskName], retention: Retention, now: u64) {
        for task in tasks {
            let entry = self.0.entry(task.clone()).or_insert((now, retention));
            if entry.0 + NOTED <= now || entry.1 != retention {
                *entry = (now, retention);
            }
        }
    }

    /// Whether a sweep has named the task lately.
    pub(super) fn is_served(&self, task: &TaskName, now: u64) -> bool {
        self.0.get(task).is_some_and(|(seen, _)| *seen + millis(Swept::SERVED) > now)
    }

    /// What is kept of a task that nobody serves, or `None` if somebody does. If nobody ever has, what this sweep keeps, and a week at least.
    fn kept(&self, task: &TaskName, own: Retention, now: u64) -> Option<Retention> {
        let Some((_, retention)) = self.0.get(task) else {
            return Some(own.completed(longer(own.completed)).failed(longer(own.failed)));
        };
        (!self.is_served(task, now)).then_some(*retention)
    }
}

fn longer(own: RetentionLimit) -> RetentionLimit {
    RetentionLimit::new(own.age.max(WEEK), own.count.max(MANY))
}

impl Store {
    /// The tasks that this sweep looks after, each with what is kept of it: its own, and those that nobody serves.
    pub(super) fn swept_tasks(
        &mut self,
        own: &[TaskName],
        retention: Retention,
        now: u64,
    ) -> Vec<(TaskName, Retention)> {
        self.registry.sign(own, retention, now);
        let mut strangers: Vec<(TaskName, Retention)> = self
            .queues
            .keys()
            .filter(|task| !own.contains(task))
            .filter_map(|task| Some((task.clone(), self.registry.kept(task, retention, now)?)))
            .collect();
        strangers.sort_by(|(one, _), (other, _)| one.cmp(other));
        own.iter().map(|task| (task.clone(), retention)).chain(strangers).collect()
    }
}
