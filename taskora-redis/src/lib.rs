//! The Redis adapter of [taskora].
//!
//! ```no_run
//! use taskora::App;
//! use taskora_redis::RedisAdapter;
//!
//! # async fn example() -> taskora::Result<()> {
//! let app = App::new(RedisAdapter::connect("redis://localhost:6379").await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`from_env_or_memory`] takes the address from the environment, and keeps everything in memory if there is none.
//!
//! Needs Redis 7.0 or newer. Every transition of a job is one atomic script; all keys of a
//! [namespace](RedisConfig::namespace) share a hash tag. All times come from the server's clock.
//! # What survives a crash of Redis What Redis itself keeps: with `appendonly yes` and `appendfsync always`, everything;
//! with `appendfsync everysec`, everything except about the last second; with snapshots alone, everything up to the last
//! snapshot. A failover to a replica loses what had not been replicated. When the adapter connects to a server without an
//! append-only file, or with a `maxmemory-policy` other than `noeviction`, it warns: see [`ServerWarning`].
//!
//! # Connections
//! The adapter has:
//!
//! - one connection for commands on each tokio runtime that uses it;
//! - one for each worker, which waits for work;
//! - one for renewals and pushed messages, such as the results that a process awaits.
//!
//! Their number does not depend on the number of tasks. Each is opened when it is first needed, and reconnects by itself.
//! Until then, calls are repeated for [`command_timeout`](RedisConfig::command_timeout), and then fail with
//! [`AdapterError::Unavailable`](taskora::AdapterError). A connection that falls silent is noticed within ten seconds; one
//! that waits for work, within fifteen. A caller that awaits a result waits through all of that.
//!
//! # Redis Cluster and failovers
//! A whole namespace is on one node of a cluster, and the adapter's connections go to that node, whichever address you give.
//! They follow the namespace when its slot moves, and when a replica takes over. Give several addresses with
//! [`RedisConfig::node`], so that the adapter can connect, and find the new master, while one of them is down. The user,
//! password and TLS of an address also apply to the nodes that it points to. A cluster only has database 0.
//!
//! The same is true for a master and replicas without a cluster: of several addresses, the adapter skips those of replicas.
//! With a single address, such as that of a proxy, it reconnects until a master answers. With [`RedisConfig::sentinel`] the
//! adapter asks Redis Sentinel where the master is, and follows it.
//!
//! While its slot moves from one node to another, a namespace cannot be used: calls are repeated until the slot has arrived,
//! for at most [`command_timeout`](RedisConfig::command_timeout).
//!
//! # Permissions
//! `docs/redis.md` has the `ACL SETUSER` line with everything that the adapter needs. Without `INFO`, as on hardened and
//! managed servers, it works, and warns that it could not check the server's settings. If a required permission is missing,
//! the error is an [`AdapterError::Config`](taskora::AdapterError) that names the user and that line.
//!
//! # Limits
//! A job stores at most 255 stalls and 65,535 attempts; larger numbers count as these. No duration is longer than about
//! 4,400 years.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod access;
mod actions;
mod adapter;
mod address;
mod admissions;
mod answer;
mod arguments;
mod call;
mod coalescer;
mod codec;
mod config;
mod connect;
mod connections;
mod control;
mod damage;
mod details;
mod events;
mod exchange;
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub mod failpoint;
mod fault;
mod follow;
mod from_env;
mod gathered;
mod history;
mod id;
mod inner;
mod inspection;
mod jobs;
mod keyed;
mod keys;
mod library;
mod link;
mod listed;
mod mending;
mod overview;
mod probe;
mod process;
mod processes;
mod push_connection;
mod route;
mod schedules;
mod scripts;
mod sentinel;
mod server;
mod server_warnings;
mod set_aside;
mod settings;
mod tasks;
#[cfg(feature = "rustls")]
mod tls;
mod upkeep;
mod work;
mod workers;
mod workflows;

#[doc(hidden)]
pub use access::{ACL_COMMANDS, ACL_SCRIPT_COMMANDS};
pub use adapter::RedisAdapter;
pub use config::RedisConfig;
pub use from_env::{EnvAdapter, from_env_or_memory};
#[doc(hidden)]
pub use process::ProcessInfo;
#[doc(hidden)]
pub use processes::LevelError;
#[doc(hidden)]
pub use scripts::{functions, library_hash};
pub use server::{MIN_WIRE_VERSION, WIRE_VERSION};
pub use server_warnings::ServerWarning;
