//! Faults 12 and 30: the server is killed and comes back, with what it had on disk or with what its replica had.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use taskora_test_server::{RedisServer, Reply};

use crate::ledger::{History, Line, Record, now};
use crate::loss::forgive;
use crate::process::{Config, Process, Producer, WorkerPart};
use crate::proxy::{Fate, Proxy};
use crate::report::Report;
use crate::stage::Stage;

/// What Redis says that `appendfsync everysec` may lose at most.
const TWO_SECONDS: u64 = 2_000_000;

/// Killed with `appendfsync always`: nothing that was answered is lost, and everything goes on by itself.
pub async fn crashed_always(seed: u64, scale: u32) -> Report {
    let server = RedisServer::builder().append_only("always");
    let mut stage = Stage::with("crashed, always", seed, server);
    let (workers, mut producer) = busy(&stage, None);
    for _ in 0..(2 * scale) {
        rest(&mut stage, 700, 1500).await;
        one_more_accepted(&stage).await;
        stage.fault("server kill", 0);
        stage.server.kill();
        rest(&mut stage, 50, 300).await;
        stage.server.restart().expect("the same server");
    }
    rest(&mut stage, 300, 500).await;
    stage.stop(&mut producer).await;
    let mut report = stage.finish(workers).await;
    let at_risk = at_risk(&report.history);
    report.demand(at_risk.iter().all(|count| *count > 0), || {
        format!("before the kills, {at_risk:?} dispatches were acknowledged, so nothing was shown")
    });
    report
}

/// Killed with `appendfsync everysec`, and the machine with it: the file ends where it ended up to a second before, in the
/// middle of a command. What was answered before the last two seconds is not lost.
pub async fn crashed_everysec(seed: u64, scale: u32) -> Report {
    let server = RedisServer::builder().append_only("everysec");
    let mut stage = Stage::with("crashed, everysec", seed, server);
    let (workers, mut producer) = busy(&stage, None);
    let mut times = Vec::new();
    for _ in 0..(2 * scale) {
        rest(&mut stage, 700, 1500).await;
        let (file, torn) = (append_only_file(&stage.server), stage.random.below(60));
        let safe = length(&file);
        rest(&mut stage, 300, 1000).await;
        one_more_accepted(&stage).await;
        stage.fault("power loss", 0);
        stage.server.kill();
        let behind = now() - TWO_SECONDS;
        rest(&mut stage, 50, 300).await;
        // nobody has answered meanwhile: what was written down came from the server that is gone
        times.push(behind..now());
        let kept = length(&file).min(safe + torn);
        std::fs::File::options()
            .write(true)
            .open(&file)
            .and_then(|file| file.set_len(kept))
            .expect("a shorter file");
        stage.server.restart().expect("the same server");
    }
    rest(&mut stage, 300, 500).await;
    stage.stop(&mut producer).await;
    finish_forgiving(stage, workers, &times).await
}

/// A failover by hand: the server is killed while its replica is behind, the replica is promoted, and the
/// address leads to it. What was answered before the replica fell behind is not lost.
pub async fn failover(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("failover", seed);
    let way = Proxy::start(stage.server.port()).await.expect("a proxy");
    let (workers, mut producer) = busy(&stage, Some(&way));
    let mut times = Vec::new();
    for _ in 0..scale {
        let (replication, replica) = replica(&stage).await;
        rest(&mut stage, 700, 1500).await;
        // the replica gets what was answered until now
        let behind = now();
        let replica = fall_behind(&stage, &replication, replica).await;
        rest(&mut stage, 200, 800).await;
        one_more_accepted(&stage).await;
        stage.fault("failover", 0);
        stage.server.kill();
        replication.cut();
        replica.promote().expect("a main server");
        rest(&mut stage, 50, 300).await;
        // nobody has answered meanwhile: what was written down came from the server that is gone
        times.push(behind..now());
        way.switch(replica.port());
        stage.server = replica;
    }
    rest(&mut stage, 500, 1000).await;
    stage.stop(&mut producer).await;
    finish_forgiving(stage, workers, &times).await
}

