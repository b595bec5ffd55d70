//! All that is stored about a job.

use serde::de::DeserializeOwned;

use crate::adapter::{JobData, StoredValue};
use crate::error::JobError;
use crate::job::{Blocked, JobInfo, JobState};
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
    payload: StoredValue,
    result: Option<StoredValue>,
}

impl JobDetails {
    pub(super) fn new(mut info: JobInfo, data: JobData) -> Self {
        let JobData { payload, result, limit_key, key, log_lines, is_served, .. } = data;
        if info.state == JobState::Waiting && !is_served {
            info.blocked.get_or_insert(Blocked::NoWorker);
        }
        let result_len = result.as_ref().map(|result| result.len);
        Self { info, payload_len: payload.len, result_len, limit_key, key, log_lines, payload, result }
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
    use crate::adapter::NewJob;
    use crate::{App, MemoryAdapter};

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
