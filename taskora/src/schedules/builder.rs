//! Writing a schedule.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use taskora_cron::{Cron, ScheduleOptions, check_name, check_zone};

use super::definition::{Definition, Start, Target};
use super::schedule::{Schedule, Times};
use super::{OnMissed, Overlap, ScheduleError, Timetable};
use crate::contract::{Task, TaskOptions};
use crate::dispatch::{
    check_meta, check_priority, check_size, check_task_name, checked_cost, checked_limit_key,
};
use crate::error::DispatchError;
use crate::json;
use crate::setup::Setup;

impl Schedule {
    /// A schedule of this name, which is unique in the namespace and has at most 175 bytes. Storing it again replaces it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            times: None,
            offset: None,
            tz: None,
            overlap: Overlap::Skip,
            on_missed: OnMissed::Skip,
            max_late: None,
            jitter: None,
            start: Start::No,
            enabled_by: None,
            target: None,
            priority: None,
            meta: Vec::new(),
        }
    }

    /// Ticks at the local times of its time zone that the expression describes, such as `0 9 * * MON-FRI`. Write five fields, or six
    /// with seconds first. Replaces a period.
    ///
    /// # Errors
    /// [`ScheduleError::Cron`], which says what is wrong, also of an expression that no date ever fits.
    pub fn cron(mut self, expression: &str) -> Result<Self, ScheduleError> {
        if matches!(self.times, Some(Times::Every(_))) {
            self.offset = None;
        }
        self.times = Some(Times::Cron(Cron::parse(expression)?));
        Ok(self)
    }

    /// Ticks at the multiples of this period since 1970 in UTC, so neither a restart nor a clock change moves it. At least one
    /// second. Replaces a cron expression and its time zone.
    ///
    /// # Errors
    /// [`ScheduleError::Misfit`] if the period is too short.
    pub fn every(mut self, period: Duration) -> Result<Self, ScheduleError> {
        if matches!(self.times, Some(Times::Cron(_))) {
            self.tz = None;
        }
        let alone = ScheduleOptions { every: Some(period), ..ScheduleOptions::default() };
        self.fits(&alone)?;
        self.times = Some(Times::Every(period));
        Ok(self)
    }

    /// Never ticks by itself; it runs only when it is triggered.
    pub fn manual(mut self) -> Self {
        self.times = Some(Times::Manual);
        self
    }

    /// It ticks this much later than the multiples of its period. Less than the period.
    pub fn offset(mut self, offset: Duration) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The time zone of its cron expression, such as `Europe/Berlin`; the app's unless said otherwise, which is UTC by default.
    ///
    /// # Errors
    /// [`ScheduleError::TimeZone`] if there is none of this name, with the one that was probably meant.
    pub fn tz(mut self, name: &str) -> Result<Self, ScheduleError> {
        check_zone(name)?;
        self.tz = Some(name.to_owned());
        Ok(self)
    }

    /// What happens at a tick while the last run has not ended; [`Overlap::Skip`] unless said otherwise.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// What happens to ticks that were missed while no worker was up; [`OnMissed::Skip`] unless said otherwise.
    pub fn on_missed(mut self, on_missed: OnMissed) -> Self {
        self.on_missed = on_missed;
        self
    }

    /// A tick that is found later than this does not run. At least a second; no limit unless said otherwise.
    pub fn max_late(mut self, late: Duration) -> Self {
        self.max_late = Some(late);
        self
    }

    /// Each run becomes ready up to this much later than its tick, so that many schedules of one time do not start together. How much
    /// follows from the name and the time of the tick. Shorter than the period.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// It also runs once at once, when it is new and whenever it has changed.
    pub fn run_on_start(mut self) -> Self {
        self.start = Start::Once;
        self
    }

    /// It also runs at each start of a worker that declares it, unless the last run has not ended and may not overlap.
    pub fn run_on_each_start(mut self) -> Self {
        self.start = Start::Always;
        self
    }

    /// A worker declares it unless this environment variable is `false`, `off`, `no` or `0` when the worker starts. It has no meaning for
    /// [`Schedules::upsert`](crate::Schedules::upsert).
    pub fn enabled_by(mut self, variable: impl Into<String>) -> Self {
        self.enabled_by = Some(variable.into());
        self
    }

    /// The variable that turns it off, if that does.
    pub(crate) fn turned_off_by(&self) -> Option<&str> {
        self.enabled_by.as_deref().filter(|variable| is_off(variable))
    }

    /// The job that each tick dispatches. Retries, priority and ttl are those of the task's contract.
    pub fn run<T: Task>(mut self, task: T) -> Self {
        self.target = Some(target(T::NAME, &task, &T::OPTIONS, (task.limit_key(), task.cost())));
        self
    }

    /// The same by name and JSON. The contract's options are not known here, so there is a single attempt unless the worker's contract
    /// says otherwise.
    pub fn run_raw(mut self, task: impl AsRef<str>, payload: Value) -> Self {
        self.target = Some(target(task.as_ref(), &payload, &TaskOptions::new(), (None, 1)));
        self
    }

    /// The priority of its jobs, instead of the contract's.
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Notes something with each of its jobs, as [`Dispatch::meta`](crate::Dispatch::meta) does.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.meta.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.meta.push((key, value)),
        }
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is stored, once everything fits together.
    pub(crate) fn into_definition(
        self,
        setup: &Setup,
        default_tz: &str,
    ) -> Result<Definition, ScheduleError> {
        check_name(&self.name).map_err(|misfit| ScheduleError::Misfit { name: self.name.clone(), misfit })?;
        self.fits(&self.options())?;
        let Self { name, priority, meta, .. } = self;
        let nothing = || ScheduleError::NothingToRun { name: name.clone() };
        let refused = |source| ScheduleError::Job { name: name.clone(), source };
        let mut target = self
            .target
            .ok_or_else(nothing)?
            .map_err(|(task, message)| refused(DispatchError::InvalidPayload { task, message }))?;
        target.priority = priority.unwrap_or(target.priority);
        target.meta = meta;
        check_task_name(&target.task)
            .and_then(|()| check_priority(target.priority))
            .and_then(|()| check_meta(&target.meta))
            .and_then(|()| check_size(setup, &target.task, target.payload.len()))
            .map_err(refused)?;
        let times = match self.times {
            Some(Times::Cron(cron)) => Timetable::Cron {
                expression: cron.as_str().to_owned(),
                tz: self.tz.unwrap_or_else(|| default_tz.to_owned()),
            },
            Some(Times::Every(period)) => {
                Timetable::Every { period, offset: self.offset.unwrap_or_default() }
            }
            Some(Times::Manual) | None => Timetable::Manual,
        };
        // a zone without data is found here, and not at the first tick
        times.times()?;
        Ok(Definition {
            times,
            overlap: self.overlap,
            on_missed: self.on_missed,
            max_late: self.max_late,
            jitter: self.jitter.unwrap_or_default(),
            start: self.start,
            target,
        })
    }

    /// A stored schedule, to be changed.
    pub(crate) fn from_definition(name: &str, definition: Definition) -> Result<Self, ScheduleError> {
        let Definition { times, overlap, on_missed, max_late, jitter, start, target } = definition;
        let mut schedule = Self {
            overlap,
            on_missed,
            max_late,
            jitter: Some(jitter).filter(|jitter| !jitter.is_zero()),
            start,
            priority: Some(target.priority),
            meta: target.meta.clone(),
            target: Some(Ok(target)),
            ..Self::new(name)
        };
        match times {
            Timetable::Cron { expression, tz } => {
                schedule.times = Some(Times::Cron(Cron::parse(&expression)?));
                schedule.tz = Some(tz);
            }
            Timetable::Every { period, offset } => {
                schedule.times = Some(Times::Every(period));
                schedule.offset = Some(offset).filter(|offset| !offset.is_zero());
            }
            Timetable::Manual | Timetable::Unreadable => schedule.times = Some(Times::Manual),
        }
        Ok(schedule)
    }

    fn options(&self) -> ScheduleOptions {
        ScheduleOptions {
            cron: matches!(self.times, Some(Times::Cron(_))),
            every: if let Some(Times::Every(period)) = self.times { Some(period) } else { None },
            manual: matches!(self.times, Some(Times::Manual)),
            offset: self.offset,
            tz: self.tz.is_some(),
            catch_up: match self.on_missed {
                OnMissed::Skip => None,
                OnMissed::CatchUpNewest(newest) => Some(newest),
                OnMissed::CatchUp => Some(u32::MAX),
            },
            max_late: self.max_late,
            jitter: self.jitter,
        }
    }

    fn fits(&self, options: &ScheduleOptions) -> Result<(), ScheduleError> {
        match options.misfits().into_iter().next() {
            None => Ok(()),
            Some(misfit) => Err(ScheduleError::Misfit { name: self.name.clone(), misfit }),
        }
    }
}

/// Whether an environment variable turns something off.
pub(crate) fn is_off(variable: &str) -> bool {
    std::env::var(variable)
        .is_ok_and(|value| ["false", "off", "no", "0"].contains(&value.trim().to_ascii_lowercase().as_str()))
}

/// The job of a contract; the error is the task and what is wrong with its payload.
fn target(
    task: &str,
    payload: &impl Serialize,
    contract: &TaskOptions,
    (limit_key, cost): (Option<String>, u32),
) -> Result<Target, (String, String)> {
    let mistaken = |error: DispatchError| (task.to_owned(), error.to_string());
    let limit_key = checked_limit_key(task, limit_key).map_err(mistaken)?;
    Ok(Target {
        task: task.to_owned(),
        payload: json::write(payload).map_err(|error| (task.to_owned(), error.to_string()))?,
        priority: contract.priority(),
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        ttl: contract.ttl(),
        collect: contract.collect().filter(|_| limit_key.is_some()),
        limit_key,
        cost: checked_cost(task, contract, cost).map_err(mistaken)?,
        meta: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
