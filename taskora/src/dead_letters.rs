//! Jobs that have ended without completing, many at once.

use std::collections::HashMap;
use std::time::Duration;

use crate::adapter::{Acted, AdapterError, JobFilter, JobQuery, Listed, MAX_ACTIONS, Revival};
use crate::inspect::filters;
use crate::job::{JobId, JobInfo, JobState, Timestamp};
use crate::pattern::pattern_of;
use crate::setup::Setup;

/// The dead letters of a task: its jobs that have failed, or, if you ask for them, that were cancelled or have expired. Narrow them down, then say
/// what becomes of them. See [`App::dead_letters`](crate::App::dead_letters).
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `retry`, `discard` or `groups` is awaited"]
pub struct DeadLetters<'a> {
    setup: &'a Setup,
    task: String,
    state: JobState,
    filter: JobFilter,
    limit: usize,
}

/// What became of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeadLetterReport {
    /// How many were retried or discarded.
    pub done: usize,
    /// How many were left alone, because somebody else has retried or removed them meanwhile.
    pub left: usize,
}

/// Jobs that failed for the same reason, see [`DeadLetters::groups`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorGroup {
    /// The error, with `#` in place of each word that has a digit, 200 characters at most.
    pub pattern: String,
    /// How many jobs.
    pub count: usize,
    /// When the last one ended.
    pub newest: Timestamp,
    /// When the first one ended.
    pub oldest: Timestamp,
    /// The last one.
    pub example: JobId,
    /// Its error.
    pub error: String,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(setup: &'a Setup, task: &str) -> Self {
        Self {
            setup,
            task: task.to_owned(),
            state: JobState::Failed,
            filter: JobFilter::default(),
            limit: usize::MAX,
        }
    }

    /// Those that were cancelled, instead of those that have failed.
    pub const fn cancelled(mut self) -> Self {
        self.state = JobState::Cancelled;
        self
    }

    /// Those that have expired, instead of those that have failed.
    pub const fn expired(mut self) -> Self {
        self.state = JobState::Expired;
        self
    }

    filters!();

    /// Only so many of them, the last ones that ended. All of them by default.
    pub const fn limit(mut self, jobs: usize) -> Self {
        self.limit = jobs;
        self
    }

    /// [Retries](crate::JobHandle::retry) these jobs, the last one that ended first. A job that fails again meanwhile is not retried twice.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # static IS_UP: AtomicBool = AtomicBool::new(false);
    /// #[task]
    /// async fn charge(cents: u32) -> Result<u32, TaskError> {
    ///     if IS_UP.load(Ordering::Relaxed) { Ok(cents) } else { Err(TaskError::msg("timeout after 30 s")) }
    /// }
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = App::new(MemoryAdapter::new());
    /// # let worker = Worker::builder(&app).register::<Charge>().start().await?;
    /// let jobs = app.dispatch_many((1..=3).map(|cents| Charge { cents })).await?;
    /// # for job in &jobs { job.result().await.unwrap_err(); }
    /// // the provider was down; what has failed?
    /// let groups = app.dead_letters(Charge::NAME).groups().await?;
    /// assert_eq!((groups[0].pattern.as_str(), groups[0].count), ("timeout after # s", 3));
    ///
    /// // it is up again
    /// # IS_UP.store(true, Ordering::Relaxed);
    /// let report = app.dead_letters(Charge::NAME).error_contains("timeout").retry().await?;
    /// assert_eq!(report.done, 3);
    /// assert_eq!(jobs[0].result().await?, 1);
    /// # worker.shutdown().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store cannot be reached; what was retried until then stays so, and you can repeat the call.
    pub async fn retry(self) -> Result<DeadLetterReport, AdapterError> {
        self.retry_over(Duration::ZERO).await
    }

    /// The same, spread evenly over this time: the first one at once, the others delayed. So the other side is not hit by all of them together.
    ///
    /// # Errors
    /// As [`DeadLetters::retry`].
    pub async fn retry_over(self, time: Duration) -> Result<DeadLetterReport, AdapterError> {
        let (mut jobs, mut pages) = (Vec::new(), self.pages());
        while let Some(page) = pages.next().await? {
            jobs.extend(page.into_iter().filter_map(ended));
        }
        let apart = time / u32::try_from(jobs.len().max(1)).unwrap_or(u32::MAX);
        let (mut report, mut delay) = (DeadLetterReport::default(), Duration::ZERO);
        for jobs in jobs.chunks(MAX_ACTIONS) {
            let mut revivals = Vec::with_capacity(jobs.len());
            for (id, ended_at) in jobs {
                revivals.push(Revival { id: id.clone(), ended_at: *ended_at, delay });
                delay += apart;
            }
            report.add(&self.setup.adapter().actions().revive(revivals).await?);
        }
        Ok(report)
    }

    /// Removes these jobs, with all that is known about them.
    ///
    /// # Errors
    /// As [`DeadLetters::retry`].
    pub async fn discard(self) -> Result<DeadLetterReport, AdapterError> {
        let (mut report, mut pages) = (DeadLetterReport::default(), self.pages());
        while let Some(page) = pages.next().await? {
            let jobs: Vec<(JobId, Timestamp)> = page.into_iter().filter_map(ended).collect();
            for jobs in jobs.chunks(MAX_ACTIONS) {
                report.add(&self.setup.adapter().actions().discard(jobs.to_vec()).await?);
            }
        }
        Ok(report)
    }

    /// These jobs by their errors, the most frequent one first. Errors that differ only in words with digits (numbers, ids, times) are one.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn groups(self) -> Result<Vec<ErrorGroup>, AdapterError> {
        let (mut groups, mut pages) = (HashMap::<String, ErrorGroup>::new(), self.pages());
        while let Some(jobs) = pages.next().await? {
            for job in jobs {
                let (error, at) = (job.error.unwrap_or_default(), job.finished_at.unwrap_or_default());
                let pattern = pattern_of(&error);
                let group = groups.entry(pattern.clone()).or_insert_with(|| ErrorGroup {
                    pattern,
                    count: 0,
                    newest: at,
                    oldest: at,
                    example: job.id,
                    error,
                });
                group.count += 1;
                group.oldest = group.oldest.min(at);
            }
        }
        let mut groups: Vec<ErrorGroup> = groups.into_values().collect();
        groups
            .sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.pattern.cmp(&other.pattern)));
        Ok(groups)
    }

    fn pages(&self) -> Pages<'a> {
        let query = JobQuery { filter: self.filter.clone(), ..JobQuery::new(self.task.as_str(), self.state) };
        Pages { setup: self.setup, query: Some(query), left: self.limit }
    }
}

/// A job, and when it ended.
fn ended(job: JobInfo) -> Option<(JobId, Timestamp)> {
    Some((job.id, job.finished_at?))
}

impl DeadLetterReport {
    fn add(&mut self, acted: &[Acted]) {
        let done = acted.iter().filter(|acted| **acted == Acted::Done).count();
        self.done += done;
        self.left += acted.len() - done;
    }
}

/// Pages of jobs, the last one that ended first, so what ends meanwhile is not among them.
struct Pages<'a> {
    setup: &'a Setup,
    query: Option<JobQuery>,
    left: usize,
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Option<Vec<JobInfo>>, AdapterError> {
        while let Some(query) = self.query.as_mut().filter(|_| self.left > 0) {
            query.limit = self.left.min(JobQuery::MAX_LIMIT);
            let Listed { jobs, next, .. } = self.setup.adapter().inspection().list(query).await?;
            query.after = next;
            if query.after.is_none() {
                self.query = None;
            }
            self.left = self.left.saturating_sub(jobs.len());
            if !jobs.is_empty() {
                return Ok(Some(jobs));
            }
        }
        Ok(None)
    }
}
