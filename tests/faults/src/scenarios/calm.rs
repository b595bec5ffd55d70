//! Nothing is harmed: what the harness itself must find in order.

use crate::process::{Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;

/// A producer of so much of everything, that awaits all of it.
#[must_use]
pub fn everything(count: u64) -> Producer {
    Producer { count, awaited: 100, ..Producer::default() }
}

/// Two workers and a producer with something of everything.
pub async fn calm(seed: u64, scale: u32) -> Report {
    let stage = Stage::set("calm", seed);
    let workers = vec![stage.worker(WorkerPart::default()), stage.worker(WorkerPart::default())];
    let mut producer = stage.producer(everything(200 * u64::from(scale)));
    stage.until_ended(&mut producer).await;
    let mut report = stage.finish(workers).await;
    report.demand(report.failed_calls == 0, || "calls failed, and nothing was harmed".to_owned());
    report
}
