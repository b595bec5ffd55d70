//! Lists of jobs.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::{Cursor, filters};
use crate::adapter::{AdapterError, JobFilter, JobQuery};
use crate::job::{JobInfo, JobState};
use crate::setup::Setup;

/// How long a page may take before it is returned as it is.
pub(super) const TIME: Duration = Duration::from_secs(5);

/// A page of jobs that is asked for, see [`Inspect::list`](super::Inspect::list).
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct AskJobs<'a> {
    setup: &'a Setup,
    task: String,
    state: JobState,
    filter: JobFilter,
    limit: usize,
    after: Option<Cursor>,
    budget: usize,
}

/// A page of jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobPage {
    /// The jobs, see [`Inspect::list`](super::Inspect::list) for their order.
    pub jobs: Vec<JobInfo>,
    /// How many entries were looked at for them.
    pub scanned: usize,
    /// Pass it to [`AskJobs::after`] for the next page; `None` if this page is the last one.
    pub next: Option<Cursor>,
}

/// Why a list of jobs was not returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The cursor is one of another list. The store was not asked.
    #[error(
        "this cursor is for the {} jobs of `{}`, not for the {state} jobs of `{task}`; use it with the state and the task of its page, or begin without a cursor",
        .cursor.state(), .cursor.task()
    )]
    OtherList {
        /// The cursor.
        cursor: Box<Cursor>,
        /// The state that was asked for.
        state: JobState,
        /// The task that was asked for.
        task: String,
    },
    /// The limit is 0 or too high. The store was not asked.
    #[error("a page cannot have {limit} jobs; ask for 1 to {}", JobQuery::MAX_LIMIT)]
    Limit {
        /// The limit that was asked for.
        limit: usize,
    },
    /// Only jobs that have ended can be asked for by the time of their end. The store was not asked.
    #[error(
        "{state} jobs have not ended; `since` and `until` go with completed, failed, cancelled and expired ones"
    )]
    NotEnded {
        /// The state that was asked for.
        state: JobState,
    },
    /// The store could not do it.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl<'a> AskJobs<'a> {
    /// How many jobs a page has without [`limit`](AskJobs::limit).
    pub const LIMIT: usize = 50;
    /// How many entries are looked at without [`budget`](AskJobs::budget).
    pub const BUDGET: usize = 100_000;

    pub(super) fn new(setup: &'a Setup, task: &str, state: JobState) -> Self {
        let filter = JobFilter::default();
        let task = task.to_owned();
        Self { setup, task, state, filter, limit: Self::LIMIT, after: None, budget: Self::BUDGET }
    }

    filters!();

    /// Only jobs whose id begins with this text.
    pub fn id_prefix(mut self, text: impl Into<String>) -> Self {
        self.filter.id_prefix = Some(text.into());
        self
    }

    /// How many jobs the page has at most, 1 to 500; 50 by default. A page may have fewer, and others follow. If more than 500 jobs wait under
    /// keys, a page of these may have a few more.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Continues behind a page: pass its [`next`](JobPage::next), and the same conditions.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// How many entries are looked at at most, in search of jobs that meet the conditions; 100,000 by default. A page also ends after five
    /// seconds.
    pub const fn budget(mut self, entries: usize) -> Self {
        self.budget = entries;
        self
    }

    fn check(self) -> Result<(&'a Setup, JobQuery, usize), ListError> {
        let Self { setup, task, state, filter, limit, after, budget } = self;
        if !(1..=JobQuery::MAX_LIMIT).contains(&limit) {
            return Err(ListError::Limit { limit });
        }
        if !state.is_terminal() && (filter.since.is_some() || filter.until.is_some()) {
            return Err(ListError::NotEnded { state });
        }
        let after = match after {
            Some(cursor) if cursor.state() != state || cursor.task() != task => {
                return Err(ListError::OtherList { cursor: Box::new(cursor), state, task });
            }
            cursor => cursor.map(|cursor| cursor.place),
        };
        let query = JobQuery { filter, after, limit, ..JobQuery::new(task, state) };
        Ok((setup, query, budget.max(1)))
    }

    async fn ask(self) -> Result<JobPage, ListError> {
        let (setup, mut query, budget) = self.check()?;
        let (limit, started) = (query.limit, Instant::now());
        let (mut jobs, mut scanned) = (Vec::new(), 0);
        loop {
            query.limit = limit.saturating_sub(jobs.len());
            query.most = budget.saturating_sub(scanned).min(JobQuery::PAGE);
            let listed = setup.adapter().inspection().list(&query).await?;
            jobs.extend(listed.jobs);
            scanned += listed.scanned;
            query.after = listed.next;
            let is_full = jobs.len() >= limit || scanned >= budget;
            if is_full || query.after.is_none() || started.elapsed() >= TIME {
                let next = query.after.map(|place| Cursor::new(query.state, &query.task, place));
                return Ok(JobPage { jobs, scanned, next });
            }
        }
    }
}

