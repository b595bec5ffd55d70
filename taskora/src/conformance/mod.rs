//! The conformance suite: what an adapter must do, as checks that each adapter runs from its own tests.
//!
//! An adapter's author writes a [`Fixture`], which gives each check an empty store, and one line:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use taskora::{MemoryAdapter, adapter::Adapter, conformance::Fixture};
//!
//! struct Memory(MemoryAdapter);
//!
//! impl Fixture for Memory {
//!     async fn adapter(&self) -> Arc<dyn Adapter> {
//!         Arc::new(self.0.clone())
//!     }
//!     async fn second(&self) -> Arc<dyn Adapter> {
//!         Arc::new(self.0.clone())
//!     }
//!     async fn advance(&self, by: Duration) {
//!         tokio::time::advance(by).await;
//!     }
//! }
//!
//! taskora::conformance_suite! { #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
//! # fn main() {}
//! ```
//!
//! It expands to one test per check, in modules by behaviour. Each test evaluates the expression, which may await. The
//! checks define what [`adapter`](crate::adapter) says in words: change both together.
//!
//! Where something is pushed, the checks wait in real time (a few hundred milliseconds, at most ten seconds before they
//! fail). Where something is due later, they advance the store's time with [`Fixture::advance`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::Adapter;

mod action_kit;
mod actions;
mod admission_kit;
mod cancelling;
mod claims;
mod collecting;
mod costs;
mod debouncing;
mod deduplicating;
mod details;
mod endings;
mod enqueue;
mod events;
mod expand;
mod expiry;
mod flow_kit;
mod flow_listing;
mod following;
mod gate_kit;
mod gate_wakes;
mod gates;
mod history;
mod idempotency;
mod key_costs;
mod key_pauses;
mod key_rates;
mod keyed_actions;
mod kit;
mod lane_kit;
mod lanes;
mod late_keys;
mod leases;
mod list_kit;
mod listing;
mod notes;
mod ordered_lanes;
mod overview;
mod pasts;
mod pauses;
mod priorities;
mod queued_ticks;
mod rates;
mod replacements;
mod replacing;
mod rescues;
mod retention;
mod reviving;
mod schedule_kit;
mod schedules;
mod settling;
mod strangers;
mod suite;
mod throttling;
mod ticks;
mod upkeep;
mod wakes;
mod watching;
mod workers;
mod workflow_ends;
mod workflow_retention;
mod workflow_steps;

#[doc(hidden)]
pub use expand::checks;
pub use upkeep::assert_sound;

/// An empty store for one check, and what the check needs from it.
pub trait Fixture {
    /// An adapter for the store. Each call may return the same one.
    fn adapter(&self) -> impl Future<Output = Arc<dyn Adapter>>;

    /// An adapter for the same store with its own connection, like that of another process. For a store in this process, it
    /// may be the same adapter.
    fn second(&self) -> impl Future<Output = Arc<dyn Adapter>>;

    /// Advances the store's time: with a clock that tests can move, or by waiting. It need not wake waiters.
    fn advance(&self, by: Duration) -> impl Future<Output = ()>;
}
