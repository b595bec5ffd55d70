//! Answers that are lost on their way: the server has done what was asked, and nobody has heard of it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig, failpoint};

use crate::ledger::{History, Ledger, Record};
use crate::process::{Config, KEEP_ALL, Mix, Producer, WorkerPart};
use crate::proxy::{Kind, Proxy};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::{Act, Gather, SCHEDULE, Work};

/// What workers call.
const WORKERS: &[&str] = &[
    "close_key",
    "declare",
    "declare_limits",
    "due_schedules",
    "exchange",
    "fetch",
    "handshake",
    "note",
    "renew",
    "sweep",
    "take_key",
    "tick",
];
/// What producers call.
const PRODUCERS: &[&str] = &[
    "admit",
    "cancel",
    "cancel_workflow",
    "catch_up",
    "collected",
    "counts",
    "enqueue",
    "flush",
    "handshake",
    "inspect",
    "list_schedules",
    "pause_schedule",
    "promote",
    "put_schedules",
    "remove_schedule",
    "replace",
    "reprioritise",
    "revive",
    "schedule",
    "set_gate",
    "stage_workflow",
    "start_workflow",
    "trigger",
    "watch",
    "workflow",
];
/// What only this project's tests call: it moves the clock of a namespace.
const TESTS: &[&str] = &["shift"];

/// Fault 7: for every script that a worker or a producer calls, its answer is lost after it ran, and its connection with it.
///
/// Demands besides the invariants that no attempt of a job was begun twice, that there is no job that nobody dispatched, and
/// that each script's answer was lost.
pub async fn lost_replies(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("lost replies", seed);
    let workers_proxy = Proxy::start(stage.server.port()).await.expect("a port");
    let producers_proxy = Proxy::start(stage.server.port()).await.expect("a port");
    let settings = WorkerPart {
        // small, so that jobs come when there is no room
        concurrency: 3,
        lease: Duration::from_secs(3),
        sweep: Duration::from_millis(200),
        schedules: 2,
        ..WorkerPart::default()
    };
    let worker = |stage: &Stage| {
        let config = stage.config("worker");
        stage.start(Config { worker: Some(settings.clone()), url: workers_proxy.url(), ..config })
    };
    let mut workers = vec![worker(&stage), worker(&stage)];
    let mix = Mix { scheduled: 8, ..Mix::default() };
    let producing =
        Producer { count: 0, awaited: 100, pause: Duration::from_millis(30), mix, ..Producer::default() };
    let mut producer = stage.start(Config {
        producer: Some(producing),
        url: producers_proxy.url(),
        ..stage.config("producer")
    });
    let customer = Customer::start(&stage, &producers_proxy).await;

    let mut targets: Vec<(&Proxy, &str, &str)> = Vec::new();
    targets.extend(WORKERS.iter().map(|script| (&workers_proxy, "worker", *script)));
    targets.extend(PRODUCERS.iter().map(|script| (&producers_proxy, "producer", *script)));
    for _ in 0..scale {
        for place in (1..targets.len()).rev() {
            targets.swap(place, stage.random.below(place as u64 + 1) as usize);
        }
        for (proxy, role, script) in &targets {
            let before = proxy.lost();
            prepare(&mut stage, proxy, role, script);
            if matches!(*script, "declare" | "declare_limits") {
                // a worker does so when it starts
                workers.push(worker(&stage));
            }
            let what = format!("a call of `{script}` by a {role}");
            stage.until(&what, || std::future::ready(proxy.lost() > before)).await;
        }
    }

    customer.stop().await;
    producer.terminate();
    stage.until_ended(&mut producer).await;
    stage.quiet(&stage.adapter().await).await;
    let (history, snapshot) = (stage.history(), stage.snapshot().await);
    let tried: HashSet<&str> = history
        .lines
        .iter()
        .filter_map(|line| match &line.record {
            Record::Trying { job, .. } => Some(job.as_str()),
            _ => None,
        })
        .collect();
    let stray: Vec<&String> = snapshot.jobs.keys().chain(snapshot.flows.keys()).collect();
    let is_stray = |job: &&String| !tried.contains(job.as_str()) && !job.starts_with(SCHEDULE);
    let stray: Vec<_> = stray.into_iter().filter(is_stray).collect();

    let mut report = stage.finish(workers).await;
    report.demand(stray.is_empty(), || format!("there are jobs that nobody dispatched: {stray:?}"));
    let twice = begun_twice(&history);
    report.demand(twice.is_empty(), || format!("attempts were begun twice: {twice:?}"));
    let known = [WORKERS, PRODUCERS, TESTS, failpoint::SELDOM, failpoint::UPKEEP].concat();
    let known: HashSet<_> = known.into_iter().collect();
    for (script, _) in taskora_redis::functions() {
        report.demand(known.contains(script), || format!("nobody is said to call `{script}`"));
    }
    for (_, role, script) in targets {
        let lost = report.faults.get(&fault(role, script)).copied().unwrap_or(0);
        report.demand(lost >= u64::from(scale), || format!("`{script}` lost {lost} answers of a {role}"));
    }
    report
}

