//! A job: its id, its states, and what is known about it.

mod id;
mod info;
mod log;
mod state;
mod time;

pub use id::{InvalidJobId, JobId};
pub use info::{Blocked, JobInfo};
pub use log::{LogEntry, LogLevel};
pub use state::{JobState, UnknownState};
pub use time::Timestamp;
pub(crate) use time::millis;
