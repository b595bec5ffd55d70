//! What taskora promises under faults. `README.md` of this package says how a scenario is written.

mod away;
mod calm;
mod chord;
mod clocks;
mod damage;
mod handlers;
mod kills;
mod limits;
mod network;
mod points;
mod proxy;
mod schedules;
mod server;
mod shutdown;
mod sizes;
mod versions;
