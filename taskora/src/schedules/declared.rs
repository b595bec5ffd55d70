//! The schedules in a worker's code, and how they come into the store.

use std::collections::BTreeMap;

use super::definition::{Definition, Start};
use super::{Schedule, ScheduleError, run};
use crate::adapter::{
    AdapterError, Declaration, Fingerprint, MAX_SCHEDULES, Origin, PutSchedule, StoredSchedule,
};
use crate::app::App;
use crate::job::{JobId, Timestamp};

/// How often one that others change at the same time is tried again.
const TRIES: usize = 5;

/// The schedules that a worker declares, by name.
pub(crate) struct DeclaredSchedules(BTreeMap<String, Declared>);

struct Declared {
    definition: Definition,
    fingerprint: Fingerprint,
    /// The job of a run at the worker's start: always the same, so that it is not made twice.
    start: Option<JobId>,
    /// Whether this worker has yet to have its way, as the one that has started last.
    starts: bool,
}

impl DeclaredSchedules {
    /// Checks them all.
    pub(crate) fn new(app: &App, schedules: Vec<Schedule>) -> Result<Self, ScheduleError> {
        let (mut declared, tz) = (BTreeMap::new(), app.setup().timezone());
        for schedule in schedules {
            let name = schedule.name().to_owned();
            if let Some(variable) = schedule.turned_off_by() {
                tracing::info!("schedule {name} is turned off by {variable}");
                continue;
            }
            let definition = schedule.into_definition(app.setup(), &tz)?;
            let fingerprint = Fingerprint::of(&definition.encode());
            let start = (definition.start == Start::Always).then(JobId::new);
            let one = Declared { definition, fingerprint, start, starts: true };
            if declared.insert(name.clone(), one).is_some() {
                return Err(ScheduleError::DeclaredTwice { name });
            }
        }
        Ok(Self(declared))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says that this worker declares them. At first, what the store has follows the code; later only what nobody else declares
    /// does, so that the newest worker of several builds has its way.
    pub(crate) async fn declare(&mut self, app: &App) -> Result<(), AdapterError> {
        let mut rest: Vec<String> = self.0.keys().cloned().collect();
        for _ in 0..TRIES {
            let mut changed = Vec::new();
            for page in rest.chunks(MAX_SCHEDULES) {
                let left = self.declare_page(app, page).await?;
                for name in page.iter().filter(|name| !left.contains(name)) {
                    if let Some(one) = self.0.get_mut(name) {
                        one.starts = false;
                    }
                }
                changed.extend(left);
            }
            if changed.is_empty() {
                return Ok(());
            }
            // somebody has changed them meanwhile
            rest = changed;
        }
        tracing::warn!(schedules = ?rest, "cannot declare schedules, as others change them; trying again later");
        Ok(())
    }

    /// Runs what runs at each start of a worker.
    pub(crate) async fn run_at_start(&self, app: &App) -> Result<(), AdapterError> {
        for (name, declared) in &self.0 {
            let Some(id) = &declared.start else { continue };
            let job = run::triggered_job(id.clone(), name, &declared.definition);
            app.setup().adapter().schedules().trigger(name, job, declared.definition.overlap).await?;
        }
        Ok(())
    }

    /// The names of those that have changed meanwhile.
    async fn declare_page(&self, app: &App, names: &[String]) -> Result<Vec<String>, AdapterError> {
        let page: Vec<(&String, &Declared)> =
            names.iter().filter_map(|name| self.0.get_key_value(name)).collect();
        let schedules = app.setup().adapter().schedules();
        let declarations = page
            .iter()
            .map(|(name, one)| Declaration { name: (*name).clone(), declared: one.fingerprint })
            .collect();
        let answer = schedules.declare(declarations).await?;
        let (mut puts, mut put_names) = (Vec::new(), Vec::new());
        for ((name, one), known) in page.into_iter().zip(answer.known) {
            let put = one.put(name, known.as_ref(), answer.now);
            if one.starts && app.setup().logs_schedules() {
                one.log(name, known.as_ref(), put.as_ref(), answer.now);
            }
            if let Some(put) = put {
                puts.push(put);
                put_names.push(name);
            }
        }
        if puts.is_empty() {
            return Ok(Vec::new());
        }
        let done = schedules.put_schedules(puts).await?;
        Ok(put_names.into_iter().zip(done).filter(|(_, done)| !done).map(|(name, _)| name.clone()).collect())
    }
}

impl Declared {
    /// What has to be written, if anything.
    fn put(&self, name: &str, known: Option<&StoredSchedule>, now: Timestamp) -> Option<PutSchedule> {
        let origin = Origin::Code { declared: self.fingerprint };
        let put = match known {
            // somebody may have updated it since, which holds as long as the code is the same
            Some(known) if known.origin == origin => {
                let definition = run::definition(known).ok().filter(|_| self.starts)?;
                run::put(name, Some(known), &definition, origin, now)
            }
            // the worker that has started last has its way
            Some(known)
                if matches!(known.origin, Origin::Code { .. }) && known.is_declared && !self.starts =>
            {
                return None;
            }
            // so has one of a later version, whose schedules cannot be read here
            Some(known) if known.is_declared && run::definition(known).is_err() => return None,
            known => {
                if let Some(known) = known {
                    warn_of_update(known);
                }
                run::put(name, known, &self.definition, origin, now)
            }
        };
        let put = match put {
            Ok(put) => PutSchedule { declares: true, ..put },
            Err(error) => {
                tracing::error!("cannot declare schedule {name}: {error}");
                return None;
            }
        };
        let is_there = known.is_some_and(|known| {
            known.definition == put.definition && known.origin == put.origin && known.next == put.next
        });
        (!is_there).then_some(put)
    }

    fn log(&self, name: &str, known: Option<&StoredSchedule>, put: Option<&PutSchedule>, now: Timestamp) {
        let times = &self.definition.times;
        let paused = known.and_then(|known| known.paused.as_ref());
        let next = put.map_or_else(|| known.and_then(|known| known.next), |put| put.next);
        let next = match (paused, next) {
            (Some((_, reason)), _) if reason.is_empty() => "paused".to_owned(),
            (Some((_, reason)), _) => format!("paused: {reason}"),
            (None, Some(next)) => format!("next {next}"),
            (None, None) => "without a next tick".to_owned(),
        };
        let overlap = self.definition.overlap;
        let missed = run::missed_ticks(known, now);
        let missed = if missed == 0 { String::new() } else { format!(", {missed} missed") };
        tracing::info!("schedule {name}: {times}, {next}, overlap {overlap}{missed}");
    }
}

/// What somebody has changed is lost when the code changes.
fn warn_of_update(known: &StoredSchedule) {
    if let Origin::Code { declared } = known.origin
        && declared != Fingerprint::of(&known.definition)
    {
        tracing::warn!("schedule {} is what the code says again: an update of it is dropped", known.name);
    }
}
