//! A job: its id, its states, and what is known about it.

mod id;
mod info;
mod log;
mod state;
mod time;
mod utc;

pub use id::{InvalidJobId, JobId};
pub use info::{Blocked, JobInfo};
pub use log::{LogEntry, LogLevel};
pub use state::{JobState, UnknownState};
pub use time::Timestamp;
pub(crate) use time::millis;
pub(crate) use utc::compact;
