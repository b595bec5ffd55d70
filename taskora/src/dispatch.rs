//! Dispatching: from a contract to a stored job.
//!
//! [`Dispatch`] is one builder for a job, for many jobs and for a workflow. Its type says which handle you get when you
//! await it.

mod asked;
mod check;
mod job;
mod key;
mod many;
mod once;
mod rule;
mod state;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::adapter::Due;
use crate::contract::Task;
use crate::error::DispatchError;
use crate::handle::JobHandle;
use crate::job::JobId;
use crate::setup::Setup;
use crate::workflow::{WorkflowHandle, WorkflowId};

pub(crate) use asked::{AskedRule, META as IDEMPOTENCY_META, tell as tell_once};
pub(crate) use check::*;
pub(crate) use job::JobRequest;
pub use key::IntoKey;
pub use many::Many;
pub(crate) use many::ManyRequest;
pub use state::{
    Debounced, Deduplicated, Follows, Idempotent, Leaves, NoRule, Rejecting, Replaces, RuleState, Throttled,
    Unruled,
};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`App::dispatch`](crate::App::dispatch) takes: a contract, a signature with all its arguments bound, or a workflow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be dispatched",
    label = "neither a contract nor a signature whose arguments are all `Set`",
    note = "dispatch a contract, as in `SendEmail {{ .. }}`, a signature with all its arguments bound, as in `SendEmail::s().to(..).subject(..)`, or a composition of steps, as in `chain((a, b))`; a list of contracts goes with `dispatch_many(list)`, or as `group(list)`"
)]
pub trait Dispatchable {
    /// What you get when you await the dispatch: a [`JobHandle`] or a [`WorkflowHandle`].
    type Handle: Dispatched;

    /// The input that it still waits for; must be none.
    #[doc(hidden)]
    type Slot;

    /// Prepares the dispatch.
    #[doc(hidden)]
    fn __into_dispatch(self, setup: &Setup) -> Dispatch<Self::Handle>;
}

/// What a dispatch returns: the handle of a job or of a workflow, or the handles of many jobs. Sealed: it cannot be named
/// outside this crate.
pub trait Dispatched: Sized + 'static {
    /// The kind of id that `.id(..)` takes.
    type Id: fmt::Debug + Send;
    /// What is dispatched.
    type Request: fmt::Debug + Send;
    /// What you get when you await the dispatch.
    type Output: 'static;

    /// Stores it.
    fn send(
        setup: Setup,
        request: Self::Request,
        id: Option<Self::Id>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self::Output, DispatchError>>;
}

/// A dispatch that takes a priority: one of jobs. In a workflow, each step has its own.
#[diagnostic::on_unimplemented(
    message = "a workflow has no priority of its own",
    label = "a workflow",
    note = "each step has one: its contract's, or what `.priority(..)` on the step says"
)]
pub trait DispatchedJobs: Dispatched {}

/// The options of a dispatch, except its id.
#[derive(Debug, Clone, Default)]
pub struct DispatchOptions {
    pub(crate) priority: Option<i16>,
    pub(crate) due: Due,
    pub(crate) ttl: Option<Duration>,
    pub(crate) meta: Vec<(String, String)>,
    pub(crate) replace_failed: bool,
    pub(crate) rule: Option<AskedRule>,
    /// The key of a single job with a rule; many jobs carry their own keys.
    pub(crate) key: Option<String>,
    /// Return an error if the job is not stored.
    pub(crate) rejects: bool,
    /// What limits by key count a single job by; many jobs carry their own keys.
    pub(crate) limit_key: Option<String>,
}

/// A dispatch: set options, then await it. Nothing happens before that. Awaiting it returns a [`JobHandle`], a `Vec` of them
/// if `H` is [`Many`], or a [`WorkflowHandle`].
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
/// It is not a future itself. Where a future is needed, use `dispatch.into_future()`, as in
/// `tokio::spawn(app.dispatch(job).into_future())`.
#[must_use = "a dispatch does nothing until it is awaited"]
///
/// `R` is the rule that decides whether a job is stored: none, or one of `throttle`, `debounce`, `deduplicate` and
/// `idempotency`.
pub struct Dispatch<H: Dispatched, R: RuleState = NoRule> {
    setup: Setup,
    request: H::Request,
    id: Option<H::Id>,
    options: DispatchOptions,
    rule: PhantomData<R>,
}

impl<H: Dispatched> Dispatch<H> {
    pub(crate) fn new(setup: &Setup, request: H::Request) -> Self {
        let options = DispatchOptions::default();
        Self { setup: setup.clone(), request, id: None, options, rule: PhantomData }
    }
}

impl<H: Dispatched, R: RuleState> Dispatch<H, R> {
    /// The same dispatch, with another rule in its type.
    fn known_as<Other: RuleState>(self) -> Dispatch<H, Other> {
        let Self { setup, request, id, options, rule: PhantomData } = self;
        Dispatch { setup, request, id, options, rule: PhantomData }
    }

