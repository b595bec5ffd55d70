//! What is in the store as a whole.

use std::time::Duration;

use super::queue::Queue;
use super::store::Store;
use crate::adapter::{Overview, TaskName, TaskOverview};
use crate::job::JobId;
use crate::workflow::WorkflowState;

impl Store {
    pub(super) fn overview(&self, now: u64) -> Overview {
        let mut tasks: Vec<TaskOverview> =
            self.queues.iter().map(|(task, queue)| self.task_overview(task, queue, now)).collect();
        tasks.sort_unstable_by(|a, b| a.task.cmp(&b.task));
        let running = self.flows.by_id.values().filter(|flow| flow.state == WorkflowState::Running);
        Overview {
            tasks,
            running_workflows: running.count(),
            ended_workflows: self.flows.done.len(),
            workers: self.workers.count(now),
        }
    }

    fn task_overview(&self, task: &TaskName, queue: &Queue, now: u64) -> TaskOverview {
        let came = |id: &JobId| self.jobs.get(id).map(|record| record.created_at);
        let first_behind = queue.behind().filter_map(came).min();
        let oldest = queue.heads().filter_map(came).chain(first_behind).min();
        let paused = self.gates.get(task).and_then(|settings| settings.paused.at(now));
        TaskOverview {
            task: task.to_string(),
            counts: queue.counts(),
            oldest_waiting: oldest.map(|came| Duration::from_millis(now.saturating_sub(came))),
            paused: paused.cloned(),
            blocked: self.why_closed(task),
            workers: self.workers.of(task, now),
        }
    }
}
