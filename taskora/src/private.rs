//! What generated code uses. Not part of the public API: it may change at any time.

use std::marker::PhantomData;

pub use serde;

#[cfg(feature = "runtime")]
#[path = "private/costs.rs"]
mod costs;
#[cfg(feature = "runtime")]
#[path = "private/handlers.rs"]
mod handlers;
#[cfg(feature = "runtime")]
#[path = "private/hooks.rs"]
mod hooks;
#[cfg(feature = "runtime")]
#[path = "private/keys.rs"]
mod keys;

pub use crate::collect::Collect;
pub use crate::contract::{Collects, Data, KeyLimit, ReadArguments, Task, TaskOptions};
pub use crate::policy::{Backoff, OnExpire, RetryPolicy, Ttl};
pub use crate::rate::Rate;
#[cfg(feature = "runtime")]
pub use costs::{Cost, cost, cost_by, cost_of};
#[cfg(feature = "runtime")]
pub use handlers::*;
#[cfg(feature = "runtime")]
pub use hooks::CancelHook;
#[cfg(feature = "runtime")]
pub use keys::{key, key_by, key_of};

/// Leaves out what a crate of contracts alone does without.
#[cfg(feature = "runtime")]
#[doc(hidden)]
#[macro_export]
macro_rules! __runtime {
    ($($items:tt)*) => { $($items)* };
}

/// Leaves out what a crate of contracts alone does without.
#[cfg(not(feature = "runtime"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __runtime {
    ($($items:tt)*) => {};
}

pub use __runtime as runtime;

/// The options of a contract with schedules, which a crate of contracts alone does without.
#[cfg(feature = "runtime")]
#[doc(hidden)]
#[macro_export]
macro_rules! __scheduled {
    ($options:expr, $schedules:expr) => {
        $options.with_schedules($schedules)
    };
}

/// The options of a contract with schedules, which a crate of contracts alone does without.
#[cfg(not(feature = "runtime"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __scheduled {
    ($options:expr, $schedules:expr) => {
        $options
    };
}

pub use __scheduled as scheduled;

/// What a task function may return: its output and its error, even behind an alias of `Result`.
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

/// Finds out whether an output is a `Result`, behind any alias: for those, `kind` is the inherent method.
#[derive(Debug)]
pub struct OutputProbe<T>(PhantomData<T>);

/// An output that is a `Result`.
#[derive(Debug, Clone, Copy)]
pub struct ResultOutput;

/// Every other output.
#[derive(Debug, Clone, Copy)]
pub struct PlainOutput;

impl<T> OutputProbe<T> {
    /// A probe for this type.
    #[allow(clippy::new_without_default, reason = "only expansions use it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E> OutputProbe<Result<T, E>> {
    /// Takes precedence over the method of [`OutputKind`].
    pub const fn kind(&self) -> ResultOutput {
        ResultOutput
    }
}

/// See [`OutputProbe`].
pub trait OutputKind {
    /// The method of all outputs that are not `Result`s.
    fn kind(&self) -> PlainOutput {
        PlainOutput
    }
}

impl<T> OutputKind for OutputProbe<T> {}

/// An output that can be stored.
#[diagnostic::on_unimplemented(
    message = "the output of a task cannot be a `Result`: an `Err` would be stored as a completed job",
    label = "a `Result` under another name",
    note = "write `Result<T, E>` itself, or give the alias a name that ends in `Result`; then an `Err` fails the attempt"
)]
pub trait StorableOutput {}

impl StorableOutput for PlainOutput {}

/// Checks an output at its place in the source.
pub const fn check_output<K: StorableOutput + Copy>(_: K) {}

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

    /// Reads an object, whose fields (if any) are from other versions of the task, or nothing.
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
