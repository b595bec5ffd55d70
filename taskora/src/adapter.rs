//! What a store must do for taskora: the boundary between the runtime and its adapters.
//!
//! An [`Adapter`] is object-safe and batch-first. The docs of each method say what it means, and one suite that every
//! adapter runs checks it: [`conformance`](crate::conformance). Two rules apply to all methods:
//!
//! - **One call is one atomic step.** Despite crashes and lost connections, a call takes effect as a whole or not at all.
//!   Every call may be repeated after an error whose outcome is unknown; a repeat changes nothing more.
//! - **The store's clock counts.** Due times, leases and ages are compared with the store's clock. Calls carry durations,
//!   not points in time.
//!
//! ## Where a job is
//! An unfinished job is in exactly one place: the *waiting* line of its task, its *delayed* set (state `delayed`
//! before the first attempt, `retrying` after one) or its *active* set.
//!
//! ## The order of claims
//! A claim hands out the jobs of all the tasks it asks for in one order: higher priority first, then first come, first
//! served. The store numbers a job when it becomes ready: at the dispatch, or when its delay has passed. Jobs that become
//! ready together are ordered by due time, then by task, then by id. A job that comes back without having used up an attempt
//! (rescued, or released without a delay) goes before all others of its priority. Of several such jobs, the last one to come
//! back goes first, except that the jobs of a task that one sweep rescues are ordered by the deadline of their leases, then
//! by id.
//!
//! ## What counts as an attempt
//! A settlement, unless it releases the job. So [`ClaimedJob::attempt`] is the number of settled attempts plus one,
//! [`Ended::attempts`] includes the attempt that ended the job (even if the job was flagged as cancelled), and a lost lease
//! does not count.
//!
//! ## What expires
//! A job with a [`Ttl`](crate::Ttl) has a deadline: the time at which it first becomes ready, plus the ttl. A node becomes
//! ready when the nodes that it waits for have completed and its delay has passed. No claim hands out a job at or after its
//! deadline: it ends as expired. A sweep expires jobs that are waiting, delayed or retrying past their deadline. An active
//! job is not touched; if it comes back to its line, its deadline applies again. If a retry would be due at or after the
//! deadline, the job fails, with that attempt's error. An expired job with [`OnExpire::Discard`](crate::OnExpire::Discard)
//! is removed at once, or by the next sweep. If it is a node, its workflow keeps the end.

mod actions;
mod admission;
mod aside;
mod collect;
mod control;
mod details;
mod ended;
mod error;
mod events;
mod exchange;
mod forward;
mod inspection;
mod jobs;
mod leases;
mod limits;
mod listing;
mod overview;
mod pause;
mod program;
mod report;
mod schedules;
mod signals;
mod stamps;
mod sums;
mod upkeep;
mod workflows;

use std::fmt;

pub use actions::*;
pub use admission::*;
pub use aside::step_aside;
pub use collect::*;
pub use control::*;
pub use details::*;
pub use ended::*;
pub use error::*;
pub use events::*;
pub use exchange::*;
pub use forward::Forward;
pub use inspection::*;
pub use jobs::*;
pub use leases::*;
pub use limits::*;
pub use listing::*;
pub use overview::*;
pub use pause::*;
pub use program::*;
pub use report::*;
pub use schedules::*;
pub use signals::*;
pub use stamps::*;
pub use sums::*;
pub use upkeep::*;
pub use workflows::*;

/// Everything that a store can do, role by role. See the [module](self) for the rules.
///
/// An adapter implements the roles, and each accessor returns `self`. If a later version of taskora adds a role, its
/// accessor has a default, so that no adapter breaks.
///
/// To wrap another adapter, implement [`Forward`] instead, which has a default for everything.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an adapter",
    label = "not a store that jobs are kept in",
    note = "an app is given its store, as in `App::new(MemoryAdapter::new())` or `App::new(RedisAdapter::connect(url).await?)`",
    note = "an adapter of your own implements `Jobs`, `Admissions`, `Signals`, `Inspection`, `Workflows`, `Upkeep` and `Adapter`"
)]
pub trait Adapter: fmt::Debug + Send + Sync + 'static {
    /// Storing, claiming and settling jobs.
    fn jobs(&self) -> &dyn Jobs;

    /// Storing jobs under keys.
    fn admissions(&self) -> &dyn Admissions;

    /// Messages that the store pushes.
    fn signals(&self) -> &dyn Signals;

    /// Reading.
    fn inspection(&self) -> &dyn Inspection;

    /// Workflows.
    fn workflows(&self) -> &dyn Workflows;

    /// Checking and repairing.
    fn upkeep(&self) -> &dyn Upkeep;

    /// Schedules. An adapter that keeps none refuses each call.
    fn schedules(&self) -> &dyn Schedules {
        &schedules::NoSchedules
    }

    /// Limits and pauses. An adapter that has none refuses each call.
    fn control(&self) -> &dyn Control {
        &control::NoControl
    }

    /// What happens. An adapter that tells nothing refuses to be listened to.
    fn events(&self) -> &dyn Events {
        &events::NoEvents
    }

    /// What operators do with single jobs. An adapter without them refuses each call.
    fn actions(&self) -> &dyn Actions {
        &actions::NoActions
    }
}
