//! Helpers for all checks: jobs to store, a worker's calls, and how long to wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast};

use crate::adapter::{
    Adapter, AttemptEnd, CallId, Cancellation, Claim, ClaimedJob, Due, Ended, Ending, Enqueued, Exchange,
    Exchanged, JobReport, Lease, NewJob, RenewLease, Renewal, Settled, Settlement, Swept, TaskClaim,
    TaskName, WorkListener,
};
use crate::job::{JobId, JobInfo, JobState};
use crate::policy::Retention;

/// The task of most jobs in the checks.
pub(super) const TASK: &str = "send-email";
/// Another one.
pub(super) const OTHER: &str = "resize";
/// The default lease of [`Caller`].
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// A short time, to step past a limit.
pub(super) const MOMENT: Duration = Duration::from_secs(1);
/// A check that something has not happened yet looks this long before its time, because a busy machine may be late.
pub(super) const MARGIN: Duration = Duration::from_secs(10);
/// What should happen happens within this time, even on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A push arrives within this time, even on a busy machine; polling every five seconds would not.
pub(super) const PROMPT: Duration = Duration::from_secs(4);
/// What should not happen does not happen within this time.
pub(super) const QUIET: Duration = Duration::from_millis(150);

/// A job that is ready at once, with its id as payload.
pub(super) fn job(id: &str, task: &str) -> NewJob {
    let payload = serde_json::to_vec(id).expect("text is JSON");
    NewJob { max_attempts: 3, ..NewJob::new(id, task, payload) }
}

/// The same, due after some milliseconds.
pub(super) fn delayed(id: &str, task: &str, millis: u64) -> NewJob {
    NewJob { due: Due::After(Duration::from_millis(millis)), ..job(id, task) }
}

/// The same, with a priority.
pub(super) fn prioritised(id: &str, task: &str, priority: i16) -> NewJob {
    NewJob { priority, ..job(id, task) }
}

/// Stores new jobs.
pub(super) async fn put(adapter: &Arc<dyn Adapter>, jobs: impl IntoIterator<Item = NewJob>) {
    let jobs: Vec<NewJob> = jobs.into_iter().collect();
    let expected = vec![Enqueued::New; jobs.len()];
    let enqueued = adapter.jobs().enqueue(jobs).await.expect("enqueue");
    assert_eq!(enqueued, expected, "each of these jobs is new");
}

pub(super) async fn state(adapter: &Arc<dyn Adapter>, id: &str) -> Option<JobState> {
    adapter.inspection().job(&id.into()).await.expect("job").map(|info| info.state)
}

pub(super) async fn info(adapter: &Arc<dyn Adapter>, id: &str) -> JobInfo {
    adapter
        .inspection()
        .job(&id.into())
        .await
        .expect("job")
        .unwrap_or_else(|| panic!("job `{id}` is not known"))
}

/// How a job that has already ended did end.
pub(super) async fn ended(adapter: &Arc<dyn Adapter>, id: &str) -> Option<Ended> {
    within(PATIENCE, "an end that is known already", adapter.signals().ended(&id.into()))
        .await
        .expect("ended")
}

pub(super) async fn ending(adapter: &Arc<dyn Adapter>, id: &str) -> Ending {
    ended(adapter, id).await.unwrap_or_else(|| panic!("job `{id}` is not known")).ending
}

/// Sweeps until there is no more to do, and returns what all the sweeps did.
pub(super) async fn sweep(adapter: &Arc<dyn Adapter>, tasks: &[&str], retention: Retention) -> Swept {
    let tasks = names(tasks);
    let mut sum = Swept::default();
    loop {
        let swept = adapter.jobs().sweep(&tasks, retention).await.expect("sweep");
        sum.rescued += swept.rescued;
        sum.stalled += swept.stalled;
        sum.rescued_ids.extend(swept.rescued_ids);
        sum.stalled_ids.extend(swept.stalled_ids);
        if !swept.more {
            return sum;
        }
    }
}

pub(super) async fn renew(adapter: &Arc<dyn Adapter>, job: &ClaimedJob, length: Duration) -> Renewal {
    let renew = RenewLease { lease: job.lease.clone(), length };
    adapter.jobs().renew(vec![renew]).await.expect("renew").pop().expect("one answer")
}

/// Reports progress with this job's lease, and returns whether the store kept it.
pub(super) async fn progress(adapter: &Arc<dyn Adapter>, job: &ClaimedJob, json: &str) -> bool {
    let notes = JobReport { lease: job.lease.clone(), progress: Some(json.into()), logs: Vec::new() };
    adapter.jobs().note(vec![notes]).await.expect("note").pop().expect("one answer")
}

/// The next job that is announced as cancelled.
pub(super) async fn cancelled(cancellations: &mut broadcast::Receiver<Cancellation>) -> JobId {
    loop {
        if let Cancellation::Of(id) = cancellations.recv().await.expect("not more than are kept") {
            return id;
        }
    }
}

pub(super) fn names(tasks: &[&str]) -> Vec<TaskName> {
    tasks.iter().map(|task| TaskName::from(*task)).collect()
}

