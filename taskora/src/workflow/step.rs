//! Steps, which workflows are composed of, and the compiler's checks on them.

use std::fmt;
use std::marker::PhantomData;

use super::options::StepOptions;
use super::plan::Plan;
use crate::contract::Task;

/// A step of a workflow: a contract (`SendEmail { .. }`), a signature with at most one open argument
/// (`SendEmail::s().subject("Hi")`; if all of them are open, the input is the whole contract), or a composition.
///
/// The open argument receives the output of the step before. A step without an open argument also runs after that step, but
/// ignores its output.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step of a workflow",
    label = "not a step",
    note = "a step is a contract, as in `SendEmail {{ .. }}`, a signature, as in `SendEmail::s().to(..)`, or a composition of steps, as in `chain((a, b))`; several steps side by side are a `group(..)`",
    note = "if an argument has a serde attribute such as `with` or `flatten`, a signature has all of its arguments or none"
)]
pub trait Step: Sized {
    /// What the step waits for: [`Bound`] or [`Piped`].
    type Slot: Slot;

    /// What it returns.
    type Out;

    #[doc(hidden)]
    fn into_plan(self) -> Plan;

    /// This step, and then the next one, which receives this one's output. `a.then(b).then(c)` is `chain((a, b, c))`.
    fn then<N: StepAfter<Self::Out>>(self, next: N) -> Workflow<Self::Slot, N::Out> {
        Workflow::new(self.into_plan().then(next.into_plan()))
    }

    /// Sets options for this step:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use taskora::workflow::Step;
    /// # use std::time::Duration;
    /// # #[task] async fn remind(who: String) {}
    /// # #[task] async fn greet(who: String) {}
    /// let flow = Greet { who: "Ada".into() }
    ///     .then(Remind { who: "Ada".into() }.with(|o| o.priority(5).delay(Duration::from_secs(60))));
    /// # let _ = flow;
    /// ```
    ///
    /// On a composition, the priority and the ttl apply to all of its steps that have none of their own, and the delay
    /// applies to the steps that it begins with.
    fn with(self, options: impl FnOnce(StepOptions) -> StepOptions) -> Workflow<Self::Slot, Self::Out> {
        Workflow::new(self.into_plan().with(options(StepOptions::default())))
    }
}

/// Composed steps. `S` is what the first of them wait for, [`Bound`] or [`Piped`]; `Out` is what the last of them return.
#[must_use = "a workflow does nothing until it is dispatched"]
pub struct Workflow<S, Out> {
    plan: Plan,
    typed: PhantomData<fn() -> (S, Out)>,
}

impl<S, Out> Workflow<S, Out> {
    pub(super) const fn new(plan: Plan) -> Self {
        Self { plan, typed: PhantomData }
    }

    pub(super) fn plan(self) -> Plan {
        self.plan
    }
}

#[diagnostic::do_not_recommend]
impl<T: Task> Step for T {
    type Slot = Bound;
    type Out = T::Output;

    fn into_plan(self) -> Plan {
        Plan::contract(&self)
    }
}

impl<S: Slot, Out> Step for Workflow<S, Out> {
    type Slot = S;
    type Out = Out;

    fn into_plan(self) -> Plan {
        self.plan
    }
}

impl<S, Out> fmt::Debug for Workflow<S, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workflow").field("plan", &self.plan).finish()
    }
}

/// The slot of a step with all its arguments: it ignores what came before.
#[derive(Debug)]
pub enum Bound {}

/// The slot of a step whose input is a `T`: what came before must return one.
pub struct Piped<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for Piped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piped<{}>", std::any::type_name::<T>())
    }
}

/// The slot of a step that takes outputs of nodes of a [`Dag`](super::Dag) as arguments, and also waits for `S`. It can only
/// be added to that `Dag`.
pub struct InDag<S>(PhantomData<fn() -> S>);

impl<S> fmt::Debug for InDag<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InDag<{}>", std::any::type_name::<S>())
    }
}

/// The slot of a signature of `C` with several open arguments, but not all: it cannot be a step.
pub struct SeveralOpen<C>(PhantomData<fn() -> C>);

impl<C> fmt::Debug for SeveralOpen<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeveralOpen<{}>", std::any::type_name::<C>())
    }
}

/// What a step waits for: [`Bound`] or [`Piped`], or [`InDag`] around one of them.
pub trait Slot: sealed::Slot {
    /// What two steps side by side wait for: members of a group receive the same input.
    type Join<Other: Slot>: Slot;

    /// `Other`, wrapped in [`InDag`] if this slot is.
    type Mark<Other: Slot>: Slot;

    /// What is left to wait for in a `Dag`: [`Bound`] or [`Piped`].
    type Added: Slot;
}

