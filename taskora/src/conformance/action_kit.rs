//! Helpers for the checks of what operators do.

use std::sync::Arc;
use std::time::Duration;

use super::kit::{Caller, MOMENT, TASK, complete, delayed, fail, info, job, put, retry};
use crate::adapter::{Acted, Adapter, NewJob, Revival};
use crate::job::Timestamp;

/// When a job has ended.
pub(super) async fn end_of(adapter: &Arc<dyn Adapter>, id: &str) -> Timestamp {
    info(adapter, id).await.finished_at.unwrap_or_else(|| panic!("job `{id}` has not ended"))
}

pub(super) async fn revive(adapter: &Arc<dyn Adapter>, id: &str) -> Acted {
    revive_later(adapter, id, Duration::ZERO).await
}

pub(super) async fn revive_later(adapter: &Arc<dyn Adapter>, id: &str, delay: Duration) -> Acted {
    let revival = Revival { id: id.into(), ended_at: end_of(adapter, id).await, delay };
    adapter.actions().revive(vec![revival]).await.expect("revive").pop().expect("one answer")
}

pub(super) async fn delete(adapter: &Arc<dyn Adapter>, id: &str) -> Acted {
    let ids = [id.into()];
    adapter.actions().delete(&ids, "gone").await.expect("delete").pop().expect("one answer")
}

pub(super) async fn withdraw(adapter: &Arc<dyn Adapter>, id: &str) -> Acted {
    let ids = [id.into()];
    adapter.actions().withdraw(&ids, "why").await.expect("withdraw").pop().expect("one answer")
}

/// Replaces a job, for a reason that names the new one.
pub(super) async fn replace(adapter: &Arc<dyn Adapter>, id: &str, with: NewJob) -> Acted {
    let reason = format!("replaced by {}", with.id);
    adapter.actions().replace(&id.into(), with, &reason).await.expect("replace")
}

pub(super) async fn reprioritise(adapter: &Arc<dyn Adapter>, id: &str, priority: i16) -> Acted {
    adapter.actions().reprioritise(&id.into(), priority).await.expect("reprioritise")
}

/// A job in each state, with the state as its id; the active one is not settled.
pub(super) async fn one_in_each_state(adapter: &Arc<dyn Adapter>) {
    put(adapter, ["completed", "failed", "retrying", "active"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    worker.run_one(retry("no", MOMENT * 60)).await;
    worker.claim_one().await;
    put(adapter, [job("waiting", TASK), delayed("delayed", TASK, 60_000), job("cancelled", TASK)]).await;
    adapter.jobs().cancel(&"cancelled".into(), "why").await.expect("cancel");
}