/// Fault 30: a failover loses a claim, and the worker that has made it is alive. The replica is cut off before a job is claimed;
/// the worker runs the job and cannot settle it; the replica takes over, where another worker claims the same job; while
/// that one holds it, the first one is led there and settles. That is refused: one completion is accepted.
pub async fn lost_claim(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("lost claim", seed);
    let (mut findings, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..scale {
        let (replication, replica) = replica(&stage).await;
        let app = stage.app().await;
        let act = crate::tasks::Act::returns(3_000);
        let handle = stage.dispatched(app.dispatch(crate::tasks::Work { act }).await);
        let job = handle.id().to_string();
        let replica = fall_behind(&stage, &replication, replica).await;

        // leases outlast all of it, and are renewed later
        let worker = Some(WorkerPart { lease: Duration::from_secs(60), ..WorkerPart::default() });
        let way = Proxy::start(stage.server.port()).await.expect("a proxy");
        let first = Config { url: way.url(), worker: worker.clone(), ..stage.config("first") };
        let mut first = stage.start(first);
        let is_start =
            |record: &Record| matches!(record, Record::Started { job: started, .. } if *started == job);
        stage.until_recorded(1, is_start).await;
        way.set(Fate::BlackHole);
        let is_settling =
            |record: &Record| matches!(record, Record::Settling { job: settling, .. } if *settling == job);
        stage.until_recorded(1, is_settling).await;

        stage.fault("failover", first.pid());
        replication.cut();
        replica.promote().expect("a main server");
        let mut second = stage.start(Config { url: replica.url(), worker, ..stage.config("second") });
        stage.until_recorded(2, is_start).await;
        second.freeze();
        stage.server.kill();
        way.switch(replica.port());
        way.set(Fate::Pass);
        way.cut();
        stage.server = replica;
        let is_settled =
            |record: &Record| matches!(record, Record::Settled { job: settled, .. } if *settled == job);
        stage.until_recorded(1, is_settled).await;
        second.thaw();
        stage.until_recorded(2, is_settled).await;

        let history = stage.history();
        let settled = history.lines.iter().filter_map(|line| match &line.record {
            Record::Settled { job: settled, state, token, .. } if *settled == job => {
                Some((line.pid, *token, state.is_some()))
            }
            _ => None,
        });
        let settled: Vec<(u32, u64, bool)> = settled.collect();
        match settled[..] {
            [(one, lost, false), (other, token, true)]
                if one == first.pid() && other == second.pid() && token > lost => {}
            _ => findings.push(format!(
                "the first worker is {}, the second {}, and settlements were answered {settled:?}",
                first.pid(),
                second.pid()
            )),
        }
        jobs.push(job);
        // the next round has workers of its own
        for worker in [&mut first, &mut second] {
            stage.stop(worker).await;
        }
    }
    let mut report = stage.finish(Vec::new()).await;
    // by the ledger both hold a lease: the server that gave the first one is gone, and nothing else is forgiven
    report
        .findings
        .retain(|found| found.rule != "I3" || !found.job.as_ref().is_some_and(|job| jobs.contains(job)));
    report.demand(findings.is_empty(), || findings.join("; "));
    report
}

/// A replica of the stage's server, in sync, and what its copy comes through.
async fn replica(stage: &Stage) -> (Proxy, RedisServer) {
    let replication = Proxy::start(stage.server.port()).await.expect("a proxy");
    let port = replication.url().rsplit(':').next().unwrap_or_default().to_owned();
    let follows =
        ["--replicaof", "127.0.0.1", port.as_str(), "--repl-diskless-sync-delay", "0"].map(str::to_owned);
    let replica = RedisServer::builder().args(follows).start().expect("a replica");
    let replica = aside(move || replica.until_in_sync().map(|()| replica)).await;
    (replication, replica)
}

/// The replica gets what was written until now, and nothing more.
async fn fall_behind(stage: &Stage, replication: &Proxy, replica: RedisServer) -> RedisServer {
    let written = stage.server.written().expect("a replicated server");
    let replica = aside(move || replica.until_it_has(written).map(|()| replica)).await;
    replication.set(Fate::BlackHole);
    replica
}

/// Finishes, and forgives what was lost in these times: something must have been.
async fn finish_forgiving(stage: Stage, workers: Vec<Process>, times: &[Range<u64>]) -> Report {
    let mut report = stage.finish(workers).await;
    let gone = forgive(&mut report, times);
    println!("{}: {gone} acknowledged dispatches are gone", report.scenario);
    report.demand(gone > 0, || "nothing was lost, so nothing was shown".to_owned());
    report
}

/// Two workers, and a producer with something of everything that awaits all of it.
fn busy(stage: &Stage, way: Option<&Proxy>) -> (Vec<Process>, Process) {
    let url = way.map_or_else(|| stage.server.url(), Proxy::url);
    let work = || Config { url: url.clone(), worker: Some(WorkerPart::default()), ..stage.config("worker") };
    let workers = vec![stage.start(work()), stage.start(work())];
    let load = Producer {
        count: 0,
        pause: Duration::from_millis(15),
        awaited: 100,
        millis: 60,
        ..Producer::default()
    };
    let producer = Config { url: url.clone(), producer: Some(load), ..stage.config("producer") };
    (workers, stage.start(producer))
}

/// How many dispatches were acknowledged in the second before each fault.
fn at_risk(history: &History) -> Vec<usize> {
    let faults = history.lines.iter().filter(|line| matches!(line.record, Record::Fault { .. }));
    let before = |fault: &Line| {
        let lines =
            history.lines.iter().filter(|line| (fault.at - TWO_SECONDS / 2..fault.at).contains(&line.at));
        lines.filter(|line| matches!(line.record, Record::Accepted { .. })).count()
    };
    faults.map(before).collect()
}

/// Waits until something is at risk, however long a busy machine takes for it.
async fn one_more_accepted(stage: &Stage) {
    let is_accepted = |record: &Record| matches!(record, Record::Accepted { .. });
    let known = stage.history().count(is_accepted);
    stage.until_recorded(known + 1, is_accepted).await;
}

/// On a thread of its own, so that the proxies go on.
async fn aside<T: Send + 'static>(wait: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> T {
    tokio::task::spawn_blocking(wait).await.expect("a thread").expect("a replica that follows")
}

async fn rest(stage: &mut Stage, from: u64, to: u64) {
    tokio::time::sleep(Duration::from_millis(stage.random.between(from, to))).await;
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).expect("an append-only file").len()
}

/// The file that the server appends to.
fn append_only_file(server: &RedisServer) -> PathBuf {
    let answer = server.command(&["CONFIG", "GET", "dir"]).expect("the server's directory");
    let Reply::List(answer) = answer else { panic!("an odd directory: {answer:?}") };
    let dir = answer.get(1).and_then(Reply::text).expect("the server's directory");
    let files = std::fs::read_dir(Path::new(dir).join("appendonlydir")).expect("append-only files");
    let mut paths = files.map(|file| file.expect("a file").path());
    paths.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("a file that is appended to")
}
