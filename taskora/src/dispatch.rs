//! Dispatching: from a contract to a stored job.
//!
//! [`Dispatch`] is one builder for a job, for many jobs and for a workflow. It is typed by the handle that awaiting it gives.

mod job;
mod key;
mod many;
mod once;
mod rule;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::adapter::{Due, MAX_META, MAX_PRIORITY, MIN_PRIORITY};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::JobHandle;
use crate::job::JobId;
use crate::policy::Ttl;
use crate::workflow::{WorkflowHandle, WorkflowId};

pub(crate) use job::JobRequest;
pub use key::IntoKey;
pub(crate) use key::check_key;
pub use many::Many;
pub(crate) use many::ManyRequest;
pub(crate) use once::{META as IDEMPOTENCY_META, tell as tell_once};
pub(crate) use rule::AskedRule;
pub use rule::{
    Debounced, Deduplicated, Follows, Idempotent, Leaves, NoRule, Rejecting, Replaces, RuleState, Throttled,
    Unruled,
};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`App::dispatch`] takes: a contract, a signature with all its arguments bound, or a workflow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be dispatched",
    label = "neither a contract nor a signature whose arguments are all `Set`",
    note = "dispatch a contract, as in `SendEmail {{ .. }}`, a signature with all its arguments bound, as in `SendEmail::s().to(..).subject(..)`, or a composition of steps, as in `chain((a, b))`; a list of contracts goes with `dispatch_many(list)`, or as `group(list)`"
)]
pub trait Dispatchable {
    /// What awaiting the dispatch gives: a [`JobHandle`] or a [`WorkflowHandle`].
    type Handle: Dispatched;

    /// What it still waits for, which must be nothing.
    #[doc(hidden)]
    type Slot;

    /// Prepares the dispatch.
    #[doc(hidden)]
    fn __into_dispatch(self, app: &App) -> Dispatch<Self::Handle>;
}

/// What a dispatch gives: the handle of a job or of a workflow, or the handles of many jobs. Sealed, as it cannot be named
/// outside of this crate.
pub trait Dispatched: Sized + 'static {
    /// The kind of id that `.id(..)` takes.
    type Id: fmt::Debug + Send;
    /// What is dispatched.
    type Request: fmt::Debug + Send;
    /// What awaiting the dispatch gives.
    type Output: 'static;

    /// Stores it.
    fn send(
        app: App,
        request: Self::Request,
        id: Option<Self::Id>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self::Output, DispatchError>>;
}

/// A dispatch of jobs, which have a priority; those of a workflow have one each.
#[diagnostic::on_unimplemented(
    message = "a workflow has no priority of its own",
    label = "a workflow",
    note = "each step has one: its contract's, or what `.priority(..)` on the step says"
)]
pub trait DispatchedJobs: Dispatched {}

/// The options of a dispatch, but its id.
#[derive(Debug, Clone, Default)]
pub struct DispatchOptions {
    pub(crate) priority: Option<i16>,
    pub(crate) due: Due,
    pub(crate) ttl: Option<Duration>,
    pub(crate) meta: Vec<(String, String)>,
    pub(crate) replace_failed: bool,
    pub(crate) rule: Option<AskedRule>,
    /// Of one job, if it has a rule; those of many are with them.
    pub(crate) key: Option<String>,
    /// A job that is not stored is an error.
    pub(crate) rejects: bool,
}

/// A dispatch that takes options, and is awaited. Nothing happens before that. Awaiting it gives a [`JobHandle`], a
/// `Vec` of them if `H` is [`Many`], or a [`WorkflowHandle`].
///
/// ```
/// # use taskora::prelude::*;
/// # use std::time::Duration;
/// # #[task] async fn load(path: String) -> u32 { 0 }
/// # #[task] async fn store(rows: u32) {}
/// # async fn example(app: App) -> Result<(), taskora::DispatchError> {
/// let job: JobHandle<u32> = app.dispatch(Load { path: "a.csv".into() }).delay(Duration::from_secs(60)).await?;
/// let import = Load { path: "a.csv".into() }.then(Store::s());
/// let workflow: WorkflowHandle<()> = app.dispatch(import).id("import-4711").meta("tenant", "42").await?;
/// # let _ = (job, workflow);
/// # Ok(()) }
/// ```
///
/// It is a future's recipe, not a future: what takes a future gets `dispatch.into_future()`, as in
/// `tokio::spawn(app.dispatch(job).into_future())`.
#[must_use = "a dispatch does nothing until it is awaited"]
///
/// `R` is what decides whether a job is stored: nothing, or one of `throttle`, `debounce` and `deduplicate`.
pub struct Dispatch<H: Dispatched, R: RuleState = NoRule> {
    app: App,
    request: H::Request,
    id: Option<H::Id>,
    options: DispatchOptions,
    rule: PhantomData<R>,
}

impl<H: Dispatched> Dispatch<H> {
    pub(crate) fn new(app: &App, request: H::Request) -> Self {
        let options = DispatchOptions::default();
        Self { app: app.clone(), request, id: None, options, rule: PhantomData }
    }
}

