//! Jobs and calls that the tests of this adapter share.

use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::{
    AttemptEnd, CallId, Claim, ClaimedJob, Exchange, Exchanged, Jobs, NewJob, Settlement, TaskClaim,
    WorkListener,
};
use taskora::{AdapterError, JobId, Retention};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::sync::Notify;

pub(crate) const TASK: &str = "send-email";
/// What should happen happens within this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take: some machines stand still for many seconds.
const ANSWER: Duration = Duration::from_secs(60);

/// A configuration whose calls may take as long as a busy machine needs.
pub(crate) fn patient(url: impl AsRef<str>) -> RedisConfig {
    RedisConfig::new(url).connect_timeout(ANSWER).command_timeout(ANSWER)
}

pub(crate) fn job(id: &str) -> NewJob {
    NewJob { max_attempts: 3, ..NewJob::new(id, TASK, br#"{"to":"a@b.com"}"#) }
}

/// An exchange of the worker's slot 0.
pub(crate) fn exchange(worker: &str, number: u64, settle: Vec<Settlement>, limit: usize) -> Exchange {
    let claim = TaskClaim { task: TASK.into(), limit, lease: Duration::from_secs(30) };
    Exchange {
        call: CallId { worker: worker.into(), slot: 0, number },
        settle,
        claim: Some(Claim { limit, room: limit, tasks: Arc::new([claim]) }),
        retention: Retention::default(),
    }
}

pub(crate) fn complete(job: &ClaimedJob) -> Settlement {
    job.settlement(AttemptEnd::Complete(b"null".to_vec()))
}

/// Waits with a listener, as a new worker, for a job of [`TASK`]; how many were claimed.
pub(crate) async fn wait(listener: &dyn WorkListener, time: Duration) -> Result<usize, AdapterError> {
    let call = exchange(JobId::new().as_str(), 1, Vec::new(), 1);
    Ok(listener.wait(&call, time, &Notify::new()).await?.jobs.len())
}

/// Claims and completes until nothing is left; how many jobs there were.
pub(crate) async fn drain(adapter: &RedisAdapter, worker: &str) -> usize {
    let (mut number, mut count, mut settle) = (0, 0, Vec::new());
    loop {
        number += 1;
        let Exchanged { jobs, .. } =
            adapter.exchange(exchange(worker, number, settle, 32)).await.expect("exchange");
        if jobs.is_empty() {
            return count;
        }
        count += jobs.len();
        settle = jobs.iter().map(complete).collect();
    }
}
