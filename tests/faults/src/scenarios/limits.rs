//! Limits over all processes, while workers are killed and the limit changes.

use std::time::{Duration, Instant};

use crate::ledger::{History, Line, Record, now};
use crate::process::{Mix, Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::Work;

/// How many jobs may run at once, and how many at another time.
const MOST: u32 = 4;
const FEWER: u32 = 2;

/// Fault 20, for the limit of a task: kill -9 of random workers, while the limit is raised and lowered, and the task paused.
///
/// Demands besides the invariants that no more jobs run at once than the limit says, that it is reached, and that nothing starts
/// while the task is paused.
pub async fn killed_at_the_limit(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed at the limit", seed);
    let app = stage.app().await;
    let limit = || app.queues().limit::<Work>();
    limit().set(MOST).await.expect("a limit");
    let mix = Mix { plain: 10, delayed: 2, retried: 2, urgent: 1, cancelled: 2, ..Mix::NOTHING };
    let producing =
        Producer { count: 0, pause: Duration::from_millis(25), millis: 150, mix, ..Producer::default() };
    let mut producer = stage.producer(producing);
    let mut workers: Vec<Process> = (0..4).map(|_| stage.worker(WorkerPart::default())).collect();

    let end = Instant::now() + Duration::from_secs(4 * u64::from(scale));
    // since when the limit is lower, and when it was about to be raised
    let mut lowered: Vec<(u64, u64)> = Vec::new();
    let mut is_lowered = false;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(stage.random.between(200, 700))).await;
        let place = stage.random.below(workers.len() as u64) as usize;
        if let Some(worker) = workers.get_mut(place) {
            stage.kill(worker);
            *worker = stage.worker(WorkerPart::default());
        }
        if lowered.is_empty() || stage.random.percent(40) {
            is_lowered = !is_lowered;
            if is_lowered {
                limit().set(FEWER).await.expect("a lower limit");
                lowered.push((now(), u64::MAX));
            } else {
                lowered.last_mut().expect("it was lowered").1 = now();
                limit().set(MOST).await.expect("a higher limit");
            }
        }
    }

    // from here on nothing starts, once what runs has ended
    assert!(app.queues().pause::<Work>().reason("a test").await.expect("a pause"));
    stage
        .until("the end of what runs", || async {
            app.queues().gate::<Work>().await.is_ok_and(|gate| gate.running == 0)
        })
        .await;
    let paused = now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let resumed = now();
    let waits = app.counts("work").await.expect("counts").waiting;
    assert!(app.queues().resume::<Work>().await.expect("a resume"));

    stage.stop(&mut producer).await;
    // the rest without a limit, which leaves nothing of the gate
    limit().reset().await.expect("no limit");
    let reset = now();
    if is_lowered {
        lowered.last_mut().expect("it was lowered").1 = reset;
    }
    let mut report = stage.finish(workers).await;
    let attempts = attempts(&report.history, reset);
    let (most, started) = (most_at_once(&attempts), starts(&report.history, paused, resumed));
    let beside = beside_claims(&attempts, &lowered);
    report.demand(most <= MOST as usize, || format!("{most} jobs ran at once under a limit of {MOST}"));
    report.demand(most == MOST as usize, || format!("{most} jobs ran at once at most, {MOST} might have"));
    report.demand(!beside.is_empty(), || format!("nothing was claimed under a limit of {FEWER}"));
    report.demand(beside.iter().all(|count| *count < FEWER as usize), || {
        format!("jobs that ran while another was claimed under a limit of {FEWER}: {beside:?}")
    });
    report.demand(started == 0, || format!("{started} attempts began while the task was paused"));
    report.demand(waits > 0, || "nothing waited while the task was paused".to_owned());
    report
}

fn starts(history: &History, from: u64, to: u64) -> usize {
    let is_within = |line: &&Line| line.at > from && line.at < to;
    history
        .lines
        .iter()
        .filter(is_within)
        .filter(|line| matches!(line.record, Record::Started { .. }))
        .count()
}

/// The times of an attempt.
struct Attempt {
    /// When its lease was asked for.
    asked: u64,
    /// When its lease was given.
    claimed: u64,
    /// When its handler began.
    started: u64,
    /// Until when it certainly had a valid lease, in a process that lived.
    ended: u64,
}

/// The attempts that began before this time, up to then.
fn attempts(history: &History, before: u64) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for (at, line) in history.lines.iter().enumerate() {
        let Record::Started { job, nonce, .. } = &line.record else { continue };
        if line.at > before {
            continue;
        }
        let own = |other: &&Line| other.pid == line.pid;
        let end = history.lines.iter().skip(at).find_map(|other| match &other.record {
            Record::Effect { nonce: ended, .. } | Record::Told { nonce: ended, .. } if ended == nonce => {
                Some(other.at)
            }
            // an attempt that fails writes nothing else
            Record::Settling { job: of, .. } if of == job && own(&other) => Some(other.at),
            Record::Fault { kind, victim } if kind == "kill" && *victim == line.pid => Some(other.at),
            _ => None,
        });
        // its lease is not shorter than from the last time it was asked for
        let lease = history.lines.iter().filter(own).filter_map(|other| match &other.record {
            Record::Claimed { job: of, asked, lease, .. } if of == job => Some(asked + lease),
            Record::Renewed { job: of, asked, lease, extended: true, .. } if of == job => Some(asked + lease),
            _ => None,
        });
        let ended = end.unwrap_or(u64::MAX).min(lease.max().unwrap_or(line.at)).min(before);
        let claim = history.lines[..at].iter().rev().filter(own).find_map(|other| match &other.record {
            Record::Claimed { job: of, asked, .. } if of == job => Some((*asked, other.at)),
            _ => None,
        });
        let (asked, claimed) = claim.unwrap_or((line.at, line.at));
        attempts.push(Attempt { asked, claimed, started: line.at, ended });
    }
    attempts
}

/// The most attempts that ran at once.
fn most_at_once(attempts: &[Attempt]) -> usize {
    let running = attempts.iter().filter(|attempt| attempt.ended > attempt.started);
    // one that ends makes room for one that begins at the same time
    let mut edges: Vec<(u64, i32)> =
        running.flat_map(|attempt| [(attempt.started, 1), (attempt.ended, -1)]).collect();
    edges.sort_unstable();
    let (mut running, mut most) = (0, 0);
    for (_, change) in edges {
        running += change;
        most = most.max(running);
    }
    usize::try_from(most).unwrap_or(0)
}

/// For each attempt that was claimed within one of these times: how many others had a lease all the while that the claim took.
fn beside_claims(attempts: &[Attempt], within: &[(u64, u64)]) -> Vec<usize> {
    let is_within = |one: &&Attempt| within.iter().any(|(from, to)| one.asked > *from && one.claimed < *to);
    let beside = |one: &Attempt| {
        attempts.iter().filter(|other| other.claimed < one.asked && other.ended > one.claimed).count()
    };
    attempts.iter().filter(is_within).map(beside).collect()
}