mod sealed {
    pub trait Slot {}
    impl Slot for super::Bound {}
    impl<T> Slot for super::Piped<T> {}
    impl<S> Slot for super::InDag<S> {}
    impl<C> Slot for super::SeveralOpen<C> {}
}

impl Slot for Bound {
    type Join<Other: Slot> = Other;
    type Mark<Other: Slot> = Other;
    type Added = Self;
}

impl<T> Slot for Piped<T> {
    type Join<Other: Slot> = Other::Mark<Self>;
    type Mark<Other: Slot> = Other;
    type Added = Self;
}

impl<C> Slot for SeveralOpen<C> {
    type Join<Other: Slot> = Self;
    type Mark<Other: Slot> = Other;
    type Added = Self;
}

impl<S: Slot> Slot for InDag<S> {
    type Join<Other: Slot> = InDag<<S::Join<Other> as Slot>::Added>;
    type Mark<Other: Slot> = InDag<Other::Added>;
    type Added = S;
}

/// A step that can follow one that returns `Previous`.
pub trait StepAfter<Previous>: Step {}

impl<Previous, S: Step> StepAfter<Previous> for S where S::Slot: Accepts<Previous> {}

/// A slot that accepts the output `Previous`.
pub trait Accepts<Previous> {}

impl<Previous> Accepts<Previous> for Bound {}

impl<T, Previous: PipesInto<T>> Accepts<Previous> for Piped<T> {}

impl<S: OutsideDag, Previous> Accepts<Previous> for InDag<S> {}

impl<C: OneOpenArgument, Previous> Accepts<Previous> for SeveralOpen<C> {}

/// An output that the next step accepts: exactly the same type.
#[diagnostic::on_unimplemented(
    message = "this step's input does not match the previous step's output: expects `{Input}`, but the previous step returns `{Self}`",
    label = "expects `{Input}`, but is given `{Self}`",
    note = "the types have to be equal; a signature expects what its one open argument takes, or its whole contract if none of several is set"
)]
pub trait PipesInto<Input> {}

#[diagnostic::do_not_recommend]
impl<T> PipesInto<T> for T {}

/// A step that can stand beside one that waits for `Other`.
pub trait StepBeside<Other>: Step {}

impl<Other, S: Step> StepBeside<Other> for S where S::Slot: SameInputAs<Other> {}

/// A slot whose input is the same as another one's.
pub trait SameInputAs<Other> {}

impl<Other> SameInputAs<Other> for Bound {}

impl<T> SameInputAs<Bound> for Piped<T> {}

impl<T: SameInput<U>, U> SameInputAs<Piped<U>> for Piped<T> {}

impl<T, S> SameInputAs<InDag<S>> for Piped<T> where Self: SameInputAs<S> {}

impl<S: SameInputAs<Other>, Other> SameInputAs<Other> for InDag<S> {}

impl<T, C: OneOpenArgument> SameInputAs<SeveralOpen<C>> for Piped<T> {}

impl<C: OneOpenArgument, Other> SameInputAs<Other> for SeveralOpen<C> {}

/// An input that is the same as another one.
#[diagnostic::on_unimplemented(
    message = "the members of a group receive the same input, but one takes `{Other}` and this one `{Self}`",
    label = "takes `{Self}`",
    note = "bind the argument of one of them, or put a step before it that makes its input of the common one"
)]
pub trait SameInput<Other> {}

#[diagnostic::do_not_recommend]
impl<T> SameInput<T> for T {}

/// The slot of a workflow that can be dispatched.
pub trait Starts {}

impl Starts for Bound {}

impl<T: NoOpenInput> Starts for Piped<T> {}

impl<S: OutsideDag> Starts for InDag<S> {}

impl<C: OneOpenArgument> Starts for SeveralOpen<C> {}

/// Never implemented: in a signature with several open arguments, it is not clear which one receives the input.
#[diagnostic::on_unimplemented(
    message = "a step takes one input, but this signature of `{Self}` has more than one open argument",
    label = "more than one argument is open",
    note = "set all of its arguments but one, or none of them: then its input is a whole `{Self}`"
)]
pub trait OneOpenArgument {}

/// Never implemented: a step that takes outputs of nodes belongs to their `Dag`.
#[diagnostic::on_unimplemented(
    message = "a step with a node of a `Dag` as an argument can only be added to that `Dag`",
    label = "an argument of it is a node of a `Dag`",
    note = "add it by itself, as in `dag.add(Merge::s().left(a).right(b))`; to let it wait for other steps as well, use `dag.add_after(..)`"
)]
pub trait OutsideDag {}

/// Never implemented: the input of a first step must be bound.
#[diagnostic::on_unimplemented(
    message = "this workflow cannot start: its first step still waits for `{Self}`",
    label = "waits for `{Self}`",
    note = "bind it, as in `Resize::s().image(..)`; in a `Dag` it can be given a node"
)]
pub trait NoOpenInput {}
