//! Helpers for the checks of what operators do.

use std::sync::Arc;
use std::time::Duration;

use super::kit::info;
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
