//! A [`Map`] as a step, and as a workflow.

use super::error::GraphError;
use super::handle::WorkflowHandle;
use super::plan::Plan;
use super::step::{Bound, Step};
use crate::contract::Task;
use crate::dispatch::{Dispatch, Dispatchable};
use crate::map::Map;
use crate::setup::Setup;

impl<T: Task> Step for Map<T> {
    type Slot = Bound;
    type Out = Vec<T::Output>;

    fn into_plan(self) -> Plan {
        let Self { items, size } = self;
        let size = match size {
            None => return Plan::group(items.iter().map(Plan::contract)),
            Some(0) => return Plan::mistaken(GraphError::EmptyChunks),
            Some(size) => size,
        };
        // groups of this size, one after the other
        let mut groups = items.chunks(size).map(|items| Plan::group(items.iter().map(Plan::contract)));
        let first = groups.next().unwrap_or_else(|| Plan::group([])).alone();
        groups.fold(first, Plan::then).collect()
    }
}

impl<T: Task> Dispatchable for Map<T> {
    type Handle = WorkflowHandle<Vec<T::Output>>;
    type Slot = Bound;

    fn __into_dispatch(self, setup: &Setup) -> Dispatch<Self::Handle> {
        Dispatch::new(setup, self.into_plan())
    }
}
