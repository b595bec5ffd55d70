//! The scenarios, by what is harmed. Each is a function of a seed and a scale: 1 is what a test has time for.

use std::future::Future;
use std::pin::Pin;

use crate::report::Report;

pub mod calm;
pub mod chord;
pub mod clocks;
pub mod crowd;
pub mod damage;
pub mod displaced;
pub mod gathers;
pub mod handlers;
pub mod kills;
pub mod lanes;
pub mod limits;
pub mod memory;
pub mod network;
pub mod newer;
pub mod owners;
pub mod points;
pub mod rates;
pub mod replies;
pub mod schedules;
pub mod server;
pub mod shutdown;
pub mod sizes;
pub mod versions;

/// A scenario with its name, as the soak runs it.
pub type Scenario = (&'static str, fn(u64, u32) -> Pin<Box<dyn Future<Output = Report> + Send>>);

/// Lists scenarios by their paths in this module.
macro_rules! scenarios {
    ($($name:literal => $path:path),+ $(,)?) => {
        /// All scenarios, in the order in which the soak runs them.
        pub const ALL: &[Scenario] = &[$(($name, |seed, scale| Box::pin($path(seed, scale)))),+];
    };
}

scenarios! {
    "calm" => calm::calm,
    "kills" => kills::kills,
    "killed at the limit" => limits::killed_at_the_limit,
    "killed among keys" => lanes::killed_among_keys,
    "killed among rates" => rates::killed_among_rates,
    "killed among batches" => gathers::killed_among_batches,
    "killed around keys" => owners::killed_around_keys,
    "points" => points::points,
    "odd points" => points::odd_points,
    "grace" => shutdown::grace,
    "killed in the drain" => shutdown::killed_in_the_drain,
    "frozen" => displaced::frozen,
    "cut off" => displaced::cut_off,
    "busy" => handlers::busy,
    "poison" => handlers::poison,
    "chord" => chord::chord,
    "lost replies" => replies::lost_replies,
    "restarts" => network::restarts,
    "half open" => network::half_open,
    "killed connections" => network::killed_connections,
    "flushed scripts" => network::flushed_scripts,
    "crowd" => crowd::crowd,
    "crashed, always" => server::crashed_always,
    "crashed, everysec" => server::crashed_everysec,
    "failover" => server::failover,
    "lost claim" => server::lost_claim,
    "full" => memory::full,
    "clocks" => clocks::clocks,
    "sizes" => sizes::sizes,
    "versions" => versions::versions,
    "refused" => versions::refused,
    "from the future" => newer::newer,
    "schedules" => schedules::schedules,
    "damaged" => damage::damaged,
    "script errors" => damage::script_errors,
}
