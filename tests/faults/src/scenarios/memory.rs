//! Fault 14: the server's memory limit is reached.

use std::time::{Duration, Instant};

use taskora::adapter::{AdapterError, Inspection, Jobs};
use taskora::prelude::*;
use taskora::{CancelOutcome, DispatchError, Retention, RetentionLimit};
use taskora_redis::{RedisAdapter, RedisConfig};

use crate::ledger::{Record, now};
use crate::process::{Producer, WorkerPart};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, Follow, Work};

/// In which a refusal is fast: far below the time that a call may take, on a machine that is busy.
const FAST: Duration = Duration::from_millis(500);

/// The limit is reached for some seconds (`noeviction`), half a minute with a higher scale. New jobs and workflows are refused,
/// fast and as `Full`; all that was accepted before comes to its end, delayed jobs, steps of workflows and jobs of a killed
/// worker too; a worker that is started meanwhile works; jobs are cancelled and trimmed. When there is memory again,
/// everything is accepted again.
pub async fn full(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("full", seed);
    let mut workers = vec![stage.worker(WorkerPart::default()), stage.worker(WorkerPart::default())];
    let (app, adapter) = (stage.app().await, stage.adapter().await);
    let load = Producer { count: 0, pause: Duration::from_millis(15), ..Producer::default() };
    let mut producer = stage.producer(load);
    let trimmed = ended_elsewhere(&stage).await;
    tokio::time::sleep(Duration::from_millis(stage.random.between(500, 1000))).await;

    // what is to come to its end while nothing more fits
    let late =
        stage.dispatched(app.dispatch(Work { act: Act::returns(5) }).delay(Duration::from_secs(2)).await);
    let never =
        stage.dispatched(app.dispatch(Work { act: Act::returns(5) }).delay(Duration::from_secs(600)).await);
    let chain = Work { act: Act::returns(800) }.then(Follow::s().act(Act::returns(800)));
    let flow = app.dispatch(chain).await.expect("a workflow");
    let job = flow.id().to_string();
    stage.ledger.write(Record::Accepted { job, workflow: true, duplicate: false });
    for _ in 0..20 {
        stage.dispatched(app.dispatch(Work { act: Act::returns(1_000) }).await);
    }
    stage.until_recorded(1, |record| matches!(record, Record::Started { .. })).await;

    stage.fault("memory limit", 0);
    stage.server.configure("maxmemory", "1").expect("a limit");
    let until = Instant::now() + Duration::from_secs(if scale > 1 { 60 } else { 5 });
    if let Some(worker) = workers.first_mut() {
        stage.kill(worker);
        // it connects, greets and works, though nothing more fits
        *worker = stage.worker(WorkerPart::default());
    }
    let mut findings = Vec::new();
    let cancelled = never.cancel("while the memory is full").await;
    if !matches!(cancelled, Ok(CancelOutcome::Cancelled)) {
        findings.push(format!("a cancellation was answered with {cancelled:?}"));
    }
    let mut refusals = 0;
    while Instant::now() < until {
        findings.extend(refused("a job", app.dispatch(Work { act: Act::default() }).into_future()).await);
        let many = (0..100).map(|_| Work { act: Act::default() });
        findings.extend(refused("many jobs", app.dispatch_many(many).into_future()).await);
        let chain = Work { act: Act::default() }.then(Follow::s().act(Act::default()));
        findings.extend(refused("a workflow", app.dispatch(chain).into_future()).await);
        refusals += 3;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // all that was accepted has ended, and still nothing more fits
    stage.quiet(&adapter).await;
    findings.extend(refused("a job", app.dispatch(Work { act: Act::default() }).into_future()).await);
    if let Err(error) = late.result_within(FAST).await {
        findings.push(format!("a delayed job ended with {error}"));
    }
    if let Err(error) = flow.result_within(FAST).await {
        findings.push(format!("a workflow ended with {error}"));
    }
    findings.extend(trim(&trimmed).await);

    let freed = now();
    stage.server.configure("maxmemory", "0").expect("no limit");
    let again = app.dispatch(Work { act: Act::returns(5) }).await;
    let again = stage.dispatched(again);
    if let Err(error) = again.result_within(PATIENCE).await {
        findings.push(format!("a job after the limit was lifted ended with {error}"));
    }
    stage
        .until("the producer's jobs after the limit was lifted", || {
            let history = stage.history();
            let after = |line: &&crate::ledger::Line| line.pid == producer.pid() && line.at > freed;
            let accepted = history.lines.iter().filter(after);
            let accepted = accepted.filter(|line| matches!(line.record, Record::Accepted { .. })).count();
            std::future::ready(accepted > 20)
        })
        .await;
    stage.stop(&mut producer).await;
    let mut report = stage.finish(workers).await;
    report.demand(findings.is_empty(), || findings.join("; "));
    report.demand(refusals > 20, || format!("only {refusals} dispatches were refused"));
    let odd: Vec<&String> = report
        .history
        .lines
        .iter()
        .filter_map(|line| match &line.record {
            Record::Failed { error, took, .. }
                if !error.contains("is full") || Duration::from_micros(*took) > FAST =>
            {
                Some(error)
            }
            _ => None,
        })
        .collect();
    let odd = odd.first().map(|first| format!("{} calls failed otherwise or slowly: {first}", odd.len()));
    report.demand(odd.is_none(), || odd.unwrap_or_default());
    report.demand(report.failed_calls > 0, || "the producer was never refused".to_owned());
    report
}

/// What is wrong with the refusal of a dispatch.
async fn refused<T>(what: &str, dispatch: impl Future<Output = Result<T, DispatchError>>) -> Option<String> {
    let asked = Instant::now();
    match dispatch.await {
        Err(DispatchError::Adapter(AdapterError::Full { .. })) if asked.elapsed() <= FAST => None,
        Err(error) => Some(format!("{what} was refused after {:?} with {error}", asked.elapsed())),
        Ok(_) => Some(format!("{what} was accepted")),
    }
}

/// Jobs of another namespace that have ended: its worker is nobody, so that what becomes of them is up to us.
async fn ended_elsewhere(stage: &Stage) -> RedisAdapter {
    let config = RedisConfig::new(stage.server.url()).namespace("other");
    let adapter = RedisAdapter::connect(config).await.expect("a connection");
    let app = App::new(adapter.clone());
    for _ in 0..10 {
        let job = app.dispatch(Work { act: Act::default() }).await.expect("a dispatch");
        job.cancel("to be trimmed").await.expect("a cancellation");
    }
    adapter
}

/// What is wrong with the removal of these jobs.
async fn trim(adapter: &RedisAdapter) -> Option<String> {
    let nothing = RetentionLimit::new(Duration::ZERO, 0);
    let retention = Retention::all(nothing);
    let before = adapter.counts(Work::NAME).await.map(|counts| counts.cancelled);
    let swept = adapter.sweep(&[Work::NAME.into()], retention).await;
    let after = adapter.counts(Work::NAME).await.map(|counts| counts.cancelled);
    match (before, swept, after) {
        (Ok(10), Ok(_), Ok(0)) => None,
        other => Some(format!("before, during and after the removal of jobs: {other:?}")),
    }
}
