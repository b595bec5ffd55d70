#![doc = include_str!("../docs/workflow.md")]

mod builder;
mod compose;
mod dag;
mod dispatch;
mod error;
mod graph;
mod handle;
mod id;
mod info;
mod input;
mod map;
mod options;
mod partial;
mod plan;
mod shape;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use crate::map::Map;
pub use builder::WorkflowBuilder;
pub use compose::{Chain, Members, chain, chord, group};
pub use dag::{Dag, DagNode, Parents};
pub use error::{GraphError, WorkflowError};
pub use graph::{Edge, Graph, GraphNode};
pub use handle::WorkflowHandle;
pub use id::WorkflowId;
pub use info::WorkflowInfo;
#[doc(hidden)]
pub use input::{Composed, Form, Input};
pub use options::StepOptions;
#[doc(hidden)]
pub use partial::Known;
#[doc(hidden)]
pub use partial::{
    AllOpen, AllSet, Argument, FirstOpen, Followed, IsOpen, IsSet, OneOpen, Partial, Seen, SomeOpen,
};
#[doc(hidden)]
pub use plan::{DagPlace, Plan};
#[doc(hidden)]
pub use shape::{RecipeError, Shape};
pub use state::WorkflowState;
#[doc(hidden)]
pub use step::{Accepts, NoOpenInput, OneOpenArgument, OutsideDag, SameInputAs, Starts};
pub use step::{
    Bound, InDag, Piped, PipesInto, SameInput, SeveralOpen, Slot, Step, StepAfter, StepBeside, Workflow,
};

/// The most nodes that a workflow can have.
pub const MAX_NODES: usize = 1_000_000;

/// The most values (results, and lists of them) that a step's input or a workflow's result can contain.
pub const MAX_VALUES: usize = 2 * MAX_NODES;

/// The most bytes that the descriptions of which results the steps use may take, for all steps together. A list of results
/// of evenly numbered steps, such as a group of equal members, takes about 30 bytes; any other list takes about 7 bytes per
/// result.
pub const MAX_REFERENCES: usize = 64 << 20;
