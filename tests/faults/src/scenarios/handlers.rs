//! Handlers that harm their own process: faults 5 and 6.

use std::time::Duration;

use taskora::JobError;

use crate::process::{Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::{Act, End, Poison, Work};

/// Fault 5: a handler that keeps the only thread of its worker busy for three leases. Its lease is kept, and nobody else runs
/// the job, though others look for lost ones.
pub async fn busy(seed: u64, scale: u32) -> Report {
    let stage = Stage::set("busy", seed);
    let app = stage.app().await;
    let settings = WorkerPart { sweep: Duration::from_millis(200), ..WorkerPart::default() };
    let busy = stage.worker(settings.clone());
    let mut jobs = Vec::new();
    for _ in 0..scale {
        jobs.push(stage.dispatched(app.dispatch(Work { act: Act::ends(3_000, End::Block) }).await));
    }
    stage.until_recorded(1, |record| matches!(record, crate::Record::Started { .. })).await;
    let others = stage.worker(settings);
    let mut stalls = 0;
    for job in &jobs {
        let _ = job.result_within(crate::stage::PATIENCE).await;
        stalls += job.info().await.ok().flatten().map_or(99, |info| info.stalls);
    }
    let mut report = stage.finish(vec![busy, others]).await;
    report.demand(stalls == 0, || format!("busy handlers lost their leases {stalls} times"));
    let starts: Vec<usize> = jobs.iter().map(|job| report.history.starts(job.id().as_str())).collect();
    report.demand(starts.iter().all(|starts| *starts == 1), || format!("jobs were run {starts:?} times"));
    report
}

/// Fault 6: a job that takes its process with it. It ends as failed when it was rescued as often as its contract
/// allows; the processes are started again, as a supervisor would, and the other jobs go on.
pub async fn poison(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("poison", seed);
    let app = stage.app().await;
    let settings = WorkerPart::default();
    let mut workers = vec![stage.worker(settings.clone()), stage.worker(settings.clone())];
    let load = Producer { count: 0, pause: Duration::from_millis(20), ..Producer::default() };
    let mut producer = stage.producer(load);
    let mut jobs = Vec::new();
    for _ in 0..scale {
        jobs.push(stage.dispatched(app.dispatch(Poison { act: Act::ends(20, End::Abort) }).await));
    }
    let mut ends = Vec::new();
    for job in &jobs {
        let mut result = std::pin::pin!(job.result());
        ends.push(loop {
            tokio::select! {
                ended = &mut result => break ended,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            for worker in &mut workers {
                if worker.ended().is_some() {
                    stage.fault("kill", worker.pid());
                    *worker = stage.worker(settings.clone());
                }
            }
        });
    }
    stage.stop(&mut producer).await;
    let mut report = stage.finish(workers).await;
    let stalled = ends.iter().filter(|end| matches!(end, Err(JobError::Stalled { .. }))).count();
    report.demand(stalled == jobs.len(), || format!("poison jobs ended as {ends:?}"));
    // the first run, and one for each time that it may be rescued
    let starts: Vec<usize> = jobs.iter().map(|job| report.history.starts(job.id().as_str())).collect();
    report.demand(starts.iter().all(|starts| *starts == 3), || {
        format!("poison jobs were run {starts:?} times")
    });
    report
}
