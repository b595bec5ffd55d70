//! What the macros' output is written against. Not part of the public interface: it may change at any time.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::marker::PhantomData;

use crate::json::read;

pub use serde;

pub use crate::app::App;
pub use crate::context::Context;
pub use crate::contract::{Data, Task, TaskOptions};
pub use crate::dispatch::{Dispatch, Dispatchable};
pub use crate::failure::Failure;
pub use crate::handler::{Advice, Handler, HandlerOptions};
pub use crate::json::Unreadable;
pub use crate::policy::{Backoff, RetryPolicy};
pub use crate::signature::{Given, Open, Set, Unset};
pub use crate::state::{FromRef, Scope, State};
pub use crate::worker::TaskList;
pub use crate::workflow::{Bound, Partial, Piped, Plan, Step};

/// What an attempt at a contract comes to.
pub type Ran<T> = Result<<T as Task>::Output, Failure>;

/// What is read of stored JSON.
pub type Read<T> = Result<T, Unreadable>;

/// The arguments of a contract, one by one, from the list of them as JSON.
#[derive(Debug)]
pub struct Arguments<'j>(std::iter::Enumerate<std::vec::IntoIter<&'j serde_json::value::RawValue>>);

impl<'j> Arguments<'j> {
    /// A list of this length.
    pub fn read(json: &'j [u8], count: usize) -> Read<Self> {
        let list: Vec<_> = read(json)?;
        if list.len() != count {
            return Err(Unreadable::new(format!("expected arguments: {count}, found: {}", list.len())));
        }
        Ok(Self(list.into_iter().enumerate()))
    }

    /// The next argument.
    #[allow(clippy::should_implement_trait, reason = "each has a type of its own")]
    pub fn next<T: Data>(&mut self) -> Read<T> {
        let (at, json) = self.0.next().map_or((0, ""), |(at, argument)| (at, argument.get()));
        // it is text already, which `read` would check once more
        serde_json::from_str(json).or_else(|_| read(json.as_bytes()).map_err(|error| error.in_element(at)))
    }

    /// The next argument, whose field is not written as its type is.
    pub fn custom<T>(&mut self) -> Read<T> {
        Err(Unreadable::new("an argument with a serde attribute such as `with` cannot stand alone"))
    }
}

/// What a worker's state can do.
pub trait WorkerState: Clone + Send + Sync + 'static {}

impl<S: Clone + Send + Sync + 'static> WorkerState for S {}

/// What `#[inject]` takes: [`Context`] or [`State`], under any name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected: it is neither `Context` nor `State<T>`",
    label = "not injectable",
    note = "take it as `State<{Self}>`, or leave `#[inject]` out if it is payload"
)]
pub trait Inject<S>: Sized {
    /// Takes it from what the attempt has at hand.
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

/// What a task function may return: its output and its error, also behind an alias of `Result`.
#[diagnostic::on_unimplemented(
    message = "a task returns `Result<T, E>` or a plain `T`, and `{Self}` is named like a `Result` without being one",
    label = "not a `Result`"
)]
pub trait TaskReturn {
    /// The output.
    type Output;
    /// The error.
    type Error;

    /// As a plain `Result`.
    fn into_result(self) -> Result<Self::Output, Self::Error>;
}

impl<T, E> TaskReturn for Result<T, E> {
    type Output = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Finds out whether an output is a `Result`, behind whatever alias: its `kind` is the inherent one for those.
#[derive(Debug)]
pub struct OutputProbe<T>(PhantomData<T>);

/// An output that is a `Result`.
#[derive(Debug, Clone, Copy)]
pub struct ResultOutput;

/// Every other output.
#[derive(Debug, Clone, Copy)]
pub struct PlainOutput;

impl<T> OutputProbe<T> {
    /// For this type.
    #[allow(clippy::new_without_default, reason = "only expansions use it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E> OutputProbe<Result<T, E>> {
    /// Found before that of [`OutputKind`].
    pub const fn kind(&self) -> ResultOutput {
        ResultOutput
    }
}

/// See [`OutputProbe`].
pub trait OutputKind {
    /// What all outputs but `Result`s have.
    fn kind(&self) -> PlainOutput {
        PlainOutput
    }
}

impl<T> OutputKind for OutputProbe<T> {}

/// An output that can be stored as one.
#[diagnostic::on_unimplemented(
    message = "the output of a task cannot be a `Result`: an `Err` would be stored as a completed job",
    label = "a `Result` under another name",
    note = "write `Result<T, E>` itself, or give the alias a name that ends in `Result`; then an `Err` fails the attempt"
)]
pub trait StorableOutput {}

impl StorableOutput for PlainOutput {}

/// Checks an output where it is written.
pub const fn check_output<K: StorableOutput + Copy>(_: K) {}

/// An error that a task function may return.
#[diagnostic::on_unimplemented(
    message = "a task cannot fail with `{Self}`",
    label = "`{Self}` is not an error",
    note = "a task's error converts into `Box<dyn Error + Send + Sync>`: implement `std::error::Error` for it (for example with `thiserror`), or use `String`, `anyhow::Error` or `taskora::TaskError`"
)]
pub trait TaskFailure: Into<Box<dyn Error + Send + Sync>> {}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> TaskFailure for E {}

/// Turns what a function returned into what the worker wants to know.
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

/// How a contract without arguments is stored: as an empty object, to which an argument can be added later.
pub mod no_arguments {
    use std::fmt;

    use serde::de::{IgnoredAny, MapAccess, Visitor};
    use serde::ser::SerializeMap as _;
    use serde::{Deserializer, Serializer};

    /// Writes `{}`.
    pub fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }

    /// Reads an object, whose fields are those of other versions of the task, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(NoArguments)
    }

    struct NoArguments;

    impl<'de> Visitor<'de> for NoArguments {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an empty object, as the task takes no arguments")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    }
}
