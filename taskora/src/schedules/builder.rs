//! Writing a schedule.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use taskora_cron::{Cron, ScheduleOptions, check_name, check_zone};

use super::definition::{Definition, Start, Target};
use super::{ScheduleError, Timetable};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::dispatch::{check_meta, check_priority, check_size, check_task_name};
use crate::error::DispatchError;
use crate::json;

/// What happens at a tick while the schedule's last run has not ended: it is waiting, delayed, retrying or active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Overlap {
    /// The tick does not run, and is counted as skipped: the default.
    #[default]
    Skip,
    /// The tick runs beside it.
    Allow,
}

/// What happens to ticks that nobody could make in time, because no worker was up.
///
/// A tick that is found within a second is not late, and always runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissed {
    /// The newest one runs, once: the default.
    #[default]
    Skip,
    /// As many of the newest ones run, the oldest first.
    CatchUpNewest(u32),
    /// All of them run, the oldest first.
    CatchUp,
}

/// When what runs.
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
#[must_use = "a schedule does nothing until it is stored"]
pub struct Schedule {
    name: String,
    times: Option<Times>,
    offset: Option<Duration>,
    tz: Option<String>,
    overlap: Overlap,
    on_missed: OnMissed,
    max_late: Option<Duration>,
    jitter: Option<Duration>,
    start: Start,
    target: Option<Result<Target, (String, String)>>,
    priority: Option<i16>,
    meta: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Times {
    Cron(Cron),
    Every(Duration),
    Manual,
}

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
            target: None,
            priority: None,
            meta: Vec::new(),
        }
    }

    /// It ticks when the clocks of its time zone show what the expression says, such as `0 9 * * MON-FRI`; five fields, or six with
    /// seconds first. It replaces a period.
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

    /// It ticks at the multiples of this period since 1970 in UTC, so neither a restart nor a change of clocks moves it. At least a
    /// second. It replaces a cron expression and its time zone.
    ///
    /// # Errors
    /// [`ScheduleError::Option`] if the period is too short.
    pub fn every(mut self, period: Duration) -> Result<Self, ScheduleError> {
        if matches!(self.times, Some(Times::Cron(_))) {
            self.tz = None;
        }
        let alone = ScheduleOptions { every: Some(period), ..ScheduleOptions::default() };
        self.fits(&alone)?;
        self.times = Some(Times::Every(period));
        Ok(self)
    }

    /// It never ticks by itself: it runs when somebody triggers it.
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

    pub(crate) fn run_on_each_start(mut self) -> Self {
        self.start = Start::Always;
        self
    }

    /// The job that each tick dispatches. Retries, priority and ttl are those of the task's contract.
    pub fn run<T: Task>(mut self, task: T) -> Self {
        self.target = Some(target(T::NAME, &task, &T::OPTIONS));
        self
    }

    /// The same by name and JSON. The contract's options are not known here, so there is a single attempt unless the worker's contract
    /// says otherwise.
    pub fn run_raw(mut self, task: impl AsRef<str>, payload: Value) -> Self {
        self.target = Some(target(task.as_ref(), &payload, &TaskOptions::new()));
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is stored, once everything fits together.
    pub(crate) fn into_definition(self, app: &App, default_tz: &str) -> Result<Definition, ScheduleError> {
        check_name(&self.name).map_err(|misfit| ScheduleError::Option { name: self.name.clone(), misfit })?;
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
            .and_then(|()| check_size(app, &target.task, target.payload.len()))
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
            Timetable::Manual => schedule.times = Some(Times::Manual),
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
            Some(misfit) => Err(ScheduleError::Option { name: self.name.clone(), misfit }),
        }
    }
}

