//! Keys of one unfinished job, and throttled ones, while processes die around the calls that take and free them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use taskora::Outcome;

use super::points::ABORTED;
use crate::process::{Config, KEYS, Mix, Producer, THROTTLED, WorkerPart};
use crate::raw::Snapshot;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, Work};

/// How often each point is reached.
const ROUNDS: u32 = 3;

/// Fault 19: processes that lose an answer, and die, before and after calls that store jobs under keys, claim and settle them, and
/// sweep.
///
/// Demands besides the invariants, of which one is that no two jobs of a key run at once, that each key is free when its owner has
/// ended, and that no more throttled jobs of a key were stored in a time than may be.
pub async fn killed_around_keys(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("killed around keys", seed);
    let (adapter, app) = (stage.adapter().await, stage.app().await);
    let part = WorkerPart { concurrency: 4, ..WorkerPart::default() };
    let mix = Mix { keyed: 6, throttled: 2, ..Mix::NOTHING };
    let load =
        Producer { count: 0, pause: Duration::from_millis(10), millis: 40, mix, ..Producer::default() };
    let workers = vec![stage.worker(part.clone())];
    let mut producer = stage.producer(load.clone());
    let mut missed = Vec::new();
    for _ in 0..ROUNDS * scale {
        for (call, most) in [("admit", 30), ("exchange", 30), ("sweep", 2)] {
            for when in ["before", "after"] {
                // the answer to an earlier call is lost
                let hit = 2 + stage.random.below(most);
                let failpoints = format!("{call}.after=cut@{};{call}.{when}=kill@{hit}", hit - 1);
                let mut config = Config { failpoints, ..stage.config("victim") };
                match call {
                    "admit" => config.producer = Some(load.clone()),
                    _ => config.worker = Some(part.clone()),
                }
                let mut victim = stage.start(config);
                stage.fault(&format!("kill at {call}.{when}"), victim.pid());
                let ended = victim.wait(PATIENCE).await.and_then(|status| status.signal());
                if ended != Some(ABORTED) {
                    missed.push(format!("{call}.{when}"));
                }
            }
        }
    }
    stage.stop(&mut producer).await;
    stage.quiet(&adapter).await;
    let snapshot = stage.snapshot().await;
    let crowded = crowded(&snapshot);
    let throttled = snapshot.created.keys().filter(|job| job.starts_with("throttled-")).count();

    // every key is free now
    let mut taken = Vec::new();
    for key in 0..KEYS {
        let work = Work { act: Act::returns(0) };
        let last = app.dispatch(work).id(format!("key-{key}-last")).deduplicate(key).await;
        let handle = stage.dispatched(last);
        if handle.outcome() != &Outcome::Enqueued {
            taken.push(format!("{}: {:?}", handle.id(), handle.outcome()));
        }
    }
    let mut report = stage.finish(workers).await;
    report.demand(missed.is_empty(), || format!("these points were not reached: {missed:?}"));
    report.demand(taken.is_empty(), || format!("keys whose owners have ended are not free: {taken:?}"));
    report.demand(throttled > 0, || "no throttled job was stored".to_owned());
    report.demand(crowded.is_empty(), || format!("throttled jobs that came too soon: {crowded:?}"));
    report
}

/// Throttled jobs that were stored although their key had let enough through.
fn crowded(snapshot: &Snapshot) -> Vec<String> {
    let mut stored: BTreeMap<&str, Vec<(u64, &String)>> = BTreeMap::new();
    for (job, at) in &snapshot.created {
        let key = job.strip_prefix("throttled-").and_then(|rest| rest.split_once('-'));
        if let Some((key, _)) = key {
            stored.entry(key).or_default().push((*at, job));
        }
    }
    let (max, window) = (THROTTLED.0 as usize, THROTTLED.1.as_millis() as u64);
    let mut found = Vec::new();
    for list in stored.values_mut() {
        list.sort_unstable();
        for some in list.windows(max + 1) {
            let [(first, _), .., (last, job)] = some else { continue };
            if last - first < window {
                found.push(format!("{job}, {} ms after the last one but {max}", last - first));
            }
        }
    }
    found
}
