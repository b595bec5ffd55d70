//! What is wrong with a schedule, or why it could not be changed.

use taskora_cron::{CronError, Misfit, ZoneError};

use crate::adapter::AdapterError;
use crate::error::DispatchError;

/// Why a schedule cannot be, or could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The cron expression makes no sense.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// There is no such time zone, or no data about it.
    #[error(transparent)]
    TimeZone(#[from] ZoneError),
    /// An option's value cannot be used, or does not fit the other options.
    // a variant named `Option` makes rustc write `std::option::Option` in the errors of everybody who uses this crate
    #[error("schedule `{name}`: {misfit}")]
    Misfit {
        /// The schedule.
        name: String,
        /// What is wrong.
        misfit: Misfit,
    },
    /// It does not say what to run.
    #[error("schedule `{name}` runs nothing; say what, as in `.run(Report {{ .. }})`")]
    NothingToRun {
        /// The schedule.
        name: String,
    },
    /// The job that it runs could not be dispatched.
    #[error("schedule `{name}` cannot dispatch its job")]
    Job {
        /// The schedule.
        name: String,
        /// Why.
        #[source]
        source: DispatchError,
    },
    /// There is no schedule of this name.
    #[error("there is no schedule `{name}`")]
    NotFound {
        /// The name.
        name: String,
    },
    /// A worker declares two schedules of one name.
    #[error("two schedules are named `{name}`")]
    DeclaredTwice {
        /// The name.
        name: String,
    },
    /// Workers declare it in their code, and would do so again.
    #[error(
        "schedule `{name}` is declared in the code of a running worker; to stop it, pause it, or take it out of the code; to change it, use `update`"
    )]
    DeclaredInCode {
        /// The schedule.
        name: String,
    },
    /// A later version of taskora wrote it, or somebody else.
    #[error("schedule `{name}` cannot be read: {message}")]
    Unreadable {
        /// The schedule.
        name: String,
        /// Why.
        message: String,
    },
    /// Others changed it at the same time, again and again.
    #[error("schedule `{name}` is being changed by others; try again")]
    Busy {
        /// The schedule.
        name: String,
    },
    /// The store could not be reached, or refused.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl ScheduleError {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Adapter(error) => error.is_retryable(),
            _ => false,
        }
    }
}
