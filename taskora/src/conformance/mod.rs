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

mod admission_kit;
#[doc(hidden)]
pub mod cancelling;
#[doc(hidden)]
pub mod claims;
#[doc(hidden)]
pub mod debouncing;
#[doc(hidden)]
pub mod deduplicating;
#[doc(hidden)]
pub mod endings;
#[doc(hidden)]
pub mod enqueue;
#[doc(hidden)]
pub mod expiry;
mod flow_kit;
#[doc(hidden)]
pub mod following;
#[doc(hidden)]
pub mod idempotency;
mod kit;
#[doc(hidden)]
pub mod leases;
#[doc(hidden)]
pub mod notes;
#[doc(hidden)]
pub mod replacing;
#[doc(hidden)]
pub mod rescues;
#[doc(hidden)]
pub mod retention;
mod schedule_kit;
#[doc(hidden)]
pub mod schedules;
#[doc(hidden)]
pub mod settling;
mod suite;
#[doc(hidden)]
pub mod throttling;
#[doc(hidden)]
pub mod ticks;
#[doc(hidden)]
pub mod upkeep;
#[doc(hidden)]
pub mod wakes;
#[doc(hidden)]
pub mod workflow_ends;
#[doc(hidden)]
pub mod workflow_retention;
#[doc(hidden)]
pub mod workflow_steps;

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

/// Fails unless the store is consistent, see [`App::check`](crate::App::check). Runs after each check.
pub async fn assert_sound(fixture: &impl Fixture) {
    upkeep::sound(&fixture.adapter().await, "after the check").await;
}
