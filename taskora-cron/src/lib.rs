#![doc = include_str!("docs.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may"))]

mod calendar;
mod cron;
mod duration;
mod error;
mod field;
mod fields;
#[cfg(feature = "times")]
mod local;
mod parse;
mod rules;
#[cfg(feature = "times")]
mod stretch;
#[cfg(feature = "times")]
mod times;
mod token;
mod zones;

pub use cron::Cron;
pub use duration::duration_text;
pub use error::{CronError, CronErrorKind, PeriodError};
pub use rules::{MAX_NAME, Misfit, ScheduleOptions, check_name};
#[cfg(feature = "times")]
pub use times::Times;
pub use zones::{ZoneError, check_zone, zone_names};
