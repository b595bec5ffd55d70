//! Many jobs of one contract, to be dispatched as one workflow.

use std::fmt;

/// Jobs of one contract side by side, from [`Task::map`](crate::Task::map) or [`Task::chunk`](crate::Task::chunk): a step
/// that returns the `Vec` of their outputs, in order. You can also dispatch it as a workflow.
#[must_use = "a map does nothing until it is dispatched"]
pub struct Map<T> {
    pub(crate) items: Vec<T>,
    /// How many run at a time; `None`: all of them.
    pub(crate) size: Option<usize>,
}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no payloads
        f.debug_struct("Map").field("items", &self.items.len()).field("size", &self.size).finish()
    }
}