fn fault(role: &str, script: &str) -> String {
    format!("lost `{script}` of a {role}")
}

/// The answer to a role's next call of a script will be lost.
fn prepare(stage: &mut Stage, proxy: &Proxy, role: &str, script: &str) {
    let functions = taskora_redis::functions();
    let (_, function) = functions.into_iter().find(|(known, _)| *known == script).expect("a known script");
    stage.fault(&fault(role, script), 0);
    // with its end, as the name of one may begin that of another
    proxy.lose(format!("{function}\r\n"), 1);
    if script == "handshake" {
        proxy.cut_kind(Kind::Commands);
    }
}

/// The attempts that more than one handler began, in one life of their job.
fn begun_twice(history: &History) -> Vec<(String, u32)> {
    let (mut begun, mut lives): (HashMap<_, usize>, HashMap<_, usize>) = Default::default();
    for line in &history.lines {
        match &line.record {
            Record::Started { job, attempt, .. } => *begun.entry((job.clone(), *attempt)).or_default() += 1,
            Record::Reviving { job } => *lives.entry(job.clone()).or_default() += 1,
            _ => {}
        }
    }
    let is_twice = |(job, times): (&String, usize)| times > 1 + lives.get(job).copied().unwrap_or(0);
    begun
        .into_iter()
        .filter(|((job, _), times)| is_twice((job, *times)))
        .map(|(attempt, _)| attempt)
        .collect()
}

async fn adapter(proxy: &Proxy) -> RedisAdapter {
    RedisAdapter::connect(RedisConfig::new(proxy.url())).await.expect("a connection")
}

/// Does in this process what the producer processes do not: starts workflows too large for one call, runs jobs long enough
/// to be renewed, and looks at everything.
struct Customer {
    is_stopping: Arc<AtomicBool>,
    work: tokio::task::JoinHandle<()>,
}

impl Customer {
    async fn start(stage: &Stage, proxy: &Proxy) -> Self {
        let app = App::builder(adapter(proxy).await).retention(KEEP_ALL).build();
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (stopping, ledger) = (Arc::clone(&is_stopping), stage.ledger.clone());
        let work = tokio::spawn(async move {
            let mut number = 0;
            while !stopping.load(Ordering::Relaxed) {
                number += 1;
                tokio::join!(
                    Self::large_workflow(&app, &ledger, number),
                    Self::long_job(&app, &ledger, number)
                );
            }
        });
        Self { is_stopping, work }
    }

    async fn stop(self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.work.await.expect("a customer that is not surprised");
    }

    async fn large_workflow(app: &App, ledger: &Ledger, number: u64) {
        let id = format!("large-{number}");
        ledger.write(Record::Trying { job: id.clone(), workflow: true });
        // above the megabyte that goes in one call
        let member = || Work { act: Act { ballast: "x".repeat(400_000), ..Act::returns(5) } };
        let flow = || {
            let header: Vec<_> = (0..3).map(|_| member()).collect();
            app.dispatch(chord(header, Gather::s().act(Act::returns(1)))).id(id.as_str()).into_future()
        };
        let handle = insist(flow).await;
        ledger.write(Record::Accepted { job: id.clone(), workflow: true, duplicate: false });
        insist(|| handle.graph()).await;
        insist(|| app.counts("work")).await;
        let done = handle.result().await;
        let (state, nonce) = done.map_or_else(
            |error| (format!("error: {error}"), None),
            |done| ("completed".to_owned(), Some(done.nonce)),
        );
        ledger.write(Record::Seen { job: id, workflow: true, state, nonce });
    }

    async fn long_job(app: &App, ledger: &Ledger, number: u64) {
        let id = format!("long-{number}");
        ledger.write(Record::Trying { job: id.clone(), workflow: false });
        let job = || app.dispatch(Work { act: Act::returns(1_100) }).id(id.as_str()).into_future();
        let handle = insist(job).await;
        ledger.write(Record::Accepted { job: id, workflow: false, duplicate: false });
        insist(|| handle.info()).await;
        // its end is checked like that of all others
        let _ = handle.result().await;
    }
}

/// Calls until it is answered.
async fn insist<T, E, F: Future<Output = Result<T, E>>>(call: impl Fn() -> F) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
