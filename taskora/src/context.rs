//! What a handler knows about its attempt, and what it can report.

mod blocking;
mod items;
mod running;
mod stop;
mod test;
mod timing;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::adapter::{AttemptEnd, ClaimedJob, JobReport, Lease, NodeRef, Settlement, TickStamp};
use crate::app::App;
use crate::dispatch::IDEMPOTENCY_META;
use crate::failure::{TaskError, cut};
use crate::job::{JobId, LogEntry, LogLevel, Timestamp};
use crate::json;
use crate::schedules::Tick;

pub use items::Item;
pub(crate) use items::Wish;
use running::Threads;
pub(crate) use stop::StopReason;
use stop::StopSignal;
pub use test::{Reported, TestContext};
use timing::Timing;

/// The largest progress, and the largest fields of a log line, in bytes of JSON.
const MAX_NOTE: usize = 64 * 1024;
/// How many log lines of an attempt go in one call.
const MAX_LINES_AT_ONCE: usize = 100;

/// One attempt, as its handler sees it: a parameter of type `Context` or `&Context` receives it.
///
/// Cheap to clone; you may move a clone into tasks that the handler spawns. Once the attempt is over, the store refuses
/// everything that a clone still reports.
///
/// ```
/// use taskora::Context;
///
/// # async fn example() {
/// let ctx = Context::test().build();
/// ctx.info("half way");
/// ctx.progress(50);
/// assert_eq!(ctx.attempt(), 1);
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    attempt: Arc<Attempt>,
}

struct Attempt {
    app: App,
    lease: Lease,
    node: Option<NodeRef>,
    prior_result: Option<(u32, Vec<u8>)>,
    tick: Option<TickStamp>,
    number: u32,
    max_attempts: u32,
    created_at: Timestamp,
    claimed_at: Timestamp,
    claimed: Instant,
    timing: Timing,
    meta: Vec<(String, String)>,
    stop: StopSignal,
    threads: Threads,
    report: Report,
    keeper: Arc<Notify>,
    /// The items of a batch; none of other attempts.
    items: Box<[Item]>,
}

impl Context {
    pub(crate) fn new(
        app: App,
        job: &mut ClaimedJob,
        max_attempts: u32,
        reporter: mpsc::UnboundedSender<Self>,
        keeper: Arc<Notify>,
    ) -> Self {
        Self {
            attempt: Arc::new(Attempt {
                app,
                lease: job.lease.clone(),
                node: job.node.take(),
                prior_result: job.prior_result.take(),
                tick: job.tick.take(),
                number: job.attempt,
                max_attempts,
                created_at: job.created_at,
                claimed_at: job.claimed_at,
                claimed: Instant::now(),
                timing: Timing::new(job.ready_at),
                meta: std::mem::take(&mut job.meta),
                stop: StopSignal::default(),
                threads: Threads::default(),
                report: Report { reporter, notes: Mutex::default(), written: Notify::new() },
                keeper,
                items: Box::default(),
            }),
        }
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.attempt.lease.id
    }

