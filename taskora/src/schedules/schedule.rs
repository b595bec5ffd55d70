//! A schedule as it is written.

use std::fmt;
use std::time::Duration;

use taskora_cron::Cron;

use super::definition::{Start, Target};
use super::{OnMissed, Overlap, ScheduleError};

/// Which job runs, and when. Store it with [`Schedules::upsert`](crate::Schedules::upsert), or declare it in the code of a worker with
/// [`WorkerBuilder::schedule`](crate::WorkerBuilder::schedule).
///
/// ```
/// # use taskora::prelude::*;
/// # use taskora::Schedule;
/// # use std::time::Duration;
/// #[task]
/// async fn report(tenant: u32) {}
///
/// # fn main() -> Result<(), taskora::ScheduleError> {
/// let daily = Schedule::new("tenant-7-report").cron("0 6 * * *")?.tz("Europe/Berlin")?.run(Report { tenant: 7 });
/// let often = Schedule::new("often").every(Duration::from_secs(300))?.jitter(Duration::from_secs(20)).run(Report { tenant: 8 });
/// # let _ = (daily, often);
/// # Ok(()) }
/// ```
///
/// The compiler checks `#[task(schedule(..))]` by the same rules, with the same texts.
#[derive(Clone)]
#[must_use = "a schedule does nothing until it is stored, with `app.schedules().upsert(..)`, or declared by a worker"]
pub struct Schedule {
    pub(super) name: String,
    pub(super) times: Option<Times>,
    pub(super) offset: Option<Duration>,
    pub(super) tz: Option<String>,
    pub(super) overlap: Overlap,
    pub(super) on_missed: OnMissed,
    pub(super) max_late: Option<Duration>,
    pub(super) jitter: Option<Duration>,
    pub(super) start: Start,
    pub(super) enabled_by: Option<String>,
    pub(super) target: Option<Result<Target, (String, String)>>,
    pub(super) priority: Option<i16>,
    pub(super) meta: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Times {
    Cron(Cron),
    Every(Duration),
    Manual,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // neither payload nor meta
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("times", &self.times)
            .field("tz", &self.tz)
            .field("overlap", &self.overlap)
            .field("on_missed", &self.on_missed)
            .finish_non_exhaustive()
    }
}

/// Makes the schedules of `#[task(schedule(..))]`, for a worker that starts.
pub type SchedulesInCode = fn() -> Result<Vec<Schedule>, ScheduleError>;
