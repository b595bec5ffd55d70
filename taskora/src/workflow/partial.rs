//! Partial application: the open argument of a signature decides what its step waits for.
//!
//! You never have to write these types. They go through the arguments one after the other; what was seen so far is a type:
//! nothing, [`AllSet`], [`FirstOpen`], [`OneOpen`], [`AllOpen`] or [`SomeOpen`], which cannot be a step.

use std::marker::PhantomData;

use serde::Serialize;

use super::dag::DagNode;
use super::plan::{ArgumentValue, Payload, Plan};
use super::step::{Bound, InDag, Piped, SeveralOpen, Slot};
use crate::contract::Task;
use crate::json;
use crate::signature::{FromNode, Set, Unset};

/// All arguments so far are set.
#[derive(Debug)]
pub enum AllSet {}
/// The first argument is open.
#[derive(Debug)]
pub struct FirstOpen<T>(PhantomData<T>);
/// One argument is open, and at least one is set.
#[derive(Debug)]
pub struct OneOpen<T>(PhantomData<T>);
/// All arguments so far are open, and there are at least two.
#[derive(Debug)]
pub enum AllOpen {}
/// At least two arguments are open, but not all.
#[derive(Debug)]
pub enum SomeOpen {}

/// The arguments of a signature of the contract `C`, some of them set.
pub trait Partial<C> {
    /// What a step with these arguments waits for.
    type Slot: Slot;

    #[doc(hidden)]
    fn into_plan(self) -> Plan;
}

/// An argument of type `T`.
pub trait Argument<T> {
    /// Whether it is set.
    type Is;

    /// The slot of a step with this argument that also waits for `S`.
    type Slot<S: Slot>: Slot;

    #[doc(hidden)]
    fn into_known(self) -> Known<T>;
}

/// What is known about an argument.
#[doc(hidden)]
#[derive(Debug)]
pub enum Known<T> {
    /// Its value.
    Value(T),
    /// The node that returns it.
    Node(DagNode<T>),
    /// Nothing.
    Open,
}

/// The argument is set.
#[derive(Debug)]
pub enum IsSet {}
/// The argument, of type `T`, is open.
#[derive(Debug)]
pub struct IsOpen<T>(PhantomData<T>);

impl<A, T> Argument<T> for Set<A, T> {
    type Is = IsSet;
    type Slot<S: Slot> = S;

    fn into_known(self) -> Known<T> {
        Known::Value(self.into_value())
    }
}

impl<A, T> Argument<T> for FromNode<A, T> {
    type Is = IsSet;
    type Slot<S: Slot> = InDag<S::Added>;

    fn into_known(self) -> Known<T> {
        Known::Node(self.node())
    }
}

impl<A, T> Argument<T> for Unset<A> {
    type Is = IsOpen<T>;
    type Slot<S: Slot> = S;

    fn into_known(self) -> Known<T> {
        Known::Open
    }
}

/// What was seen of a signature's arguments, followed by one more.
pub trait Followed<Is> {
    /// What was seen, including it.
    type By;
}

impl Followed<IsSet> for () {
    type By = AllSet;
}
impl Followed<IsSet> for AllSet {
    type By = Self;
}
impl<T> Followed<IsSet> for FirstOpen<T> {
    type By = OneOpen<T>;
}
impl<T> Followed<IsSet> for OneOpen<T> {
    type By = Self;
}
impl Followed<IsSet> for AllOpen {
    type By = SomeOpen;
}
impl<T> Followed<IsOpen<T>> for () {
    type By = FirstOpen<T>;
}
impl<T> Followed<IsOpen<T>> for AllSet {
    type By = OneOpen<T>;
}
impl<T, U> Followed<IsOpen<U>> for FirstOpen<T> {
    type By = AllOpen;
}
impl<T, U> Followed<IsOpen<U>> for OneOpen<T> {
    type By = SomeOpen;
}
impl<U> Followed<IsOpen<U>> for AllOpen {
    type By = Self;
}
impl<Is> Followed<Is> for SomeOpen {
    type By = Self;
}

/// What was seen after all arguments of a signature of the contract `C`.
pub trait Seen<C> {
    /// What the step waits for.
    type Slot: Slot;
}

