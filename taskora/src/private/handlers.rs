//! What generated handlers use.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::marker::PhantomData;

pub use crate::advice::Advice;
pub use crate::context::Context;
pub use crate::dispatch::{Dispatch, Dispatchable};
pub use crate::failure::Failure;
pub use crate::handler::{Handler, HandlerOptions};
pub use crate::json::Unreadable;
pub use crate::schedules::{OnMissed, Overlap, Schedule};
pub use crate::setup::Setup;
pub use crate::signature::{Given, Open, Set, Unset};
pub use crate::state::{FromRef, Scope, State};
pub use crate::worker::TaskList;
pub use crate::workflow::{Bound, Partial, Piped, Plan, Step};

use crate::contract::{Collects, Task};

/// The outcome of an attempt.
pub type Ran<T> = Result<<T as Task>::Output, Failure>;

/// The bounds of a worker's state.
pub trait WorkerState: Clone + Send + Sync + 'static {}

impl<S: Clone + Send + Sync + 'static> WorkerState for S {}

/// What `#[inject]` takes: [`Context`] or [`State`], under any name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected: it is neither `Context` nor `State<T>`",
    label = "not injectable",
    note = "take it as `State<{Self}>`, or leave `#[inject]` out if it is payload"
)]
pub trait Inject<S>: Sized {
    /// Takes it from the attempt's scope.
    fn inject(scope: &Scope<S>) -> Self;
}

impl<S> Inject<S> for Context {
    fn inject(scope: &Scope<S>) -> Self {
        scope.context().clone()
    }
}

impl<S, T: FromRef<S>> Inject<S> for State<T> {
    fn inject(scope: &Scope<S>) -> Self {
        scope.state()
    }
}

/// An error that a task function may return.
#[diagnostic::on_unimplemented(
    message = "a task cannot fail with `{Self}`",
    label = "`{Self}` is not an error",
    note = "a task's error converts into `Box<dyn Error + Send + Sync>`: implement `std::error::Error` for it (for example with `thiserror`), or use `String`, `anyhow::Error` or `taskora::TaskError`"
)]
pub trait TaskFailure: Into<Box<dyn Error + Send + Sync>> {}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> TaskFailure for E {}

/// Converts a function's return value for the worker.
pub fn finish<T, E: TaskFailure>(
    result: Result<T, E>,
    advice: impl FnOnce(&E) -> Advice,
) -> Result<T, Failure> {
    result.map_err(|error| {
        let advice = advice(&error);
        Failure::new(error.into(), advice)
    })
}

/// The same for a function that returns a plain value.
pub const fn succeed<T>(value: T) -> Result<T, Infallible> {
    Ok(value)
}

/// No `on`, `never_on` or `after`: every error is retried as the policy says.
pub const fn no_advice<E>(_: &E) -> Advice {
    Advice::new(true, None)
}

/// Runs a plain function off the async threads.
pub fn blocking<S, T: Send + 'static>(
    scope: Scope<S>,
    function: impl FnOnce(&Scope<S>) -> Result<T, Failure> + Send + 'static,
) -> impl Future<Output = Result<T, Failure>> + Send
where
    S: Send + Sync + 'static,
{
    scope.context().clone().blocking(move || function(&scope))
}

/// Stands for a value that a `schedule(..)` lacks. The compiler has refused it.
pub fn no_value<T>() -> T {
    unreachable!("a program with such a schedule does not compile")
}

/// A contract that a `batch` may implement.
#[diagnostic::on_unimplemented(
    message = "`batch` implements a contract with `collect`; `{Self}` has none",
    label = "a contract without `collect`",
    note = "leave `batch` out, and take the arguments one by one; or let the contract collect: `#[task(collect(delay = \"2s\", max_size = 100))]`"
)]
pub trait BatchContract {}

#[diagnostic::do_not_recommend]
impl<T: Collects> BatchContract for T {}

/// Checks the contract of a batch at its place in the source.
pub const fn check_batch<T: BatchContract>() {}

/// Finds out whether a contract collects: for those, `kind` is the inherent method.
#[derive(Debug)]
pub struct CollectsProbe<T>(PhantomData<T>);

/// A contract with `collect`.
#[derive(Debug, Clone, Copy)]
pub struct InBatches;

/// Every other contract.
#[derive(Debug, Clone, Copy)]
pub struct OneByOne;

impl<T> CollectsProbe<T> {
    /// A probe for this contract.
    #[allow(clippy::new_without_default, reason = "only expansions use it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Collects> CollectsProbe<T> {
    /// Takes precedence over the method of [`CollectsKind`].
    pub const fn kind(&self) -> InBatches {
        InBatches
    }
}

/// See [`CollectsProbe`].
pub trait CollectsKind {
    /// The method of all contracts without `collect`.
    fn kind(&self) -> OneByOne {
        OneByOne
    }
}

impl<T> CollectsKind for CollectsProbe<T> {}

/// A contract whose jobs a function may take one by one.
#[diagnostic::on_unimplemented(
    message = "the jobs of `{T}` are run in batches, because it has `collect`",
    label = "a contract with `collect`",
    note = "add `batch` to the options, and take the items as `Vec<{T}>`"
)]
pub trait RunsOneByOne<T> {}

impl<T> RunsOneByOne<T> for OneByOne {}

/// Checks the contract of a function without `batch` at its place in the source.
pub const fn check_one_by_one<T, K: RunsOneByOne<T> + Copy>(_: &CollectsProbe<T>, _: K) {}
