//! What is told of schedules and of their ticks.

use std::time::Duration;

use super::{OnMissed, Overlap, ScheduleError, Timetable, run};
use crate::adapter::{Origin, StoredSchedule, TickStamp};
use crate::job::{JobId, Timestamp};

/// What is known of a schedule, see [`Schedules::list`](crate::Schedules::list).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScheduleInfo {
    /// Its name.
    pub name: String,
    /// The task of its jobs; empty if the schedule cannot be [read](Timetable::Unreadable).
    pub task: String,
    /// When it ticks.
    pub times: Timetable,
    /// What happens at a tick while the last run has not ended.
    pub overlap: Overlap,
    /// What happens to ticks that were missed.
    pub on_missed: OnMissed,
    /// Whether it is declared in the code of workers; others were put there with [`Schedules::upsert`](crate::Schedules::upsert).
    pub is_in_code: bool,
    /// Whether a running worker declares it. One in code that no running worker declares does not tick, and is removed after seven days.
    pub is_declared: bool,
    /// Its next tick. `None`: it is paused, not declared, or runs only when somebody triggers it.
    pub next: Option<Timestamp>,
    /// The newest tick that ran: its time by the timetable.
    pub last: Option<Timestamp>,
    /// The newest job, of a tick or a trigger. If it has ended while it waited for the run before it, it is that one.
    pub last_job: Option<JobId>,
    /// Since when and why it is paused, if it is.
    pub paused: Option<Paused>,
    /// How many jobs it has made.
    pub ran: u64,
    /// How many ticks did not run because the last run had not ended.
    pub skipped: u64,
    /// How many ticks were missed, and did not run.
    pub missed: u64,
}

/// A pause of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// Why; may be empty.
    pub reason: String,
}

impl ScheduleInfo {
    pub(crate) fn of(stored: StoredSchedule) -> Self {
        let (task, times, overlap, on_missed) = match run::definition(&stored) {
            Ok(read) => (read.target.task, read.times, read.overlap, read.on_missed),
            Err(_) => (String::new(), Timetable::Unreadable, Overlap::default(), OnMissed::default()),
        };
        Self {
            name: stored.name,
            task,
            times,
            overlap,
            on_missed,
            is_in_code: matches!(stored.origin, Origin::Code { .. }),
            is_declared: stored.is_declared,
            next: stored.next.filter(|_| stored.is_declared),
            last: stored.last,
            last_job: stored.last_job,
            paused: stored.paused.map(|(since, reason)| Paused { since, reason }),
            ran: stored.ran,
            skipped: stored.skipped,
            missed: stored.missed,
        }
    }

    /// Its next ticks, `count` at most, if nothing changes.
    pub(crate) fn next_runs(&self, count: usize) -> Result<Vec<Timestamp>, ScheduleError> {
        let Some(next) = self.next else { return Ok(Vec::new()) };
        let times = self.times.times()?;
        let follows = |tick: &u64| times.as_ref().and_then(|times| times.next(*tick));
        let ticks = std::iter::successors(Some(next.as_millis()), follows);
        Ok(ticks.take(count).map(Timestamp::from_millis).collect())
    }
}

/// What an upsert or an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// The schedule is new.
    Created,
    /// There was another one of this name.
    Updated,
    /// It was as it is.
    Unchanged,
}

/// Why a job of a schedule runs, see [`Context::tick`](crate::Context::tick).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The schedule.
    pub schedule: String,
    /// The time of the tick by the timetable, also if the job runs later. Of a trigger, when it was triggered.
    pub at: Timestamp,
    /// How much later than that the job was made: above a second only if no worker was up.
    pub late: Duration,
    /// Whether somebody triggered it.
    pub trigger: bool,
}

impl Tick {
    pub(crate) fn of(stamp: &TickStamp, created_at: Timestamp) -> Self {
        let at = stamp.at.unwrap_or(created_at);
        Self { schedule: stamp.schedule.clone(), at, late: created_at.since(at), trigger: stamp.at.is_none() }
    }
}
