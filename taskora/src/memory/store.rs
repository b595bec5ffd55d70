//! The state and its transitions. Every method is one atomic step: its caller holds the lock.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{broadcast, oneshot};

use super::flow::Flows;
use super::queue::{Place, Queue};
use super::record::{Phase, Record};
use super::signal::Wakes;
use crate::adapter::{
    AttemptEnd, CancelOutcome, Cancellation, Due, Ended, Ending, Enqueued, NewJob, Notes, Renew, Renewal,
    Settled, Settlement, Swept, TaskName,
};
use crate::job::{JobId, JobState, millis};
use crate::policy::{Keep, Retention};

/// At most so many jobs are moved in one go, of each kind.
pub(super) const PAGE: usize = 1_000;
/// So many more finished jobs than a task has just settled may be trimmed in one call.
const TRIM_SLACK: usize = 16;
/// How many cancellations a worker may be behind before it misses some.
const CANCELLATIONS: usize = 1_024;

pub(super) struct Store {
    pub(super) jobs: HashMap<JobId, Record>,
    pub(super) queues: HashMap<TaskName, Queue>,
    pub(super) flows: Flows,
    pub(super) calls: HashMap<(Arc<str>, u8), super::exchange::Answer>,
    pub(super) wakes: Wakes,
    pub(super) cancellations: broadcast::Sender<Cancellation>,
    /// The fencing token given last. No two leases share one, so that an id may be used again.
    pub(super) last_token: u64,
    /// The sequence number given last: upwards from 1 to jobs that become ready …
    last: i64,
    /// … and downwards from -1 to jobs that come back, so that they go before all others.
    first: i64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            jobs: HashMap::new(),
            queues: HashMap::new(),
            flows: Flows::default(),
            calls: HashMap::new(),
            wakes: Wakes::default(),
            cancellations: broadcast::channel(CANCELLATIONS).0,
            last_token: 0,
            last: 0,
            first: 0,
        }
    }

    pub(super) fn place_at_the_end(&mut self, priority: i16) -> Place {
        self.last += 1;
        (Reverse(priority), self.last)
    }

    pub(super) fn place_in_front(&mut self, priority: i16) -> Place {
        self.first -= 1;
        (Reverse(priority), self.first)
    }

    /// Moves a job from one index to another, together with its record.
    pub(super) fn move_to(&mut self, id: &JobId, phase: Phase) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        let queue = self.queues.entry(record.new.task.clone()).or_default();
        queue.remove(id, &record.phase);
        // what has ended of a workflow goes with the workflow
        if record.node.is_none() || !matches!(phase, Phase::Ended { .. }) {
            queue.insert(id, &phase);
            self.wakes.placed(id, queue);
        }
        record.enter(phase);
    }

    /// Puts a new job into its index.
    pub(super) fn insert(&mut self, record: Record) {
        let id = record.new.id.clone();
        let queue = self.queues.entry(record.new.task.clone()).or_default();
        queue.insert(&id, &record.phase);
        self.wakes.placed(&id, queue);
        self.jobs.insert(id, record);
    }

    /// The one way in which a job ends: it leaves its index, its waiters and its workflow are told.
    fn end(&mut self, id: &JobId, ending: Ending, started_at: Option<u64>, now: u64) -> JobState {
        let state = ending.state();
        let node = self.jobs.get(id).and_then(|record| record.node.clone());
        if let Some(node) = node {
            self.node_ended(&node, &ending, now);
        }
        self.move_to(id, Phase::Ended { at: now, started_at, ending });
        if let Some(record) = self.jobs.get_mut(id) {
            let waiters = std::mem::take(&mut record.waiters);
            for (waiter, ended) in waiters.into_iter().zip(std::iter::repeat_with(|| record.ended())) {
                // a waiter that has given up is no loss
                let _ = ended.map(|ended| waiter.send(ended));
            }
        }
        state
    }

    /// Tells a worker of each of these tasks that has jobs waiting.
    pub(super) fn wake(&mut self, tasks: impl IntoIterator<Item = TaskName>) {
        for task in tasks {
            if self.queues.get(&task).is_some_and(Queue::has_waiting) {
                self.wakes.wake(&task);
            }
        }
    }

    pub(super) fn enqueue(&mut self, jobs: Vec<NewJob>, now: u64) -> Vec<Enqueued> {
        let mut tasks = Vec::new();
        let enqueued = jobs
            .into_iter()
            .map(|job| {
                if self.jobs.contains_key(&job.id) {
                    return Enqueued::Duplicate;
                }
                let task = job.task.clone();
                let phase = match due_at(job.due, now) {
                    Some(due) => Phase::Delayed { due, retrying: false },
                    None => Phase::Waiting(self.place_at_the_end(job.priority)),
                };
                self.insert(Record::new(job, now, phase));
                if !tasks.contains(&task) {
                    tasks.push(task);
                }
                Enqueued::New
            })
            .collect();
        self.wake(tasks);
        enqueued
    }

    /// Makes delayed jobs ready that are due, a page at most, in the order they were due, then by id. Whether
    /// some had to be left.
    pub(super) fn make_ready<'a>(&mut self, tasks: impl IntoIterator<Item = &'a TaskName>, now: u64) -> bool {
        let mut due: Vec<(u64, JobId)> = tasks
            .into_iter()
            .filter_map(|task| self.queues.get(task))
            .flat_map(|queue| queue.due(now).take(PAGE + 1).cloned())
            .collect();
        due.sort_unstable();
        let more = due.len() > PAGE;
        for (_, id) in due.into_iter().take(PAGE) {
            let Some(priority) = self.jobs.get(&id).map(|record| record.new.priority) else { continue };
            let place = self.place_at_the_end(priority);
            self.move_to(&id, Phase::Waiting(place));
        }
        more
    }

    /// When the first delayed job of these tasks is due.
    pub(super) fn first_due(&self, tasks: &[TaskName]) -> Option<u64> {
        tasks.iter().filter_map(|task| self.queues.get(task)?.first_due().map(|(due, _)| *due)).min()
    }

    pub(super) fn settle(&mut self, settlement: Settlement, now: u64) -> Settled {
        let id = &settlement.lease.id;
        let Some(record) = self.jobs.get_mut(id).filter(|record| record.is_held_by(&settlement.lease)) else {
            return Settled::Stale;
        };
        let started_at = match record.phase {
            Phase::Active { claimed_at, .. } => Some(claimed_at),
            Phase::Waiting(_) | Phase::Delayed { .. } | Phase::Ended { .. } => None,
        };
        let priority = record.new.priority;
        let ending = match (record.flag.take(), settlement.end) {
            (Some(reason), _) => Ending::Cancelled(reason),
            (None, AttemptEnd::Complete(result)) => Ending::Completed(result),
            (None, AttemptEnd::Fail(error)) => Ending::Failed(error),
            (None, AttemptEnd::Retry { error, delay }) => {
                record.attempts += 1;
                record.error = Some(error);
                let phase = if delay.is_zero() {
                    Phase::Waiting(self.place_at_the_end(priority))
                } else {
                    Phase::Delayed { due: now.saturating_add(millis(delay)), retrying: true }
                };
                let state = phase.state();
                self.move_to(id, phase);
                return Settled::Now(state);
            }
            (None, AttemptEnd::Release | AttemptEnd::Cancel) => {
                let place = self.place_in_front(priority);
                self.move_to(id, Phase::Waiting(place));
                return Settled::Now(JobState::Waiting);
            }
        };
        record.attempts += 1;
        Settled::Now(self.end(id, ending, started_at, now))
    }

    pub(super) fn renew(&mut self, renew: &Renew, now: u64) -> Renewal {
        let lease = &renew.lease;
        let Some(record) = self.jobs.get(&lease.id).filter(|record| record.is_held_by(lease)) else {
            return Renewal::Lost;
        };
        let flagged = record.flag.is_some();
        if let Phase::Active { claimed_at, .. } = record.phase {
            let deadline = now.saturating_add(millis(renew.length));
            self.move_to(&lease.id, Phase::Active { deadline, claimed_at });
        }
        if flagged { Renewal::Cancelled } else { Renewal::Extended }
    }

    pub(super) fn note(&mut self, notes: Notes) -> bool {
        let Some(record) =
            self.jobs.get_mut(&notes.lease.id).filter(|record| record.is_held_by(&notes.lease))
        else {
            return false;
        };
        if notes.progress.is_some() {
            record.progress = notes.progress;
        }
        for line in notes.logs {
            record.add_log(line);
        }
        true
    }

    pub(super) fn cancel(&mut self, id: &JobId, reason: &str, now: u64) -> CancelOutcome {
        let outcome = self.cancel_job(id, reason, now);
        self.proceed(now);
        self.wake_released();
        outcome
    }

    pub(super) fn cancel_job(&mut self, id: &JobId, reason: &str, now: u64) -> CancelOutcome {
        let Some(record) = self.jobs.get_mut(id) else { return CancelOutcome::NotFound };
        match &record.phase {
            Phase::Waiting(_) | Phase::Delayed { .. } => {
                self.end(id, Ending::Cancelled(reason.to_owned()), None, now);
                CancelOutcome::Cancelled
            }
            Phase::Active { .. } => {
                record.flag.get_or_insert_with(|| reason.to_owned());
                // nobody listens in a process without workers
                let _ = self.cancellations.send(Cancellation::Of(id.clone()));
                CancelOutcome::Requested
            }
            Phase::Ended { ending, .. } => CancelOutcome::AlreadyEnded(ending.state()),
        }
    }

    pub(super) fn sweep(&mut self, tasks: &[TaskName], retention: Retention, now: u64) -> Swept {
        let mut swept = Swept { more: self.make_ready(tasks, now), ..Swept::default() };
        swept.more |= self.expire_flows(now);
        for task in tasks {
            let lapsed: Vec<JobId> = self
                .queues
                .get(task)
                .map(|queue| queue.lapsed(now).take(PAGE + 1).map(|(_, id)| id.clone()).collect())
                .unwrap_or_default();
            swept.more |= lapsed.len() > PAGE;
            // the last one to come back goes first: of these that must be the one whose lease passed first
            for id in lapsed.iter().take(PAGE).rev() {
                match self.take_back(id, now) {
                    JobState::Waiting => swept.rescued += 1,
                    JobState::Failed => swept.stalled += 1,
                    _ => {}
                }
            }
            for (state, keep) in kept(retention) {
                let old = now.saturating_sub(millis(keep.age));
                let trimmed = self.trim(task, state, PAGE, |ended, left| ended < old || left > keep.count);
                swept.more |= trimmed == PAGE;
            }
        }
        swept.more |= self.proceed(now);
        let Keep { age, .. } = retention.workflows;
        let trimmed = self.trim_flows(retention.workflows, now.saturating_sub(millis(age)), PAGE);
        swept.more |= trimmed == PAGE;
        self.wake_released();
        self.wake(tasks.iter().cloned());
        self.forget_calls(now);
        swept
    }

    /// Takes a job back from a worker that has stopped renewing its lease; its new state.
    fn take_back(&mut self, id: &JobId, now: u64) -> JobState {
        let Some(record) = self.jobs.get_mut(id) else { return JobState::Cancelled };
        record.stalls = record.stalls.saturating_add(1);
        let (stalls, priority) = (record.stalls, record.new.priority);
        if let Some(reason) = record.flag.take() {
            self.end(id, Ending::Cancelled(reason), None, now)
        } else if stalls > record.new.max_stalls {
            self.end(id, Ending::Stalled(Ending::stalled_message(stalls)), None, now)
        } else {
            let place = self.place_in_front(priority);
            self.move_to(id, Phase::Waiting(place));
            JobState::Waiting
        }
    }

    /// Removes the oldest finished jobs above the number to keep, some more than were just settled.
    pub(super) fn trim_by_count(&mut self, task: &TaskName, settled: usize, retention: Retention) {
        let mut budget = settled + TRIM_SLACK;
        for (state, keep) in kept(retention) {
            budget -= self.trim(task, state, budget, |_, left| left > keep.count);
        }
    }

    /// Removes the oldest finished workflows above the number to keep, some more nodes than were just settled.
    pub(super) fn trim_flows_by_count(&mut self, settled: usize, retention: Retention) {
        if settled > 0 {
            self.trim_flows(retention.workflows, 0, 2 * settled + TRIM_SLACK);
        }
    }

    /// Removes finished jobs from the oldest on, while `is_old` says so of the time one ended and the number there is.
    fn trim(
        &mut self,
        task: &TaskName,
        state: JobState,
        at_most: usize,
        is_old: impl Fn(u64, usize) -> bool,
    ) -> usize {
        let Some(ended) = self.queues.get_mut(task).and_then(|queue| queue.ended(state)) else { return 0 };
        let mut trimmed = 0;
        while trimmed < at_most {
            let count = ended.len();
            let Some((_, id)) = ended.pop_front_if(|(at, _)| is_old(*at, count)) else { break };
            self.jobs.remove(&id);
            trimmed += 1;
        }
        trimmed
    }

    /// How the job has ended; or, while it has not, who will tell. `None` if it is unknown.
    pub(super) fn await_end(&mut self, id: &JobId) -> Option<Result<Ended, oneshot::Receiver<Ended>>> {
        let record = self.jobs.get_mut(id)?;
        if let Some(ended) = record.ended() {
            return Some(Ok(ended));
        }
        let (tell, told) = oneshot::channel();
        record.waiters.retain(|waiter| !waiter.is_closed());
        record.waiters.push(tell);
        Some(Err(told))
    }
}

