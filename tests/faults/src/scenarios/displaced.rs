//! Workers that are away for longer than their leases, and come back: faults 4 and 13.

use std::time::{Duration, Instant};

use crate::ledger::{History, Record};
use crate::process::{Config, Process, WorkerPart};
use crate::proxy::{Fate, Proxy};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, End, Work};

/// A lease, in which nothing is heard of the worker three times over.
const LEASE: Duration = Duration::from_secs(1);

/// How long those of its jobs take that end while it is away. A busy machine may need a good part of it to start them.
const LENGTH: Duration = Duration::from_secs(6);

/// Fault 4: SIGSTOP for three leases, then SIGCONT. The jobs run elsewhere; what the worker still says is refused, and its
/// handlers are told.
pub async fn frozen(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("frozen", seed);
    let (mut findings, mut workers) = (Vec::new(), vec![stage.worker(settings())]);
    for _ in 0..scale {
        let away = stage.start(Config { threads: 3, worker: Some(settings()), ..stage.config("away") });
        let mut load = Load::default();
        let jobs = loop {
            load.keep_busy(&mut stage, &away).await;
            stage.fault("SIGSTOP", away.pid());
            away.freeze();
            match load.running(&stage, &away) {
                Some(jobs) => break jobs,
                // one of them has ended just before
                None => away.thaw(),
            }
        };
        let frozen_at = Instant::now();
        until_elsewhere(&stage, &away, &jobs).await;
        tokio::time::sleep_until((frozen_at + LENGTH).into()).await;
        away.thaw();
        findings.extend(refused(&stage, &away, &jobs).await);
        workers.push(away);
    }
    let mut report = stage.finish(workers).await;
    report.demand(findings.is_empty(), || findings.join("; "));
    let refused = report.history.count(|record| matches!(record, Record::Settled { state: None, .. }));
    let told = report.history.count(|record| matches!(record, Record::Told { .. }));
    // of those that it ran, some came to their end while it was away, and some could not
    report.demand(refused > 0 && told > 0, || format!("{refused} settlements refused, {told} handlers told"));
    report
}

/// Fault 13: the way to Redis is cut for two leases, while another worker lives: silently, or with connections refused. The
/// jobs run elsewhere; the old results are refused.
pub async fn cut_off(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("cut off", seed);
    let (mut findings, mut workers) = (Vec::new(), vec![stage.worker(settings())]);
    for round in 0..(2 * scale) {
        let proxy = Proxy::start(stage.server.port()).await.expect("a proxy");
        let worker = Some(settings());
        let away = Config { url: proxy.url(), threads: 3, worker, ..stage.config("away") };
        let away = stage.start(away);
        let silently = round % 2 == 0;
        let mut load = Load::default();
        let jobs = loop {
            load.keep_busy(&mut stage, &away).await;
            stage.fault(if silently { "black hole" } else { "refused connections" }, away.pid());
            if silently {
                proxy.set(Fate::BlackHole);
            } else {
                proxy.refuse(true);
                proxy.reset();
            }
            if let Some(jobs) = load.running(&stage, &away) {
                break jobs;
            }
            // one of them has ended just before
            proxy.set(Fate::Pass);
            proxy.refuse(false);
        };
        until_elsewhere(&stage, &away, &jobs).await;
        proxy.set(Fate::Pass);
        proxy.refuse(false);
        findings.extend(refused(&stage, &away, &jobs).await);
        // it works again like any other
        let app = stage.app().await;
        let (pid, before) = (away.pid(), starts_of(&stage.history(), away.pid()));
        stage
            .until("a new job of the worker that came back", || async {
                stage.dispatched(app.dispatch(Work { act: Act::returns(50) }).await);
                starts_of(&stage.history(), pid) > before
            })
            .await;
        workers.push(away);
    }
    let mut report = stage.finish(workers).await;
    report.demand(findings.is_empty(), || findings.join("; "));
    report
}

fn settings() -> WorkerPart {
    WorkerPart { lease: LEASE, sweep: Duration::from_millis(300), ..WorkerPart::default() }
}

/// What the worker that is about to be away is given: jobs that keep a thread busy, jobs that end while it is away, and long ones.
#[derive(Default)]
struct Load([Vec<String>; 3]);

