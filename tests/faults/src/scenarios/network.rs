//! Connections that break or fall silent, and a server that goes away and comes back.

use std::time::{Duration, Instant};

use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{RedisServer, Reply};

use crate::ledger::{Record, now};
use crate::process::{Config, KEEP_ALL, Process, Producer, WorkerPart};
use crate::proxy::{Kind, Proxy};
use crate::report::{Report, percentile};
use crate::stage::Stage;
use crate::tasks::{Act, Done, Work};

/// How soon workers must run jobs again once the server's port is open.
const BACK: Duration = Duration::from_secs(5);
/// How soon a half-open connection must be noticed: the longest wait of a `BLPOP`, and five seconds.
const NOTICED: Duration = Duration::from_secs(10);
/// For a machine that is busy.
const MOMENT: Duration = Duration::from_secs(1);

/// Dispatches a job by hand, and writes it down; tries again until it is accepted.
async fn dispatch(stage: &Stage, app: &App, id: &str, millis: u64) -> JobHandle<Done> {
    stage.ledger.write(Record::Trying { job: id.to_owned(), workflow: false });
    loop {
        if let Ok(handle) = app.dispatch(Work { act: Act::returns(millis) }).id(id).await {
            let duplicate = matches!(handle.outcome(), Outcome::Duplicate(_));
            stage.ledger.write(Record::Accepted { job: id.to_owned(), workflow: false, duplicate });
            return handle;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// When this happened first after a time, if it has.
fn first(stage: &Stage, after: u64, wanted: impl Fn(u32, &Record) -> bool) -> Option<Duration> {
    let history = stage.history();
    let line = history.lines.iter().find(|line| line.at >= after && wanted(line.pid, &line.record))?;
    Some(Duration::from_micros(line.at - after))
}

/// Fault 8: Redis is killed and started again, while workers idle and while they are busy.
///
/// Demands besides the invariants that every worker runs jobs again within five seconds of the port being open, and that
/// no process had to be started for it.
pub async fn restarts(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::with("restarts", seed, RedisServer::builder().append_only("always"));
    let settings = WorkerPart { concurrency: 2, ..WorkerPart::default() };
    let mut workers: Vec<Process> = (0..3).map(|_| stage.worker(settings.clone())).collect();
    let app = stage.app().await;
    let mut back = Vec::new();
    for round in 0..scale {
        stage.until("all workers idle", || std::future::ready(blocked(&stage) == Some(3))).await;
        // long enough for the longest pauses between two tries
        back.extend(restart(&mut stage, &workers, &app, round, "idle", 2_000).await);
        let mut producer = stage.producer(Producer {
            count: 0,
            millis: 100,
            pause: Duration::from_millis(10),
            ..Producer::default()
        });
        stage.until_recorded(100, |record| matches!(record, Record::Effect { .. })).await;
        back.extend(restart(&mut stage, &workers, &app, round, "busy", 800).await);
        producer.terminate();
        stage.until_ended(&mut producer).await;
    }
    let ended: Vec<_> = workers.iter_mut().filter_map(|worker| worker.ended()).collect();
    let mut report = stage.finish(workers).await;
    report.demand(ended.is_empty(), || format!("processes ended: {ended:?}"));
    println!("restarts: consuming again p50 {:?}, max {:?}", percentile(&back, 0.5), percentile(&back, 1.0));
    for time in back {
        report.demand(time <= BACK, || format!("a worker ran jobs again {time:.2?} after the port was open"));
    }
    report
}

fn blocked(stage: &Stage) -> Option<u64> {
    stage.server.info("blocked_clients").ok().flatten()?.parse().ok()
}

/// Kills the server and starts it again. Answers for each worker how long it took from then on until it began a job.
async fn restart(
    stage: &mut Stage,
    workers: &[Process],
    app: &App,
    round: u32,
    when: &str,
    least: u64,
) -> Vec<Duration> {
    stage.fault(&format!("restart while {when}"), 0);
    stage.server.kill();
    let down = stage.random.between(least, least + 500);
    tokio::time::sleep(Duration::from_millis(down)).await;
    stage.server.restart().expect("a server that comes back");
    let opened = now();
    let mut number = 0;
    loop {
        let times = workers.iter().map(|worker| {
            first(stage, opened, |pid, record| {
                pid == worker.pid() && matches!(record, Record::Started { .. })
            })
        });
        let times: Vec<_> = times.collect();
        if times.iter().all(Option::is_some) || now() - opened > 2 * BACK.as_micros() as u64 {
            return times.into_iter().map(|time| time.unwrap_or(2 * BACK)).collect();
        }
        // there is something for everybody to do
        dispatch(stage, app, &format!("{when}-{round}-{number}"), 50).await;
        number += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fault 9: connections of each kind become half-open: those of an idle worker, of a busy one, and of a producer that
/// dispatches and awaits. Sweeps are as rare as users have them.
///
/// Demands besides the invariants that each is replaced in time, that jobs run and dispatches succeed meanwhile, and
/// that a cancellation and a result that were missed are learnt.
pub async fn half_open(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("half-open", seed);
    // renewed after six to eight seconds, and not the nine to twelve of the default, for which this has no time
    let lease = Duration::from_secs(20);
    let settings = WorkerPart { lease, sweep: Duration::from_secs(5), ..WorkerPart::default() };
    let alone = WorkerPart { concurrency: 2, ..settings.clone() };
    let direct = stage.app().await;
    let mut findings = Vec::new();
    let mut workers = Vec::new();
    let mut proxies = Vec::new();
    for _ in 0..4 {
        proxies.push(Proxy::start(stage.server.port()).await.expect("a port"));
    }
    let [busy, idle, deaf, own] = proxies.as_slice() else { unreachable!("four proxies") };
    // as the only one, it gets the jobs that keep it busy
    workers.push(stage.start(Config { worker: Some(alone), url: busy.url(), ..stage.config("busy") }));
    let adapter = RedisAdapter::connect(RedisConfig::new(own.url())).await.expect("a connection");
    let app = App::builder(adapter).retention(KEEP_ALL).build();
    for round in 0..scale {
        let doomed = dispatch(&stage, &app, &format!("doomed-{round}"), 60_000).await;
        let awaited = dispatch(&stage, &app, &format!("awaited-{round}"), 1_500).await;
        let result = tokio::spawn(async move { awaited.result().await.map(|_| now()) });
        let begun = 2 * (round as usize + 1);
        let is_own = |job: &str| job.starts_with("doomed") || job.starts_with("awaited");
        stage
            .until_recorded(begun, |record| matches!(record, Record::Started { job, .. } if is_own(job)))
            .await;
        if round == 0 {
            for (name, proxy) in [("idle", idle), ("deaf", deaf)] {
                let worker = Some(settings.clone());
                workers.push(stage.start(Config { worker, url: proxy.url(), ..stage.config(name) }));
            }
        }
        stage.until("two idle workers", || std::future::ready(blocked(&stage) >= Some(2))).await;
        stage.until("a watch", || std::future::ready(own.connections(Kind::Pushes) > 0)).await;
        tokio::time::sleep(Duration::from_millis(stage.random.between(200, 700))).await;

        let stranded = [
            ("a busy worker", busy, Kind::Commands),
            ("a busy worker", busy, Kind::Pushes),
            ("an idle worker", idle, Kind::Commands),
            ("an idle worker", idle, Kind::Pushes),
            ("an idle worker", deaf, Kind::Blocking),
            ("a producer", own, Kind::Commands),
            ("a producer", own, Kind::Pushes),
        ];
        let mut open = Vec::new();
        for (who, proxy, kind) in stranded {
            stage.fault("half-open", 0);
            open.push((format!("{kind:?} of {who}"), proxy, kind, proxy.connections(kind)));
            proxy.strand_kind(kind);
        }
        let (began, began_at) = (Instant::now(), now());
        doomed_is_cancelled(&direct, &doomed).await;
        for number in 0..5 {
            dispatch(&stage, &app, &format!("meanwhile-{round}-{number}"), 10).await;
        }
        let dispatched = began.elapsed();
        let mut noticed = Vec::new();
        while !open.is_empty() && began.elapsed() < NOTICED + 5 * MOMENT {
            open.retain(|(what, proxy, kind, before)| {
                let is_back = proxy.connections(*kind) > *before;
                if is_back {
                    noticed.push((what.clone(), began.elapsed()));
                }
                !is_back
            });
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // after the first round any of them may have it
        let told = |_, record: &Record| matches!(record, Record::Told { job, .. } if *job == format!("doomed-{round}"));
        noticed.push(("a cancellation".to_owned(), first(&stage, began_at, told).unwrap_or(Duration::MAX)));
        noticed.push(("five dispatches".to_owned(), dispatched));
        let patience = (NOTICED + 5 * MOMENT).saturating_sub(began.elapsed());
        let heard = tokio::time::timeout(patience, result).await.ok().and_then(Result::ok);
        let heard = heard.and_then(Result::ok).map(|at| Duration::from_micros(at.saturating_sub(began_at)));
        noticed.push(("a result".to_owned(), heard.unwrap_or(Duration::MAX)));
        for number in 0..5 {
            let id = format!("meanwhile-{round}-{number}");
            let ran = first(
                &stage,
                began_at,
                |_, record| matches!(record, Record::Started { job, .. } if *job == id),
            );
            noticed.push(("a job".to_owned(), ran.unwrap_or(Duration::MAX)));
        }
        noticed.extend(open.into_iter().map(|(what, ..)| (what, Duration::MAX)));
        println!("half-open: {noticed:.1?}");
        findings.extend(noticed.into_iter().filter(|(_, time)| *time > NOTICED + MOMENT));
    }
    let mut report = stage.finish(workers).await;
    for (what, time) in findings {
        let time = if time == Duration::MAX { "never".to_owned() } else { format!("after {time:.1?}") };
        report.demand(false, || format!("{what}: noticed {time}, and not within {NOTICED:?}"));
    }
    report
}

async fn doomed_is_cancelled(app: &App, doomed: &JobHandle<Done>) {
    let job = app.job::<Work>(doomed.id().clone());
    assert_eq!(job.cancel("for the test").await.ok(), Some(taskora::CancelOutcome::Requested));
}

/// Fault 10: each second all normal connections are killed, and all that are subscribed.
///
/// Demands besides the invariants that cancellations arrive long before the next renewal, as do results.
pub async fn killed_connections(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed connections", seed);
    // renewed after nine seconds
    let settings = WorkerPart { lease: Duration::from_secs(30), ..WorkerPart::default() };
    let workers = vec![stage.worker(settings.clone()), stage.worker(settings)];
    let producing =
        Producer { count: 0, awaited: 100, pause: Duration::from_millis(20), ..Producer::default() };
    let mut producer = stage.producer(producing);
    let app = stage.app().await;
    stage.until_recorded(50, |record| matches!(record, Record::Seen { .. })).await;
    let (mut killed, mut told) = ([0, 0], Vec::new());
    for second in 0..6 * scale {
        let id = format!("doomed-{second}");
        let doomed = dispatch(&stage, &app, &id, 60_000).await;
        stage.until_recorded(1, |record| matches!(record, Record::Started { job, .. } if *job == id)).await;
        let asked = now();
        for (place, kind) in ["normal", "pubsub"].into_iter().enumerate() {
            tokio::time::sleep(Duration::from_millis(stage.random.below(500))).await;
            stage.fault(&format!("kill of {kind} connections"), 0);
            let answer = stage.server.command(&["CLIENT", "KILL", "TYPE", kind]);
            if let Ok(Reply::Number(count)) = answer {
                killed[place] += count;
            }
        }
        // now that nobody is connected
        while doomed.cancel("for the test").await.is_err() {}
        let is_told = |record: &Record| matches!(record, Record::Told { job, .. } if *job == id);
        stage.until_recorded(1, is_told).await;
        told.extend(first(&stage, asked, |_, record| is_told(record)));
        let elapsed = Duration::from_micros(now() - asked);
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(elapsed)).await;
    }
    producer.terminate();
    stage.until_ended(&mut producer).await;
    let history = stage.history();
    let mut report = stage.finish(workers).await;
    let mut heard = Vec::new();
    for line in &history.lines {
        let Record::Seen { job: seen, workflow: false, .. } = &line.record else { continue };
        let end =
            history.lines.iter().rev().find(
                |line| matches!(&line.record, Record::Settled { job, state: Some(_), .. } if job == seen),
            );
        heard.extend(end.map(|end| Duration::from_micros(line.at.saturating_sub(end.at))));
    }
    let (last_told, last_heard) =
        (percentile(&told, 1.0).unwrap_or_default(), percentile(&heard, 1.0).unwrap_or_default());
    println!(
        "killed connections: {killed:?}; cancellations p50 {:.2?}, max {last_told:.2?}; results p50 {:.2?}, max \
         {last_heard:.2?} of {}",
        percentile(&told, 0.5).unwrap_or_default(),
        percentile(&heard, 0.5).unwrap_or_default(),
        heard.len()
    );
    report.demand(killed.iter().all(|count| *count > 0), || format!("{killed:?} connections were killed"));
    report.demand(told.len() == 6 * scale as usize, || format!("{} handlers were told", told.len()));
    report.demand(last_told <= 3 * MOMENT, || format!("told after {last_told:.2?}"));
    report.demand(last_heard <= 2 * MOMENT, || format!("a result arrived after {last_heard:.2?}"));
    report
}

/// Fault 11: all functions are forgotten ten times a second, while processes come and go.
///
/// Demands besides the invariants that no call of a producer fails, and no handler runs for nothing.
pub async fn flushed_scripts(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("flushed scripts", seed);
    let workers = vec![stage.worker(WorkerPart::default()), stage.worker(WorkerPart::default())];
    let producing =
        Producer { count: 0, awaited: 100, pause: Duration::from_millis(10), ..Producer::default() };
    let mut producers = vec![stage.producer(producing.clone())];
    for tenth in 0..50 * scale {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stage.fault("flush", 0);
        let how = if stage.random.percent(50) { "SYNC" } else { "ASYNC" };
        let answer = stage.server.command(&["FUNCTION", "FLUSH", how]).expect("an answer");
        assert_eq!(answer, Reply::Text("OK".to_owned()));
        if tenth % 25 == 12 {
            // one that has just connected
            producers.push(stage.producer(Producer { count: 50, ..producing.clone() }));
        }
    }
    producers[0].terminate();
    for producer in &mut producers {
        stage.until_ended(producer).await;
    }
    let history = stage.history();
    let errors: Vec<String> = history
        .lines
        .iter()
        .filter_map(|line| match &line.record {
            Record::Failed { call, error, .. } => Some(format!("`{call}` failed: {error}")),
            Record::Seen { state, .. } if state.starts_with("error") => Some(state.clone()),
            _ => None,
        })
        .collect();
    let loaded = stage.server.info("cmdstat_function|load").ok().flatten();
    let mut report = stage.finish(workers).await;
    report
        .demand(errors.is_empty(), || format!("{} errors reached users: {:?}", errors.len(), errors.first()));
    report.demand(loaded.is_some(), || "the server knew every function at any time".to_owned());
    report
}
