//! The arguments of a signature, as its type keeps track of them: `SendEmail::s().to("a@b.com")` is a
//! `SendEmailSignature<Set<to, String>, Unset<subject>>`. An argument that is set to a node of a [`Dag`](crate::Dag) is a
//! `FromNode<to, String>`.
//!
//! You never have to write these types. They let the compiler name an argument that is missing or set twice.

use std::fmt;
use std::marker::PhantomData;

use crate::workflow::DagNode;

/// An argument that is set, with its value.
pub struct Set<Argument, T> {
    value: T,
    argument: PhantomData<fn() -> Argument>,
}

/// An argument that is set to the output of a node of a [`Dag`](crate::Dag).
pub struct FromNode<Argument, T> {
    node: DagNode<T>,
    argument: PhantomData<fn() -> Argument>,
}

/// An argument that is open.
pub struct Unset<Argument>(PhantomData<fn() -> Argument>);

/// An argument that can be set: each can be set once.
#[diagnostic::on_unimplemented(
    message = "the argument `{Argument}` is set twice",
    label = "it is set already",
    note = "each argument of a signature is set once; remove one of the calls"
)]
pub trait Open<Argument> {}

impl<Argument> Open<Argument> for Unset<Argument> {}

/// What an argument of type `T` can be set to: a value that converts into a `T`, or a node of a [`Dag`](crate::Dag) that
/// returns a `T`. `As` is the argument's type in the signature, [`Set`] or [`FromNode`].
#[diagnostic::on_unimplemented(
    message = "the argument `{Argument}` takes `{T}`, and cannot be given `{Self}`",
    label = "does not convert into `{T}`",
    note = "it takes what implements `Into<{T}>`, or a node of a `Dag` that returns exactly `{T}`",
    note = "a number that is written without its type is an `i32` or an `f64` here: write the type, as in `7u32`"
)]
pub trait Given<Argument, T, As> {
    #[doc(hidden)]
    fn give(self) -> As;
}

#[diagnostic::do_not_recommend]
impl<Argument, T, V: Into<T>> Given<Argument, T, Set<Argument, T>> for V {
    fn give(self) -> Set<Argument, T> {
        Set { value: self.into(), argument: PhantomData }
    }
}

#[diagnostic::do_not_recommend]
impl<Argument, T> Given<Argument, T, FromNode<Argument, T>> for DagNode<T> {
    fn give(self) -> FromNode<Argument, T> {
        FromNode { node: self, argument: PhantomData }
    }
}

#[diagnostic::do_not_recommend]
impl<Argument, T> Given<Argument, T, FromNode<Argument, T>> for &DagNode<T> {
    fn give(self) -> FromNode<Argument, T> {
        FromNode { node: *self, argument: PhantomData }
    }
}

impl<Argument, T> FromNode<Argument, T> {
    pub(crate) const fn node(&self) -> DagNode<T> {
        self.node
    }
}

impl<Argument, T> Set<Argument, T> {
    #[doc(hidden)]
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<Argument> Unset<Argument> {
    #[doc(hidden)]
    #[allow(clippy::new_without_default, reason = "only the macros make signatures")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Argument, T> fmt::Debug for Set<Argument, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // payloads are not shown
        f.write_str("set")
    }
}

impl<Argument, T> fmt::Debug for FromNode<Argument, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl<Argument> fmt::Debug for Unset<Argument> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("open")
    }
}
