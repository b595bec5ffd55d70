//! Dispatching: from a contract to a stored job.

mod many;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::adapter::{Due, Enqueued, MAX_META, MAX_PRIORITY, MIN_PRIORITY, NewJob, TaskName};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::{Expected, HasOutput, JobHandle, Outcome, Raw};
use crate::job::JobId;
use crate::json;
use crate::workflow::Bound;

pub use many::DispatchMany;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`App::dispatch`] takes: a contract, a signature with all its arguments bound, or a workflow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be dispatched",
    label = "neither a contract nor a signature whose arguments are all `Set`",
    note = "dispatch a contract, as in `SendEmail {{ .. }}`, a signature with all its arguments bound, as in `SendEmail::s().to(..).subject(..)`, or a composition of steps, as in `chain((a, b))`; a list of contracts goes with `dispatch_many(list)`, or as `group(list)`"
)]
pub trait Dispatchable {
    /// The builder that is awaited.
    type Dispatch;

    /// What it still waits for, which must be nothing.
    #[doc(hidden)]
    type Slot;

    /// Prepares the dispatch.
    #[doc(hidden)]
    fn dispatch_on(self, app: &App) -> Self::Dispatch;
}

#[diagnostic::do_not_recommend]
impl<T: Task> Dispatchable for T {
    type Dispatch = Dispatch<T>;
    type Slot = Bound;

    fn dispatch_on(self, app: &App) -> Dispatch<T> {
        Dispatch::new(app, T::NAME.into(), &self, &T::OPTIONS)
    }
}

/// Options that a dispatch may be given.
#[derive(Clone, Default)]
struct Options {
    id: Option<JobId>,
    priority: Option<i16>,
    due: Due,
    meta: Vec<(String, String)>,
    replace_failed: bool,
}

/// A job about to be dispatched: takes options, and is awaited. Nothing happens before that.
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct Dispatch<T> {
    app: App,
    task: TaskName,
    payload: Result<Vec<u8>, DispatchError>,
    contract: TaskOptions,
    options: Options,
    typed: PhantomData<fn() -> T>,
}

impl<T> Dispatch<T> {
    fn new(app: &App, task: TaskName, payload: &impl Serialize, contract: &TaskOptions) -> Self {
        Self {
            app: app.clone(),
            payload: encode(app, &task, payload),
            task,
            contract: *contract,
            options: Options::default(),
            typed: PhantomData,
        }
    }

    /// The job becomes ready so long after the store has accepted it.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// The job becomes ready at this time, by the store's clock; at once if that is past. Replaces `delay`, and the other
    /// way round.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// Instead of the contract's priority: −1,000 to 1,000, higher goes first. Jobs of one priority are run in the
    /// order they were dispatched.
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// The job's id, instead of a new one, so that the same work is not done twice:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn charge_card(order: u32) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let first = app.dispatch(ChargeCard { order: 7 }).id("charge-card:7").await?;
    /// let again = app.dispatch(ChargeCard { order: 7 }).id("charge-card:7").await?;
    /// assert_eq!(first.outcome(), &Outcome::Enqueued);
    /// assert_eq!(again.outcome(), &Outcome::Duplicate("charge-card:7".into()));
    /// # Ok(()) }
    /// ```
    ///
    /// - **Scope.** All tasks of a namespace share one space of ids, so put the task's name into the id. An id that
    ///   belongs to a job of another task is refused with [`DispatchError::IdTaken`].
    /// - **A known id changes nothing**, whether its job has ended or not. The handle is that job's, and says
    ///   [`Outcome::Duplicate`]. Payload and options of the second dispatch are not looked at: another payload under the
    ///   same id does not run. See [`Dispatch::replace_failed`] for a job that has failed.
    /// - **Life.** An id is known until its job is removed, which is by its age only: one hour after it has completed, and
    ///   seven days after it has failed, expired or been cancelled, unless [`Retention`](crate::Retention) says otherwise.
    ///   (Beyond [`Retention::MAX_NAMED`](crate::Retention::MAX_NAMED) such jobs the oldest ones go.) Then the id is free.
    ///
    /// Do not use the same UUID v7 twice: it counts as an id of [`JobId::new`], which never comes again.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.options.id = Some(id.into());
        self
    }

    /// If the job of this [`id`](Dispatch::id) has failed, expired or been cancelled, this one takes its place, as if that
    /// job had never been. An unfinished or completed job stays, and this dispatch is a duplicate.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn charge_card(order: u32) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// # let order = 7;
    /// # app.dispatch(ChargeCard { order }).id("charge-card:7").await?.cancel("declined").await?;
    /// // its first try was cancelled
    /// let retried = app.dispatch(ChargeCard { order }).id("charge-card:7").replace_failed().await?;
    /// assert_eq!(retried.outcome(), &Outcome::Enqueued);
    /// # Ok(()) }
    /// ```
    pub fn replace_failed(mut self) -> Self {
        self.options.replace_failed = true;
        self
    }

    /// Notes something with the job, which its handler reads with [`Context::meta`](crate::Context::meta). Giving a key
    /// again replaces its value. All keys and values together have at most 16 KiB ([`MAX_META`](crate::adapter::MAX_META)):
    /// what is larger belongs into the payload.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        set_meta(&mut self.options.meta, key.into(), value.into());
        self
    }
}

