//! All that is stored about a job.

use serde::de::DeserializeOwned;

use crate::adapter::{Happened, JobData, PastStep, StoredValue};
use crate::error::JobError;
use crate::job::{Blocked, JobInfo, JobState, Timestamp};
use crate::json;

/// All that is stored about a job, see [`Inspect::job`](super::Inspect::job).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobDetails {
    /// Its state, and what goes with it. Here, a waiting job that nothing else holds back may be blocked because
    /// [no worker](Blocked::NoWorker) serves its task.
    pub info: JobInfo,
    /// The length of its payload in bytes.
    pub payload_len: usize,
    /// The length of its result in bytes, if it has completed.
    pub result_len: Option<usize>,
    /// The key by which limits count it, or under which it gathers.
    pub limit_key: Option<String>,
    /// The key that it was dispatched with, while it has not ended: one that is deduplicated, debounced or idempotent, or of the schedule whose runs wait
    /// for each other.
    pub key: Option<String>,
    /// How many log lines it has; its handle has the lines.
    pub log_lines: usize,
    /// What happened to it, and when.
    pub timeline: Timeline,
    payload: StoredValue,
    result: Option<StoredValue>,
}

/// What happened to a job, and when, see [`JobDetails::timeline`].
///
/// The store keeps what happened only when something goes wrong, or somebody revives the job: the newest 16 of these steps. A job that completes
/// with its first attempt costs nothing more, and has one step. Of a workflow's step, only the end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeline {
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it becomes ready, if it is delayed or retrying.
    pub due_at: Option<Timestamp>,
    /// What happened since, oldest first: attempts that are over, ends, and revivals. If the job has ended, the last one is its end.
    pub steps: Vec<PastStep>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Timeline {
    fn new(info: &JobInfo, past: Vec<PastStep>) -> Self {
        let mut steps = past;
        // if somebody has revived the job between the two answers, its end is among the steps
        let is_in = |at| steps.iter().any(|step| step.what == Happened::Revived && step.at > at);
        if let Some(at) = info.finished_at.filter(|at| !is_in(*at)) {
            let what = match info.state {
                JobState::Completed => Happened::Completed,
                JobState::Cancelled => Happened::Cancelled,
                JobState::Expired => Happened::Expired,
                // no attempt has ended it
                _ if info.started_at.is_none() => Happened::Stalled,
                _ => Happened::Failed,
            };
            let error = info.error.as_deref().map(PastStep::text);
            steps.push(PastStep { what, attempt: info.attempts, started_at: info.started_at, at, error });
        }
        Self { created_at: info.created_at, due_at: info.due_at, steps, ended_at: info.finished_at }
    }

    /// The attempts that are over, oldest first.
    pub fn attempts(&self) -> impl Iterator<Item = &PastStep> {
        self.steps.iter().filter(|step| {
            step.started_at.is_some() || matches!(step.what, Happened::Rescued | Happened::Stalled)
        })
    }

    /// When somebody made the job wait again after an end.
    pub fn revivals(&self) -> impl Iterator<Item = Timestamp> {
        self.steps.iter().filter(|step| step.what == Happened::Revived).map(|step| step.at)
    }
}

impl JobDetails {
    pub(super) fn new(mut info: JobInfo, data: JobData) -> Self {
        let JobData { payload, result, limit_key, key, log_lines, is_served, past } = data;
        let timeline = Timeline::new(&info, past);
        if info.state == JobState::Waiting && !is_served {
            info.blocked.get_or_insert(Blocked::NoWorker);
        }
        let result_len = result.as_ref().map(|result| result.len);
        let payload_len = payload.len;
        Self { info, payload_len, result_len, limit_key, key, log_lines, timeline, payload, result }
    }

    /// Its payload: as the task's contract, or, as any JSON, as a `serde_json::Value`. Of a workflow's step that waits for results it is what is
    /// stored in their place.
    ///
    /// # Errors
    /// [`JobError::Undecodable`] if it is none of these, [`JobError::TooLong`] if it is longer than 1 MiB.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        self.read(&self.payload)
    }

    /// Its result, if it has completed: as the task's output, or as a `serde_json::Value`.
    ///
    /// # Errors
    /// [`JobError::Undecodable`] if it is none of these, [`JobError::TooLong`] if it is longer than 1 MiB. A handle returns longer ones:
    /// [`JobHandle::result`](crate::JobHandle::result).
    pub fn result<T: DeserializeOwned>(&self) -> Result<Option<T>, JobError> {
        self.result.as_ref().map(|result| self.read(result)).transpose()
    }

    fn read<T: DeserializeOwned>(&self, value: &StoredValue) -> Result<T, JobError> {
        let id = || self.info.id.clone();
        let Some(stored) = &value.json else { return Err(JobError::TooLong { id: id(), len: value.len }) };
        json::read(stored).map_err(|error| JobError::Undecodable {
            id: id(),
            expected: std::any::type_name::<T>(),
            message: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Happened, JobInfo, JobState, PastStep, Timeline, Timestamp};
    use crate::adapter::NewJob;
    use crate::{App, MemoryAdapter};

    #[test]
    fn an_end_that_is_among_the_steps_is_not_there_twice() {
        let time = Timestamp::from_millis;
        let mut info = JobInfo::new("a".into(), "task", JobState::Failed, time(1));
        (info.started_at, info.finished_at) = (Some(time(2)), Some(time(5)));
        let step = |what, at| PastStep { what, attempt: 1, started_at: None, at: time(at), error: None };
        let what = |past| Timeline::new(&info, past).steps.iter().map(|step| step.what).collect::<Vec<_>>();
        let (failed, revived) = (step(Happened::Failed, 5), step(Happened::Revived, 6));
        assert_eq!(what(vec![failed, revived]), [Happened::Failed, Happened::Revived]);
        let earlier = step(Happened::Revived, 4);
        assert_eq!(what(vec![earlier]), [Happened::Revived, Happened::Failed]);
    }

    #[tokio::test]
    async fn a_payload_that_cannot_be_shown_says_why() {
        let app = App::new(MemoryAdapter::new());
        let payloads = [("long", vec![b'7'; 2_000_000]), ("odd", b"{\"to\":7}".to_vec())];
        let jobs = payloads.map(|(id, payload)| NewJob::new(id, "work", payload));
        app.inspect().setup.adapter().jobs().enqueue(jobs.to_vec()).await.unwrap();
        let long = app.inspect().job("long").await.unwrap().unwrap();
        assert_eq!(long.payload_len, 2_000_000);
        assert_eq!(
            long.payload::<serde_json::Value>().unwrap_err().to_string(),
            "job `long` stored 2000000 bytes, and at most 1048576 are shown; wait for a longer result with a handle: \
             `app.job_raw(id).result()`"
        );
        let odd = app.inspect().job("odd").await.unwrap().unwrap();
        let error = odd.payload::<String>().unwrap_err().to_string();
        assert!(
            error.starts_with("job `odd` stored something that is not a `alloc::string::String`"),
            "{error}"
        );
        assert_eq!(odd.payload::<serde_json::Value>().unwrap()["to"], 7);
        assert!(app.inspect().job("nobody").await.unwrap().is_none());
    }
}
