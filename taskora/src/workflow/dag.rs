//! Typed graphs, for what is neither a chain nor a group.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::GraphError;
use super::plan::Plan;
use super::shape::Shape;
use super::step::{Bound, Starts, Step, StepAfter, Workflow};

/// A workflow whose steps may wait for any steps before them.
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::workflow::{Bound, Dag, Workflow};
/// # #[task] async fn fetch(url: String) -> String { url }
/// # #[task] async fn merge(pages: (String, String)) -> String { pages.0 }
/// # #[task] async fn archive(page: String) {}
/// let mut dag = Dag::new();
/// let a = dag.add(Fetch { url: "/a".into() });
/// let b = dag.add(Fetch { url: "/b".into() });
/// dag.add_after(b, Archive::s());
/// let both = dag.add_after((a, b), Merge::s());   // takes `(String, String)`
/// let flow: Workflow<Bound, String> = dag.finish(both);
/// # let _ = flow;
/// ```
///
/// The workflow ends when all nodes have, also those that the result does not need.
#[derive(Debug)]
pub struct Dag {
    id: u64,
    plan: Plan,
    /// What each step ends in: the nodes to wait for, and what they make.
    steps: Vec<(Vec<u32>, Shape)>,
}

/// A step of a [`Dag`], which returns a `T`. It can be used with its own `Dag` only.
pub struct DagNode<T> {
    dag: u64,
    step: usize,
    typed: PhantomData<fn() -> T>,
}

impl Dag {
    /// A graph without nodes.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), plan: Plan::default(), steps: Vec::new() }
    }

    /// Adds a step that waits for nothing.
    pub fn add<S: Step>(&mut self, step: S) -> DagNode<S::Out>
    where
        S::Slot: Starts,
    {
        self.put(step, None)
    }

    /// Adds a step that runs when its parents have completed, and receives what they return: of one node its output,
    /// of a tuple of nodes a tuple, of an array, a slice or a `Vec` of nodes a `Vec`.
    pub fn add_after<P: Parents, S: StepAfter<P::Out>>(&mut self, parents: P, step: S) -> DagNode<S::Out> {
        let mut wait = Vec::new();
        let value = parents.value(&mut |dag, step| {
            let known = self.steps.get(step).filter(|_| dag == self.id);
            if known.is_none() {
                self.plan.blame(GraphError::ForeignNode);
            }
            let (ends, value) = known.cloned().unwrap_or_default();
            wait.extend(ends);
            value
        });
        wait.sort_unstable();
        wait.dedup();
        let link = self.plan.link(wait, value);
        self.put(step, Some(link))
    }

    fn put<S: Step>(&mut self, step: S, link: Option<u32>) -> DagNode<S::Out> {
        let mut part = step.into_plan();
        let at = self.steps.len();
        part.descend(u32::try_from(at).unwrap_or(u32::MAX));
        let end = self.plan.adopt(part, link);
        self.steps.push(end);
        DagNode { dag: self.id, step: at, typed: PhantomData }
    }

    /// The workflow whose result is this node's.
    ///
    /// As a step of a larger workflow it is over, for the step after it, when this node has completed.
    ///
    /// # Errors
    /// When it is dispatched: [`GraphError::ForeignNode`], if this or a parent was a node of another graph.
    pub fn finish<T>(mut self, node: DagNode<T>) -> Workflow<Bound, T> {
        match self.steps.into_iter().nth(node.step).filter(|_| node.dag == self.id) {
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

impl<T> Clone for DagNode<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DagNode<T> {}

impl<T> fmt::Debug for DagNode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DagNode({})", self.step)
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
    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape;
}

impl<T> Parents for DagNode<T> {
    type Out = T;

    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
        of(self.dag, self.step)
    }
}

impl<T> Parents for &[DagNode<T>] {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
        Shape::list(self.iter().map(|node| node.value(of)).collect())
    }
}

impl<T> Parents for Vec<DagNode<T>> {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

impl<T> Parents for &Vec<DagNode<T>> {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

impl<T, const N: usize> Parents for [DagNode<T>; N] {
    type Out = Vec<T>;

    fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
        self.as_slice().value(of)
    }
}

macro_rules! tuple {
    ($($node:ident)*) => {
        impl<$($node),*> Parents for ($(DagNode<$node>,)*) {
            type Out = ($($node,)*);

            fn value(&self, of: &mut dyn FnMut(u64, usize) -> Shape) -> Shape {
                #[allow(non_snake_case, reason = "values are named like their types")]
                let ($($node,)*) = self;
                Shape::list(vec![$($node.value(of)),*])
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);
tuple!(A B C D E F G H I);
tuple!(A B C D E F G H I J);
tuple!(A B C D E F G H I J K);
tuple!(A B C D E F G H I J K L);