#[diagnostic::do_not_recommend]
impl<C> Seen<C> for () {
    type Slot = Bound;
}
#[diagnostic::do_not_recommend]
impl<C> Seen<C> for AllSet {
    type Slot = Bound;
}
#[diagnostic::do_not_recommend]
impl<C, T> Seen<C> for FirstOpen<T> {
    type Slot = Piped<T>;
}
#[diagnostic::do_not_recommend]
impl<C, T> Seen<C> for OneOpen<T> {
    type Slot = Piped<T>;
}
#[diagnostic::do_not_recommend]
impl<C> Seen<C> for AllOpen {
    type Slot = Piped<C>;
}
#[diagnostic::do_not_recommend]
impl<C> Seen<C> for SomeOpen {
    type Slot = SeveralOpen<C>;
}

/// What is known about a payload with these arguments.
fn payload(arguments: Vec<ArgumentValue>) -> Payload {
    if arguments.len() > 1 && arguments.iter().all(|argument| matches!(argument, ArgumentValue::Open)) {
        Payload::Piped
    } else {
        Payload::Arguments(arguments)
    }
}

fn json<T: Serialize>(argument: Known<T>) -> Result<ArgumentValue, serde_json::Error> {
    Ok(match argument {
        Known::Value(value) => ArgumentValue::Json(json::write_text(&value)?),
        Known::Node(node) => ArgumentValue::Node(node.place()),
        Known::Open => ArgumentValue::Open,
    })
}

/// The slot of a step with these arguments.
macro_rules! slot {
    ($slot:ty;) => { $slot };
    ($slot:ty; $argument:ident: $ty:ident, $($rest:tt)*) => {
        <$argument as Argument<$ty>>::Slot<slot!($slot; $($rest)*)>
    };
}

macro_rules! arguments {
    ($($argument:ident: $ty:ident $value:ident $seen:ident,)*) => {
        arguments!(@impl [$($argument: $ty $value,)*] [$($seen)*] [()] [$($argument $seen,)*] []);
    };
    // goes through the arguments, and notes for each what was seen before it and including it
    (@impl $all:tt $seens:tt [$before:ty] [$argument:ident $seen:ident, $($rest:tt)*] [$($bounds:tt)*]) => {
        arguments!(@impl $all $seens [$seen] [$($rest)*] [$($bounds)* [$before, $argument, $seen]]);
    };
    (@impl [$($argument:ident: $ty:ident $value:ident,)*] [$($seen:ident)*] [$last:ty] []
        [$([$before:ty, $by:ident, $with:ident])*]) => {
        impl<C, $($ty, $argument, $seen,)*> Partial<C> for ($($argument,)*)
        where
            C: Task<Arguments = ($($ty,)*)>,
            $($ty: Serialize,)*
            $($argument: Argument<$ty>,)*
            $($before: Followed<$by::Is, By = $with>,)*
            $last: Seen<C>,
        {
            type Slot = slot!(<$last as Seen<C>>::Slot; $($argument: $ty,)*);

            fn into_plan(self) -> Plan {
                let ($($argument,)*) = self;
                match ($($argument.into_known(),)*) {
                    ($(Known::Value($value),)*) => Plan::contract(&C::from_arguments(($($value,)*))),
                    #[allow(unreachable_patterns, reason = "without arguments, all of them are set")]
                    ($($value,)*) => Plan::step::<C>(
                        [$(json($value)),*].into_iter().collect::<Result<Vec<_>, _>>().map(payload),
                    ),
                }
            }
        }
    };
}

#[allow(non_snake_case, reason = "values are named like their types")]
mod tuples {
    use super::*;

    arguments!();
    arguments!(A: T a S,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5,);
    arguments!(A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,);
    arguments!(
        A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,
        A7: T7 a7 S7,
    );
    arguments!(
        A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,
        A7: T7 a7 S7, A8: T8 a8 S8,
    );
    arguments!(
        A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,
        A7: T7 a7 S7, A8: T8 a8 S8, A9: T9 a9 S9,
    );
    arguments!(
        A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,
        A7: T7 a7 S7, A8: T8 a8 S8, A9: T9 a9 S9, A10: T10 a10 S10,
    );
    arguments!(
        A0: T0 a0 S0, A1: T1 a1 S1, A2: T2 a2 S2, A3: T3 a3 S3, A4: T4 a4 S4, A5: T5 a5 S5, A6: T6 a6 S6,
        A7: T7 a7 S7, A8: T8 a8 S8, A9: T9 a9 S9, A10: T10 a10 S10, A11: T11 a11 S11,
    );
}
