//! What an app does with schedules.

use std::future::IntoFuture;

use serde_json::Value;

use super::{Overlap, Schedule, ScheduleError, ScheduleInfo, Upserted, run};
use crate::adapter::{self, Origin, PutSchedule, RemoveOutcome, StoredSchedule, Triggered};
use crate::app::App;
use crate::contract::TaskOptions;
use crate::handle::{Expected, JobHandle, Outcome};
use crate::job::{JobId, Timestamp};

/// How often a change is computed anew because others change the schedule at the same time.
const TRIES: usize = 20;

impl App {
    /// The schedules of the namespace: to create, change, pause and trigger them. Workers tick them.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use taskora::{Schedule, schedules::Upserted};
    /// # use std::time::Duration;
    /// #[task]
    /// async fn report(tenant: u32) {}
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// let app = App::new(MemoryAdapter::new());
    /// let schedule = Schedule::new("tenant-7-report").cron("0 6 * * *")?.tz("Europe/Berlin")?.run(Report { tenant: 7 });
    /// assert_eq!(app.schedules().upsert(schedule.clone()).await?, Upserted::Created);
    /// assert_eq!(app.schedules().upsert(schedule).await?, Upserted::Unchanged);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn schedules(&self) -> Schedules<'_> {
        Schedules { app: self }
    }
}

/// The schedules of a namespace, see [`App::schedules`].
///
/// Schedules are also declared in the code of workers, with [`WorkerBuilder::schedule`](crate::WorkerBuilder::schedule). All of them are
/// in one list and can be paused, triggered and updated alike.
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a> {
    app: &'a App,
}

impl<'a> Schedules<'a> {
    /// Creates a schedule, or replaces the one of this name. What is known of that one stays: last run, counts and pause. Its next tick
    /// follows from now on if it has another timetable, else it stays as well. So the same call may be made at every start.
    ///
    /// # Errors
    /// [`ScheduleError::DeclaredInCode`] if workers declare a schedule of this name; and what is wrong with the schedule.
    pub async fn upsert(&self, schedule: Schedule) -> Result<Upserted, ScheduleError> {
        let name = schedule.name().to_owned();
        let new = schedule.into_definition(self.app.setup(), &self.app.setup().timezone())?;
        self.change(&name, |known, now| {
            if let Some(known) = known
                && matches!(known.origin, Origin::Code { .. })
                && known.is_declared
            {
                return Err(ScheduleError::DeclaredInCode { name: name.clone() });
            }
            run::put(&name, known, &new, Origin::Api, now)
        })
        .await
    }

    /// Changes a schedule, also one that is declared in code: the change holds until the code declares another one. The function may
    /// be called several times. A new period replaces an expression and its time zone; a new expression replaces a period.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::time::Duration;
    /// # async fn example(app: App) -> taskora::Result<()> {
    /// app.schedules().update("heartbeat", |schedule| schedule.every(Duration::from_secs(600))).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`]; what the function returns; and what is wrong with the schedule.
    pub async fn update(
        &self,
        name: impl AsRef<str>,
        update: impl Fn(Schedule) -> Result<Schedule, ScheduleError>,
    ) -> Result<Upserted, ScheduleError> {
        let name = name.as_ref();
        self.change(name, |known, now| {
            let known = known.ok_or_else(|| ScheduleError::NotFound { name: name.to_owned() })?;
            let old = Schedule::from_definition(name, run::definition(known)?)?;
            let new =
                update(old)?.named(name).into_definition(self.app.setup(), &self.app.setup().timezone())?;
            run::put(name, Some(known), &new, known.origin, now)
        })
        .await
    }

