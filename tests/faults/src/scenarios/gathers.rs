//! Batches of items that gather, while workers are killed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use taskora::adapter::{Collect, Jobs, LimitKey, NewJob};
use taskora::prelude::*;
use taskora_redis::RedisAdapter;

use super::lanes::{Held, leases};
use crate::check::TOLERANCE;
use crate::ledger::{History, Record};
use crate::process::{Process, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::{Act, End, Row};

/// How many keys there are, and how many items of each come at once, so often.
const KEYS: u64 = 50;
const AT_ONCE: u64 = 10;
const TIMES: u64 = 20;
/// The most items of a batch.
const SIZE: u32 = 25;
/// The first token of a job with an id of its own is one more than a multiple of this.
const TOKENS: u64 = 1_024;
/// Processes, each with one worker.
const PROCESSES: usize = 4;

/// Fault 20, for batches: kill -9 of a random worker each half second, under short leases, while items of fifty keys come.
///
/// Demands besides the invariants that no batch has items of two keys, or too many, or new ones beside such that came back, and
/// that of no key two batches run at once.
pub async fn killed_among_batches(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed among batches", seed);
    let adapter = stage.adapter().await;
    let part = WorkerPart { concurrency: 4, ..WorkerPart::default() };
    let mut workers: Vec<Process> = (0..PROCESSES).map(|_| stage.worker(part.clone())).collect();
    for number in 0..TIMES * u64::from(scale) {
        fill(&mut stage, &adapter, number).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let place = stage.random.below(workers.len() as u64) as usize;
        if let Some(worker) = workers.get_mut(place) {
            stage.kill(worker);
            *worker = stage.worker(part.clone());
        }
    }
    stage.quiet(&adapter).await;

    let mut report = stage.finish(workers).await;
    let batches = batches(&report.history);
    let wrong: Vec<&BTreeSet<(u64, bool)>> =
        batches.values().map(|batch| &batch.kinds).filter(|kinds| kinds.len() > 1).collect();
    report.demand(wrong.is_empty(), || format!("batches with items of several kinds: {wrong:?}"));
    let most = batches.values().map(|batch| batch.items).max().unwrap_or(0);
    report.demand(most <= SIZE as usize, || format!("a batch has {most} items, not {SIZE} at most"));
    report.demand(most > AT_ONCE as usize, || format!("no batch has more than {most} items"));
    let beside = beside(&report.history);
    report.demand(beside.is_empty(), || format!("batches of a key that ran at once: {beside:?}"));
    let kills = report.faults.get("kill").copied().unwrap_or(0);
    report.demand(kills >= TIMES / 2, || format!("only {kills} processes were killed"));
    report.demand(!report.recoveries.is_empty(), || "nobody was killed while running a batch".to_owned());
    report
}

/// Stores some items of each key.
async fn fill(stage: &mut Stage, adapter: &RedisAdapter, number: u64) {
    let collect =
        Collect::new(SIZE, Duration::from_millis(400)).max_wait(Duration::from_millis(900)).serial();
    let mut jobs = Vec::new();
    for item in 0..AT_ONCE {
        for key in 0..KEYS {
            let end = if stage.random.percent(5) { End::FailBefore(2) } else { End::Return };
            let row = Row { act: Act::ends(stage.random.below(60), end), key };
            let payload = serde_json::to_vec(&row).expect("it is JSON");
            let id = format!("row-{key}-{number}-{item}");
            stage.ledger.write(Record::Trying { job: id.clone(), workflow: false });
            jobs.push(NewJob {
                max_attempts: 5,
                max_stalls: 255,
                limit_key: LimitKey::new(format!("key {key}")),
                collect: Some(collect),
                ..NewJob::new(id, Row::NAME, payload)
            });
        }
    }
    adapter.enqueue(jobs.clone()).await.expect("enqueue");
    for job in jobs {
        stage.ledger.write(Record::Accepted { job: job.id.to_string(), workflow: false, duplicate: false });
    }
}

/// `17` of `row-17-3-4`.
fn key_of(job: &str) -> Option<u64> {
    job.strip_prefix("row-")?.split_once('-')?.0.parse().ok()
}

#[derive(Default)]
struct Batch {
    items: usize,
    /// Their keys, and whether they had been claimed before.
    kinds: BTreeSet<(u64, bool)>,
}

/// The batches that handlers have begun: their items have the same nonce.
fn batches(history: &History) -> BTreeMap<u64, Batch> {
    let (mut batches, mut tokens) = (BTreeMap::new(), HashMap::<&str, u64>::new());
    for line in &history.lines {
        match &line.record {
            Record::Claimed { job, token, .. } => drop(tokens.insert(job, *token)),
            Record::Started { job, nonce, .. } => {
                let Some(key) = key_of(job) else { continue };
                let batch: &mut Batch = batches.entry(*nonce).or_default();
                batch.items += 1;
                let is_first = tokens.get(job.as_str()).is_none_or(|token| token % TOKENS == 1);
                batch.kinds.insert((key, !is_first));
            }
            _ => {}
        }
    }
    batches
}

/// Items of a key whose leases were valid at once, although they were claimed in different calls.
fn beside(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for list in leases(history, key_of).values() {
        for one in list {
            let runs = |other: &&Held<'_>| {
                other.asked != one.asked
                    && other.claimed <= one.claimed
                    && other.until > one.claimed + TOLERANCE
            };
            found.extend(list.iter().find(runs).map(|other| format!("{} beside {}", one.job, other.job)));
        }
    }
    found
}
