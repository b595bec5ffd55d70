//! The other side of a contract: what runs when a worker claims a job.

use std::future::Future;

use crate::contract::Task;
use crate::failure::Failure;
use crate::schedules::SchedulesInCode;
use crate::state::Scope;

/// Runs the jobs of a task, given a worker's state of type `S`.
///
/// Implemented by [`#[task]`](macro@crate::task): for the contract itself, or, with `implements = Contract`, for a
/// struct named after the function (`send_email` → `SendEmailHandler`). Register it with
/// [`WorkerBuilder::register`](crate::WorkerBuilder::register).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler that a worker with this state can run",
    label = "no handler for `{Self}`",
    note = "a contract made by `#[derive(Task)]` has no handler: write `#[task(implements = {Self})]` on a function, and register the handler it makes",
    note = "the worker's state type is `{S}`"
)]
pub trait Handler<S>: 'static {
    /// The contract that this implements.
    type Task: Task;

    /// The options of this implementation.
    #[doc(hidden)]
    const OPTIONS: HandlerOptions;

    /// Runs one attempt.
    #[doc(hidden)]
    fn run(
        task: Self::Task,
        scope: Scope<S>,
    ) -> impl Future<Output = Result<<Self::Task as Task>::Output, Failure>> + Send;

    /// Runs a batch, if [`HandlerOptions::runs_batches`] says so.
    #[doc(hidden)]
    fn run_batch(
        _items: Vec<Self::Task>,
        _scope: Scope<S>,
    ) -> impl Future<Output = Result<<Self::Task as Task>::Output, Failure>> + Send {
        std::future::ready(Err(Failure::retryable("the handler runs no batches")))
    }

    /// Cleans up after an attempt that was cancelled while it ran.
    #[doc(hidden)]
    fn on_cancel(_task: Self::Task, _scope: Scope<S>) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The options of an implementation, beyond those of its contract. The macro sets them.
#[derive(Debug, Clone, Copy)]
pub struct HandlerOptions {
    concurrency: Option<usize>,
    on_cancel: bool,
    batch: bool,
    schedules: Option<SchedulesInCode>,
    place: &'static str,
}

impl HandlerOptions {
    /// The defaults: only the worker's limit. `place` is where the function is defined, as `file:line`.
    #[must_use]
    pub const fn new(place: &'static str) -> Self {
        Self { concurrency: None, on_cancel: false, batch: false, schedules: None, place }
    }

    /// Concurrent attempts in one worker.
    #[must_use]
    pub const fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// There is a clean-up hook.
    #[must_use]
    pub const fn with_on_cancel(mut self) -> Self {
        self.on_cancel = true;
        self
    }

    /// It runs batches.
    #[must_use]
    pub const fn with_batch(mut self) -> Self {
        self.batch = true;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn with_schedules(mut self, schedules: SchedulesInCode) -> Self {
        self.schedules = Some(schedules);
        self
    }

    pub(crate) const fn schedules(&self) -> Option<SchedulesInCode> {
        self.schedules
    }

    /// See [`HandlerOptions::with_concurrency`]; `None`: only the worker's limit applies.
    #[must_use]
    pub const fn concurrency(&self) -> Option<usize> {
        self.concurrency
    }

    /// See [`HandlerOptions::with_on_cancel`].
    #[must_use]
    pub const fn has_on_cancel(&self) -> bool {
        self.on_cancel
    }

    /// See [`HandlerOptions::with_batch`].
    #[must_use]
    pub const fn runs_batches(&self) -> bool {
        self.batch
    }

    /// Where the function is defined, as `file:line`.
    #[must_use]
    pub const fn place(&self) -> &'static str {
        self.place
    }
}
