//! Fault 2: processes that are gone at each point before and after each call to Redis.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use taskora_redis::failpoint;

use crate::process::{Config, Mix, Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::Stubborn;

/// The signal of a process that has aborted, which is how a failpoint ends one.
pub const ABORTED: i32 = 6;
/// Processes that run at a time until they come to their points.
const AT_ONCE: usize = 4;

/// A process that is gone at a point.
struct Victim {
    point: String,
    /// At which hit.
    hit: u64,
    part: Part,
}

/// What a process must be to come to a point.
#[derive(Clone)]
enum Part {
    Worker,
    Producer(Producer),
}

/// A process for every point of every call but those that [`odd_points`] and nobody reaches; `scale` times, at other hits.
pub async fn points(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("points", seed);
    let settings = WorkerPart { concurrency: 40, schedules: 2, ..WorkerPart::default() };
    // ticks are for those who die
    let workers = vec![stage.worker(WorkerPart { no_ticks: true, ..settings.clone() })];
    // something for workers to do, with large payloads and many results for those who must fetch them, and with many keys to find
    let load = Producer {
        count: 0,
        pause: Duration::from_millis(40),
        millis: 500,
        lanes: 2,
        mix: Mix { large: 20, chord: 20, limited: 30, ..Mix::default() },
        ..Producer::default()
    };
    let mut producer = stage.producer(load);
    let mut missed = Vec::new();
    for _ in 0..scale {
        let mut victims = victims(&mut stage);
        while !victims.is_empty() {
            let rest = victims.split_off(victims.len().min(AT_ONCE));
            let mut running: Vec<(String, Process)> = Vec::new();
            for victim in std::mem::replace(&mut victims, rest) {
                let failpoints = format!("{}=kill@{}", victim.point, victim.hit);
                let mut config = Config { failpoints, ..stage.config("victim") };
                match victim.part {
                    Part::Worker => config.worker = Some(settings.clone()),
                    Part::Producer(part) => config.producer = Some(part),
                }
                let process = stage.start(config);
                stage.fault(&format!("kill at {}", victim.point), process.pid());
                running.push((victim.point, process));
            }
            for (point, mut process) in running {
                let ended = process.wait(PATIENCE).await.and_then(|status| status.signal());
                if ended != Some(ABORTED) {
                    missed.push(point);
                }
            }
        }
    }
    stage.stop(&mut producer).await;
    let mut report = stage.finish(workers).await;
    report.demand(missed.is_empty(), || format!("these points were not reached: {missed:?}"));
    report
}

/// Who dies where. Every point is here, or in [`ODD`], or in [`UNREACHED`], or a tool's.
fn victims(stage: &mut Stage) -> Vec<Victim> {
    let mut victims = Vec::new();
    for point in failpoint::names() {
        let (call, _) = point.split_once('.').unwrap_or((&point, ""));
        if [ODD, UNREACHED, failpoint::SELDOM, failpoint::UPKEEP].iter().any(|calls| calls.contains(&call)) {
            continue;
        }
        let part = part(call);
        // what every connection does once, and what takes a while to come again, at the first hit
        let most = match call {
            "declare" | "declare_limits" | "handshake" | "info" | "client_id" | "subscribe" | "ping"
            | "stage_workflow" | "take_key" | "close_key" => 1,
            "start_workflow" | "catch_up" | "cancel_workflow" => 2,
            "exchange" => 12,
            _ => 3,
        };
        let hit = 1 + stage.random.below(most);
        victims.push(Victim { point: point.clone(), hit, part: part.clone() });
        if call == "exchange" {
            // the first call only claims, the later ones settle as well
            victims.push(Victim { point, hit: 1, part });
        }
    }
    // those that take longest begin first
    victims.sort_by_key(|victim| !victim.point.starts_with("ping"));
    victims
}

/// Calls that need more than a process under load, see [`odd_points`].
const ODD: &[&str] = &["unblock", "load"];
/// Calls that only tests make.
const UNREACHED: &[&str] = &["shift"];

fn part(call: &str) -> Part {
    let mix = match call {
        "enqueue" | "inspect" | "counts" | "lrange" | "watch" => Mix { plain: 1, ..Mix::NOTHING },
        "admit" => Mix { keyed: 1, ..Mix::NOTHING },
        "collected" | "flush" => Mix { gathered: 1, ..Mix::NOTHING },
        "cancel" | "revive" => Mix { cancelled: 1, ..Mix::NOTHING },
        "promote" | "replace" => Mix { delayed: 1, ..Mix::NOTHING },
        "reprioritise" => Mix { urgent: 1, ..Mix::NOTHING },
        "set_gate" => Mix { limited: 1, ..Mix::NOTHING },
        "start_workflow" | "workflow" => Mix { chain: 1, chord: 1, ..Mix::NOTHING },
        "schedule" | "list_schedules" | "pause_schedule" | "put_schedules" | "remove_schedule"
        | "trigger" => Mix { scheduled: 1, ..Mix::NOTHING },
        "stage_workflow" => Mix { huge: 1, ..Mix::NOTHING },
        "cancel_workflow" | "catch_up" => Mix { cancelled_flow: 1, ..Mix::NOTHING },
        _ => return Part::Worker,
    };
    let looks = ["inspect", "counts", "lrange", "workflow"].contains(&call);
    let pause = Duration::from_millis(20);
    Part::Producer(Producer { count: 0, pause, awaited: 100, looks, mix, lanes: 1, ..Producer::default() })
}

/// The points of a wait for work that is cut short: a worker whose limit for a task is free again ends its wait for the
/// others. And those of a process that loads the library, which a server has that was not emptied.
pub async fn odd_points(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("odd points", seed);
    let app = stage.app().await;
    let mut missed = Vec::new();
    for _ in 0..scale {
        for point in ["load.before", "load.after"] {
            stage.server.command(&["FUNCTION", "FLUSH", "SYNC"]).expect("an answer");
            let failpoints = format!("{point}=kill");
            let worker = Some(WorkerPart::default());
            let mut victim = stage.start(Config { failpoints, worker, ..stage.config("victim") });
            stage.fault(&format!("kill at {point}"), victim.pid());
            let ended = victim.wait(PATIENCE).await.and_then(|status| status.signal());
            if ended != Some(ABORTED) {
                missed.push(point);
            }
        }
        {
            // only before it: the wait that it ends is over before its own answer, which nobody looks at then
            let point = "unblock.before";
            let failpoints = format!("{point}=kill");
            let worker = Some(WorkerPart { lease: Duration::from_secs(3), ..WorkerPart::default() });
            let victim = Config { failpoints, worker, ..stage.config("victim") };
            let mut victim = stage.start(victim);
            stage.fault(&format!("kill at {point}"), victim.pid());
            // its thread is the only one that the task may have; when it ends, there is a new wait
            let started = stage.history().count(is_start);
            stage.dispatched(app.dispatch(Stubborn { millis: 300 }).await);
            stage.until_recorded(started + 1, is_start).await;
            let ended = victim.wait(PATIENCE).await.and_then(|status| status.signal());
            if ended != Some(ABORTED) {
                missed.push(point);
            }
        }
    }
    let workers = vec![stage.worker(WorkerPart::default())];
    let mut report = stage.finish(workers).await;
    report.demand(missed.is_empty(), || format!("these points were not reached: {missed:?}"));
    report
}

fn is_start(record: &crate::Record) -> bool {
    matches!(record, crate::Record::Started { .. })
}
