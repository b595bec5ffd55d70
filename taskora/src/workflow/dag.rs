//! Typed graphs, for workflows that are neither chains nor groups.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::GraphError;
use super::plan::{DagPlace, Plan};
use super::shape::Shape;
use super::step::{Accepts, Bound, Slot, Starts, Step, Workflow};
use crate::tuples::prefixes;

/// A workflow whose steps may wait for any steps before them.
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::workflow::{Bound, Dag, Workflow};
/// # #[derive(Clone, Serialize, Deserialize)] pub struct Order { total: u64 }
/// # #[derive(Clone, Serialize, Deserialize)] pub struct Charge { id: String }
/// # #[task] async fn load_order(id: u64) -> Order { Order { total: id } }
/// # #[task] async fn charge_card(order: Order) -> Charge { Charge { id: order.total.to_string() } }
/// # #[task] async fn finish(order: Order, charge: Charge, note: String) -> String { note }
/// # #[task] async fn archive(note: String) {}
/// let mut dag = Dag::new();
/// let order = dag.add(LoadOrder { id: 4711 });
/// let charge = dag.add(ChargeCard::s().order(order));
/// let done = dag.add(Finish::s().order(order).charge(charge).note("thank you"));
/// dag.add(Archive::s().note(done));
/// let flow: Workflow<Bound, String> = dag.finish(done);
/// # let _ = flow;
/// ```
///
/// You pass a node as an argument of its output type: the step then waits for the node, and receives its output. To wait for
/// nodes without receiving anything, or for a step that takes one input, use [`add_after`](Dag::add_after).
///
/// The workflow ends when all nodes have ended, even those that the result does not need.
#[derive(Debug)]
pub struct Dag {
    id: u64,
    plan: Plan,
    /// The ends of each step: the nodes to wait for, and the shape of their results.
    steps: Vec<(Vec<u32>, Shape)>,
    /// How many of them count in the names of nodes; those of [`Dag::join`] do not.
    named: u32,
}

/// A step of a [`Dag`], which returns a `T`. You can only use it with its own `Dag`.
pub struct DagNode<T> {
    place: DagPlace,
    typed: PhantomData<fn() -> T>,
}

impl Dag {
    /// A graph without nodes.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), plan: Plan::default(), steps: Vec::new(), named: 0 }
    }

    /// Adds a step that waits for the nodes among its arguments, if any:
    /// `dag.add(Finish::s().order(order).note("thank you"))`.
    pub fn add<S: Step>(&mut self, step: S) -> DagNode<S::Out>
    where
        <S::Slot as Slot>::Added: Starts,
    {
        self.put(step, None)
    }

    /// Adds a step that runs when its parents have completed, and receives their outputs: one node's output, a tuple for a
    /// tuple of nodes, or a `Vec` for an array, a slice or a `Vec` of nodes. The input goes to the step's one open argument;
    /// a step without one ignores it.
    pub fn add_after<P: Parents, S: Step>(&mut self, parents: P, step: S) -> DagNode<S::Out>
    where
        <S::Slot as Slot>::Added: Accepts<P::Out>,
    {
        let (wait, value) = self.ends_of(&parents);
        let link = self.plan.link(wait, value);
        self.put(step, Some(link))
    }

    /// Combines several nodes into one, which returns all of their outputs, in the form that [`add_after`](Dag::add_after)
    /// describes.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn fetch(url: String) -> String { url }
    /// # #[task] async fn merge(pages: Vec<String>, title: String) -> String { title }
    /// let mut dag = Dag::new();
    /// let pages = ["/a", "/b"].map(|url| dag.add(Fetch::s().url(url)));
    /// let pages = dag.join(pages);
    /// let book = dag.add(Merge::s().pages(pages).title("Ada"));
    /// # let _: taskora::Workflow<_, String> = dag.finish(book);
    /// ```
    pub fn join<P: Parents>(&mut self, parents: P) -> DagNode<P::Out> {
        let ends = self.ends_of(&parents);
        self.node(ends)
    }

    /// The nodes to wait for, and the shape of their results together.
    fn ends_of(&mut self, parents: &impl Parents) -> (Vec<u32>, Shape) {
        let mut wait = Vec::new();
        let value = parents.value(&mut |place| {
            let known = self.steps.get(place.step).filter(|_| place.dag == self.id);
            if known.is_none() {
                self.plan.blame(GraphError::ForeignNode);
            }
            let (ends, value) = known.cloned().unwrap_or_default();
            wait.extend(ends);
            value
        });
        wait.sort_unstable();
        wait.dedup();
        (wait, value)
    }

    fn put<S: Step>(&mut self, step: S, link: Option<u32>) -> DagNode<S::Out> {
        let mut part = step.into_plan();
        part.descend(self.named);
        self.named = self.named.saturating_add(1);
        let ends = self.plan.adopt_in_dag(part, link, |place| {
            self.steps.get(place.step).filter(|_| place.dag == self.id).cloned()
        });
        self.node(ends)
    }

    fn node<T>(&mut self, ends: (Vec<u32>, Shape)) -> DagNode<T> {
        self.steps.push(ends);
        DagNode { place: DagPlace { dag: self.id, step: self.steps.len() - 1 }, typed: PhantomData }
    }

    /// The workflow whose result is this node's.
    ///
    /// As a step of a larger workflow, it counts as completed, for the step after it, when this node has completed.
    ///
    /// # Errors
    /// At the dispatch: [`GraphError::ForeignNode`], if this node or a parent belongs to another graph.
    pub fn finish<T>(mut self, node: DagNode<T>) -> Workflow<Bound, T> {
        match self.steps.into_iter().nth(node.place.step).filter(|_| node.place.dag == self.id) {
            Some((ends, value)) => self.plan.end_in(ends, value),
            None => self.plan.blame(GraphError::ForeignNode),
        }
        Workflow::new(self.plan)
    }
}

impl Default for Dag {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> DagNode<T> {
    pub(super) const fn place(self) -> DagPlace {
        self.place
    }
}

impl<T> Clone for DagNode<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DagNode<T> {}

impl<T> fmt::Debug for DagNode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DagNode({})", self.place.step)
    }
}

/// Nodes that a step of a [`Dag`] can wait for: one, a tuple of 1 to 12, or an array, a slice or a `Vec`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a node can wait for",
    label = "not nodes of a `Dag`",
    note = "give it what `dag.add(..)` returned: one node, a tuple of them, as in `(a, b)`, or a `Vec` of nodes of one type"
)]
pub trait Parents {
    /// What they return together.
    type Out;

    #[doc(hidden)]
    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape;
}

impl<T> Parents for DagNode<T> {
    type Out = T;

    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
        of(self.place)
    }
}

impl<T> Parents for &[DagNode<T>] {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
        Shape::list(self.iter().map(|node| node.value(of)).collect())
    }
}

impl<T> Parents for Vec<DagNode<T>> {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

impl<T> Parents for &Vec<DagNode<T>> {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

impl<T, const N: usize> Parents for [DagNode<T>; N] {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

macro_rules! tuple {
    ($($node:ident)*) => {
        impl<$($node),*> Parents for ($(DagNode<$node>,)*) {
            type Out = ($($node,)*);

            fn value(&self, of: &mut dyn FnMut(DagPlace) -> Shape) -> Shape {
                #[allow(non_snake_case, reason = "values are named like their types")]
                let ($($node,)*) = self;
                Shape::list(vec![$($node.value(of)),*])
            }
        }
    };
}

prefixes!(tuple: A B C D E F G H I J K L);
