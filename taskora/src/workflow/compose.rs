//! Composition: steps one after the other, and side by side.

use super::plan::Plan;
use super::step::{Slot, Step, StepAfter, StepBeside, Workflow};
use crate::tuples::prefixes;

/// Steps one after the other: each receives the output of the one before it.
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::workflow::{Bound, Workflow, chain};
/// # #[task] async fn create_user(name: String) -> u64 { 7 }
/// # #[task] async fn send_welcome(user: u64) -> String { String::new() }
/// # #[task] async fn notify(channel: String, text: String) {}
/// let flow: Workflow<Bound, ()> = chain((
///     CreateUser { name: "Ada".into() },
///     SendWelcome::s(),                // takes the user's number
///     Notify::s().channel("#new"),     // takes the welcome's text
/// ));
/// # let _ = flow;
/// ```
///
/// The result is that of the last step. Takes a tuple of 1 to 12 steps; for more, continue with [`Step::then`].
pub fn chain<C, S: Slot, Out>(steps: C) -> Workflow<S, Out>
where
    C: Chain<Slot = S, Out = Out>,
{
    Workflow::new(steps.into_plan())
}

/// Steps side by side: all of them receive the output of the step before the group, and the step after it receives all of
/// their outputs, as a tuple or, for an array or a `Vec` of steps, as a `Vec`.
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::workflow::{Bound, Step, Workflow, group};
/// # #[task] async fn resize(image: String, width: u32) -> String { image }
/// # #[task] async fn measure(image: String) -> u32 { 0 }
/// # #[task] async fn publish(files: (String, u32)) {}
/// let flow: Workflow<Bound, ()> = Resize { image: "a.png".into(), width: 1200 }
///     .then(group((Resize::s().width(800u32), Measure::s())))
///     .then(Publish::s());
///
/// let pages = (1..=3).map(|page| Measure { image: format!("{page}.png") }).collect::<Vec<_>>();
/// let flow: Workflow<Bound, Vec<u32>> = group(pages);
/// # let _ = flow;
/// ```
///
/// A tuple has 1 to 12 members, a `Vec` any number; an empty one completes with `[]`. A group of one still returns a tuple
/// or a `Vec`, and a group in a group returns a list in a list. To put steps of different tasks with the same output type
/// into one `Vec`, make each a chain of one: `chain((step,))`.
pub fn group<M, S: Slot, Out>(members: M) -> Workflow<S, Out>
where
    M: Members<Slot = S, Out = Out>,
{
    Workflow::new(Plan::group(members.into_plans()))
}

/// A [`group`], and a callback that receives all of its results at once: `group(header).then(callback)`.
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::workflow::{Bound, Workflow, chord};
/// # #[task] async fn fetch_price(symbol: String) -> f64 { 0.0 }
/// # #[task] async fn portfolio(prices: (f64, f64)) -> f64 { 0.0 }
/// let flow: Workflow<Bound, f64> = chord(
///     (FetchPrice { symbol: "AAPL".into() }, FetchPrice { symbol: "GOOG".into() }),
///     Portfolio::s(),
/// );
/// # let _ = flow;
/// ```
pub fn chord<H, S: Slot, Header, C>(header: H, callback: C) -> Workflow<S, C::Out>
where
    H: Members<Slot = S, Out = Header>,
    C: StepAfter<Header>,
{
    Workflow::new(Plan::group(header.into_plans()).then(callback.into_plan()))
}

/// Steps that can be a [`chain`]: a tuple of 1 to 12 of them, each of which takes the output of the one before it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chain of steps",
    label = "not a tuple of steps",
    note = "a chain is a tuple of 1 to 12 steps, as in `chain((a, b))`; steps of one type in a `Vec` run side by side, as in `group(steps)`"
)]
pub trait Chain {
    /// What the first step waits for.
    type Slot: Slot;
    /// What the last step returns.
    type Out;

    #[doc(hidden)]
    fn into_plan(self) -> Plan;
}

/// Steps that can be a [`group`]: a tuple of 1 to 12 of them, an array, or a `Vec`. All members that wait for an input wait
/// for the same one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group of steps",
    label = "not a tuple or a `Vec` of steps",
    note = "a group is a tuple of 1 to 12 steps, as in `group((a, b))`, or an array or a `Vec` of steps of one type"
)]
pub trait Members {
    /// What the members wait for.
    type Slot: Slot;
    /// What they return.
    type Out;

    #[doc(hidden)]
    fn into_plans(self) -> Vec<Plan>;
}

impl<M: Step> Members for Vec<M> {
    type Slot = M::Slot;
    type Out = Vec<M::Out>;

    fn into_plans(self) -> Vec<Plan> {
        self.into_iter().map(Step::into_plan).collect()
    }
}

impl<M: Step, const N: usize> Members for [M; N] {
    type Slot = M::Slot;
    type Out = Vec<M::Out>;

    fn into_plans(self) -> Vec<Plan> {
        self.into_iter().map(Step::into_plan).collect()
    }
}

/// What two slots side by side wait for.
type Join<A, B> = <A as Slot>::Join<B>;

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        tuples!(@members [$first::Slot] [$($rest)*] [$first: Step,] $first $($rest)*);
        tuples!(@chain [$first] [$($rest)*] [$first: Step,] $first $($rest)*);
    };

    (@members [$joined:ty] [$next:ident $($more:ident)*] [$($bounds:tt)*] $($all:ident)*) => {
        tuples!(@members [Join<$joined, $next::Slot>] [$($more)*] [$($bounds)* $next: StepBeside<$joined>,] $($all)*);
    };
    (@members [$joined:ty] [] [$($bounds:tt)*] $($all:ident)*) => {
        impl<$($bounds)*> Members for ($($all,)*) {
            type Slot = $joined;
            type Out = ($($all::Out,)*);

            fn into_plans(self) -> Vec<Plan> {
                #[allow(non_snake_case, reason = "values are named like their types")]
                let ($($all,)*) = self;
                vec![$($all.into_plan()),*]
            }
        }
    };

    (@chain [$last:ident] [$next:ident $($more:ident)*] [$($bounds:tt)*] $($all:ident)*) => {
        tuples!(@chain [$next] [$($more)*] [$($bounds)* $next: StepAfter<$last::Out>,] $($all)*);
    };
    (@chain [$last:ident] [] [$($bounds:tt)*] $first:ident $($rest:ident)*) => {
        impl<$($bounds)*> Chain for ($first, $($rest,)*) {
            type Slot = $first::Slot;
            type Out = $last::Out;

            fn into_plan(self) -> Plan {
                #[allow(non_snake_case, reason = "values are named like their types")]
                let ($first, $($rest,)*) = self;
                $first.into_plan().alone()$(.then($rest.into_plan()))*
            }
        }
    };
}

prefixes!(tuples: A B C D E F G H I J K L);