    /// The job, or the workflow's first steps, become ready this long after the store has accepted the dispatch.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// The job, or the workflow's first steps, become ready at this time by the store's clock, or at once if it is past.
    /// `at` replaces `delay`, and the other way round.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// Overrides the contract's priority: −1,000 to 1,000, higher goes first. Jobs of the same priority run in the order in
    /// which they were dispatched.
    pub fn priority(mut self, priority: i16) -> Self
    where
        H: DispatchedJobs,
    {
        self.options.priority = Some(priority);
        self
    }

    /// Overrides the contract's `ttl`: how long the job may wait to start once it is ready. If it is not started in time, it
    /// ends as expired, see [`Ttl`](crate::Ttl). Must be above zero.
    ///
    /// A claim never starts an expired job. A sweep finds the others within 5 s, while a worker of the task runs. Without
    /// any worker, nothing expires.
    ///
    /// For a workflow, it sets the deadline, counted from when the store has accepted the workflow. A workflow that has not
    /// ended by then expires, and none of its steps start any more. The store keeps the deadline, so it does not depend on
    /// this process. The workflow ends on time if a worker of the namespace is idle or somebody awaits its result; otherwise
    /// within one sweep (5 s). Each step may have its own ttl: its contract's, or the one set by `.ttl(..)` on the step.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Attaches an annotation that the handler reads with [`Context::meta`](crate::Context::meta); all steps of a workflow
    /// see the same ones. Setting a key again replaces its value. All keys and values together may take 16 KiB
    /// ([`MAX_META`](crate::adapter::MAX_META)); put larger data into the payload.
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
    /// The job's id, instead of a generated one, so that the same work is not done twice:
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
    ///   [`Outcome::Duplicate`](crate::Outcome::Duplicate). The payload and options of the second dispatch are ignored:
    ///   another payload under the same id does not run. See [`Dispatch::replace_failed`] for a job that has failed.
    /// - **Life.** An id is known until its job is removed, which depends only on its age: by default one hour after it
    ///   completed, and seven days after it failed, expired or was cancelled; see [`Retention`](crate::Retention). (If there
    ///   are more than [`Retention::MAX_NAMED`](crate::Retention::MAX_NAMED) such jobs, the oldest are removed.) Then the id
    ///   is free.
    ///
    /// Do not use the same UUID v7 twice: it is taken for an id of [`JobId::new`], which never occurs again.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// If the job with this [`id`](Dispatch::id) has failed, expired or been cancelled, this one takes its place, as if that
    /// job had never existed. An unfinished or completed job stays, and this dispatch is a duplicate.
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

impl<Out: 'static, R: RuleState> Dispatch<JobHandle<Out>, R> {
    /// The key that limits by key count this job by, instead of the one that its contract computes; `None` leaves that one. For
    /// tasks with [`limit(key = ..)`](macro@crate::task) or `fair(key = ..)`; `key = given` says that only a dispatch gives one:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[task(limit(key = given, max = 2))]
    /// async fn export(table: String) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch(Export { table: "orders".into() }).limit_key("acme").await?; // two at once of what belongs to acme
    /// # Ok(()) }
    /// ```
    ///
    /// A job of [`dispatch_raw`](crate::App::dispatch_raw) has the key that you give here; without one, the worker that claims
    /// it computes it.
    ///
    /// If the task has no limit by key, the dispatch returns
    /// [`DispatchError::NotLimitedByKey`](crate::DispatchError::NotLimitedByKey).
    pub fn limit_key(mut self, key: impl IntoKey) -> Self {
        self.options.limit_key = key.to_key();
        self
    }
}

impl<T: Task, R: RuleState> Dispatch<Many<T>, R> {
    /// Like `limit_key` of a single dispatch, with a key for each job:
    /// `app.dispatch_many(exports).limit_key(|export| export.tenant)`.
    pub fn limit_key<K: IntoKey>(mut self, key: impl Fn(&T) -> K) -> Self {
        self.request.set_limit_keys(key);
        self
    }
}

impl<T: Task, R: RuleState> Dispatch<Many<T>, R> {
    /// The ids of the jobs, one for each, in the same order. See `id` of a single dispatch for what an id does.
    ///
    /// If one of them belongs to a job of another task, the dispatch returns [`DispatchError::IdTaken`], which names the
    /// jobs that were stored nevertheless.
    pub fn ids(mut self, ids: impl IntoIterator<Item = impl Into<JobId>>) -> Self {
        self.id = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Replaces those jobs of these [`ids`](Dispatch::ids) that have failed, expired or been cancelled, like
    /// `replace_failed` of a single dispatch.
    pub fn replace_failed(mut self) -> Self {
        self.options.replace_failed = true;
        self
    }
}

impl<Out: 'static, R: RuleState> Dispatch<WorkflowHandle<Out>, R> {
    /// The workflow's id, instead of a generated one. Dispatching a known id changes nothing, whether its workflow has ended
    /// or not: the handle is that workflow's, and says [`Outcome::Duplicate`](crate::Outcome::Duplicate).
    pub fn id(mut self, id: impl Into<WorkflowId>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl<H: Dispatched, R: RuleState> IntoFuture for Dispatch<H, R> {
    type Output = Result<H::Output, DispatchError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        H::send(self.setup, self.request, self.id, self.options)
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