/// How long the jobs of each end stay.
fn kept(retention: Retention) -> [(JobState, Keep); 4] {
    [
        (JobState::Completed, retention.completed),
        (JobState::Failed, retention.failed),
        (JobState::Cancelled, retention.failed),
        (JobState::Expired, retention.failed),
    ]
}

/// When a job becomes ready; `None` if it is at once.
pub(super) fn due_at(due: Due, now: u64) -> Option<u64> {
    let at = match due {
        Due::Now => return None,
        Due::After(delay) => now.saturating_add(millis(delay)),
        Due::At(time) => millis(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)),
    };
    (at > now).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_were_given_up_leave_nothing_behind() {
        let mut store = Store::new();
        let (id, task) = (JobId::from("a"), TaskName::from("task"));
        let (payload, meta) = (Vec::new(), Vec::new());
        let due = Due::Now;
        let job = NewJob { id, task, payload, priority: 0, due, max_attempts: 1, max_stalls: 1, meta };
        store.enqueue(vec![job], 0);
        for _ in 0..100 {
            assert!(matches!(store.await_end(&"a".into()), Some(Err(_))), "it has not ended");
        }
        assert_eq!(
            store.jobs[&"a".into()].waiters.len(),
            1,
            "the last one goes with the next, or with the job"
        );
    }
}
