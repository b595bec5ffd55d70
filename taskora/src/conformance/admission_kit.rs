//! Helpers for the checks of keys.

use std::sync::Arc;

use super::kit::job;
use crate::adapter::{Adapter, Admission, Admitted, BlockingStates, NewJob, Otherwise, Rule};
use crate::job::JobId;

/// Stores a job under a key, and returns what happened to it.
pub(super) async fn admit(adapter: &Arc<dyn Adapter>, admission: Admission) -> Admitted {
    admit_all(adapter, [admission]).await.pop().expect("one answer")
}

/// Stores jobs under keys in one call.
pub(super) async fn admit_all(
    adapter: &Arc<dyn Adapter>,
    admissions: impl IntoIterator<Item = Admission>,
) -> Vec<Admitted> {
    let admissions: Vec<Admission> = admissions.into_iter().collect();
    let count = admissions.len();
    let admitted = adapter.admissions().admit(admissions).await.expect("admit");
    assert_eq!(admitted.len(), count, "one answer for each");
    admitted
}

/// A job under the key `k` that every unfinished owner keeps out.
pub(super) fn unique(id: &str, task: &str) -> Admission {
    deduplicated(job(id, task), Otherwise::Drop)
}

pub(super) fn deduplicated(job: NewJob, otherwise: Otherwise) -> Admission {
    let rule = Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise };
    Admission { job, key: "k".to_owned(), rule }
}

/// The owner of the key `k`.
pub(super) async fn owner(adapter: &Arc<dyn Adapter>, task: &str) -> Option<JobId> {
    adapter.admissions().key_owner(task, "k").await.expect("key_owner")
}
