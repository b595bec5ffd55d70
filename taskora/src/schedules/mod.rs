#![doc = include_str!("../docs/schedules.md")]

// A `definition` is what is stored of a schedule. `plan` decides, from that and the store's time, which ticks run and which were missed;
// `run` makes of it what the store is asked to do; `declared` are the schedules of a worker's code. `worker/ticker.rs` drives them.

mod api;
mod builder;
mod declared;
mod definition;
mod error;
mod info;
mod lateness;
mod plan;
pub(crate) mod run;
mod schedule;
mod timetable;

pub use api::{Pause, Schedules, Trigger};
pub(crate) use builder::is_off;
pub(crate) use declared::DeclaredSchedules;
pub use error::ScheduleError;
pub use info::{Paused, ScheduleInfo, Tick, Upserted};
pub use lateness::{OnMissed, Overlap};
pub use schedule::Schedule;
#[doc(hidden)]
pub use schedule::SchedulesInCode;
#[doc(no_inline)]
pub use taskora_cron::{CronError, CronErrorKind, Misfit, ZoneError};
pub use timetable::Timetable;
