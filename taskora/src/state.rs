//! A worker's state, and how handlers get their part of it.

use std::fmt;
use std::ops::Deref;

use crate::context::Context;

/// A handler's parameter that is taken from the worker's state, not from the job's payload.
///
/// ```
/// # use taskora::{FromRef, State};
/// #[derive(Clone)]
/// struct Mailer { from: String }
///
/// let State(mailer) = State::<Mailer>::from_state(&Mailer { from: "noreply@example.com".into() });
/// assert_eq!(mailer.from, "noreply@example.com");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T> State<T> {
    /// This part of `state`.
    pub fn from_state<S>(state: &S) -> Self
    where
        T: FromRef<S>,
    {
        Self(T::from_ref(state))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // state may contain connections and secrets
        write!(f, "State<{}>", std::any::type_name::<T>())
    }
}

/// A part of a worker's state `S`. Every type is a part of itself; `#[derive(FromRef)]` on a struct makes each of its
/// fields a part of it.
#[diagnostic::on_unimplemented(
    message = "the worker's state does not provide `{Self}`",
    label = "`State<{Self}>` is not in the worker's state `{S}`",
    note = "give the worker a state that has it, before `.register`: `.state(value)` with the value itself, or with a struct that has it as a field and `#[derive(Clone, FromRef)]`"
)]
pub trait FromRef<S> {
    /// Takes this part out of the state, usually by cloning it.
    fn from_ref(state: &S) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(state: &T) -> Self {
        state.clone()
    }
}

/// What an attempt gets: its context and the worker's state.
#[doc(hidden)]
#[derive(Clone)]
pub struct Scope<S> {
    context: Context,
    state: S,
}

impl<S> Scope<S> {
    pub(crate) const fn new(context: Context, state: S) -> Self {
        Self { context, state }
    }

    #[doc(hidden)]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    #[doc(hidden)]
    pub fn state<T: FromRef<S>>(&self) -> State<T> {
        State::from_state(&self.state)
    }
}

impl<S> fmt::Debug for Scope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("context", &self.context).finish_non_exhaustive()
    }
}
