//! Helpers for the checks of lists.

use std::sync::Arc;

use super::kit::TASK;
use crate::adapter::{Adapter, JobQuery, Listed};
use crate::job::{JobId, JobInfo, JobState};

/// All jobs of [`TASK`] in a state.
pub(super) fn query(state: JobState) -> JobQuery {
    JobQuery::new(TASK, state)
}

pub(super) async fn page(adapter: &Arc<dyn Adapter>, query: &JobQuery) -> Listed {
    adapter.inspection().list(query).await.expect("list")
}

/// The jobs of all pages that follow, in pages of so many.
pub(super) async fn jobs(adapter: &Arc<dyn Adapter>, mut query: JobQuery, limit: usize) -> Vec<JobInfo> {
    query.limit = limit;
    let (mut jobs, mut calls) = (Vec::new(), 0);
    loop {
        let page = page(adapter, &query).await;
        assert!(page.jobs.len() <= limit, "{} jobs in a page of {limit}", page.jobs.len());
        assert!(page.scanned >= page.jobs.len(), "{} of {}", page.jobs.len(), page.scanned);
        assert!(page.scanned <= JobQuery::PAGE, "{} were looked at", page.scanned);
        jobs.extend(page.jobs);
        calls += 1;
        assert!(calls < 10_000, "the list has no end");
        match page.next {
            Some(next) => query.after = Some(next),
            None => return jobs,
        }
    }
}

/// The ids of all jobs of [`TASK`] in a state, in order, which are the same in pages of one, of three and of many.
pub(super) async fn listed(adapter: &Arc<dyn Adapter>, state: JobState) -> Vec<String> {
    let all = names(&jobs(adapter, query(state), JobQuery::MAX_LIMIT).await);
    for limit in [1, 3] {
        assert_eq!(names(&jobs(adapter, query(state), limit).await), all, "{state}, in pages of {limit}");
    }
    all
}

pub(super) fn names(jobs: &[JobInfo]) -> Vec<String> {
    jobs.iter().map(|job| job.id.to_string()).collect()
}

/// An id as taskora generates it, in order of the number; its job is no caller's own.
pub(super) fn generated(number: u16) -> JobId {
    JobId::from(format!("0199f0b2-0000-7000-8000-00000000{number:04x}"))
}
