//! Rates over all processes, of a task and of its keys, while workers are killed.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use taskora::adapter::{Control, DeclaredLimit, GatedTask, LimitKey, Rate};
use taskora::prelude::*;
use taskora_redis::RedisAdapter;

use super::lanes::{fill, have_declared, is_declared, is_work_left, parts};
use crate::check::TOLERANCE;
use crate::ledger::{History, Record};
use crate::process::WorkerPart;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::Work;

const PER: Duration = Duration::from_millis(500);
/// Of the task: a window.
const OF_TASK: Rate = Rate::new(25, PER);
/// Of each key: a window.
const OF_KEY: Rate = Rate::new(3, PER);
/// Of the keys with an odd number: a bucket, that was set.
const OF_ODD_KEY: Rate = Rate::new(4, PER).burst(2);
const KEYS: u64 = 10;
const JOBS: u64 = 12;
/// The most that a job costs.
const MOST_COST: u32 = 3;
const PROCESSES: usize = 4;

/// Fault 20, for rates: kill -9 of a random process each half second, under short leases.
///
/// Demands besides the invariants that in no time more jobs of the task, or of a key, have started than the rate says, each counted as
/// what it costs, that each rate is reached, and that all jobs come to an end.
pub async fn killed_among_rates(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed among rates", seed);
    let adapter = stage.adapter().await;
    let part = WorkerPart {
        count: 2,
        concurrency: 8,
        per_key_rate: Some((OF_KEY.max, OF_KEY.per)),
        ..WorkerPart::default()
    };
    let mut workers = vec![stage.worker(part.clone())];
    stage.until("the rate of each key", || async { is_declared(&adapter).await }).await;
    set_rates(&adapter, true).await;
    fill(&mut stage, &adapter, KEYS, JOBS * u64::from(scale), cost).await;
    workers.extend((1..PROCESSES).map(|_| stage.worker(part.clone())));

    let end = Instant::now() + PATIENCE * scale;
    while Instant::now() < end && is_work_left(&adapter).await {
        tokio::time::sleep(PER).await;
        let place = stage.random.below(workers.len() as u64) as usize;
        if let Some(worker) = workers.get_mut(place) {
            stage.kill(worker);
            *worker = stage.worker(part.clone());
        }
    }
    stage.quiet(&adapter).await;
    let declared = || std::future::ready(have_declared(&stage, &workers, part.count));
    stage.until("the rates of all workers", declared).await;
    set_rates(&adapter, false).await;
    let none = DeclaredLimit::none(GatedTask::new(Work::NAME));
    adapter.declare_limits(vec![none]).await.expect("declare_limits");

    let mut report = stage.finish(workers).await;
    let starts = starts(&report.history);
    let all: Vec<Start> = starts.values().flatten().copied().collect();
    let mut rates = vec![("the task".to_owned(), OF_TASK, all)];
    rates.extend(
        starts.into_iter().map(|(key, starts)| {
            (format!("key {key}"), if key % 2 == 1 { OF_ODD_KEY } else { OF_KEY }, starts)
        }),
    );
    report
        .demand(rates.len() as u64 == KEYS + 1, || format!("jobs of {} keys have started", rates.len() - 1));
    for (whose, rate, starts) in rates {
        let (surely, perhaps) = (most(rate, &starts, true), most(rate, &starts, false));
        report.demand(surely <= allowed(rate, PER), || {
            format!("jobs of {whose} that cost {surely} have started within {PER:?}, under a rate of {rate}")
        });
        // a bucket gives what it has at first, and a window all that it has, but for what is less than the next job costs
        let kept = if rate == OF_TASK { MOST_COST - 1 } else { 0 };
        report.demand(perhaps >= rate.at_once() - kept, || {
            format!("jobs of {whose} that cost {perhaps} have started within {PER:?} at most, under a rate of {rate}")
        });
    }
    let kills = report.faults.get("kill").copied().unwrap_or(0);
    report.demand(kills >= 4, || format!("only {kills} processes were killed"));
    report
}

/// Sets the rates of the task and of the odd keys, or resets them.
async fn set_rates(adapter: &RedisAdapter, are_set: bool) {
    let task = GatedTask::new(Work::NAME);
    adapter.set_rate(&task, None, are_set.then_some(OF_TASK)).await.expect("set_rate");
    for key in (1..KEYS).step_by(2) {
        let key = LimitKey::new(format!("key {key}"));
        adapter.set_rate(&task, key.as_ref(), are_set.then_some(OF_ODD_KEY)).await.expect("set_rate");
    }
}

/// What a job costs: 1 or 2, and with an odd key, which never has as much at once, up to 3.
fn cost(key: u64, number: u64) -> u32 {
    1 + (number % (2 + key % 2)) as u32
}

/// How much the jobs that start within a time may cost.
fn allowed(rate: Rate, time: Duration) -> u32 {
    let of_bucket = |burst: u32| {
        burst + u32::try_from(time.as_micros() / u128::from(rate.interval())).unwrap_or(u32::MAX)
    };
    rate.burst.map_or(rate.max, of_bucket)
}

/// A start: it happened between these times, in microseconds.
#[derive(Clone, Copy)]
struct Start {
    cost: u32,
    asked: u64,
    told: u64,
}

/// The starts of each key. A repeated call starts nothing, so each lease counts once.
fn starts(history: &History) -> BTreeMap<u64, Vec<Start>> {
    let (mut starts, mut known): (BTreeMap<u64, Vec<Start>>, _) = (BTreeMap::new(), HashSet::new());
    for line in &history.lines {
        let Record::Claimed { job, token, asked, .. } = &line.record else { continue };
        let Some((key, number)) = parts(job) else { continue };
        if known.insert((job, *token)) {
            let cost = cost(key, number);
            starts.entry(key).or_default().push(Start { cost, asked: *asked, told: line.at });
        }
    }
    starts
}

/// The most that starts cost within less than the time of a rate that begins with one of them: those that must have been in it, or
/// those that may have been. A start never counts as more than the rate ever has.
fn most(rate: Rate, starts: &[Start], surely: bool) -> u32 {
    let per = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
    let is_within = |first: &Start, other: &Start| {
        if surely {
            other.asked >= first.asked && other.told + TOLERANCE < first.asked + per
        } else {
            other.told >= first.told && other.asked < first.told + per
        }
    };
    let beside = |first: &Start| {
        let within = starts.iter().filter(|other| is_within(first, other));
        within.map(|start| start.cost.min(rate.at_once())).sum()
    };
    starts.iter().map(beside).max().unwrap_or(0)
}
