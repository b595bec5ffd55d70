//! Schedules: jobs that are made at the times of a timetable.
//!
//! A [`Schedule`] says when what runs. Its `definition` is what is stored. A tick is one of its times: `plan` decides, from what is
//! stored and the store's time, which ticks run and which were missed. The store makes the jobs, each tick once.

#![expect(dead_code, reason = "nothing stores schedules yet")]

mod builder;
mod definition;
mod error;
mod plan;
mod timetable;

pub use builder::{OnMissed, Overlap, Schedule};
pub use error::ScheduleError;
#[doc(no_inline)]
pub use taskora_cron::{CronError, CronErrorKind, Misfit, ZoneError};
pub use timetable::Timetable;
