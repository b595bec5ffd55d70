//! The arguments of a signature, as its type keeps track of them: `SendEmail::s().to("a@b.com")` is a
//! `SendEmailSignature<Set<to, String>, Unset<subject>>`.
//!
//! Nobody has to write these types; they are how the compiler names an argument that is missing or set twice.

use std::fmt;
use std::marker::PhantomData;

/// An argument that is set, and what to.
pub struct Set<Argument, T> {
    value: T,
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

impl<Argument, T> Set<Argument, T> {
    #[doc(hidden)]
    pub const fn new(value: T) -> Self {
        Self { value, argument: PhantomData }
    }

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

impl<Argument> fmt::Debug for Unset<Argument> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("open")
    }
}
