//! Schedules in virtual time, on the memory adapter.

mod attribute;
mod changes;
mod environment;
mod stores;
mod ticks;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use taskora::prelude::*;
use taskora::{Schedule, ScheduleInfo, Tick, Timetable, WorkerBuilder};
use tokio::sync::Notify;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// 1 January 2026, 00:00 UTC.
const NEW_YEAR: u64 = 1_767_225_600;

/// What ran.
#[derive(Clone, Default)]
struct Runs {
    ticks: Arc<Mutex<Vec<Option<Tick>>>>,
    /// Runs go on until this is notified, if there is one.
    gate: Option<Arc<Notify>>,
}

impl Runs {
    fn gated() -> Self {
        Self { gate: Some(Arc::default()), ..Self::default() }
    }

    /// A handler runs.
    async fn note(&self, ctx: &Context) {
        self.ticks.lock().unwrap().push(ctx.tick());
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
    }

    fn take(&self) -> Vec<Option<Tick>> {
        std::mem::take(&mut self.ticks.lock().unwrap())
    }

    /// How many ran since the last look.
    fn count(&self) -> usize {
        self.take().len()
    }

    /// At which times since `NEW_YEAR`, in seconds.
    fn times(&self) -> Vec<u64> {
        let at = |tick: Option<Tick>| tick.expect("a tick").at.as_millis() - NEW_YEAR * 1_000;
        self.take().into_iter().map(at).map(|millis| millis / 1_000).collect()
    }
}

#[task(retry = 3)]
async fn note(kind: String, ctx: &Context, runs: State<Runs>) {
    let _ = kind;
    runs.note(ctx).await;
}

fn named(name: &str) -> Schedule {
    Schedule::new(name).run(Note { kind: "daily".into() })
}

fn every(period: Duration) -> Schedule {
    named("a").every(period).unwrap()
}

fn app_at(seconds: u64) -> App {
    App::new(MemoryAdapter::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn app() -> App {
    app_at(NEW_YEAR)
}

fn worker(app: &App, runs: &Runs) -> WorkerBuilder<Runs> {
    Worker::builder(app).state(runs.clone()).register::<Note>()
}

async fn info(app: &App, name: &str) -> ScheduleInfo {
    app.schedules().get(name).await.unwrap().unwrap_or_else(|| panic!("there is no schedule `{name}`"))
}

/// How often the schedule `a` ticks.
async fn period(app: &App) -> Duration {
    match info(app, "a").await.times {
        Timetable::Every { period, .. } => period,
        other => panic!("{other}"),
    }
}

/// Lets time pass, with everything that happens in it.
async fn pass(time: Duration) {
    sleep(time + Duration::from_millis(5)).await;
}
