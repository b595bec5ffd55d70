//! A worker that claims and then is never heard of again: a crash, without a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskora::adapter::{
    Adapter, AttemptEnd, CallId, Claim, ClaimedJob, Exchange, Exchanged, Settled, Settlement, TaskClaim,
};
use taskora::{Retention, Task};

/// Talks to the store as a worker does, without renewing anything.
pub(crate) struct Ghost {
    adapter: Arc<dyn Adapter>,
    name: Arc<str>,
    calls: AtomicU64,
}

impl Ghost {
    pub(crate) fn new(adapter: Arc<dyn Adapter>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("ghost-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into();
        Self { adapter, name, calls: AtomicU64::new(0) }
    }

    async fn exchange(&self, settle: Vec<Settlement>, claim: Option<Claim>) -> Exchanged {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let call = CallId { worker: self.name.clone(), slot: 0, number };
        self.adapter
            .jobs()
            .exchange(Exchange { call, settle, claim, retention: Retention::default() })
            .await
            .unwrap()
    }

    /// Claims up to so many jobs of a task.
    pub(crate) async fn claim<T: Task>(&self, limit: usize, lease: Duration) -> Vec<ClaimedJob> {
        let tasks = Arc::new([TaskClaim { task: T::NAME.into(), limit, lease }]);
        self.exchange(Vec::new(), Some(Claim { limit, room: limit, tasks })).await.jobs
    }

    /// Claims the one job that there is of a task.
    pub(crate) async fn claim_one<T: Task>(&self, lease: Duration) -> ClaimedJob {
        let mut jobs = self.claim::<T>(1, lease).await;
        assert_eq!(jobs.len(), 1, "no job of `{}` to claim", T::NAME);
        jobs.remove(0)
    }

    /// Settles an attempt.
    pub(crate) async fn settle(&self, job: &ClaimedJob, end: AttemptEnd) -> Settled {
        self.exchange(vec![job.settlement(end)], None).await.settled[0]
    }
}
