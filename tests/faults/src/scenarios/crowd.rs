//! Many workers that have nothing to do.

use std::time::{Duration, Instant};

use crate::ledger::Record;
use crate::process::{Config, WorkerPart};
use crate::proxy::Proxy;
use crate::report::{Report, percentile};
use crate::stage::Stage;
use crate::tasks::{Act, Work};

/// Workers in one process.
const HALF: usize = 500;
/// Jobs that come one at a time.
const JOBS: u64 = 20;
/// Claims per job that may bring nothing.
const WASTED: f64 = 2.0;
/// The middle eight tenths of five hundred reconnections take at least this long.
const SPREAD: Duration = Duration::from_millis(200);

/// Fault 22: a thousand workers idle, and one job comes; then another. Half of the workers lose their connections at once.
///
/// Demands besides the invariants that at most two claims per job bring nothing, and that those who reconnect do not
/// all come back in the same moment.
pub async fn crowd(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("crowd", seed);
    let proxy = Proxy::start(stage.server.port()).await.expect("a port");
    let settings = WorkerPart {
        count: HALF,
        concurrency: 2,
        lease: Duration::from_secs(30),
        // all scripts that run are those of jobs
        sweep: Duration::from_secs(24 * 60 * 60),
        ..WorkerPart::default()
    };
    let near = stage.worker(settings.clone());
    let far = stage.start(Config { worker: Some(settings), url: proxy.url(), ..stage.config("far") });
    let app = stage.app().await;
    let mut spreads = Vec::new();
    let (mut calls, mut dispatched) = (0, 0);
    for round in 0..scale {
        stage.until("a thousand idle workers", || std::future::ready(is_idle(&stage))).await;
        let before = quiet_scripts(&stage).await;
        for number in 0..JOBS {
            let id = format!("{round}-{number}");
            stage.ledger.write(Record::Trying { job: id.clone(), workflow: false });
            let job = app.dispatch(Work { act: Act::returns(1) }).id(id.as_str());
            // some are not due at once
            let job = if number % 4 == 3 { job.delay(Duration::from_millis(50)) } else { job };
            job.await.expect("a store");
            stage.ledger.write(Record::Accepted { job: id.clone(), workflow: false, duplicate: false });
            let is_settled = |record: &Record| matches!(record, Record::Settled { job, .. } if *job == id);
            stage.until_recorded(1, is_settled).await;
            dispatched += 1;
        }
        calls += quiet_scripts(&stage).await - before;

        stage.fault("cut", far.pid());
        let cut = Instant::now();
        proxy.cut();
        stage.until("reconnections", || std::future::ready(proxy.accepted_since(cut).len() >= HALF)).await;
        let times = proxy.accepted_since(cut);
        stage.until("a thousand idle workers again", || std::future::ready(is_idle(&stage))).await;
        let part = |share| percentile(&times, share).unwrap_or_default();
        println!(
            "crowd: {} reconnections after {:.0?}",
            times.len(),
            [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0].map(part)
        );
        spreads.push(part(0.9).saturating_sub(part(0.1)));
    }
    let mut report = stage.finish(vec![near, far]).await;
    // an enqueue, a claim and a settlement
    let wasted = (calls as f64 - 3.0 * dispatched as f64) / dispatched as f64;
    println!("crowd: {calls} scripts for {dispatched} jobs: {wasted} wasted claims per job");
    report.demand(calls >= 3 * dispatched, || format!("{calls} scripts are too few for {dispatched} jobs"));
    report.demand(wasted <= WASTED, || format!("{wasted} claims per job brought nothing"));
    for spread in spreads {
        report.demand(spread >= SPREAD, || format!("eight tenths reconnected within {spread:?}"));
    }
    report
}

fn is_idle(stage: &Stage) -> bool {
    let blocked = stage.server.info("blocked_clients").ok().flatten();
    blocked.is_some_and(|count| count == (2 * HALF).to_string())
}

/// How many scripts the server has run, once it runs no more of them.
async fn quiet_scripts(stage: &Stage) -> u64 {
    let mut last = (scripts(stage), Instant::now());
    while last.1.elapsed() < Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let count = scripts(stage);
        if count != last.0 {
            last = (count, Instant::now());
        }
    }
    last.0
}

fn scripts(stage: &Stage) -> u64 {
    let calls = |command: &str| {
        let stats = stage.server.info(&format!("cmdstat_{command}")).ok().flatten();
        let calls =
            stats.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok());
        calls.unwrap_or(0)
    };
    calls("fcall")
}
