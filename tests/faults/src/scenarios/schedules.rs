//! Schedules, while whoever makes their ticks is harmed.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::points::ABORTED;
use crate::ledger::{History, Line, Record, now};
use crate::process::{Config, Process, WorkerPart};
use crate::proxy::Proxy;
use crate::raw::Snapshot;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::SCHEDULE;

/// The longest time without a tick of a schedule of one second.
const GAP: Duration = Duration::from_secs(5);
/// How long it may take until those who are to die have.
const DYING: Duration = Duration::from_secs(120);
/// How late a tick may be, in milliseconds, after whoever was told of it was shut down in order.
const HANDED_OVER: u64 = 1_000;
/// Schedules of each process.
const SCHEDULES: u32 = 3;
/// What happens to those who are told: they are cut off before and after each call of a tick, and then die there.
const ENDS: [&str; 5] = [
    "due_schedules.before=cut@2;due_schedules.before=kill@4",
    "due_schedules.after=cut@2;due_schedules.after=kill@4",
    "tick.before=cut@2;tick.before=kill@4",
    "tick.after=cut@2;tick.after=kill@4",
    "tick.before=pause:2500@2;tick.after=kill@4",
];

/// Fault 23: five processes make ticks, each of which is cut off and dies at another call of a tick, and others beside them are killed
/// and frozen when they are told; all functions are forgotten, and answers are lost. Some of them have none of the tasks.
///
/// Demands besides the invariants that no schedule waits for longer than five seconds, and that a shutdown in order delays no tick.
pub async fn schedules(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("schedules", seed);
    let proxy = Proxy::start(stage.server.port()).await.expect("a port");
    let start = |stage: &Stage, failpoints: &str, has_tasks: bool| {
        let worker = WorkerPart {
            schedules: if has_tasks { SCHEDULES } else { 0 },
            other_tasks: !has_tasks,
            ..WorkerPart::default()
        };
        let config = stage.config(if has_tasks { "worker" } else { "other" });
        stage.start(Config {
            worker: Some(worker),
            url: proxy.url(),
            failpoints: failpoints.to_owned(),
            ..config
        })
    };
    let (mut others, mut odd_ends) = (vec![start(&stage, "", true), start(&stage, "", false)], Vec::new());
    stage.until_recorded(1, is_due).await;
    let began = clock();
    for _ in 0..scale {
        let mut victims: Vec<Process> =
            ENDS.iter().enumerate().map(|(place, ends)| start(&stage, ends, place != 2)).collect();
        for victim in &victims {
            stage.fault("cut off and killed at a tick", victim.pid());
        }
        let deadline = Instant::now() + DYING;
        while !victims.is_empty() && Instant::now() < deadline {
            stage.fault("flush", 0);
            stage.server.command(&["FUNCTION", "FLUSH", "SYNC"]).expect("an answer");
            let script = if stage.random.percent(50) { "tick" } else { "due_schedules" };
            stage.fault(&format!("lost `{script}`"), 0);
            proxy.lose_script(script, 1).expect("a known script");
            let told = next_to_tick(&stage).await;
            if let Some(place) = others.iter().position(|process| process.pid() == told) {
                if stage.random.percent(50) {
                    stage.fault("freeze", told);
                    others[place].freeze();
                    another_is_told(&stage, told).await;
                    others[place].thaw();
                } else {
                    let mut victim = others.swap_remove(place);
                    stage.kill(&mut victim);
                    // at least one of them has the task
                    let has_tasks = stage.random.percent(50) || !others.iter().any(has_tasks);
                    others.push(start(&stage, "", has_tasks));
                    another_is_told(&stage, told).await;
                }
            } else if let Some(victim) = victims.iter_mut().find(|process| process.pid() == told) {
                // one that lost an answer may be told again only after others
                tokio::select! {
                    _ = victim.wait(PATIENCE) => another_is_told(&stage, told).await,
                    () = another_is_told(&stage, told) => {}
                }
            }
            victims.retain_mut(|victim| match victim.ended() {
                Some(status) if status.signal() == Some(ABORTED) => false,
                None => true,
                ended => {
                    odd_ends.push((victim.config().failpoints.clone(), ended));
                    false
                }
            });
        }
        odd_ends.extend(victims.into_iter().map(|victim| (victim.config().failpoints.clone(), None)));
    }

    // one more, so that there is another one to be told
    others.push(start(&stage, "", true));
    let (told, place) = loop {
        let told = next_to_tick(&stage).await;
        if let Some(place) = others.iter().position(|process| process.pid() == told) {
            break (told, place);
        }
    };
    let mut leaver = others.swap_remove(place);
    let left_at = now();
    stage.stop(&mut leaver).await;
    let due_since = |stage: &Stage| {
        let history = stage.history();
        let late = |line: &Line| match line.record {
            Record::Due { late, .. } if line.at > left_at && line.pid != told => Some(late),
            _ => None,
        };
        history.lines.iter().filter_map(late).collect::<Vec<_>>()
    };
    stage.until("ticks of others", || std::future::ready(due_since(&stage).len() >= 5)).await;
    let latest = due_since(&stage).into_iter().max().unwrap_or_default();

    let (gaps, lost) = (gaps(&stage.snapshot().await, began), proxy.lost());
    println!("schedules: the longest gaps {gaps:.2?}; {latest} ms late after a shutdown");
    let mut report = stage.finish(others).await;
    report.demand(odd_ends.is_empty(), || format!("these did not die at their points: {odd_ends:?}"));
    report.demand(gaps.iter().all(|gap| *gap <= GAP), || format!("the longest gaps: {gaps:.2?}"));
    report.demand(lost > 0, || "no answer was lost".to_owned());
    report.demand(latest <= HANDED_OVER, || format!("{latest} ms late after a shutdown"));
    report
}

fn is_due(record: &Record) -> bool {
    matches!(record, Record::Due { .. })
}

fn has_tasks(process: &Process) -> bool {
    process.config().worker.as_ref().is_some_and(|worker| !worker.other_tasks)
}

/// Waits for a tick. The process that makes it, or that is to come at the next one.
async fn next_to_tick(stage: &Stage) -> u32 {
    stage.until_recorded(stage.history().count(is_due) + 1, is_due).await;
    let history = stage.history();
    let is_told = |record: &Record| is_due(record) || matches!(record, Record::Timed {});
    history.lines.iter().rfind(|line| is_told(&line.record)).map_or(0, |line| line.pid)
}

/// Waits until another process has made a tick.
async fn another_is_told(stage: &Stage, told: u32) {
    let began = now();
    let is_other = |history: &History| {
        history.lines.iter().any(|line| line.at > began && line.pid != told && is_due(&line.record))
    };
    stage.until("a tick of another process", || std::future::ready(is_other(&stage.history()))).await;
}

/// The time of the machine's clock, which is also the server's, in milliseconds.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64
}

/// For each schedule, the longest time without a tick of it since then.
fn gaps(snapshot: &Snapshot, began: u64) -> Vec<Duration> {
    let ended = clock();
    let gap = |number| {
        let name = format!("{SCHEDULE}{number}@");
        let of_it = snapshot.created.iter().filter(|(job, _)| job.starts_with(&name));
        let mut times: Vec<u64> = of_it.map(|(_, at)| *at).chain([began, ended]).collect();
        times.sort_unstable();
        times.windows(2).map(|pair| Duration::from_millis(pair[1] - pair[0])).max().unwrap_or_default()
    };
    (0..SCHEDULES).map(gap).collect()
}
