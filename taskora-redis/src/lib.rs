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
//! Needs Redis 7.0 or newer. Every transition of a job is one atomic script; all keys of a
//! [namespace](RedisConfig::namespace) share a hash tag. Time is the server's.
//!
//! # What is kept through a crash of Redis
//! What Redis itself keeps: with `appendonly yes` and `appendfsync always` everything, with `appendfsync everysec` all but
//! about the last second, with snapshots alone all since the last one. A failover to a replica loses what had not been
//! replicated. The adapter warns when it connects to a server without an append-only file, or with a
//! `maxmemory-policy` other than `noeviction`: see [`ServerWarning`].
//!
//! # Connections
//! One for commands, on each tokio runtime that the adapter is used on; for a worker, one more to wait for work, and one more for renewals and pushes, which also
//! carries the results that a process awaits. Their number does not depend on the number of tasks. Each is made when it is
//! first needed, and made again by itself when it is lost: until then calls are repeated for
//! [`command_timeout`](RedisConfig::command_timeout) and fail with [`AdapterError::Unavailable`](taskora::AdapterError). One
//! that has fallen silent is noticed within ten seconds, and one that waits for work within fifteen. A caller that awaits a result waits through all of that.
//!
//! # Redis Cluster and failovers
//! All of a namespace is on one node of a cluster, and the adapter's connections go to that node, wherever they began: they
//! follow the namespace when its slot moves, and when a replica takes over. Give it several addresses with
//! [`RedisConfig::node`], so that it can begin, and find the new master, while one of them is down. User, password
//! and TLS of an address are kept for the nodes that it points to. A cluster has the database 0 only.
//!
//! The same holds for a master and replicas without a cluster: of several addresses, those of replicas are passed over. With
//! one address, such as that of a proxy, it is connected to again until a master answers. With
//! [`RedisConfig::sentinel`] the adapter asks Redis Sentinel where the master is, and follows it.
//!
//! While a slot moves from one node to another, the namespace rests: calls are repeated until it has arrived, or for
//! [`command_timeout`](RedisConfig::command_timeout).
//!
//! # Permissions
//! `docs/redis.md` has the `ACL SETUSER` line with all that the adapter needs. Without `INFO`, as on hardened and managed servers, it works, and
//! warns that it could not check the server's settings. If a right is missing that it needs, the error is an
//! [`AdapterError::Config`](taskora::AdapterError) that names the user and that line.
//!
//! # Limits
//! At most 255 stalls and 65,535 attempts are stored with a job: larger numbers count as these. No time is longer than
//! about 4,400 years.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod access;
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
mod exchange;
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub mod failpoint;
mod fault;
mod follow;
mod id;
mod inspection;
mod jobs;
mod keys;
mod library;
mod link;
mod probe;
mod process;
mod processes;
mod push_connection;
mod route;
mod scripts;
mod sentinel;
mod server;
mod server_warnings;
mod set_aside;
mod tasks;
#[cfg(feature = "rustls")]
mod tls;
mod upkeep;
mod work;
mod workflows;

#[doc(hidden)]
pub use access::{ACL_COMMANDS, ACL_SCRIPT_COMMANDS};
pub use adapter::RedisAdapter;
pub use config::RedisConfig;
#[doc(hidden)]
pub use processes::{LevelError, ProcessInfo};
#[doc(hidden)]
pub use scripts::{functions, library_hash};
pub use server::{MIN_WIRE_VERSION, WIRE_VERSION};
pub use server_warnings::ServerWarning;