    /// The name of the job's task, as stored with the job.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.attempt.lease.task
    }

    /// Which attempt this is, counted from 1. A rescue from a dead worker and a release at a shutdown do not use up an
    /// attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }

    /// How many attempts in total the task's contract allows.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.attempt.max_attempts
    }

    /// When the job was dispatched, by the store's clock.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.attempt.created_at
    }

    /// The value that the dispatcher set with `.meta(key, value)`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.attempt.meta.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The key that the job, or this step's workflow, was dispatched with by `.idempotency(key, life)`. You can pass it on
    /// to a service that takes idempotency keys.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.meta(IDEMPOTENCY_META)
    }

    /// Which tick of which schedule this job is; `None` if somebody dispatched it. All attempts of a job tell the same, so use the time of
    /// the tick, and not the clock's, to decide what a run is about:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task]
    /// async fn daily_report(ctx: &Context) -> String {
    ///     match ctx.tick() {
    ///         Some(tick) => format!("the report of {:?}", tick.at.to_system_time()),
    ///         None => "a report on demand".to_owned(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        self.attempt.tick.as_ref().map(|stamp| Tick::of(stamp, self.attempt.created_at))
    }

    /// The app, to dispatch further jobs.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.attempt.app
    }

    /// Reports progress, which [`JobHandle::progress`](crate::JobHandle::progress) reads: any value that serde can write as
    /// JSON. Each report replaces the one before. It is written in the background, before the attempt ends.
    ///
    /// A value that cannot be written as JSON, or takes more than 64 KiB, is replaced by a logged warning.
    pub fn progress(&self, value: impl Serialize) {
        match json::write(&value) {
            Ok(json) if json.len() > MAX_NOTE => {
                self.warn(format!("progress of {} bytes is above the limit of {MAX_NOTE} bytes", json.len()));
            }
            Ok(json) => self.set_progress(json),
            Err(error) => self.warn(format!("progress cannot be written as JSON: {error}")),
        }
    }

    /// Logs a line with the job, at level `info`. The newest [`LogEntry::MAX_PER_JOB`] lines are kept.
    pub fn info(&self, message: impl Into<String>) {
        self.log(LogLevel::Info, message, ());
    }

    /// Logs a line with the job, at level `warn`.
    pub fn warn(&self, message: impl Into<String>) {
        self.log(LogLevel::Warn, message, ());
    }

    /// Logs a line with the job, at level `error`.
    pub fn error(&self, message: impl Into<String>) {
        self.log(LogLevel::Error, message, ());
    }

    /// Logs a line with additional fields: any value that serde can write as JSON, or `()` for none. A message of more than
    /// 16 KiB is cut; fields that cannot be written, or that take more than 64 KiB, are replaced by a text that says so.
    pub fn log(&self, level: LogLevel, message: impl Into<String>, fields: impl Serialize) {
        let fields = match serde_json::to_value(fields) {
            Ok(fields) if fields.to_string().len() > MAX_NOTE => {
                serde_json::Value::String(format!("fields are above the limit of {MAX_NOTE} bytes"))
            }
            Ok(fields) => fields,
            Err(error) => serde_json::Value::String(format!("fields cannot be written: {error}")),
        };
        let at = self.attempt.claimed_at.plus(self.attempt.claimed.elapsed());
        let message = cut(message.into());
        self.add_line(LogEntry { level, message, fields, at, attempt: self.attempt.number });
    }

    /// Whether the attempt should stop: its job was cancelled, its lease was lost, its timeout has passed, or the grace
    /// period of its worker's shutdown is over. Blocking handlers should check this from time to time.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.attempt.stop.reason().is_some()
    }

    /// Resolves when the attempt should stop, see [`Context::is_cancelled`]. At a cancellation or a shutdown, a handler that
    /// awaits this has some time to clean up ([`WorkerBuilder::cancel_grace`](crate::WorkerBuilder::cancel_grace)) before it
    /// is dropped; its return value is then discarded. At a timeout or a lost lease, it is dropped at once.
    pub async fn cancelled(&self) {
        self.attempt.stop.stopped().await;
    }

    /// Renews the attempt's lease now. You do not need this to keep the lease: every worker renews its leases on a separate
    /// thread, even while handlers block. Use it to learn sooner whether the lease is still valid.
    pub fn heartbeat(&self) {
        self.attempt.keeper.notify_one();
    }

    /// An error to return: this attempt fails, and the next one, if the policy allows it, starts after `delay` instead of
    /// the policy's backoff.
    #[must_use]
    pub fn retry_after(&self, delay: Duration) -> TaskError {
        TaskError::retry_after(delay)
    }

    /// An error to return: the job fails, without another attempt.
    #[must_use]
    pub fn give_up(&self, message: impl Into<String>) -> TaskError {
        TaskError::give_up(message)
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.attempt.lease
    }

    pub(crate) fn node(&self) -> Option<&NodeRef> {
        self.attempt.node.as_ref()
    }

    /// The result of this node, if it came with the job.
    pub(crate) fn prior_result(&self, node: u32) -> Option<&[u8]> {
        self.attempt
            .prior_result
            .as_ref()
            .filter(|(known, _)| *known == node)
            .map(|(_, result)| result.as_slice())
    }

    /// This attempt, ended like this.
    pub(crate) fn settlement(&self, end: AttemptEnd) -> Settlement {
        Settlement {
            lease: self.lease().clone(),
            attempt: self.attempt(),
            started_at: self.attempt.claimed_at,
            end,
            node: self.node().cloned(),
        }
    }

    /// Tells the attempt to stop; the first reason wins.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.attempt.stop.set(reason);
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        self.attempt.stop.reason()
    }

    pub(crate) async fn stopped(&self) -> StopReason {
        self.attempt.stop.stopped().await
    }

    /// What a batch reports is reported for each of its items.
    fn set_progress(&self, json: Vec<u8>) {
        if self.items().is_empty() {
            self.note(|notes| notes.progress = Some(json));
            return;
        }
        self.items().iter().for_each(|item| item.context().set_progress(json.clone()));
    }

    fn add_line(&self, entry: LogEntry) {
        if self.items().is_empty() {
            self.note(|notes| {
                notes.logs.push(entry);
                // no need to send lines that the store would drop at once
                if notes.logs.len() > 2 * LogEntry::MAX_PER_JOB {
                    notes.logs.drain(..LogEntry::MAX_PER_JOB);
                }
            });
            return;
        }
        for item in self.items() {
            item.context().add_line(LogEntry { attempt: item.attempt(), ..entry.clone() });
        }
    }

    fn note(&self, change: impl FnOnce(&mut PendingNotes)) {
        let mut notes = self.notes();
        change(&mut notes);
        if !notes.queued {
            // without a reporter (in a unit test), nobody reads the notes
            notes.queued = self.attempt.report.reporter.send(self.clone()).is_ok();
        }
    }

    fn notes(&self) -> MutexGuard<'_, PendingNotes> {
        self.attempt.report.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been reported and not yet taken.
    pub(crate) fn take_notes(&self) -> Option<JobReport> {
        let mut notes = self.notes();
        if notes.progress.is_none() && notes.logs.is_empty() {
            notes.queued = false;
            self.attempt.report.written.notify_waiters();
            return None;
        }
        let lines = notes.logs.len().min(MAX_LINES_AT_ONCE);
        Some(JobReport {
            lease: self.attempt.lease.clone(),
            progress: notes.progress.take(),
            logs: notes.logs.drain(..lines).collect(),
        })
    }

    /// Resolves when the store has accepted or refused everything that was reported.
    pub(crate) async fn notes_written(&self) {
        loop {
            let mut written = std::pin::pin!(self.attempt.report.written.notified());
            written.as_mut().enable();
            if !self.notes().queued {
                return;
            }
            written.await;
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", self.id())
            .field("task", &self.task())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// How progress and logs get to the store.
struct Report {
    reporter: mpsc::UnboundedSender<Context>,
    notes: Mutex<PendingNotes>,
    written: Notify,
}

#[derive(Default)]
struct PendingNotes {
    progress: Option<Vec<u8>>,
    logs: Vec<LogEntry>,
    /// The reporter was told of new notes, and has not yet taken all of them.
    queued: bool,
}