pub(super) fn ids(jobs: &[ClaimedJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.lease.id.as_str()).collect()
}

/// The result of a future that ends within this time.
pub(super) async fn within<T>(time: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(time, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} did not happen within {time:?}"),
    }
}

pub(super) fn complete(result: &str) -> AttemptEnd {
    AttemptEnd::Complete(result.into())
}

pub(super) fn retry(error: &str, delay: Duration) -> AttemptEnd {
    AttemptEnd::Retry { error: error.to_owned(), delay }
}

pub(super) fn fail(error: &str) -> AttemptEnd {
    AttemptEnd::Fail(error.to_owned())
}

/// What to claim, with the usual leases.
pub(super) fn claim(limit: usize, tasks: &[(&str, usize)]) -> Claim {
    let of = |(task, limit): &(&str, usize)| TaskClaim {
        task: TaskName::from(*task),
        limit: *limit,
        lease: LEASE,
    };
    Claim { limit, room: limit, tasks: tasks.iter().map(of).collect() }
}

/// One slot of a worker.
pub(super) struct Caller {
    adapter: Arc<dyn Adapter>,
    worker: Arc<str>,
    number: u64,
    pub(super) retention: Retention,
}

impl Caller {
    pub(super) fn new(adapter: &Arc<dyn Adapter>) -> Self {
        Self {
            adapter: Arc::clone(adapter),
            worker: JobId::new().as_str().into(),
            number: 0,
            retention: Retention::default(),
        }
    }

    /// The next call of this slot, without making it.
    pub(super) fn call(&mut self, settle: Vec<Settlement>, claim: Option<Claim>) -> Exchange {
        self.number += 1;
        let call = CallId { worker: Arc::clone(&self.worker), slot: 0, number: self.number };
        Exchange { call, settle, claim, retention: self.retention }
    }

    pub(super) async fn exchange(&mut self, settle: Vec<Settlement>, claim: Option<Claim>) -> Exchanged {
        let call = self.call(settle, claim);
        self.adapter.jobs().exchange(call).await.expect("exchange")
    }

    /// Claims up to `limit` jobs of these tasks, with as many calls as the store asks for.
    pub(super) async fn claim(&mut self, limit: usize, tasks: &[&str]) -> Vec<ClaimedJob> {
        let tasks: Vec<(&str, usize)> = tasks.iter().map(|task| (*task, limit)).collect();
        let mut jobs = Vec::new();
        loop {
            let answer = self.exchange(Vec::new(), Some(claim(limit - jobs.len(), &tasks))).await;
            jobs.extend(answer.jobs);
            assert!(
                jobs.len() <= limit,
                "{} jobs were handed out, at most {limit} were asked for",
                jobs.len()
            );
            if !answer.more || jobs.len() == limit {
                return jobs;
            }
        }
    }

    /// Claims the next job of [`TASK`].
    pub(super) async fn claim_one(&mut self) -> ClaimedJob {
        self.claim(1, &[TASK]).await.pop().expect("a job waits")
    }

    pub(super) async fn settle(&mut self, job: &ClaimedJob, end: AttemptEnd) -> Settled {
        self.exchange(vec![job.settlement(end)], None).await.settled.pop().expect("one answer")
    }

    /// Claims the next job of [`TASK`] and settles it.
    pub(super) async fn run_one(&mut self, end: AttemptEnd) -> ClaimedJob {
        let job = self.claim_one().await;
        let settled = self.settle(&job, end).await;
        assert_ne!(settled, Settled::Stale, "the lease of `{}` is valid", job.lease.id);
        job
    }

    /// Claims one job as an idle worker does: sleeps until a signal or the next due time says that there may be one.
    pub(super) async fn next_job(&mut self, listener: &dyn WorkListener, tasks: &[&str]) -> ClaimedJob {
        loop {
            let call = self.next_call(tasks);
            let mut answer = self.adapter.jobs().exchange(call).await.expect("exchange");
            if let Some(job) = answer.jobs.pop() {
                return job;
            }
            if !answer.more {
                let wait = answer.next_due.unwrap_or(PATIENCE).min(PATIENCE);
                answer = self.wait(listener, tasks, wait).await;
                if let Some(job) = answer.jobs.pop() {
                    return job;
                }
            }
        }
    }

    /// Claims one job of these tasks when there is one, or none if the time passes first.
    pub(super) async fn wait(
        &mut self,
        listener: &dyn WorkListener,
        tasks: &[&str],
        time: Duration,
    ) -> Exchanged {
        let call = self.next_call(tasks);
        listener.wait(&call, time, &Notify::new()).await.expect("wait")
    }

    /// A call that claims one job of these tasks, without making it.
    pub(super) fn next_call(&mut self, tasks: &[&str]) -> Exchange {
        let room: Vec<(&str, usize)> = tasks.iter().map(|task| (*task, 1)).collect();
        self.call(Vec::new(), Some(claim(1, &room)))
    }
}

/// A lease that was never issued.
pub(super) fn forged(job: &ClaimedJob, token: u64) -> ClaimedJob {
    ClaimedJob { lease: Lease { token, ..job.lease.clone() }, ..job.clone() }
}
