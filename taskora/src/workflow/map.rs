//! Many jobs of one contract as one step.

use std::fmt;
use std::marker::PhantomData;

use super::error::GraphError;
use super::handle::WorkflowHandle;
use super::plan::Plan;
use super::step::{Bound, Step};
use crate::app::App;
use crate::contract::Task;
use crate::dispatch::{Dispatch, Dispatchable};

/// Jobs of one contract side by side, from [`Task::map`] or [`Task::chunk`]: a step that returns the `Vec` of their outputs,
/// in order. You can also dispatch it as a workflow.
#[must_use = "a map does nothing until it is dispatched"]
pub struct Map<T> {
    plan: Plan,
    typed: PhantomData<fn() -> T>,
}

impl<T: Task> Map<T> {
    pub(crate) fn side_by_side(items: impl IntoIterator<Item = T>) -> Self {
        Self::of(Plan::group(items.into_iter().map(|item| Plan::contract(&item))))
    }

    /// Groups of `size`, one after the other.
    pub(crate) fn in_chunks(items: impl IntoIterator<Item = T>, size: usize) -> Self {
        if size == 0 {
            return Self::of(Plan::mistaken(GraphError::EmptyChunks));
        }
        let mut plans = items.into_iter().map(|item| Plan::contract(&item)).peekable();
        let mut all = Plan::group(plans.by_ref().take(size)).alone();
        while plans.peek().is_some() {
            all = all.then(Plan::group(plans.by_ref().take(size)));
        }
        Self::of(all.collect())
    }

    const fn of(plan: Plan) -> Self {
        Self { plan, typed: PhantomData }
    }
}

impl<T: Task> Step for Map<T> {
    type Slot = Bound;
    type Out = Vec<T::Output>;

    fn into_plan(self) -> Plan {
        self.plan
    }
}

impl<T: Task> Dispatchable for Map<T> {
    type Handle = WorkflowHandle<Vec<T::Output>>;
    type Slot = Bound;

    fn __into_dispatch(self, app: &App) -> Dispatch<Self::Handle> {
        Dispatch::new(app, self.plan)
    }
}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("plan", &self.plan).finish()
    }
}
