//! Contexts for unit tests of handlers.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Context, StopReason, Wish};
use crate::adapter::{ClaimedJob, Lease, TickStamp};
use crate::app::App;
use crate::job::{JobId, LogEntry, Timestamp};
use crate::memory::MemoryAdapter;

/// Builds a [`Context`] for a unit test, see [`Context::test`].
#[derive(Debug, Clone)]
#[must_use = "call `build()` for the context"]
pub struct TestContext {
    id: JobId,
    task: String,
    attempt: u32,
    max_attempts: u32,
    meta: Vec<(String, String)>,
    cancelled: bool,
    tick: Option<TickStamp>,
    app: Option<App>,
    items: Option<usize>,
}

/// What a handler has reported to a context, see [`Context::reported`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Reported {
    /// The latest progress.
    pub progress: Option<serde_json::Value>,
    /// The log lines, oldest first.
    pub logs: Vec<LogEntry>,
    /// The items of a batch that were to [`fail`](super::Item::fail), with their messages.
    pub failed: Vec<(JobId, String)>,
    /// The items of a batch that were to be [retried](super::Item::retry).
    pub retried: Vec<JobId>,
}

impl Context {
    /// A context for a unit test that calls a task's function directly. By default it is attempt 1 of 1 of a job of the task
    /// `test`, in its own in-memory app. Nothing is stored.
    ///
    /// ```
    /// use taskora::prelude::*;
    ///
    /// #[task(retry = 3)]
    /// async fn import(rows: u32, ctx: Context) -> Result<u32, TaskError> {
    ///     ctx.progress(rows);
    ///     if ctx.attempt() == ctx.max_attempts() { Ok(0) } else { Err(TaskError::msg("not yet")) }
    /// }
    ///
    /// # #[tokio::main] async fn main() {
    /// let ctx = Context::test().attempt(3).max_attempts(3).meta("tenant", "42").build();
    /// assert_eq!(import(7, ctx.clone()).await.unwrap(), 0);
    /// assert_eq!(ctx.reported().progress, Some(7.into()));
    /// # }
    /// ```
    pub fn test() -> TestContext {
        TestContext {
            id: JobId::new(),
            task: "test".to_owned(),
            attempt: 1,
            max_attempts: 1,
            meta: Vec::new(),
            cancelled: false,
            tick: None,
            app: None,
            items: None,
        }
    }

    /// What was reported and is not in the store yet. In a unit test, that is everything.
    #[must_use]
    pub fn reported(&self) -> Reported {
        // a batch reports the same for each item
        let notes = self.items().first().map_or(self, |item| item.context()).notes();
        let (mut failed, mut retried) = (Vec::new(), Vec::new());
        for item in self.items() {
            match item.wished() {
                Some(Wish::Fail(message)) => failed.push((item.id().clone(), message)),
                Some(Wish::Retry) => retried.push(item.id().clone()),
                None => {}
            }
        }
        Reported {
            progress: notes.progress.as_ref().and_then(|json| serde_json::from_slice(json).ok()),
            logs: notes.logs.clone(),
            failed,
            retried,
        }
    }
}

impl TestContext {
    /// The job's id; a new one by default.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.id = id.into();
        self
    }

    /// The name of the task; `test` by default.
    pub fn task(mut self, task: impl Into<String>) -> Self {
        self.task = task.into();
        self
    }

    /// Which attempt this is, counted from 1; 1 by default.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// How many attempts there are; 1 by default.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// An annotation of the dispatcher; none by default.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta.push((key.into(), value.into()));
        self
    }

    /// Tells the attempt to stop, as if its job was cancelled.
    pub fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
    }

    /// The job is the tick of a schedule, made on time; by default it is none.
    pub fn tick(mut self, schedule: impl Into<String>, at: Timestamp) -> Self {
        self.tick = Some(TickStamp { schedule: schedule.into(), at: Some(at) });
        self
    }

    /// The context of a batch of so many items. The first one has the [`id`](TestContext::id), the others have new ones.
    pub const fn items(mut self, items: usize) -> Self {
        self.items = Some(items);
        self
    }

    /// The app that [`Context::app`] gives; one of its own in memory by default.
    pub fn app(mut self, app: &App) -> Self {
        self.app = Some(app.clone());
        self
    }

    /// The context.
    #[must_use]
    pub fn build(self) -> Context {
        let now = self.tick.as_ref().and_then(|tick| tick.at).unwrap_or_default();
        // the receiver is gone, so reports stay in the context
        let (reporter, _) = mpsc::unbounded_channel();
        let app = self.app.unwrap_or_else(|| App::new(MemoryAdapter::new()));
        let attempt = |id| {
            let mut job = ClaimedJob {
                lease: Lease { id, task: self.task.as_str().into(), token: 1 },
                payload: Vec::new(),
                attempt: self.attempt,
                created_at: now,
                claimed_at: now,
                ready_at: None,
                meta: self.meta.clone(),
                cancelled: self.cancelled,
                node: None,
                limit_key: None,
                batch: None,
                holds_key: false,
                tick: self.tick.clone(),
                prior_result: None,
            };
            let context =
                Context::new(app.clone(), &mut job, self.max_attempts, reporter.clone(), Arc::default());
            if self.cancelled {
                context.stop(StopReason::Cancelled);
            }
            context
        };
        let first = attempt(self.id);
        let Some(items) = self.items else { return first };
        let others = (1..items).map(|_| attempt(JobId::new()));
        let batch = Context::of_batch(&first, std::iter::once(first.clone()).chain(others).collect());
        if self.cancelled {
            batch.stop(StopReason::Cancelled);
        }
        batch
    }
}