impl Dispatch<Raw> {
    pub(crate) fn raw(app: &App, task: &str, payload: &serde_json::Value) -> Self {
        Self::new(app, task.into(), payload, &TaskOptions::new())
    }
}

impl<T: HasOutput> IntoFuture for Dispatch<T> {
    type Output = Result<JobHandle<T>, DispatchError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if self.options.replace_failed && self.options.id.is_none() {
                return Err(DispatchError::InvalidOption(
                    "`replace_failed` needs an `id`, as only a job with the same id is replaced".to_owned(),
                ));
            }
            let id = self.options.id.clone().unwrap_or_else(JobId::new);
            let expected = Expected::new(self.task.clone(), &self.contract);
            let job = new_job(id.clone(), self.task, self.payload?, &self.contract, self.options)?;
            let enqueued = self.app.adapter().enqueue(vec![job]).await?;
            handle(&self.app, expected, id, enqueued.into_iter().next())
        })
    }
}

impl<T> fmt::Debug for Dispatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("task", &self.task)
            .field("id", &self.options.id)
            .finish_non_exhaustive()
    }
}

/// The handle of a job that the store has answered for.
fn handle<T>(
    app: &App,
    expected: Expected,
    id: JobId,
    enqueued: Option<Enqueued>,
) -> Result<JobHandle<T>, DispatchError> {
    let outcome = match enqueued {
        Some(Enqueued::New) | None => Outcome::Enqueued,
        Some(Enqueued::Duplicate) => Outcome::Duplicate(id.clone()),
        // stored under an older name of the same task
        Some(Enqueued::Taken { task }) if expected.is(&task) => Outcome::Duplicate(id.clone()),
        Some(Enqueued::Taken { task }) => {
            return Err(DispatchError::IdTaken { id, task: task.to_string() });
        }
    };
    Ok(JobHandle::dispatched(app.clone(), outcome, id, expected))
}

fn encode(app: &App, task: &str, payload: &impl Serialize) -> Result<Vec<u8>, DispatchError> {
    let json = json::write(payload).map_err(|error| DispatchError::InvalidPayload {
        task: task.to_owned(),
        message: error.to_string(),
    })?;
    check_size(app, task, json.len())?;
    Ok(json)
}

pub(crate) fn check_size(app: &App, task: &str, size: usize) -> Result<(), DispatchError> {
    let limit = app.max_payload();
    if size > limit { Err(DispatchError::TooLarge { task: task.to_owned(), size, limit }) } else { Ok(()) }
}

pub(crate) fn check_priority(priority: i16) -> Result<(), DispatchError> {
    if (MIN_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        return Ok(());
    }
    let message = format!("priority {priority} is outside {MIN_PRIORITY} to {MAX_PRIORITY}");
    Err(DispatchError::InvalidOption(message))
}

fn new_job(
    id: JobId,
    task: TaskName,
    payload: Vec<u8>,
    contract: &TaskOptions,
    options: Options,
) -> Result<NewJob, DispatchError> {
    id.validate()?;
    check_task_name(&task)?;
    let priority = options.priority.unwrap_or_else(|| contract.priority());
    check_priority(priority)?;
    check_meta(&options.meta)?;
    Ok(NewJob {
        priority,
        due: options.due,
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        meta: options.meta,
        replace_failed: options.replace_failed,
        ..NewJob::new(id, task, payload)
    })
}

/// The rule for names of tasks; the macros hold to it while compiling.
pub(crate) fn check_task_name(task: &str) -> Result<(), DispatchError> {
    let message = if task.is_empty() {
        "a name cannot be empty"
    } else if task.len() > 200 {
        "a name has at most 200 bytes"
    } else if task.chars().any(char::is_control) {
        "a name cannot contain control characters"
    } else {
        return Ok(());
    };
    Err(DispatchError::InvalidTask { task: task.to_owned(), message })
}

pub(crate) fn check_meta(meta: &[(String, String)]) -> Result<(), DispatchError> {
    let size = meta.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_META { Err(DispatchError::MetaTooLarge { size, limit: MAX_META }) } else { Ok(()) }
}

pub(crate) fn set_meta(meta: &mut Vec<(String, String)>, key: String, value: String) {
    match meta.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => meta.push((key, value)),
    }
}
