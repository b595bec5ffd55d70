//! The items of a batch.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::stop::StopSignal;
use super::timing::Timing;
use super::{Attempt, Context, PendingNotes, Report, StopReason, Threads};
use crate::failure::{Failure, cut};
use crate::job::JobId;

/// A job of a batch, as its handler sees it: [`Context::items`] has them in the order of the handler's argument.
///
/// Every item is a job of its own. It ends as the function ends, unless [`fail`](Item::fail) or [`retry`](Item::retry) says otherwise:
///
/// ```
/// use taskora::prelude::*;
///
/// #[derive(Task, Serialize, Deserialize)]
/// #[task(output = (), collect(key = |t| t.table, delay = "2s", max_size = 100))]
/// struct InsertRow { table: String, row: String }
///
/// #[task(implements = InsertRow, batch)]
/// async fn insert_rows(items: Vec<InsertRow>, ctx: &Context) {
///     for (item, job) in items.iter().zip(ctx.items()) {
///         if item.row.is_empty() {
///             job.fail("an empty row"); // the others are inserted
///         }
///     }
/// }
/// # #[tokio::main] async fn main() {
/// let ctx = Context::test().items(2).build();
/// let row = |row: &str| InsertRow { table: "orders".into(), row: row.into() };
/// insert_rows(vec![row("7"), row("")], &ctx).await;
/// assert_eq!(ctx.reported().failed, [(ctx.items()[1].id().clone(), "an empty row".to_owned())]);
/// # }
/// ```
pub struct Item {
    context: Context,
    wish: Mutex<Option<Wish>>,
}

/// What a handler wants for an item, instead of its own end.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Fail(String),
    Retry,
}

impl Wish {
    /// As a failure of the item's attempt.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Fail(message) => Failure::fatal(message),
            Self::Retry => Failure::retryable("its batch asked for another attempt"),
        }
    }
}

impl Item {
    pub(crate) const fn new(context: Context) -> Self {
        Self { context, wish: Mutex::new(None) }
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        self.context.id()
    }

    /// Which attempt of this job it is, counted from 1. The items of a batch may be at different ones.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    /// The value that the dispatcher of this job set with `.meta(key, value)`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.context.meta(key)
    }

    /// This job fails, without another attempt. The others end as the function ends.
    pub fn fail(&self, message: impl Into<String>) {
        self.wish(Wish::Fail(cut(message.into())));
    }

    /// This attempt of the job has failed, and the next one comes as the policy of its contract says; without one that is left, the job
    /// fails. The others end as the function ends.
    pub fn retry(&self) {
        self.wish(Wish::Retry);
    }

    /// Whether this job is cancelled, or its lease is lost. Then it ends without a result, while the batch goes on. If nothing of the
    /// batch is left, [`Context::is_cancelled`] is true, too.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.context.is_cancelled()
    }

    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    fn wish(&self, wish: Wish) {
        *self.wish.lock().unwrap_or_else(PoisonError::into_inner) = Some(wish);
    }

    /// What was asked for last.
    pub(crate) fn wished(&self) -> Option<Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("id", self.id())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The jobs of a batch, in the order of the handler's argument; empty unless the handler is a `batch`. The other methods of the
    /// context tell about the first of them, and what they report is reported for each.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.attempt.items
    }

    /// The context of a batch of these attempts. `first` is one of them.
    pub(crate) fn of_batch(first: &Self, items: Vec<Self>) -> Self {
        let first = &first.attempt;
        Self {
            attempt: Arc::new(Attempt {
                app: first.app.clone(),
                lease: first.lease.clone(),
                node: first.node.clone(),
                prior_result: None,
                tick: first.tick.clone(),
                number: first.number,
                max_attempts: first.max_attempts,
                created_at: first.created_at,
                claimed_at: first.claimed_at,
                claimed: first.claimed,
                timing: Timing::new(None),
                meta: first.meta.clone(),
                stop: StopSignal::default(),
                threads: Threads::default(),
                report: Report {
                    reporter: first.report.reporter.clone(),
                    notes: Mutex::new(PendingNotes::default()),
                    written: Notify::new(),
                },
                keeper: first.keeper.clone(),
                items: items.into_iter().map(Item::new).collect(),
            }),
        }
    }

    /// Resolves when no item of the batch is left to run for. The batch is then told to stop.
    pub(crate) async fn items_stopped(&self) -> StopReason {
        let mut reason = StopReason::LeaseLost;
        for item in self.items() {
            reason = match (item.context.stopped().await, reason) {
                (StopReason::Shutdown, _) | (_, StopReason::Shutdown) => StopReason::Shutdown,
                (StopReason::Cancelled, _) | (_, StopReason::Cancelled) => StopReason::Cancelled,
                (other, _) => other,
            };
        }
        self.stop(reason);
        reason
    }
}
