//! Helpers for the checks of limits by key.

use std::sync::Arc;

use super::gate_kit::task;
use super::kit::{Caller, TASK, job, put};
use crate::adapter::{Adapter, ClaimedJob, DeclaredLimit, GatedTask, KeyTaken, LimitKey, NewJob, PerKey};

pub(super) fn key(key: &str) -> LimitKey {
    LimitKey::new(key).expect("not too long")
}

/// A job whose key is its name without digits.
pub(super) fn keyed(id: &str) -> NewJob {
    let limit_key = Some(key(id.trim_end_matches(|digit: char| digit.is_ascii_digit())));
    NewJob { limit_key, ..job(id, TASK) }
}

pub(super) async fn put_keyed(adapter: &Arc<dyn Adapter>, ids: &[&str]) {
    put(adapter, ids.iter().map(|id| keyed(id))).await;
}

/// Declares what holds for each key of [`TASK`].
pub(super) async fn per_key(adapter: &Arc<dyn Adapter>, per_key: impl Into<Option<PerKey>>) {
    declare(adapter, DeclaredLimit::none(task()).per_key(per_key.into())).await;
}

pub(super) async fn declare(adapter: &Arc<dyn Adapter>, limit: DeclaredLimit) {
    adapter.control().declare_limits(vec![limit]).await.expect("declare_limits");
}

pub(super) async fn set_key(adapter: &Arc<dyn Adapter>, of: &str, max: Option<u32>) {
    adapter.control().set_limit(&task(), Some(&key(of)), max).await.expect("set_limit");
}

/// How many jobs hold a key.
pub(super) async fn holders(adapter: &Arc<dyn Adapter>, task: &GatedTask, of: &str) -> usize {
    adapter.control().gate(task, Some(&key(of))).await.expect("gate").running
}

/// Claims all that may go.
pub(super) async fn claim_all(adapter: &Arc<dyn Adapter>) -> Vec<ClaimedJob> {
    Caller::new(adapter).claim(50, &[TASK]).await
}

/// Claims as a worker does that knows the keys of jobs which are not in lanes, and returns those that may go.
pub(super) async fn claim_and_take(adapter: &Arc<dyn Adapter>, worker: &mut Caller) -> Vec<ClaimedJob> {
    let mut may_go = Vec::new();
    for job in worker.claim(9, &[TASK]).await {
        let late = job.limit_key.as_ref().filter(|_| !job.holds_key);
        let goes = match late {
            Some(key) => adapter.control().take_key(&job.lease, key).await.expect("take_key") == KeyTaken::Go,
            None => true,
        };
        may_go.extend(goes.then_some(job));
    }
    may_go
}

/// How many jobs of [`TASK`] wait.
pub(super) async fn waiting(adapter: &Arc<dyn Adapter>) -> usize {
    adapter.inspection().counts(TASK).await.expect("counts").waiting
}
