//! Which rule a dispatch has, in its type.

use std::marker::PhantomData;

mod sealed {
    pub trait Sealed {}
}

/// The rule that decides whether a job is stored. Sealed.
pub trait RuleState: sealed::Sealed + 'static {}

/// No rule: every job is stored.
#[derive(Debug)]
pub enum NoRule {}
/// At most a number of jobs of a key per window.
#[derive(Debug)]
pub enum Throttled {}
/// The jobs of a key become one job, some time after the last of them.
#[derive(Debug)]
pub enum Debounced {}
/// One job per key, for a time.
#[derive(Debug)]
pub enum Idempotent {}
/// One unfinished job per key; `Other` says what happens to another one.
#[derive(Debug)]
pub struct Deduplicated<Other>(PhantomData<Other>);
/// Another job with the key is not stored.
#[derive(Debug)]
pub enum Leaves {}
/// Another job with the key replaces one that has not started.
#[derive(Debug)]
pub enum Replaces {}
/// The same, but if that one has started, the new job waits for its end.
#[derive(Debug)]
pub enum Follows {}

macro_rules! states {
    ($($state:ty),*) => {
        $(impl sealed::Sealed for $state {}
        impl RuleState for $state {})*
    };
}

states!(
    NoRule,
    Throttled,
    Debounced,
    Idempotent,
    Deduplicated<Leaves>,
    Deduplicated<Replaces>,
    Deduplicated<Follows>
);

/// A dispatch without a rule so far.
#[diagnostic::on_unimplemented(
    message = "a dispatch takes one of `debounce`, `throttle`, `deduplicate` and `idempotency`; this one is `{Self}` already",
    label = "a second rule",
    note = "which of two rules would decide is not said; dispatch two jobs, or choose one of the rules"
)]
pub trait Unruled: RuleState {}

impl Unruled for NoRule {}

/// A dispatch whose job may be refused because of another job, or because of its key.
#[diagnostic::on_unimplemented(
    message = "nothing rejects this dispatch",
    label = "not throttled and not deduplicated",
    note = "`reject_as_error` goes with `throttle(..)` and `deduplicate(..)`"
)]
pub trait Rejecting: RuleState {}

impl Rejecting for Throttled {}
impl<Other: 'static> Rejecting for Deduplicated<Other> where Self: RuleState {}
