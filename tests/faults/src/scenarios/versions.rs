//! Fault 25: processes of two versions in one namespace.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use taskora_test_server::{RedisServer, Reply};

use crate::ledger::Record;
use crate::process::{Config, Process, Producer, WorkerPart};
use crate::proxy::Proxy;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};

/// The environment variable with the path of the other version's binary `process`, which `scripts/old-process` builds.
pub const VARIABLE: &str = "TASKORA_OLD_PROCESS";

/// The other version's binary; `None` is our own.
fn old() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// Workers and producers of both versions side by side; now and then a worker is killed, or the other version takes over from it. At the
/// end all are upgraded. Without [`VARIABLE`] the other version is this one.
pub async fn versions(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("versions", seed);
    let start = |stage: &Stage, is_old: bool| {
        let binary = old().filter(|_| is_old);
        let worker = Some(WorkerPart::default());
        stage.start(Config { binary, worker, ..stage.config(if is_old { "old" } else { "new" }) })
    };
    let mut workers: Vec<(bool, Process)> =
        [true, false, true, false].map(|is_old| (is_old, start(&stage, is_old))).into();
    let load = Producer {
        count: 0,
        pause: Duration::from_millis(20),
        awaited: 100,
        millis: 100,
        looks: true,
        ..Producer::default()
    };
    let mut producers = [true, false].map(|is_old| {
        let binary = old().filter(|_| is_old);
        stage.start(Config { binary, producer: Some(load.clone()), ..stage.config("producer") })
    });
    let end = Instant::now() + Duration::from_secs(4 * u64::from(scale));
    let mut place = 0;
    while Instant::now() < end {
        let pause = Duration::from_millis(stage.random.between(300, 900));
        tokio::time::sleep(pause).await;
        place = (place + 1) % workers.len();
        let Some((is_old, worker)) = workers.get_mut(place) else { continue };
        if stage.random.percent(50) {
            stage.kill(worker);
        } else {
            // the other version takes over, as in an upgrade, or in one that is taken back
            stage.fault("upgrade", worker.pid());
            stage.stop(worker).await;
            *is_old = !*is_old;
        }
        *worker = start(&stage, *is_old);
    }
    for producer in &mut producers {
        stage.stop(producer).await;
    }
    // an older version leaves alone what it does not know, so the upgrade comes to its end
    for (is_old, worker) in workers.iter_mut().filter(|(is_old, _)| *is_old) {
        stage.fault("upgrade", worker.pid());
        stage.stop(worker).await;
        (*is_old, *worker) = (false, start(&stage, false));
    }
    let parts = workers.iter().map(|(is_old, worker)| (*is_old, worker.pid())).collect::<Vec<_>>();
    let mut report = stage.finish(workers.into_iter().map(|(_, worker)| worker).collect()).await;
    for is_old in [true, false] {
        let name = if is_old { "old" } else { "new" };
        let pids = report.history.lines.iter().filter_map(|line| match &line.record {
            Record::Ready { name: ready } if ready.starts_with(name) => Some(line.pid),
            _ => None,
        });
        let pids: Vec<u32> = pids.collect();
        let is_start = |record: &Record| matches!(record, Record::Started { .. });
        let lines = report.history.lines.iter().filter(|line| pids.contains(&line.pid));
        let starts = lines.filter(|line| is_start(&line.record)).count();
        report.demand(starts > 0, || {
            format!("no job was run by a worker that is {name}; at the end: {parts:?}")
        });
    }
    report
}