/// The job of a contract; the error is the task and what is wrong with its payload.
fn target(task: &str, payload: &impl Serialize, contract: &TaskOptions) -> Result<Target, (String, String)> {
    Ok(Target {
        task: task.to_owned(),
        payload: json::write(payload).map_err(|error| (task.to_owned(), error.to_string()))?,
        priority: contract.priority(),
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        ttl: contract.ttl(),
        meta: Vec::new(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryAdapter;

    const MINUTE: Duration = Duration::from_secs(60);

    fn nightly() -> Schedule {
        Schedule::new("nightly").run_raw("clean-up", serde_json::json!({"days": 30}))
    }

    fn stored(schedule: Schedule) -> Result<Definition, ScheduleError> {
        schedule.into_definition(&App::new(MemoryAdapter::new()), "UTC")
    }

    fn text(schedule: Result<Schedule, ScheduleError>) -> String {
        let error = schedule.and_then(stored).unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        format!("{error}{}", source.unwrap_or_default())
    }

    #[test]
    fn what_is_written_is_what_is_stored() {
        let schedule = nightly()
            .cron(" 0 3 * * * ")
            .unwrap()
            .tz("Europe/Berlin")
            .unwrap()
            .on_missed(OnMissed::CatchUp)
            .max_late(MINUTE)
            .jitter(MINUTE)
            .overlap(Overlap::Allow)
            .priority(3)
            .meta("a", "1")
            .meta("a", "2")
            .run_on_start();
        let definition = stored(schedule).unwrap();
        let tz = "Europe/Berlin".to_owned();
        assert_eq!(definition.times, Timetable::Cron { expression: "0 3 * * *".into(), tz });
        assert_eq!((definition.on_missed, definition.overlap), (OnMissed::CatchUp, Overlap::Allow));
        assert_eq!((definition.max_late, definition.jitter), (Some(MINUTE), MINUTE));
        assert_eq!(definition.start, Start::Once);
        let target = &definition.target;
        assert_eq!((target.task.as_str(), target.priority), ("clean-up", 3));
        assert_eq!(target.payload, br#"{"days":30}"#);
        assert_eq!(target.meta, [("a".to_owned(), "2".to_owned())]);
        // and back
        let again = Schedule::from_definition("nightly", definition.clone()).unwrap();
        assert_eq!(stored(again).unwrap(), definition);
    }

    #[test]
    fn a_contract_gives_its_options() {
        #[crate::task(retry = 4, priority = 7, stall(max = 2))]
        async fn report(tenant: u32) {
            let _ = tenant;
        }
        let schedule = Schedule::new("a").every(MINUTE).unwrap().run(Report { tenant: 7 });
        let target = stored(schedule).unwrap().target;
        assert_eq!((target.task.as_str(), target.payload), ("report", br#"{"tenant":7}"#.to_vec()));
        assert_eq!((target.max_attempts, target.priority, target.max_stalls), (4, 7, 2));
    }

    #[test]
    fn the_apps_time_zone_is_that_of_expressions_without_one() {
        let app = App::new(MemoryAdapter::new());
        let definition = nightly().cron("@daily").unwrap().into_definition(&app, "Asia/Tokyo").unwrap();
        assert_eq!(definition.times.to_string(), "cron @daily Asia/Tokyo");
    }

    #[test]
    fn mistakes_are_told_as_the_compiler_does() {
        assert_eq!(
            text(nightly().cron("61 * * * *")),
            "invalid cron expression `61 * * * *`: minute `61` is outside 0–59"
        );
        assert_eq!(text(nightly().cron("0 0 30 2 *")), "`0 0 30 2 *` never happens");
        let berln = nightly().tz("Europe/Berln");
        assert_eq!(text(berln), "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
        assert_eq!(
            text(nightly().every(Duration::from_millis(500))),
            "schedule `nightly`: `every = \"500ms\"`: a schedule ticks once a second at most"
        );
        let of = |schedule: Schedule| text(Ok(schedule));
        let every = || nightly().every(5 * MINUTE).unwrap();
        assert_eq!(
            of(every().jitter(10 * MINUTE)),
            "schedule `nightly`: `jitter` (10m) is not shorter than `every` (5m)"
        );
        assert_eq!(
            of(nightly().tz("UTC").unwrap().every(MINUTE).unwrap()),
            "schedule `nightly`: `tz` does nothing with `every`, which counts in UTC"
        );
        assert_eq!(
            of(every().on_missed(OnMissed::CatchUpNewest(0))),
            "schedule `nightly`: `catch_up(0)` is `skip`"
        );
        assert_eq!(of(nightly()), "schedule `nightly`: `schedule` takes one of `cron`, `every` and `manual`");
        let nothing = Schedule::new("nightly").manual();
        assert_eq!(of(nothing), "schedule `nightly` runs nothing; say what, as in `.run(Report { .. })`");
        assert_eq!(
            of(every().priority(2_000)),
            "schedule `nightly` cannot dispatch its job: invalid option: priority 2000 is outside -1000 to 1000"
        );
        let deep = Schedule::new("nightly").manual().run_raw("a\nb", Value::Null);
        assert!(of(deep).ends_with("a name cannot contain control characters"));
        assert_eq!(of(Schedule::new("").manual()), "schedule ``: a schedule's name cannot be empty");
    }

    #[test]
    fn the_last_timetable_counts() {
        let cron = || nightly().cron("0 3 * * *").unwrap().tz("Europe/Berlin").unwrap();
        let times = |schedule| stored(schedule).unwrap().times.to_string();
        assert_eq!(times(cron().every(MINUTE).unwrap()), "every 1m");
        assert_eq!(times(cron().cron("5 3 * * *").unwrap()), "cron 5 3 * * * Europe/Berlin");
        let every = || nightly().every(MINUTE).unwrap().offset(Duration::from_secs(7));
        assert_eq!(times(every()), "every 1m, 7s later");
        assert_eq!(times(every().cron("@hourly").unwrap()), "cron @hourly UTC");
    }

    #[test]
    fn debug_shows_no_payload() {
        let schedule =
            Schedule::new("a").manual().run_raw("task", serde_json::json!("secret")).meta("k", "secret");
        assert!(!format!("{schedule:?} {:?}", stored(schedule.clone())).contains("secret"));
    }
}
