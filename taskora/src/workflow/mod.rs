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
mod partial;
mod plan;
mod shape;
mod state;
mod step;
#[cfg(test)]
mod tests;

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
pub use map::Map;
#[doc(hidden)]
pub use partial::Known;
pub use partial::{
    AllOpen, AllSet, Argument, FirstOpen, Followed, IsOpen, IsSet, OneOpen, Partial, Seen, SomeOpen,
};
#[doc(hidden)]
pub use plan::{DagPlace, Plan};
#[doc(hidden)]
pub use shape::{RecipeError, Shape};
pub use state::WorkflowState;
pub use step::{
    Accepts, Bound, InDag, NoOpenInput, OneOpenArgument, OutsideDag, Piped, PipesInto, SameInput,
    SameInputAs, SeveralOpen, Slot, Starts, Step, StepAfter, StepBeside, StepOptions, Workflow,
};

/// The most nodes that a workflow can have.
pub const MAX_NODES: usize = 1_000_000;

/// The most values that the input of a step, or a workflow's result, can be made of: results, and lists of them.
pub const MAX_VALUES: usize = 2 * MAX_NODES;

/// How many bytes it may take to say, for all steps together, which results they take in. A list of results of steps that
/// are numbered evenly, as those of a group of like members are, takes about 30 bytes; any other one about 7 bytes for each
/// result.
pub const MAX_REFERENCES: usize = 64 << 20;