    /// All schedules, in the order of their names.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn list(&self) -> Result<Vec<ScheduleInfo>, ScheduleError> {
        let stored = self.store().list_schedules().await?;
        Ok(stored.into_iter().map(ScheduleInfo::of).collect())
    }

    /// What is known of a schedule; `None`: there is none of this name.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn get(&self, name: impl AsRef<str>) -> Result<Option<ScheduleInfo>, ScheduleError> {
        Ok(self.store().schedule(name.as_ref()).await?.1.map(ScheduleInfo::of))
    }

    /// The next ticks of a schedule, `count` at most, if nothing changes; none if it is paused or runs only when somebody triggers it.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], or if the store cannot be reached.
    pub async fn next_runs(
        &self,
        name: impl AsRef<str>,
        count: usize,
    ) -> Result<Vec<Timestamp>, ScheduleError> {
        self.known(name.as_ref()).await.map(|(_, known)| ScheduleInfo::of(known))?.next_runs(count)
    }

    /// Stops the ticks of a schedule until [`Schedules::resume`], also over restarts and deploys. Pausing one that is paused changes
    /// nothing. A reason may be given: `app.schedules().pause("nightly").reason("migration").await?`.
    ///
    /// # Errors
    /// When awaited: [`ScheduleError::NotFound`], or if the store cannot be reached.
    pub fn pause(&self, name: impl Into<String>) -> Pause<'a> {
        Pause { app: self.app, name: name.into(), reason: String::new() }
    }

    /// Ends a pause. The next tick is the next one from now on: what would have ticked meanwhile is not missed. One that is not paused
    /// goes on as it does.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], or if the store cannot be reached.
    pub async fn resume(&self, name: impl AsRef<str>) -> Result<(), ScheduleError> {
        let name = name.as_ref();
        for _ in 0..TRIES {
            let (now, known) = self.known(name).await?;
            if known.paused.is_none() || self.put(run::resume(&known, now)?).await? {
                return Ok(());
            }
        }
        Err(ScheduleError::Busy { name: name.to_owned() })
    }

    /// Runs a schedule now, also one that is paused. Neither its next nor its last tick changes. The returned builder is awaited:
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # async fn example(app: App) -> taskora::Result<()> {
    /// let job = app.schedules().trigger("nightly").await?;
    /// if let Outcome::Duplicate(id) = job.outcome() {
    ///     println!("the last run, {id}, has not ended");
    ///     app.schedules().trigger("nightly").anyway().await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When awaited: [`ScheduleError::NotFound`], or if the store cannot be reached.
    pub fn trigger(&self, name: impl Into<String>) -> Trigger<'a> {
        Trigger { app: self.app, name: name.into(), anyway: false, id: JobId::new() }
    }

    /// Removes a schedule, and all that is known of it. Its jobs stay.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`]; [`ScheduleError::DeclaredInCode`] if a running worker declares it; or if the store cannot be reached.
    pub async fn remove(&self, name: impl AsRef<str>) -> Result<(), ScheduleError> {
        let name = name.as_ref().to_owned();
        match self.store().remove_schedule(&name).await? {
            RemoveOutcome::Removed => Ok(()),
            RemoveOutcome::Declared => Err(ScheduleError::DeclaredInCode { name }),
            RemoveOutcome::NotFound => Err(ScheduleError::NotFound { name }),
        }
    }

    fn store(&self) -> &'a dyn adapter::Schedules {
        self.app.setup().adapter().schedules()
    }

    async fn known(&self, name: &str) -> Result<(Timestamp, StoredSchedule), ScheduleError> {
        let (now, known) = self.store().schedule(name).await?;
        Ok((now, known.ok_or_else(|| ScheduleError::NotFound { name: name.to_owned() })?))
    }

    /// Whether the schedule was still as expected.
    async fn put(&self, put: PutSchedule) -> Result<bool, ScheduleError> {
        Ok(self.store().put_schedules(vec![put]).await?.contains(&true))
    }

    async fn change(
        &self,
        name: &str,
        change: impl Fn(Option<&StoredSchedule>, Timestamp) -> Result<PutSchedule, ScheduleError>,
    ) -> Result<Upserted, ScheduleError> {
        for _ in 0..TRIES {
            let (now, known) = self.store().schedule(name).await?;
            let put = change(known.as_ref(), now)?;
            let done = match &known {
                None => Upserted::Created,
                Some(known)
                    if (&known.definition, known.origin, known.next)
                        == (&put.definition, put.origin, put.next) =>
                {
                    return Ok(Upserted::Unchanged);
                }
                Some(_) => Upserted::Updated,
            };
            if self.put(put).await? {
                return Ok(done);
            }
        }
        Err(ScheduleError::Busy { name: name.to_owned() })
    }
}

/// A pause that is awaited, see [`Schedules::pause`].
#[derive(Debug)]
#[must_use = "nothing is paused until this is awaited"]
pub struct Pause<'a> {
    app: &'a App,
    name: String,
    reason: String,
}

impl Pause<'_> {
    /// Why; [`ScheduleInfo::paused`] tells it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

impl<'a> IntoFuture for Pause<'a> {
    type Output = Result<(), ScheduleError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { app, name, reason } = self;
            let is_known = app.setup().adapter().schedules().pause_schedule(&name, &reason).await?;
            if is_known { Ok(()) } else { Err(ScheduleError::NotFound { name }) }
        })
    }
}

/// A trigger that is awaited, see [`Schedules::trigger`].
#[derive(Debug)]
#[must_use = "nothing runs until this is awaited"]
pub struct Trigger<'a> {
    app: &'a App,
    name: String,
    anyway: bool,
    id: JobId,
}

impl Trigger<'_> {
    /// Also while the last run has not ended. Without this, and unless the schedule allows it, the handle is that run's, and says
    /// [`Outcome::Duplicate`].
    pub fn anyway(mut self) -> Self {
        self.anyway = true;
        self
    }
}

impl<'a> IntoFuture for Trigger<'a> {
    type Output = Result<JobHandle<Value>, ScheduleError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { app, name, anyway, id } = self;
            let (_, known) = app.schedules().known(&name).await?;
            let definition = run::definition(&known)?;
            let overlap = if anyway { Overlap::Allow } else { definition.overlap };
            let job = run::triggered_job(id.clone(), &name, &definition);
            let expected = Expected::new(job.task.clone(), &TaskOptions::new());
            let handle = |outcome, id| JobHandle::dispatched(app.setup().clone(), outcome, id, expected);
            match app.setup().adapter().schedules().trigger(&name, job, overlap).await? {
                Triggered::Stored => Ok(handle(Outcome::Enqueued, id)),
                Triggered::Unfinished(last) => Ok(handle(Outcome::Duplicate(last.clone()), last)),
                Triggered::NotFound => Err(ScheduleError::NotFound { name }),
            }
        })
    }
}
