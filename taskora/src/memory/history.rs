//! What workers have done.

use crate::adapter::TaskSums;

#[derive(Default)]
pub(super) struct History;

impl History {
    pub(super) fn add(&mut self, _sums: &[TaskSums], _now: u64) {}
}