impl Load {
    /// Dispatches until the worker runs a job of each kind.
    async fn keep_busy(&mut self, stage: &mut Stage, worker: &Process) {
        let app = stage.app().await;
        let long = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let length = u64::try_from(LENGTH.as_millis()).unwrap_or(u64::MAX);
        let kinds = [Act::ends(length, End::Block), Act::returns(length), Act::returns(long)];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = running(&stage.history(), worker.pid());
            let Some(kind) = self.lacking(&running) else { return };
            assert!(Instant::now() < deadline, "the worker is given no jobs of kind {kind}");
            let (Some(act), Some(jobs)) = (kinds.get(kind), self.0.get_mut(kind)) else { continue };
            let act = Act { only_in: Some(worker.pid()), ..act.clone() };
            let handle = stage.dispatched(app.dispatch(Work { act }).await);
            jobs.push(handle.id().to_string());
            // given to this worker, or to the other one
            stage
                .until("its start", || std::future::ready(stage.history().starts(handle.id().as_str()) > 0))
                .await;
        }
    }

    /// The jobs that the worker runs now, if there is one of each kind.
    fn running(&self, stage: &Stage, worker: &Process) -> Option<Vec<String>> {
        let running = running(&stage.history(), worker.pid());
        self.lacking(&running).is_none().then_some(running)
    }

    fn lacking(&self, running: &[String]) -> Option<usize> {
        self.0.iter().position(|jobs| !jobs.iter().any(|job| running.contains(job)))
    }
}

/// The jobs that a process has begun and not ended.
fn running(history: &History, pid: u32) -> Vec<String> {
    let mut running: Vec<(String, u64)> = Vec::new();
    for line in history.of(pid) {
        match &line.record {
            Record::Started { job, nonce, .. } => running.push((job.clone(), *nonce)),
            Record::Effect { nonce, .. } | Record::Told { nonce, .. } => {
                running.retain(|(_, run)| run != nonce)
            }
            _ => {}
        }
    }
    running.into_iter().map(|(job, _)| job).collect()
}

fn starts_of(history: &History, pid: u32) -> usize {
    history.of(pid).filter(|line| matches!(line.record, Record::Started { .. })).count()
}

async fn until_elsewhere(stage: &Stage, away: &Process, jobs: &[String]) {
    stage
        .until("the jobs elsewhere", || {
            let history = stage.history();
            let is_elsewhere = |job: &&String| {
                history.lines.iter().any(|line| {
                    line.pid != away.pid()
                        && matches!(&line.record, Record::Started { job: started, .. } if started == *job)
                })
            };
            std::future::ready(jobs.iter().filter(is_elsewhere).count() == jobs.len())
        })
        .await;
}

/// Waits until the worker that was away is done with these jobs, and says of which it was not told, or what it said and was
/// believed.
async fn refused(stage: &Stage, away: &Process, jobs: &[String]) -> Vec<String> {
    let pid = away.pid();
    stage
        .until("the end of the old attempts", || {
            let running = running(&stage.history(), pid);
            std::future::ready(!jobs.iter().any(|job| running.contains(job)))
        })
        .await;
    let history = stage.history();
    let mut findings = Vec::new();
    for job in jobs {
        let about = |wanted: &dyn Fn(&Record) -> bool| history.of(pid).any(|line| wanted(&line.record));
        let told = about(&|record| matches!(record, Record::Told { job: told, .. } if told == job));
        let refused = about(
            &|record| matches!(record, Record::Settled { job: settled, state: None, .. } if settled == job),
        );
        let believed = about(
            &|record| matches!(record, Record::Settled { job: settled, state: Some(_), .. } if settled == job),
        );
        if believed {
            findings.push(format!("what the worker that was away said of `{job}` was believed"));
        }
        // an attempt that came to its end is not told: it settles, which is refused, or gives up its lost lease
        let ended = about(&|record| matches!(record, Record::Effect { job: ended, .. } if ended == job));
        if !told && !refused && !ended {
            findings.push(format!("the old attempt at `{job}` was neither told nor refused"));
        }
    }
    findings
}
