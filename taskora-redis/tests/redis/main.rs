//! The suite that every adapter must pass, and what only this adapter has: connections, faults, the handshake, and the layout of its keys.

mod access;
mod address;
mod announcer;
mod cluster;
mod conformance;
mod costs;
mod epochs;
mod events;
mod faults;
mod flows;
mod garbage;
mod handshake;
mod kit;
mod layout;
mod limits;
mod listing;
mod model;
mod newer;
mod processes;
mod proxy;
mod retiring;
#[cfg(feature = "failpoints")]
mod script_errors;
mod sentinel;
mod server;
mod server_warnings;
#[cfg(feature = "rustls")]
mod timeline;
mod tls;
mod turns;
mod upkeep;
mod workflow_crashes;
mod workflows;
