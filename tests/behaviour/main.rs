//! What taskora promises, on every adapter. A test's name begins with the id of its acceptance scenario where it has
//! one: `s…` for the common ones, `x…` for those that guard against known defects of other queues.

mod support;

mod actions;
mod blocking;
mod bulk;
mod cancel;
mod cancel_races;
mod collect;
mod concurrency;
mod context;
mod costs;
mod dead_letters;
mod delay;
mod dispatch_errors;
mod documents;
mod events;
mod exhaustive;
mod expiry;
mod handle;
mod ids;
mod keys;
mod lifecycle;
mod limits;
mod limits_by_key;
mod logs;
mod many_apps;
mod misbehaviour;
mod outage;
mod pace;
mod payloads;
mod priority;
mod rates;
mod redis_adapter;
mod refusals;
mod registration;
mod retry;
mod retry_decision;
mod runtimes;
mod schedules;
mod shutdown;
mod shutdown_signals;
mod stall;
mod stopped;
mod timeout;
mod workflow;
