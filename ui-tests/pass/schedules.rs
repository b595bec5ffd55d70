//! Schedules in the attribute: of functions, of contracts, and of their implementations.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{OnMissed, Overlap, Timetable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    Daily,
    Weekly { day: u8 },
}

fn standard_days() -> u32 {
    7
}

#[task(schedule(
    cron = "0 9 * * MON-FRI",
    tz = "America/New_York",
    with(kind = Kind::Daily, copies = 1 + 1),
    overlap = allow,
    on_missed = catch_up(3),
    max_late = "2h",
    jitter = "30s"
))]
async fn report(
    kind: Kind,
    copies: u8,
    #[serde(default)] note: String,
    #[serde(default = "standard_days")] days: u32,
    only_for: Option<u32>,
) -> String {
    format!("{kind:?} {copies} {note:?} {days} {only_for:?}")
}

#[task(schedule(every = "5m", offset = "30s"), schedule(name = "nightly", cron = "@daily", overlap = queue), retry = 3)]
async fn clean_up() {}

#[task(schedule(manual, run_on_start = always), blocking)]
fn warm_up() {}

#[task(schedule(every = "1h", run_on_start, on_missed = catch_up, enabled_by = "BEAT_ENABLED"))]
#[deprecated]
async fn beat() {}

#[task(serde(default), derive(Default), schedule(every = "1h", with(b = 2)))]
async fn defaults(a: u8, b: u8) {
    let _ = (a, b);
}

#[task(schedule(every = "1h", with(r#type = "a".to_owned(), list = vec![1, 2,])))]
async fn raw(r#type: String, list: Vec<u8>) {
    let _ = (r#type, list);
}

mod contracts {
    use taskora::prelude::*;

    #[derive(Task, Serialize, Deserialize)]
    #[task(output = (), schedule(name = "weekly", cron = "0 6 * * MON", with(invoice = 1 < 2 && 2 > 1)))]
    #[task(schedule(manual, with(invoice = true, copy = "b".into())))]
    pub struct SendInvoice {
        pub invoice: bool,
        #[serde(default)]
        pub copy: String,
    }
}

#[task(
    implements = contracts::SendInvoice,
    schedule(name = "of the function", every = "1d", with(invoice = false, copy = String::new()))
)]
async fn send_invoice(invoice: bool, copy: String) {
    let _ = (invoice, copy);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> taskora::Result<()> {
    let app = App::new(MemoryAdapter::new());
    #[allow(deprecated)]
    let worker = Worker::builder(&app)
        .register::<Report>()
        .register_all(tasks![CleanUp, WarmUp, Beat, Defaults, Raw, SendInvoiceHandler])
        .start()
        .await?;
    let names = [
        "beat",
        "clean-up",
        "defaults",
        "nightly",
        "of the function",
        "raw",
        "report",
        "send-invoice",
        "warm-up",
        "weekly",
    ];
    let list = app.schedules().list().await?;
    assert_eq!(list.iter().map(|schedule| schedule.name.as_str()).collect::<Vec<_>>(), names);
    let report = &list[6];
    assert_eq!(report.times.to_string(), "cron 0 9 * * MON-FRI America/New_York");
    assert_eq!((report.overlap, report.on_missed), (Overlap::Allow, OnMissed::CatchUpNewest(3)));
    let offset = Duration::from_secs(30);
    assert_eq!(list[1].times, Timetable::Every { period: Duration::from_secs(300), offset });
    assert_eq!(list[9].task, "send-invoice");
    let said = app.schedules().trigger("report").await?.result().await?;
    assert_eq!(said, r#"Daily 2 "" 7 None"#);
    worker.shutdown().await
}
