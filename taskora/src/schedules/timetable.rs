//! When a schedule ticks, as it is written and stored.

use std::fmt;
use std::time::Duration;

use taskora_cron::{Cron, Times, duration_text};

use super::ScheduleError;

/// When a schedule ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timetable {
    /// When the clocks of a time zone show what the expression says.
    Cron {
        /// The expression.
        expression: String,
        /// The time zone's name, such as `Europe/Berlin`.
        tz: String,
    },
    /// At the multiples of a period since 1970 in UTC.
    Every {
        /// The period.
        period: Duration,
        /// How much later than the multiples.
        offset: Duration,
    },
    /// Never by itself, only when somebody triggers it.
    Manual,
    /// A later version of taskora wrote it, or somebody else. It is left alone.
    Unreadable,
}

impl Timetable {
    /// The times; nothing for one that never ticks by itself.
    pub(crate) fn times(&self) -> Result<Option<Times>, ScheduleError> {
        Ok(match self {
            Self::Cron { expression, tz } => Some(Times::cron(Cron::parse(expression)?, tz)?),
            // what is shorter than a second was refused, and is not stored
            Self::Every { period, offset } => Times::every(*period, *offset).ok(),
            Self::Manual | Self::Unreadable => None,
        })
    }
}

/// As in a log line: `cron 0 3 * * * Europe/Berlin`, `every 5m`, `manual`.
impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { expression, tz } => write!(f, "cron {expression} {tz}"),
            Self::Every { period, offset } if offset.is_zero() => {
                write!(f, "every {}", duration_text(*period))
            }
            Self::Every { period, offset } => {
                write!(f, "every {}, {} later", duration_text(*period), duration_text(*offset))
            }
            Self::Manual => f.write_str("manual"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}