impl<H: Dispatched, R: RuleState> Dispatch<H, R> {
    /// The same dispatch, of which the compiler knows another rule.
    fn known_as<Other: RuleState>(self) -> Dispatch<H, Other> {
        let Self { app, request, id, options, rule: PhantomData } = self;
        Dispatch { app, request, id, options, rule: PhantomData }
    }

    /// The job becomes ready this long after the store has accepted it; of a workflow, its first steps do.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// The job becomes ready at this time, by the store's clock, or at once if that is past; of a workflow, its first steps do.
    /// `at` replaces `delay`, and the other way round.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// Instead of the contract's priority: −1,000 to 1,000, higher goes first. Jobs of one priority run in the order of their
    /// dispatch.
    pub fn priority(mut self, priority: i16) -> Self
    where
        H: DispatchedJobs,
    {
        self.options.priority = Some(priority);
        self
    }

    /// Instead of the contract's `ttl`: how long the job may wait to be started, from when it becomes ready. One that is not
    /// started in time ends as expired, see [`Ttl`](crate::Ttl). Above zero.
    ///
    /// A claim never starts a job that is too old. Other jobs are noticed by a sweep, within 5 s while a worker of the task is up. Without any
    /// worker nothing expires.
    ///
    /// Of a workflow it is the deadline, from when the store has accepted it: one that has not ended by then has expired, and
    /// nothing of it starts any more. The store keeps it, so that it holds whatever becomes of this process. The workflow ends
    /// on time if a worker of the namespace is idle or somebody awaits its result; otherwise within one sweep (5 s). Each step
    /// may have a ttl of its own: its contract's, or what `.ttl(..)` on the step says.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Notes something with the job, which its handler reads with [`Context::meta`](crate::Context::meta); all steps of a
    /// workflow read the same. Giving a key again replaces its value. All keys and values together have at most 16 KiB
    /// ([`MAX_META`](crate::adapter::MAX_META)): what is larger belongs into the payload.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.options.meta.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.options.meta.push((key, value)),
        }
        self
    }
}

impl<Out: 'static, R: RuleState> Dispatch<JobHandle<Out>, R> {
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
    ///   [`Outcome::Duplicate`](crate::Outcome::Duplicate). Payload and options of the second dispatch are not looked at: another payload under the
    ///   same id does not run. See [`Dispatch::replace_failed`] for a job that has failed.
    /// - **Life.** An id is known until its job is removed, which is by its age only: one hour after it has completed, and
    ///   seven days after it has failed, expired or been cancelled, unless [`Retention`](crate::Retention) says otherwise.
    ///   (Beyond [`Retention::MAX_NAMED`](crate::Retention::MAX_NAMED) such jobs the oldest ones go.) Then the id is free.
    ///
    /// Do not use the same UUID v7 twice: it counts as an id of [`JobId::new`], which never comes again.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.id = Some(id.into());
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
}

impl<T: Task, R: RuleState> Dispatch<Many<T>, R> {
    /// The ids of the jobs, one for each and in their order; see `id` of a single dispatch for what an id does.
    ///
    /// If one of them belongs to a job of another task, awaiting the dispatch gives [`DispatchError::IdTaken`], which names the
    /// jobs that are stored all the same.
    pub fn ids(mut self, ids: impl IntoIterator<Item = impl Into<JobId>>) -> Self {
        self.id = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Jobs of these [`ids`](Dispatch::ids) that have failed, expired or been cancelled are replaced, as `replace_failed` of
    /// a single dispatch does.
    pub fn replace_failed(mut self) -> Self {
        self.options.replace_failed = true;
        self
    }
}

impl<Out: 'static, R: RuleState> Dispatch<WorkflowHandle<Out>, R> {
    /// The workflow's id, instead of a new one. Dispatching an id that is known already, whether its workflow has
    /// ended or not, changes nothing: the handle is that workflow's, and says [`Outcome::Duplicate`](crate::Outcome::Duplicate).
    pub fn id(mut self, id: impl Into<WorkflowId>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl<H: Dispatched, R: RuleState> IntoFuture for Dispatch<H, R> {
    type Output = Result<H::Output, DispatchError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        H::send(self.app, self.request, self.id, self.options)
    }
}

impl<H: Dispatched, R: RuleState> fmt::Debug for Dispatch<H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("request", &self.request)
            .field("id", &self.id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
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

/// The rule for one job, whose dispatch may have said another time than its contract.
pub(crate) fn ttl_of(contract: &TaskOptions, max: Option<Duration>) -> Option<Ttl> {
    let Some(max) = max else { return contract.ttl() };
    Some(contract.ttl().unwrap_or(Ttl::new(max)).with_max(max))
}

/// A job that may not wait at all would never run.
pub(crate) fn check_ttl(ttl: Option<Duration>) -> Result<(), DispatchError> {
    if ttl.is_none_or(|ttl| !ttl.is_zero()) {
        return Ok(());
    }
    Err(DispatchError::InvalidOption("a `ttl` of zero would expire every job; leave `ttl` out".to_owned()))
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
