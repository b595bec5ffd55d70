//! Limits by key over all processes, while workers are killed.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use taskora::adapter::{Control, DeclaredLimit, GatedTask, Inspection, Jobs, LimitKey, NewJob};
use taskora::prelude::*;
use taskora_redis::RedisAdapter;

use crate::check::TOLERANCE;
use crate::ledger::{History, Record};
use crate::process::{Process, WorkerPart};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, End, Work};

/// How many jobs of a key may run at once.
const MOST: u32 = 2;
/// How many keys there are, and how many jobs each has; `TASKORA_FAULT_KEYS` sets another number of keys.
const KEYS: u64 = 250;
const JOBS: u64 = 6;
/// The first token of a job with an id of its own is one more than a multiple of this.
const TOKENS: u64 = 1_024;
/// How many processes there are, and how many workers are in each.
const PROCESSES: usize = 5;
const WORKERS: usize = 4;

/// Fault 20, for limits by key: kill -9 of a random process with four of twenty workers each half second, or whenever another tenth of the
/// jobs is done, under short leases.
///
/// Demands besides the invariants that no key has more valid leases at once than its limit says, that the limit is reached,
/// and that the jobs of a key are claimed for the first time in the order in which they came.
pub async fn killed_among_keys(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed among keys", seed);
    let keys = std::env::var("TASKORA_FAULT_KEYS").ok().and_then(|text| text.parse().ok());
    let keys = keys.unwrap_or(KEYS * u64::from(scale));
    let adapter = stage.adapter().await;
    // whoever comes first declares it, so that no job is older than its limit
    let part = WorkerPart { count: WORKERS, concurrency: 4, per_key: Some(MOST), ..WorkerPart::default() };
    let mut workers = vec![stage.worker(part.clone())];
    stage.until("the limit", || async { is_declared(&adapter).await }).await;
    fill(&mut stage, &adapter, keys, JOBS, |_, _| 1).await;
    workers.extend((1..PROCESSES).map(|_| stage.worker(part.clone())));

    // a job takes some 20 ms, and there are 80 slots; the kills cost more time than the jobs
    let end = Instant::now() + PATIENCE * (1 + u32::try_from(keys / 1_000).unwrap_or(u32::MAX));
    let mut left = keys * JOBS;
    while Instant::now() < end && is_work_left(&adapter).await {
        // a fast machine runs all of them within two seconds
        left = left.saturating_sub(keys * JOBS / 10);
        let pause = Instant::now() + Duration::from_millis(500);
        while Instant::now() < pause && unfinished(&adapter).await.is_none_or(|jobs| jobs as u64 > left) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let place = stage.random.below(workers.len() as u64) as usize;
        if let Some(worker) = workers.get_mut(place) {
            stage.kill(worker);
            *worker = stage.worker(part.clone());
        }
    }
    stage.quiet(&adapter).await;
    // this leaves nothing of the gate; who starts later would declare it again
    let declared = || std::future::ready(have_declared(&stage, &workers, WORKERS));
    stage.until("the limits of all workers", declared).await;
    let none = DeclaredLimit::none(GatedTask::new(Work::NAME));
    adapter.declare_limits(vec![none]).await.expect("declare_limits");

    let mut report = stage.finish(workers).await;
    let leases = leases(&report.history, |job| Some(parts(job)?.0));
    let (most, first) = most_at_once(&leases);
    let overtaken = overtaken(&report.history);
    report.demand(most <= MOST as usize, || {
        format!("{most} leases of a key were valid at once under a limit of {MOST}: {first}")
    });
    report.demand(most == MOST as usize, || format!("{most} leases of a key were valid at once at most"));
    report.demand(overtaken.is_empty(), || {
        format!("jobs that were claimed before earlier ones: {overtaken:?}")
    });
    let kills = report.faults.get("kill").copied().unwrap_or(0);
    report.demand(kills >= 4, || format!("only {kills} processes were killed"));
    report.demand(!report.recoveries.is_empty(), || "nobody was killed while running a job".to_owned());
    report
}

pub(super) async fn is_declared(adapter: &RedisAdapter) -> bool {
    let gate = adapter.gate(&GatedTask::new(Work::NAME), None).await;
    gate.is_ok_and(|gate| gate.per_key.is_some())
}

pub(super) async fn is_work_left(adapter: &RedisAdapter) -> bool {
    unfinished(adapter).await.is_some_and(|jobs| jobs > 0)
}

/// How many jobs have not ended; nothing if the store does not answer.
async fn unfinished(adapter: &RedisAdapter) -> Option<usize> {
    let counts = adapter.counts(Work::NAME).await.ok()?;
    Some(counts.waiting + counts.delayed + counts.active)
}

/// Whether all workers of these processes have declared their limits; each has so many.
pub(super) fn have_declared(stage: &Stage, processes: &[Process], workers: usize) -> bool {
    let history = stage.history();
    let is_declared = |record: &Record| matches!(record, Record::Declared {});
    let declared = |pid| history.of(pid).filter(|line| is_declared(&line.record)).count();
    processes.iter().all(|process| declared(process.pid()) >= workers)
}

