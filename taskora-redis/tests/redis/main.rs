//! The suite that every adapter must pass, and what only this adapter has: connections, faults, the handshake, and the layout of its keys.

mod advice;
mod cluster;
mod conformance;
mod faults;
mod flows;
mod handshake;
mod kit;
mod layout;
mod limits;
mod model;
mod proxy;
mod retiring;
mod server;
mod upkeep;
mod workflows;
