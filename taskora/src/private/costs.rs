//! What the costs of jobs are made with.

/// How many starts of a rate a job counts as.
#[diagnostic::on_unimplemented(
    message = "a cost is a `u32`, not `{Self}`",
    label = "not a `u32`",
    note = "a cost is how many starts of its rate a job counts as, as in `cost = |t| t.rows.len() as u32`"
)]
pub trait Cost {
    /// The number.
    fn starts(self) -> u32;
}

impl Cost for u32 {
    fn starts(self) -> u32 {
        self
    }
}

/// The cost as a number.
pub fn cost<C: Cost>(cost: C) -> u32 {
    cost.starts()
}

/// The cost of a job, of a closure whose body was turned into a number. The closure knows the type of its argument from here.
pub fn cost_of<'a, T>(task: &'a T, cost: impl FnOnce(&'a T) -> u32) -> u32 {
    cost(task)
}

/// The cost of a job, of a function of the contract.
pub fn cost_by<'a, T, C: Cost>(task: &'a T, cost: impl FnOnce(&'a T) -> C) -> u32 {
    cost(task).starts()
}