/// A namespace that this version cannot share: one that dropped it, one that is older than it accepts, one that nobody can
/// read. A process that connects ends with an error that says so, and so does a worker that was connected, when it connects
/// again; one that connects when it needs to does nothing there; calls fail with the same words. Nothing is written.
pub async fn refused(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("refused", seed);
    let mut findings = Vec::new();
    // a job that somebody else has left there, which must stay
    let app = stage.app().await;
    let way = Proxy::start(stage.server.port()).await.expect("a proxy");
    let worker = Config { url: way.url(), worker: Some(WorkerPart::default()), ..stage.config("running") };
    let mut running = stage.start(worker);
    let before = crate::tasks::Work { act: crate::tasks::Act::returns(1) };
    let job = stage.dispatched(app.dispatch(before).await);
    let _ = job.result_within(PATIENCE).await;

    for (version, min) in
        [("99", "99"), ("0", "0"), ("two", "1")].into_iter().cycle().take(3 * scale as usize)
    {
        stage.fault("foreign signature", 0);
        sign(&stage.server, version, min);
        // a running worker meets it when it connects again
        way.cut();
        tokio::time::sleep(Duration::from_millis(200)).await;
        put_in_line(&stage.server);
        let changes = changes(&stage.server);
        let lazy = stage.worker(WorkerPart::default());
        let calls = Producer { count: 10, lanes: 1, ..Producer::default() };
        let producer = stage.producer(calls);
        let worker = Some(WorkerPart::default());
        let mut eager = stage.start(Config { eager: true, worker, ..stage.config("eager") });
        let ended = eager.wait(PATIENCE).await;
        if ended.and_then(|status| status.code()) != Some(1) {
            findings.push(format!("with version {version} from {min} on, a worker ended with {ended:?}"));
        }
        let (said, pid) = (stage.history(), eager.pid());
        let mut errors = said.of(pid).filter_map(|line| match &line.record {
            Record::Stopped { error } => error.as_deref(),
            _ => None,
        });
        if !errors.any(is_refusal) {
            findings.push(format!("with version {version} from {min} on, a worker did not say why it ended"));
        }
        stage
            .until("refused calls", || {
                let history = stage.history();
                let failed = history.of(producer.pid());
                let failed = failed
                    .filter(|line| matches!(&line.record, Record::Failed { error, .. } if is_refusal(error)));
                std::future::ready(failed.count() > 3)
            })
            .await;
        // two sweeps
        tokio::time::sleep(Duration::from_secs(1)).await;
        let written = self::changes(&stage.server) - changes;
        if written > 0 {
            findings.push(format!("with version {version} from {min} on, {written} changes were made"));
        }
        drop((lazy, producer));
        if stage.history().count(|record| matches!(record, Record::Claimed { job, .. } if job == "left")) > 0
        {
            findings.push("a job of a foreign namespace was claimed".to_owned());
        }
        stage.server.command(&["DEL", "{taskora}:wait:work", "{taskora}:ready"]).expect("an empty line");
    }
    // the worker that was running has met it, too
    let ended = running.wait(PATIENCE).await;
    if ended.and_then(|status| status.code()) != Some(1) {
        findings.push(format!("the worker that was running ended with {ended:?}"));
    }
    // signed as before, it is ours again
    sign(&stage.server, &taskora_redis::WIRE_VERSION.to_string(), "1");
    let running = stage.worker(WorkerPart::default());
    let again = crate::tasks::Work { act: crate::tasks::Act::returns(1) };
    let again = stage.dispatched(app.dispatch(again).await);
    if let Err(error) = again.result_within(Duration::from_secs(10)).await {
        findings.push(format!("a job in a namespace that is ours again ended with {error}"));
    }
    let mut report = stage.finish(vec![running]).await;
    report.demand(findings.is_empty(), || findings.join("\n  "));
    report
}

fn is_refusal(error: &str) -> bool {
    error.contains("incompatible wire format") && error.contains("this process writes wire version")
}

fn sign(server: &RedisServer, version: &str, min: &str) {
    let answer = server.command(&["HSET", "{taskora}:meta", "version", version, "min", min]);
    assert!(matches!(answer, Ok(Reply::Number(_))), "{answer:?}");
}

/// A line that a worker would take a job from.
fn put_in_line(server: &RedisServer) {
    let commands =
        [&["ZADD", "{taskora}:ready", "0", "work"][..], &["RPUSH", "{taskora}:wait:work", "      =left"]];
    for command in commands {
        let answer = server.command(command);
        assert!(matches!(answer, Ok(Reply::Number(1))), "{answer:?}");
    }
}

/// How much was written, by whomever.
fn changes(server: &RedisServer) -> u64 {
    let changes = server.info("rdb_changes_since_last_save").expect("a server");
    changes.and_then(|changes| changes.parse().ok()).expect("a number of changes")
}
