//! The in-memory store: for tests, for development, and as the model of what an adapter does.

mod actions;
mod adapter;
mod admission;
mod batches;
mod book;
mod calls;
mod collects;
mod control;
mod events;
mod exchange;
mod flow;
mod gates;
mod key;
mod key_gates;
mod keys;
mod lanes;
mod line;
mod listener;
mod listing;
mod overview;
mod past;
mod pauses;
mod queue;
mod rates;
mod record;
mod registry;
mod retention;
mod schedules;
mod shared;
mod signal;
mod starts;
mod store;
mod transitions;
mod upkeep;
mod workflow;

pub use adapter::MemoryAdapter;