/// Stores the jobs of all keys, those of a key in order. `cost` is given the numbers of the key and of the job.
pub(super) async fn fill(
    stage: &mut Stage,
    adapter: &RedisAdapter,
    keys: u64,
    jobs_of_each: u64,
    cost: fn(u64, u64) -> u32,
) {
    for number in 0..jobs_of_each {
        let mut jobs = Vec::new();
        for key in 0..keys {
            let end = if stage.random.percent(5) { End::FailBefore(2) } else { End::Return };
            let work = Work { act: Act::ends(stage.random.below(40), end) };
            let payload = serde_json::to_vec(&work).expect("it is JSON");
            let id = format!("lane-{key}-{number}");
            stage.ledger.write(Record::Trying { job: id.clone(), workflow: false });
            let limit_key = LimitKey::new(format!("key {key}"));
            jobs.push(NewJob {
                max_attempts: 5,
                max_stalls: 255,
                limit_key,
                cost: cost(key, number),
                ..NewJob::new(id, Work::NAME, payload)
            });
        }
        for page in jobs.chunks(500) {
            adapter.enqueue(page.to_vec()).await.expect("enqueue");
            for job in page {
                let job = job.id.to_string();
                stage.ledger.write(Record::Accepted { job, workflow: false, duplicate: false });
            }
        }
    }
}

/// `17` and `3` of `lane-17-3`.
pub(super) fn parts(job: &str) -> Option<(u64, u64)> {
    let (key, number) = job.strip_prefix("lane-")?.split_once('-')?;
    Some((key.parse().ok()?, number.parse().ok()?))
}

/// A lease of a job with a key.
pub(super) struct Held<'a> {
    pub(super) job: &'a str,
    /// When it was asked for.
    pub(super) asked: u64,
    /// When it was given at the latest.
    pub(super) claimed: u64,
    /// Until when it was valid at least.
    pub(super) until: u64,
    /// It was about to be settled. What a renewal is told later says nothing any more.
    is_over: bool,
}

/// The leases of each key, in the order in which they were written down.
pub(super) fn leases(
    history: &History,
    key_of: impl Fn(&str) -> Option<u64>,
) -> BTreeMap<u64, Vec<Held<'_>>> {
    let mut leases: BTreeMap<u64, Vec<Held<'_>>> = BTreeMap::new();
    let mut places: HashMap<(&str, u64), (u64, usize)> = HashMap::new();
    for line in &history.lines {
        match &line.record {
            Record::Claimed { job, token, asked, lease } => {
                let Some(key) = key_of(job) else { continue };
                let list = leases.entry(key).or_default();
                places.insert((job, *token), (key, list.len()));
                list.push(Held {
                    job,
                    asked: *asked,
                    claimed: line.at,
                    until: asked + lease,
                    is_over: false,
                });
            }
            Record::Renewed { job, token, asked, lease, extended: true } => {
                let held = held(&mut leases, &places, job, *token);
                if let Some(held) = held.filter(|held| !held.is_over) {
                    held.until = held.until.max(asked + lease);
                }
            }
            Record::Settling { job, token, .. } => {
                if let Some(held) = held(&mut leases, &places, job, *token) {
                    held.until = held.until.min(line.at);
                    held.is_over = true;
                }
            }
            _ => {}
        }
    }
    leases
}

fn held<'a, 'b>(
    leases: &'a mut BTreeMap<u64, Vec<Held<'b>>>,
    places: &HashMap<(&str, u64), (u64, usize)>,
    job: &str,
    token: u64,
) -> Option<&'a mut Held<'b>> {
    let (key, place) = places.get(&(job, token))?;
    leases.get_mut(key)?.get_mut(*place)
}

/// The most leases of a key that were valid at once, and of which key that was.
fn most_at_once(leases: &BTreeMap<u64, Vec<Held<'_>>>) -> (usize, String) {
    let at = |key: &u64, list: &[Held<'_>]| {
        let beside = |one: &Held<'_>| {
            let is_valid =
                |other: &&Held<'_>| other.claimed <= one.claimed && other.until > one.claimed + TOLERANCE;
            list.iter().filter(is_valid).count()
        };
        let most = list.iter().map(beside).max().unwrap_or(0);
        (most, format!("key {key}"))
    };
    leases.iter().map(|(key, list)| at(key, list)).max().unwrap_or_default()
}

/// Jobs that were claimed for the first time before an earlier one of their key was asked for. A process that is killed may not have
/// written its claim down; then the first one that was written has a later token, and says nothing.
fn overtaken(history: &History) -> Vec<String> {
    let mut claims: BTreeMap<u64, BTreeMap<u64, (u64, u64)>> = BTreeMap::new();
    for line in &history.lines {
        let Record::Claimed { job, token, asked, .. } = &line.record else { continue };
        let Some((key, number)) = parts(job) else { continue };
        if token % TOKENS == 1 {
            claims.entry(key).or_default().entry(number).or_insert((*asked, line.at));
        }
    }
    let mut found = Vec::new();
    for (key, jobs) in &claims {
        for (number, (asked, _)) in jobs {
            for (later, (_, at)) in jobs.range(number + 1..) {
                if at < asked {
                    found.push(format!("lane-{key}-{later} before lane-{key}-{number}"));
                }
            }
        }
    }
    found
}
