//! What a worker writes to `tracing`: that it works and on what, and which jobs fail.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use taskora::Schedule;
use taskora::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that is logged, one line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// The one line with this text.
    fn only(&self, text: &str) -> String {
        let lines = self.0.lock().unwrap();
        let found: Vec<_> = lines.iter().filter(|line| line.contains(text)).collect();
        assert_eq!(found.len(), 1, "{text}: {lines:#?}");
        found[0].clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[task(retry(attempts = 2, delay = "5s", jitter = false))]
async fn charge(cents: u32) -> Result<u32, String> {
    if cents == 0 { Err("nothing to charge".to_owned()) } else { Ok(cents) }
}

#[task]
async fn refund() {}

#[task(schedule(name = "nightly", cron = "0 3 * * *", tz = "Europe/Berlin"))]
async fn settle() {}

#[tokio::test(start_paused = true)]
async fn a_worker_says_what_it_serves_and_which_jobs_fail() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let app = App::new(MemoryAdapter::new());
    let worker =
        Worker::builder(&app).register_all(tasks![Refund, Charge]).concurrency(7).start().await.unwrap();
    let started = lines.only("the worker has started");
    assert!(started.starts_with("INFO"), "{started}");
    assert!(started.contains("tasks=\"charge, refund\" concurrency=7 store=MemoryAdapter"), "{started}");

    let fine = app.dispatch(Charge { cents: 1 }).await.unwrap();
    fine.result().await.unwrap();
    let handle = app.dispatch(Charge { cents: 0 }).await.unwrap();
    handle.result().await.unwrap_err();
    let job = format!("job={} task=\"charge\"", handle.id());
    let retried = lines.only("the attempt failed and is retried");
    assert!(retried.starts_with("INFO") && retried.contains(&job), "{retried}");
    assert!(retried.contains("attempt=1 error=\"nothing to charge\" delay=5s"), "{retried}");
    let failed = lines.only("the attempt failed and is not retried");
    assert!(failed.starts_with("WARN") && failed.contains(&job), "{failed}");
    assert!(failed.contains("attempt=2 error=\"nothing to charge\""), "{failed}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_says_which_schedules_it_has() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    // 1 January 2026, 00:00 UTC
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let app = App::new(MemoryAdapter::starting_at(start));
    let hourly = || Schedule::new("hourly").every(Duration::from_secs(3600)).unwrap().run(Refund {});
    let worker = || Worker::builder(&app).register_all(tasks![Refund, Settle]).schedule(hourly());
    let first = worker().start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let line = lines.only("schedule hourly");
    assert_eq!(line, "INFO message=schedule hourly: every 1h, next 2026-01-01T01:00:00Z, overlap skip");
    let line = lines.only("schedule nightly");
    assert_eq!(
        line,
        "INFO message=schedule nightly: cron 0 3 * * * Europe/Berlin, next 2026-01-01T02:00:00Z, overlap skip"
    );
    first.shutdown().await.unwrap();
    app.schedules().pause("nightly").reason("migration").await.unwrap();
    tokio::time::advance(Duration::from_secs(3 * 3600)).await;
    lines.0.lock().unwrap().clear();
    let second = worker().start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let line = lines.only("schedule hourly:");
    assert!(line.ends_with("overlap skip, 3 missed"), "{line}");
    let line = lines.only("schedule nightly");
    assert!(line.ends_with("Europe/Berlin, paused: migration, overlap skip"), "{line}");
    assert!(lines.only("has missed ticks").starts_with("WARN"), "that two do not run is worth a warning");
    second.shutdown().await.unwrap();
    // a schedule of the environment, and silence
    let quiet = App::builder(MemoryAdapter::new()).log_schedules(false).build();
    lines.0.lock().unwrap().clear();
    let third = Worker::builder(&quiet).register::<Refund>().schedule(hourly()).start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!lines.0.lock().unwrap().iter().any(|line| line.contains("schedule hourly")));
    third.shutdown().await.unwrap();
}
