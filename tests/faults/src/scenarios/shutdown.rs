//! Fault 3: workers that are told to stop while their jobs take longer than that allows, and are killed while they do.

use std::time::{Duration, Instant};

use taskora::JobState;

use crate::ledger::Record;
use crate::process::{Producer, WorkerPart};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, Work};

/// SIGTERM with jobs longer than the grace: they are handed back at once when it is over, without having used up an
/// attempt, and the process is gone within the grace and a second.
pub async fn grace(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("grace", seed);
    let app = stage.app().await;
    let grace = Duration::from_millis(800);
    // leases and sweeps so long that what is handed back was not rescued
    let (lease, sweep) = (Duration::from_secs(60), Duration::from_secs(60));
    let settings = WorkerPart { grace, lease, sweep, ..WorkerPart::default() };
    let (mut exits, mut again, mut used, mut short) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale {
        let mut leaving = stage.worker(settings.clone());
        let starts = stage.history().count(is_start);
        let mut handles = Vec::new();
        for _ in 0..5 {
            handles.push(stage.dispatched(app.dispatch(Work { act: Act::returns(3_000) }).await));
        }
        // this one is over within the grace
        short.push(stage.dispatched(app.dispatch(Work { act: Act::returns(400) }).await));
        stage.until_recorded(starts + 6, is_start).await;
        stage.fault("SIGTERM", leaving.pid());
        let told = Instant::now();
        leaving.terminate();
        let mut next = stage.worker(settings.clone());
        let status = leaving.wait(PATIENCE).await;
        exits.push((told.elapsed(), status.is_some_and(|status| status.success())));
        stage.until_recorded(starts + 11, is_start).await;
        again.push(told.elapsed());
        for handle in handles {
            let _ = handle.result_within(PATIENCE).await;
            let info = handle.info().await.ok().flatten();
            used.extend(info.map(|info| (info.state, info.attempts, info.stalls)));
        }
        stage.stop(&mut next).await;
    }
    let workers = vec![stage.worker(settings)];
    let mut report = stage.finish(workers).await;
    let limit = grace + Duration::from_secs(1);
    report.demand(exits.iter().all(|(time, in_order)| *time <= limit && *in_order), || {
        format!("processes ended after {exits:?}, and not within {limit:?} in order")
    });
    // the next worker hears of them at once
    let limit = limit + Duration::from_millis(500);
    report.demand(again.iter().all(|time| *time <= limit), || format!("jobs ran again after {again:?} only"));
    report.demand(used.iter().all(|used| *used == (JobState::Completed, 1, 0)), || {
        format!("attempts or stalls were used up: {used:?}")
    });
    report.demand(used.len() == 5 * scale as usize, || "jobs are not known any more".to_owned());
    let once = short.iter().all(|job| report.history.starts(job.id().as_str()) == 1);
    report.demand(once, || "a job that was over within the grace was run again".to_owned());
    report
}

/// SIGKILL while a worker drains: what it was running is recovered like that of any dead worker.
pub async fn killed_in_the_drain(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed in the drain", seed);
    let settings = WorkerPart { grace: Duration::from_secs(5), ..WorkerPart::default() };
    let load = Producer { count: 0, pause: Duration::from_millis(10), millis: 300, ..Producer::default() };
    let mut workers = vec![stage.worker(settings.clone())];
    let mut producer = stage.producer(load);
    for _ in 0..(2 * scale) {
        let mut drained = stage.worker(settings.clone());
        let pid = drained.pid();
        stage
            .until("a job of the worker", || {
                let history = stage.history();
                std::future::ready(history.of(pid).filter(|line| is_start(&line.record)).count() >= 5)
            })
            .await;
        stage.fault("SIGTERM", pid);
        drained.terminate();
        let moment = Duration::from_millis(stage.random.below(150));
        tokio::time::sleep(moment).await;
        stage.kill(&mut drained);
        workers.push(stage.worker(settings.clone()));
    }
    stage.stop(&mut producer).await;
    let mut report = stage.finish(workers).await;
    let most = report.recovery(1.0).unwrap_or_default();
    report.demand(most <= Duration::from_millis(2500), || format!("recovery took {most:?}"));
    report
}

fn is_start(record: &Record) -> bool {
    matches!(record, Record::Started { .. })
}