impl<'a> IntoFuture for AskJobs<'a> {
    type Output = Result<JobPage, ListError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::NewJob;
    use crate::{App, MemoryAdapter, Timestamp};

    async fn app_with(jobs: usize) -> App {
        let app = App::new(MemoryAdapter::new());
        let job = |number| NewJob::new(format!("{number:04}"), "work", format!("{number}"));
        app.inspect().setup.adapter().jobs().enqueue((0..jobs).map(job).collect()).await.unwrap();
        app
    }

    #[tokio::test]
    async fn wrong_questions_say_what_is_allowed() {
        let app = app_with(3).await;
        let cursor = app.inspect().list("work", JobState::Waiting).limit(1).await.unwrap().next.unwrap();
        let list = |task: &str, state| app.inspect().list(task, state).after(cursor.clone());
        for (task, state) in [("other", JobState::Waiting), ("work", JobState::Failed)] {
            let error = list(task, state).await.unwrap_err();
            assert!(matches!(error, ListError::OtherList { .. }), "{error}");
            assert_eq!(
                error.to_string(),
                format!(
                    "this cursor is for the waiting jobs of `work`, not for the {state} jobs of `{task}`; use it with the \
                     state and the task of its page, or begin without a cursor"
                )
            );
        }
        for limit in [0, 501] {
            let error = app.inspect().list("work", JobState::Waiting).limit(limit).await.unwrap_err();
            assert_eq!(error.to_string(), format!("a page cannot have {limit} jobs; ask for 1 to 500"));
        }
        let error =
            app.inspect().list("work", JobState::Active).since(Timestamp::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "active jobs have not ended; `since` and `until` go with completed, failed, cancelled and expired ones"
        );
        let none = app.inspect().list("nobody", JobState::Waiting).await.unwrap();
        assert!(none.jobs.is_empty() && none.scanned == 0 && none.next.is_none());
    }

    #[tokio::test]
    async fn a_search_goes_on_until_the_page_is_full_or_the_budget_is_used_up() {
        let app = app_with(5_000).await;
        let ask = || app.inspect().list("work", JobState::Waiting);
        let page = ask().id_prefix("4").limit(3).await.unwrap();
        let ids: Vec<&str> = page.jobs.iter().map(|job| job.id.as_str()).collect();
        assert_eq!((ids, page.scanned), (vec!["4000", "4001", "4002"], 4_003));
        let page = ask().id_prefix("4").limit(500).after(page.next).await.unwrap();
        assert_eq!((page.jobs.len(), page.jobs[0].id.as_str()), (500, "4003"));
        let page = ask().id_prefix("4").budget(1_234).await.unwrap();
        assert_eq!((page.jobs.len(), page.scanned), (0, 1_234));
        let page = ask().id_prefix("4").limit(1).after(page.next).await.unwrap();
        assert_eq!(page.scanned, 4_001 - 1_234);
        let page = ask().payload_contains("nowhere").await.unwrap();
        assert_eq!((page.jobs.len(), page.scanned, page.next), (0, 5_000, None));
    }
}
