//! The fault harness: what `taskora` promises under faults, shown with real processes and real Redis servers.
//!
//! A *scenario* is a function of a seed and a scale. It sets a [`Stage`] (a Redis server, a ledger, a place for the
//! processes), starts worker and producer [`Process`]es (the binary `process`, which does what its
//! [`Config`] says), does harm to them, waits until nothing is left to do, and lets [`check`](mod@check) compare three witnesses:
//! the [`ledger`], which every process writes line by line to a file that Redis knows nothing of; what Redis holds
//! ([`raw`]); and what the product says through its own API. What it finds is in the [`Report`].
//!
//! `README.md` beside this crate says how to write one.

pub mod check;
pub mod ledger;
pub mod loss;
pub mod observed;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod report;
pub mod scenarios;
pub mod seed;
pub mod stage;
pub mod tasks;

pub use check::Finding;
pub use ledger::{History, Ledger, Record};
pub use process::{Config, Mix, Process, Producer, WorkerPart};
pub use proxy::{Fate, Proxy};
pub use report::Report;
pub use seed::{Random, seed};
pub use stage::Stage;
