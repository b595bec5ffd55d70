//! What only this adapter has: connections, faults, the handshake, and the layout of its keys.

mod faults;
mod handshake;
mod kit;
mod layout;
mod model;
mod proxy;
#[path = "../server/mod.rs"]
mod server;
