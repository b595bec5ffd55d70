//! Cancelling what waits.

use std::future::IntoFuture;
use std::pin::Pin;

use super::Queues;
use crate::adapter::{Acted, AdapterError, JobQuery, Listed, MAX_ACTIONS};
use crate::job::{JobId, JobState};
use crate::setup::Setup;

impl<'a> Queues<'a> {
    /// When awaited, cancels the jobs of a task that wait now, in the line or for a time. Jobs that run go on, and so do jobs that are dispatched
    /// meanwhile. Each of them ends as cancelled, so whoever awaits it is told, its keys are free, and its workflow ends, too. It can be
    /// [retried](crate::JobHandle::retry).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// #[task]
    /// async fn import(row: u32) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch_many((0..500).map(|row| Import { row })).await?;
    /// app.dispatch(Import { row: 500 }).delay(Duration::from_secs(60)).await?;
    /// let purged = app.queues().purge(Import::NAME).reason("the file was the wrong one").await?;
    /// assert_eq!((purged.cancelled, app.counts(Import::NAME).await?.cancelled), (501, 501));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be reached; what was cancelled until then stays so, and you can repeat the call.
    pub fn purge(&self, task: impl AsRef<str>) -> Purge<'a> {
        Purge {
            setup: self.setup,
            task: task.as_ref().to_owned(),
            states: vec![JobState::Waiting, JobState::Delayed, JobState::Retrying],
            reason: "purged".to_owned(),
        }
    }
}

/// Jobs that are about to be cancelled, see [`Queues::purge`].
#[derive(Debug)]
#[must_use = "nothing is cancelled until this is awaited"]
pub struct Purge<'a> {
    setup: &'a Setup,
    task: String,
    states: Vec<JobState>,
    reason: String,
}

/// What [`Queues::purge`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Purged {
    /// How many jobs were cancelled.
    pub cancelled: usize,
    /// How many were started, or ended, before this came to them.
    pub left: usize,
}

impl Purge<'_> {
    /// Only jobs in these states: waiting, delayed or retrying. Others are never purged.
    pub fn states(mut self, states: impl IntoIterator<Item = JobState>) -> Self {
        let asked: Vec<JobState> = states.into_iter().collect();
        self.states.retain(|state| asked.contains(state));
        self
    }

    /// Why; whoever awaits one of the jobs is told. `purged` by default.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    async fn run(self) -> Result<Purged, AdapterError> {
        let adapter = self.setup.adapter();
        let (start, mut purged) = (adapter.inspection().now().await?, Purged::default());
        for state in self.states {
            let counts = adapter.inspection().counts(&self.task).await?;
            let known = if state == JobState::Waiting { counts.waiting } else { counts.delayed };
            let (mut query, mut scanned) = (JobQuery::new(self.task.as_str(), state), 0);
            loop {
                let Listed { jobs, next, scanned: looked_at, .. } = adapter.inspection().list(&query).await?;
                scanned += looked_at;
                let old: Vec<JobId> =
                    jobs.into_iter().filter(|job| job.created_at <= start).map(|job| job.id).collect();
                // what is dispatched meanwhile may come faster than pages are read
                let is_done = scanned >= known && old.is_empty();
                for ids in old.chunks(MAX_ACTIONS) {
                    let acted = adapter.actions().withdraw(ids, &self.reason).await?;
                    let cancelled = acted.iter().filter(|acted| **acted == Acted::Done).count();
                    purged.cancelled += cancelled;
                    purged.left += acted.len() - cancelled;
                }
                query.after = next;
                if query.after.is_none() || is_done {
                    break;
                }
            }
        }
        Ok(purged)
    }
}

impl<'a> IntoFuture for Purge<'a> {
    type Output = Result<Purged, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
