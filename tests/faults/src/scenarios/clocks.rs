//! Fault 15: processes whose clocks are wrong by minutes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ledger::{History, Record, now};
use crate::process::{Config, Mix, Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::{Act, Work};

/// Five minutes.
const SHIFT: i64 = 300;
/// The least delay of delayed jobs; the producers add up to half a second.
const DELAY: Duration = Duration::from_secs(1);
/// How much later than due a job may begin on a machine that is busy.
const LATE: Duration = Duration::from_secs(3);

/// Workers and producers five minutes ahead and five minutes behind, with jobs for now and for later, retries, workflows
/// with a deadline, handlers of several leases, and a kill: nothing begins early or late, no lease passes early, no
/// deadline is missed or met by mistake, and what the killed worker ran is rescued by one with another clock.
pub async fn clocks(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("clocks", seed);
    let library = library(&stage);
    let wrong = |config: Config, shift: i64| {
        let env = vec![
            ("LD_PRELOAD".to_owned(), library.display().to_string()),
            ("TASKORA_CLOCK_SHIFT".to_owned(), shift.to_string()),
        ];
        stage.start(Config { env, ..config })
    };
    let worker =
        |shift| wrong(Config { worker: Some(WorkerPart::default()), ..stage.config("worker") }, shift);
    let mut workers = vec![worker(SHIFT), worker(-SHIFT), worker(SHIFT)];
    let producer = |shift, count: u32, mix, ttl| {
        let part = Producer {
            count: u64::from(count * scale),
            awaited: 100,
            least_delay: DELAY,
            ttl,
            mix,
            ..Producer::default()
        };
        wrong(Config { producer: Some(part), ..stage.config("producer") }, shift)
    };
    let (chains, delayed) = (Mix { chain: 1, ..Mix::NOTHING }, Mix { delayed: 1, ..Mix::NOTHING });
    let (mut ahead_and_behind, mut later, mut roomy, mut hasty) = (vec![], vec![], vec![], vec![]);
    for shift in [SHIFT, -SHIFT] {
        ahead_and_behind.push((shift, producer(shift, 60, Mix::default(), None)));
        later.push((shift, producer(shift, 30, delayed, None)));
        roomy.push((shift, producer(shift, 15, chains, Some(Duration::from_secs(60)))));
        hasty.push((shift, producer(shift, 15, chains, Some(Duration::from_millis(1)))));
    }
    // handlers of three leases
    let app = stage.app().await;
    let mut long = Vec::new();
    for _ in 0..4 {
        long.push(stage.dispatched(app.dispatch(Work { act: Act::returns(3_000) }).await));
    }
    for job in &long {
        let _ = job.result_within(crate::stage::PATIENCE).await;
    }
    let mut findings = Vec::new();
    for (_, process) in ahead_and_behind.iter_mut().chain(&mut later).chain(&mut roomy).chain(&mut hasty) {
        stage.until_ended(process).await;
    }
    let rescued = stage.history().count(|record| matches!(record, Record::Rescued { .. }));
    if rescued > 0 {
        findings.push(format!("{rescued} sweeps took jobs back, and nobody was gone"));
    }
    for worker in &workers {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", worker.pid())).unwrap_or_default();
        if !maps.contains(&library.display().to_string()) {
            findings.push(format!("the clock of `{}` is right", worker.config().name));
        }
    }
    // a job of a worker that is ahead is rescued by one that is behind
    let _ = workers.pop();
    let last = stage.dispatched(app.dispatch(Work { act: Act::returns(4_000) }).await);
    stage.until("its start", || std::future::ready(stage.history().starts(last.id().as_str()) > 0)).await;
    let history = stage.history();
    let starts = |pid| history.of(pid).any(|line| is_start(&line.record, last.id().as_str()));
    let place = workers.iter().position(|worker| starts(worker.pid())).unwrap_or_default();
    if let Some(worker) = workers.get_mut(place) {
        stage.kill(worker);
    }
    let _ = last.result_within(crate::stage::PATIENCE).await;
    workers.remove(place);

    let mut report = stage.finish(workers).await;
    for (shift, process) in &later {
        findings.extend(due(&report.history, process.pid()));
        findings.extend(witness(&report.history, process.pid(), *shift));
    }
    for (processes, state, share) in [(&roomy, "completed", 100), (&hasty, "expired", 80)] {
        for (shift, process) in processes {
            findings.extend(deadline(&report.history, process, *shift, state, share));
        }
    }
    report.demand(findings.is_empty(), || findings.join("; "));
    let (most, times) = (report.recovery(1.0).unwrap_or_default(), report.recoveries.len());
    report.demand(times > 0 && most <= Duration::from_millis(2500), || {
        format!("{times} jobs of the killed worker ran again, after {most:?}")
    });
    report
}

/// Compiles the wrong clock.
fn library(stage: &Stage) -> PathBuf {
    let dir = stage.ledger.path().parent().map(Path::to_owned).expect("the ledger's directory");
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    std::fs::write(&source, include_str!("../clock.c")).expect("a source file");
    let mut cc = Command::new("cc");
    let status = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    assert!(status.expect("a C compiler, which Rust needs too").success(), "the clock cannot be compiled");
    library
}

fn is_start(record: &Record, wanted: &str) -> bool {
    matches!(record, Record::Started { job, .. } if job == wanted)
}

/// Delayed jobs of this producer that begin too early or too late.
fn due(history: &History, pid: u32) -> Vec<String> {
    let (mut findings, mut count) = (Vec::new(), 0);
    let first = |wanted: &dyn Fn(&Record) -> bool| {
        history.lines.iter().find(|line| wanted(&line.record)).map(|line| line.at)
    };
    for line in history.of(pid) {
        let Record::Accepted { job, .. } = &line.record else { continue };
        count += 1;
        let tried = first(&|record| matches!(record, Record::Trying { job: tried, .. } if tried == job));
        let (Some(tried), Some(started)) = (tried, first(&|record| is_start(record, job))) else {
            findings.push(format!("`{job}` never began"));
            continue;
        };
        let after = Duration::from_micros(started.saturating_sub(tried));
        let latest = Duration::from_micros(line.at - tried) + DELAY + Duration::from_millis(500) + LATE;
        if after + Duration::from_millis(2) < DELAY || after > latest {
            findings.push(format!("`{job}` began after {after:?}"));
        }
    }
    if count == 0 {
        findings.push("nothing was delayed".to_owned());
    }
    findings
}

/// Whether this producer's clock was as wrong as it should be: the ids that it made tell the time.
fn witness(history: &History, pid: u32, shift: i64) -> Option<String> {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as i64;
    let begin = real - (now() / 1_000) as i64;
    let told = history.of(pid).find_map(|line| {
        let Record::Trying { job, .. } = &line.record else { return None };
        let digits: String = job.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        let time = i64::from_str_radix(&digits, 16).ok().filter(|_| job.len() == 36)?;
        Some((time - begin - (line.at / 1_000) as i64) / 1_000)
    });
    let is_wrong = told.is_some_and(|told| (told - shift).abs() <= 5);
    (!is_wrong).then(|| format!("the clock of {pid} is {told:?} seconds ahead, and not {shift}"))
}

/// Workflows of this producer that did not end as they should, beyond a share in a hundred.
fn deadline(history: &History, process: &Process, shift: i64, state: &str, share: usize) -> Option<String> {
    let seen = history.of(process.pid()).filter_map(|line| match &line.record {
        Record::Seen { state, .. } => Some(state.as_str()),
        _ => None,
    });
    let seen: Vec<&str> = seen.collect();
    let right = seen.iter().filter(|seen| **seen == state).count();
    let is_right = !seen.is_empty() && right * 100 >= seen.len() * share;
    (!is_right)
        .then(|| format!("workflows of a producer {shift} s ahead ended as {seen:?}, and not as {state}"))
}
