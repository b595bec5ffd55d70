//! Workers and producers that are killed while they work.

use std::time::{Duration, Instant};

use crate::process::{Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;

/// Fault 1: kill -9 of random workers, and now and then of the producer, under load with workflows in the mix.
///
/// Demands besides the invariants that jobs of dead workers run again within a lease and a sweep, and a moment for a
/// machine that is busy.
pub async fn kills(seed: u64, scale: u32) -> Report {
    let settings = WorkerPart::default();
    let report = kill_workers("kills", seed, Duration::from_secs(6 * u64::from(scale)), settings).await;
    demand_recovery(report, Duration::from_millis(1500), Duration::from_secs(1))
}

/// Fault 1 with the settings that users have: a lease of 30 seconds, a sweep every five. For measuring recovery.
pub async fn default_settings(seed: u64, time: Duration) -> Report {
    let settings = WorkerPart {
        lease: Duration::from_secs(30),
        sweep: Duration::from_secs(5),
        grace: Duration::from_secs(25),
        ..WorkerPart::default()
    };
    let report = kill_workers("kills with default settings", seed, time, settings).await;
    demand_recovery(report, Duration::from_secs(35), Duration::from_secs(1))
}

fn demand_recovery(mut report: Report, promised: Duration, moment: Duration) -> Report {
    let most = report.recovery(0.99).unwrap_or_default();
    report.demand(most <= promised + moment, || format!("recovery took {most:?}, and not {promised:?}"));
    let recoveries = report.recoveries.len();
    report.demand(recoveries > 0, || "nobody was killed while running a job".to_owned());
    report
}

async fn kill_workers(name: &str, seed: u64, time: Duration, settings: WorkerPart) -> Report {
    let mut stage = Stage::set(name, seed);
    let producing =
        Producer { count: 0, pause: Duration::from_millis(12), millis: 150, ..Producer::default() };
    let mut workers: Vec<Process> = (0..4).map(|_| stage.worker(settings.clone())).collect();
    let mut producer = stage.producer(producing.clone());
    let end = Instant::now() + time;
    while Instant::now() < end {
        let pause = Duration::from_millis(stage.random.between(200, 1000));
        tokio::time::sleep(pause).await;
        let place = stage.random.below(workers.len() as u64) as usize;
        if let Some(worker) = workers.get_mut(place) {
            stage.kill(worker);
            *worker = stage.worker(settings.clone());
        }
        if stage.random.percent(10) {
            stage.fault("producer kill", producer.pid());
            producer.kill();
            producer = stage.producer(producing.clone());
        }
    }
    stage.stop(&mut producer).await;
    stage.finish(workers).await
}
