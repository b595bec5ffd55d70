//! The state and its transitions. Every method is one atomic step, because the caller holds the lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{broadcast, oneshot};

use super::book::Book;
use super::calls::Answer;
use super::events::Stream;
use super::flow::Flows;
use super::gates::Gates;
use super::history::History;
use super::keys::Keys;
use super::line::{Left, Line};
use super::queue::Queue;
use super::record::{Phase, Record};
use super::registry::Registry;
use super::signal::Wakes;
use super::workers::Workers;
use crate::adapter::{
    AdapterError, AttemptEnd, CancelOutcome, Cancellation, Due, Ended, Ending, Enqueued, Happened, JobReport,
    Kind, NewJob, RenewLease, Renewal, SCHEDULES, Settled, Settlement, Swept, TaskName, What,
};
use crate::job::{JobId, JobInfo, JobState, Timestamp, millis};
use crate::policy::{Retention, RetentionLimit, Ttl};

/// The most jobs of each kind that one call moves.
pub(super) const PAGE: usize = 1_000;
/// How many cancellations a worker may lag behind before it misses some.
const CANCELLATIONS: usize = 1_024;

pub(super) struct Store {
    pub(super) jobs: HashMap<JobId, Record>,
    pub(super) queues: HashMap<TaskName, Queue>,
    pub(super) flows: Flows,
    pub(super) gates: Gates,
    pub(super) keys: Keys,
    pub(super) schedules: Book,
    pub(super) registry: Registry,
    pub(super) workers: Workers,
    pub(super) history: History,
    pub(super) stream: Stream,
    pub(super) calls: HashMap<(Arc<str>, u8), Answer>,
    pub(super) wakes: Wakes,
    pub(super) cancellations: broadcast::Sender<Cancellation>,
    /// The time of this step.
    pub(super) clock: u64,
    /// The last fencing token issued. No two leases share one, so that an id may be used again.
    pub(super) last_token: u64,
    /// The last sequence number issued: upwards from 1 for jobs that become ready …
    pub(super) last: i64,
    /// … and downwards from -1 for jobs that come back, so that they go before all others.
    pub(super) first: i64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            jobs: HashMap::new(),
            queues: HashMap::new(),
            flows: Flows::default(),
            gates: Gates::default(),
            keys: Keys::default(),
            schedules: Book::default(),
            registry: Registry::default(),
            workers: Workers::default(),
            history: History::default(),
            stream: Stream::default(),
            calls: HashMap::new(),
            wakes: Wakes::default(),
            cancellations: broadcast::channel(CANCELLATIONS).0,
            clock: 0,
            last_token: 0,
            last: 0,
            first: 0,
        }
    }

    pub(super) fn enqueue(&mut self, jobs: Vec<NewJob>, now: u64) -> Vec<Enqueued> {
        let mut tasks = Vec::new();
        let enqueued = jobs
            .into_iter()
            .map(|job| {
                if let Some(known) = self.known(&job) {
                    return known;
                }
                let (id, task, due) = (job.id.clone(), job.task.clone(), due_at(job.due, now));
                self.add_new(job, due.unwrap_or(now), now);
                self.enter_line(&id, due.map_or(Line::Back, Line::Due));
                self.announce_enqueued(&id, due);
                if !tasks.contains(&task) {
                    tasks.push(task);
                }
                Enqueued::New
            })
            .collect();
        self.wake(tasks);
        enqueued
    }

    /// A job was stored, and is due at a time or at once.
    pub(super) fn announce_enqueued(&mut self, id: &JobId, due: Option<u64>) {
        let due_at = due.map(Timestamp::from_millis);
        self.announce(id, Kind::Enqueued, || What::Enqueued { due_at });
    }

    /// The answer for a job whose id is already known, unless it replaces that job.
    pub(super) fn known(&self, job: &NewJob) -> Option<Enqueued> {
        let known = self.jobs.get(&job.id)?;
        if known.new.task != job.task {
            return Some(Enqueued::Taken { task: known.new.task.clone() });
        }
        (!(job.replace_failed && known.has_ended_in_vain())).then_some(Enqueued::Duplicate)
    }

    /// Adds a job that becomes ready at this time, in no index yet. Removes the job that it replaces.
    pub(super) fn add_new(&mut self, job: NewJob, ready: u64, now: u64) {
        self.forget(&job.id);
        let mut record = Record::new(job, now);
        record.start_by(ready);
        self.add(record);
    }

    /// Makes due delayed jobs ready, a page at most, ordered by due time, then by task, then by id. Returns whether some had
    /// to be left.
    pub(super) fn make_ready<'a>(&mut self, tasks: impl IntoIterator<Item = &'a TaskName>, now: u64) -> bool {
        let mut due: Vec<(u64, &TaskName, JobId)> = tasks
            .into_iter()
            .filter_map(|task| Some((task, self.queues.get(task)?)))
            .flat_map(|(task, queue)| {
                queue.due(now).take(PAGE + 1).map(move |(due, id)| (*due, task, id.clone()))
            })
            .collect();
        due.sort_unstable();
        let more = due.len() > PAGE;
        for (_, _, id) in due.into_iter().take(PAGE) {
            self.enter_line(&id, Line::Back);
        }
        more
    }

    /// When the first delayed job of these tasks is due.
    pub(super) fn first_due(&self, tasks: &[TaskName]) -> Option<u64> {
        tasks.iter().filter_map(|task| self.queues.get(task)?.first_due().map(|(due, _)| *due)).min()
    }

    /// What is known about a job.
    pub(super) fn info(&self, id: &JobId, now: u64) -> Option<Result<JobInfo, AdapterError>> {
        let record = self.jobs.get(id)?;
        Some(record.info(id).map(|mut info| {
            match &record.phase {
                Phase::Waiting(_) => info.blocked = self.why_closed(&record.new.task),
                Phase::Gathering(item) => {
                    let by_lane = || self.why_it_gathers(&record.new.task, &item.lane, now);
                    info.blocked = self.why_closed(&record.new.task).or_else(by_lane);
                }
                Phase::InLane(key, _) => {
                    let by_key = || self.why_no_turn(&record.new.task, key);
                    info.blocked = self.why_closed(&record.new.task).or_else(by_key);
                }
                _ => {}
            }
            info
        }))
    }

    pub(super) fn settle(&mut self, settlement: Settlement, now: u64) -> Settled {
        let Settlement { lease, end, .. } = settlement;
        let id = &lease.id;
        if !self.jobs.get(id).is_some_and(|record| record.is_held_by(&lease)) {
            return Settled::Stale;
        }
        let later = |delay: Duration, otherwise| {
            if delay.is_zero() { otherwise } else { Line::Due(now.saturating_add(millis(delay))) }
        };
        let Left { claimed_at, flag } = self.leave_active(id);
        let ending = match (flag, end) {
            (Some(reason), _) => Ending::Cancelled(reason),
            (None, AttemptEnd::Complete(result)) => Ending::Completed(result),
            (None, AttemptEnd::Fail(error)) => Ending::Failed(error),
            // its next attempt would be too late
            (None, AttemptEnd::Retry { error, delay })
                if self.is_late(id, now.saturating_add(millis(delay))) =>
            {
                Ending::Failed(error)
            }
            (None, AttemptEnd::Retry { error, delay }) => {
                return Settled::Now(self.retry(id, error, later(delay, Line::Back), claimed_at, now));
            }
            (None, end @ (AttemptEnd::Release { .. } | AttemptEnd::Cancel)) => {
                let delay = if let AttemptEnd::Release { delay } = end { delay } else { Duration::ZERO };
                self.note_attempt(id, Happened::Released, claimed_at, now);
                return Settled::Now(self.hand_back(id, later(delay, Line::Front)));
            }
        };
        self.count_attempt(id, None);
        Settled::Now(self.finish(id, ending, claimed_at, now))
    }

    /// The job's attempt has failed, and another one follows.
    fn retry(
        &mut self,
        id: &JobId,
        error: String,
        line: Line,
        claimed_at: Option<u64>,
        now: u64,
    ) -> JobState {
        let text = What::text(&error);
        self.count_attempt(id, Some(error));
        self.note_attempt(id, Happened::Retried, claimed_at, now);
        let due_at = Timestamp::from_millis(if let Line::Due(due) = line { due } else { now });
        let state = self.enter_line(id, line);
        self.tell_watchers(id);
        let attempt = self.jobs.get(id).map_or(0, |record| record.attempts);
        self.announce(id, Kind::Retrying, || What::Retrying { attempt, error: text, due_at });
        state
    }

    /// The job's attempt is over, and does not count.
    pub(super) fn hand_back(&mut self, id: &JobId, line: Line) -> JobState {
        let due_at = match line {
            Line::Due(due) => Some(Timestamp::from_millis(due)),
            _ => None,
        };
        let state = self.enter_line(id, line);
        self.tell_watchers(id);
        self.announce(id, Kind::Released, || What::Released { due_at });
        state
    }

    fn count_attempt(&mut self, id: &JobId, error: Option<String>) {
        if let Some(record) = self.jobs.get_mut(id) {
            record.attempts += 1;
            record.error = error.or_else(|| record.error.take());
        }
    }

    pub(super) fn renew(&mut self, renew: &RenewLease, now: u64) -> Renewal {
        let lease = &renew.lease;
        let Some(record) = self.jobs.get(&lease.id).filter(|record| record.is_held_by(lease)) else {
            return Renewal::Lost;
        };
        let flagged = record.flag.is_some();
        self.extend(&lease.id, now.saturating_add(millis(renew.length)));
        if flagged { Renewal::Cancelled } else { Renewal::Extended }
    }

    pub(super) fn note(&mut self, notes: JobReport) -> bool {
        let Some(record) =
            self.jobs.get_mut(&notes.lease.id).filter(|record| record.is_held_by(&notes.lease))
        else {
            return false;
        };
        for line in notes.logs {
            record.add_log(line);
        }
        if let Some(progress) = notes.progress {
            let value =
                serde_json::from_slice(&progress).ok().filter(|_| progress.len() <= What::MAX_PROGRESS);
            record.progress = Some(progress);
            record.tell_watchers();
            if let Some(value) = value {
                self.announce(&notes.lease.id, Kind::Progress, || What::Progress { value });
            }
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
            Phase::Between { .. }
            | Phase::Waiting(_)
            | Phase::InLane(..)
            | Phase::Gathering(_)
            | Phase::Behind(_)
            | Phase::Delayed { .. } => {
                self.finish(id, Ending::Cancelled(reason.to_owned()), None, now);
                CancelOutcome::Cancelled
            }
            Phase::Active { .. } => {
                record.flag.get_or_insert_with(|| reason.to_owned());
                // there is no receiver in a process without workers
                let _ = self.cancellations.send(Cancellation::Of(id.clone()));
                CancelOutcome::Requested
            }
            Phase::Ended { ending, .. } => CancelOutcome::AlreadyEnded(ending.state()),
        }
    }

    /// Returns also how many jobs of which tasks it has ended, because their workers died too often.
    pub(super) fn sweep(
        &mut self,
        tasks: &[TaskName],
        retention: Retention,
        now: u64,
    ) -> (Swept, Vec<(TaskName, usize)>) {
        let mut stalled = Vec::new();
        self.open_gates(now);
        let mut swept = Swept { more: self.expire_flows(now), ..Swept::default() };
        for (task, retention) in &self.swept_tasks(tasks, retention, now) {
            let lapsed: Vec<JobId> = self
                .queues
                .get(task)
                .map(|queue| queue.lapsed(now).take(PAGE + 1).map(|(_, id)| id.clone()).collect())
                .unwrap_or_default();
            swept.more |= lapsed.len() > PAGE;
            let stalled_before = swept.stalled;
            // the last job to come back goes first, and that must be the one whose lease expired first
            for id in lapsed.iter().take(PAGE).rev() {
                let (count, ids) = match self.take_back(id, now) {
                    JobState::Waiting => (&mut swept.rescued, &mut swept.rescued_ids),
                    JobState::Failed => (&mut swept.stalled, &mut swept.stalled_ids),
                    _ => continue,
                };
                *count += 1;
                if ids.len() < Swept::MAX_IDS {
                    ids.push(id.clone());
                }
            }
            stalled.push((task.clone(), swept.stalled - stalled_before));
            swept.more |= self.expire_jobs(task, now);
            swept.more |= self.trim_old(task, *retention, now);
        }
        swept.more |= self.proceed(now);
        // after the rescues: it may matter which job opens a lane
        swept.more |= self.make_ready(tasks, now);
        let RetentionLimit { age, .. } = retention.workflows;
        let trimmed = self.trim_flows(retention.workflows, now.saturating_sub(millis(age)), PAGE);
        swept.more |= trimmed == PAGE;
        self.wake_released();
        self.wake(tasks.iter().cloned());
        self.forget_calls(now);
        self.keys.forget(now);
        let is_asked = tasks.iter().any(|task| **task == *SCHEDULES);
        swept.ticks = is_asked && self.schedules.first_look().is_some_and(|look| look <= now);
        (swept, stalled)
    }

    fn is_late(&self, id: &JobId, at: u64) -> bool {
        self.jobs.get(id).is_some_and(|record| record.is_late(at))
    }

    /// Expires a job that is past its deadline to start and not active. Returns whether it was.
    pub(super) fn end_late(&mut self, id: &JobId, now: u64) -> bool {
        let Some(record) = self.jobs.get(id).filter(|record| record.is_late(now)) else { return false };
        let is_kept = record.node.is_some() || !record.new.ttl.is_some_and(Ttl::is_discarded);
        self.finish(id, Ending::Expired, None, now);
        if !is_kept {
            self.forget(id);
        }
        true
    }

    /// Expires jobs of this task that were not started in time, a page at most. Returns whether some had to be left.
    fn expire_jobs(&mut self, task: &TaskName, now: u64) -> bool {
        let Some(queue) = self.queues.get(task) else { return false };
        let late: Vec<JobId> = queue.late(now).take(PAGE + 1).map(|(_, id)| id.clone()).collect();
        for id in late.iter().take(PAGE) {
            if !self.end_void(id, now) {
                self.end_late(id, now);
            }
        }
        late.len() > PAGE
    }

    /// Takes a job back from a worker that has stopped renewing its lease. Returns its new state.
    fn take_back(&mut self, id: &JobId, now: u64) -> JobState {
        let Some(record) = self.jobs.get_mut(id) else { return JobState::Cancelled };
        record.stalls = record.stalls.saturating_add(1);
        let (stalls, max_stalls) = (record.stalls, record.new.max_stalls);
        match self.leave_active(id).flag {
            Some(reason) => self.finish(id, Ending::Cancelled(reason), None, now),
            None if stalls > max_stalls => {
                self.finish(id, Ending::Stalled(Ending::stalled_message(stalls)), None, now)
            }
            None => {
                let state = self.enter_line(id, Line::Front);
                self.note_attempt(id, Happened::Rescued, None, now);
                self.tell_watchers(id);
                self.announce(id, Kind::Rescued, || What::Rescued { stalls });
                state
            }
        }
    }

    fn tell_watchers(&mut self, id: &JobId) {
        if let Some(record) = self.jobs.get_mut(id) {
            record.tell_watchers();
        }
    }

    /// How the job has ended, or, while it has not, the receiver for its end. `None` if it is unknown.
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
        store.enqueue(vec![NewJob::new("a", "task", "1")], 0);
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
