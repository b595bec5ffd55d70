//! Damage made by hand: a check names it and nothing else, a repair puts it right, and the job runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Commands, Connection};
use taskora::adapter::{
    AttemptEnd, Due, Inspection, Jobs, NewJob, NewWorkflow, Notes, Settled, Signals, Upkeep, Workflows,
};
use taskora::workflow::WorkflowState;
use taskora::{App, CheckReport, JobState, Keep, LogEntry, LogLevel, Retention, Timestamp};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::flows::{chain, chord};
use crate::kit::{PATIENCE, TASK, complete, drain, exchange, job, settlement};
use crate::server::Server;

/// A store to damage.
struct Bench {
    _server: Server,
    adapter: RedisAdapter,
    app: App,
    redis: Connection,
}

impl Bench {
    async fn start() -> Self {
        let server = Server::start();
        let adapter = RedisAdapter::with(RedisConfig::new(server.url()).test_clock()).await.expect("connect");
        let redis = redis::Client::open(server.url()).expect("a URL").get_connection().expect("connect");
        Self { app: App::new(adapter.clone()), _server: server, adapter, redis }
    }

    /// The same with a job in each state, called after where it is, and workflows.
    async fn full() -> Self {
        let bench = Self::start().await;
        let adapter = &bench.adapter;
        let ids =
            ["done", "failed", "retrying", "active", "flagged", "released", "waiting", "cancelled", "behind"];
        adapter.enqueue(ids.map(job).to_vec()).await.expect("enqueue");
        let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 6)).await.expect("claim").jobs;
        let retry = AttemptEnd::Retry { error: "again".into(), delay: Duration::from_secs(600) };
        let settle = vec![
            complete(&claimed[0]),
            settlement(&claimed[1], AttemptEnd::Fail("no".into())),
            settlement(&claimed[2], retry),
            settlement(&claimed[5], AttemptEnd::Release),
        ];
        let line = LogEntry {
            level: LogLevel::Info,
            message: "sending".into(),
            fields: serde_json::Value::Null,
            at: Timestamp::from_millis(1),
            attempt: 1,
        };
        let notes = Notes { lease: claimed[3].lease.clone(), progress: None, logs: vec![line] };
        adapter.note(vec![notes]).await.expect("note");
        adapter.exchange(exchange("w", 2, settle, 0)).await.expect("settle");
        for id in ["flagged", "cancelled"] {
            adapter.cancel(&id.into(), "why").await.expect("cancel");
        }
        let delayed = NewJob { due: Due::After(Duration::from_secs(300)), ..job("delayed") };
        let urgent = NewJob { priority: 5, ..job("urgent") };
        let large = NewJob { payload: vec![b'x'; 5000], ..job("large") };
        adapter.enqueue(vec![delayed, urgent, large]).await.expect("enqueue");
        let first = chain("first", 2);
        let with_deadline = NewWorkflow { ttl: Some(Duration::from_secs(3600)), ..chord("chord", 3) };
        for flow in [first, with_deadline] {
            adapter.start(flow).await.expect("start");
        }
        adapter.start(chain("stopped", 3)).await.expect("start");
        adapter.cancel_workflow(&"stopped".into(), "why").await.expect("cancel");
        assert_eq!(bench.found().await, [""; 0]);
        bench
    }

    /// One command by hand. What begins with an `@` is a key without the namespace; bytes are escaped as in Rust.
    fn run(&mut self, command: &str) -> redis::Value {
        let mut words = command.split(' ').map(unescaped);
        let mut cmd = redis::Cmd::new();
        for word in words.by_ref() {
            match word.strip_prefix(b"@") {
                Some(key) => cmd.arg([b"{taskora}:", key].concat()),
                None => cmd.arg(word),
            };
        }
        cmd.query(&mut self.redis).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Writes how many nodes of a workflow have not ended, and whether it has ended itself.
    fn set_state(&mut self, flow: &str, left: u32, keeps_end: bool) {
        let key = format!("{{taskora}}:wf:={flow}");
        let state: Vec<u8> = self.redis.hget(&key, "m").expect("its state");
        let len = u32::from_be_bytes(state[4..8].try_into().expect("four bytes"));
        let (end, head) = state[8..].split_at(len as usize);
        let end = if keeps_end { end } else { b"" };
        let len = u32::try_from(end.len()).expect("short");
        let state = [&left.to_be_bytes(), &len.to_be_bytes(), end, head].concat();
        let _: () = self.redis.hset(&key, "m", state).expect("its state");
    }

    async fn found(&self) -> Vec<String> {
        let report = self.app.check().await.expect("check");
        report.violations.iter().map(ToString::to_string).collect()
    }

    /// A check finds these, each text up to what a repair does; a repair repairs all of them; then nothing is found.
    async fn heals(&mut self, damage: &[&str], expected: &[&str]) {
        for command in damage {
            self.run(command);
        }
        let found = self.found().await;
        let mut short: Vec<&str> =
            found.iter().map(|text| text.split_once("; ").expect("a remedy").0).collect();
        short.sort_unstable();
        assert_eq!(short, expected, "{damage:?}");
        let report = self.app.repair().await.expect("repair");
        assert_eq!((report.left, report.violations.len()), (0, expected.len()), "{damage:?}: {report}");
        assert!(report.repaired > 0, "{damage:?}: {report}");
        assert_eq!(self.found().await, [""; 0], "{damage:?}");
        let again = self.app.repair().await.expect("repair again");
        assert_eq!((again.repaired, again.left), (0, 0), "{damage:?}: {again}");
    }

    /// Runs all there is, lets all time pass, and finds what must be there then: nothing.
    async fn drains(&self) {
        let adapter = &self.adapter;
        adapter.shift_clock(Duration::from_secs(7200)).await.expect("shift the clock");
        let none = Keep { age: Duration::from_secs(1), count: 0 };
        let keep = Retention { completed: none, failed: none, workflows: none };
        for round in 0..4 {
            while adapter.sweep(&[TASK.into()], keep).await.expect("sweep").more {}
            drain(adapter, &format!("drain {round}")).await;
            adapter.shift_clock(Duration::from_secs(60)).await.expect("shift the clock");
        }
        while adapter.sweep(&[TASK.into()], keep).await.expect("sweep").more {}
        assert_clean(adapter, "after all").await;
        let mut redis = self.redis_again();
        let mut keys: Vec<String> = redis.keys("*").expect("keys");
        keys.retain(|key| !key.starts_with("{taskora}:call:") && !key.ends_with(":wfgone"));
        let baseline = ["clock", "front", "meta", "seq", "tasks"].map(|key| format!("{{taskora}}:{key}"));
        keys.retain(|key| !baseline.contains(key));
        assert_eq!(keys, [""; 0]);
    }

    fn redis_again(&self) -> Connection {
        redis::Client::open(self._server.url()).expect("a URL").get_connection().expect("connect")
    }
}

/// The bytes that a text with `\x..` stands for.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).expect("two digits"));
        rest = &after[2..];
    }
    bytes.extend(rest.bytes());
    bytes
}

/// What must hold of every store that nobody has damaged, whatever happens to it at the same time.
pub(crate) async fn assert_clean(adapter: &RedisAdapter, what: &str) -> CheckReport {
    let report = App::new(adapter.clone()).check().await.expect("check");
    assert!(report.is_clean(), "{what}: {report}");
    report
}

#[tokio::test]
async fn an_untouched_store_is_clean_and_drains() {
    let bench = Bench::start().await;
    let report = assert_clean(&bench.adapter, "empty").await;
    assert_eq!((report.jobs, report.workflows), (0, 0));
    let bench = Bench::full().await;
    let report = assert_clean(&bench.adapter, "full").await;
    assert_eq!((report.jobs, report.workflows), (12, 3));
    let repaired = bench.app.repair().await.expect("repair");
    assert_eq!((repaired.repaired, repaired.left), (0, 0), "{repaired}");
    bench.drains().await;
}

/// The number that begins the entries of a line; nobody else has it.
const NUMBER: &str = "\\x02\\x00\\x00\\x0f\\x00\\x00";

#[tokio::test]
async fn entries_without_a_job() {
    let mut bench = Bench::full().await;
    for (command, place) in [
        (format!("RPUSH @wait:send-email {NUMBER}=gone"), "the waiting line"),
        ("ZADD @prio:send-email 7 =gone".into(), "the waiting line"),
        ("ZADD @delayed:send-email 9999999999999 =gone".into(), "the delayed jobs"),
        ("ZADD @active:send-email 9999999999999 =gone:1".into(), "the leases"),
        (format!("RPUSH @completed:send-email {NUMBER}=gone"), "the completed jobs"),
        ("ZADD @failed:send-email 9999999999999 =gone".into(), "the failed jobs"),
        ("ZADD @cancelled:send-email 9999999999999 =gone".into(), "the cancelled jobs"),
        ("ZADD @expired:send-email 9999999999999 =gone".into(), "the expired jobs"),
    ] {
        let expected = format!("`send-email`: {place} name job `gone`, which is not known");
        bench.heals(&[&command], &[&expected]).await;
    }
    let node = "`send-email`: the waiting line name job `gone#1`, which is not known";
    bench.heals(&[&format!("RPUSH @wait:send-email {NUMBER}*=gone#1")], &[node]).await;
    bench.drains().await;
}

#[tokio::test]
async fn entries_of_jobs_that_are_elsewhere() {
    let mut bench = Bench::full().await;
    for (command, place, id) in [
        (format!("RPUSH @wait:send-email {NUMBER}=done"), "the waiting line", "done"),
        (format!("RPUSH @wait:send-email {NUMBER}=active"), "the waiting line", "active"),
        (format!("RPUSH @wait:send-email {NUMBER}=delayed"), "the waiting line", "delayed"),
        (format!("RPUSH @wait:send-email {NUMBER}=urgent"), "the waiting line", "urgent"),
        (format!("RPUSH @wait:send-email {NUMBER}*=first#1"), "the waiting line", "first#1"),
        ("ZADD @prio:send-email 7 =failed".into(), "the waiting line", "failed"),
        ("ZADD @prio:send-email 7 =waiting".into(), "the waiting line", "waiting"),
        ("ZADD @delayed:send-email 9999999999999 =cancelled".into(), "the delayed jobs", "cancelled"),
        ("ZADD @delayed:send-email 9999999999999 =active".into(), "the delayed jobs", "active"),
        ("ZADD @active:send-email 9999999999999 =done:1".into(), "the leases", "done"),
        ("ZADD @active:send-email 9999999999999 =active:7".into(), "the leases", "active"),
        ("ZADD @active:send-email 9999999999999 *=first#1:1".into(), "the leases", "first#1"),
        (format!("RPUSH @completed:send-email {NUMBER}=waiting"), "the completed jobs", "waiting"),
        (format!("RPUSH @completed:send-email {NUMBER}=failed"), "the completed jobs", "failed"),
        ("ZADD @failed:send-email 9999999999999 =done".into(), "the failed jobs", "done"),
        ("ZADD @cancelled:send-email 9999999999999 =waiting".into(), "the cancelled jobs", "waiting"),
    ] {
        let expected = format!("`send-email`: {place} name job `{id}`, which does not belong there");
        bench.heals(&[&command], &[&expected]).await;
    }
    // of a task that has nothing else
    let expected = "`other`: the failed jobs name job `failed`, which does not belong there";
    bench.heals(&["ZADD @failed:other 9999999999999 =failed"], &[expected]).await;
    bench.drains().await;
}

#[tokio::test]
async fn lost_jobs_run_again() {
    let mut bench = Bench::full().await;
    for (commands, place, id) in [
        (vec!["LPOP @wait:send-email"], "the waiting line", "released"),
        (vec!["ZREM @prio:send-email =urgent"], "the waiting line", "urgent"),
        (vec!["ZPOPMIN @active:send-email"], "the waiting line", "active"),
        (vec!["RPOP @completed:send-email"], "the completed jobs", "done"),
        (vec!["ZREM @failed:send-email =failed"], "the failed jobs", "failed"),
        (vec!["ZREM @cancelled:send-email =cancelled"], "the cancelled jobs", "cancelled"),
    ] {
        let expected = format!("`send-email`: job `{id}` is missing in {place}");
        bench.heals(&commands, &[&expected]).await;
    }
    // the last two, of which one is cancelled
    let lost = "`send-email`: job `chord#2` is missing in the waiting line";
    let mark = "`send-email`: job `stopped#0` is marked as cancelled in line, and is not there";
    bench.heals(&["RPOP @wait:send-email", "RPOP @wait:send-email"], &[lost, mark]).await;
    let job = bench.adapter.exchange(exchange("first", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(job[0].lease.id.as_str(), "urgent", "it has its priority");
    bench.adapter.exchange(exchange("first", 2, vec![complete(&job[0])], 0)).await.expect("settle");
    // the attempt that the leases were lost of is refused
    let mut lost = job[0].clone();
    lost.lease.id = "active".into();
    let settled =
        bench.adapter.exchange(exchange("first", 3, vec![complete(&lost)], 0)).await.expect("settle");
    assert_eq!(settled.settled, [Settled::Stale]);
    bench.adapter.shift_clock(Duration::from_secs(3600)).await.expect("shift the clock");
    drain(&bench.adapter, "last").await;
    for id in ["released", "active", "urgent", "retrying", "behind", "large"] {
        let info = bench.adapter.job(&id.into()).await.expect("job").expect(id);
        assert_eq!(info.state, JobState::Completed, "{id}");
    }
    bench.drains().await;
}

#[tokio::test]
async fn lost_delayed_jobs_come_back_and_so_does_their_time() {
    let mut bench = Bench::full().await;
    let lost = "`send-email`: job `delayed` is missing in the waiting line";
    let due = "`send-email`: the earliest due time is not that of the delayed jobs";
    bench.heals(&["ZREM @delayed:send-email =delayed"], &[lost, due]).await;
    bench.drains().await;
}

#[tokio::test]
async fn a_job_that_is_twice_in_line_runs_once() {
    let mut bench = Bench::full().await;
    let double = "`send-email`: job `waiting` is twice in line";
    bench.heals(&[&format!("RPUSH @wait:send-email {NUMBER}=waiting")], &[double]).await;
    let mut ids = Vec::new();
    for number in 1.. {
        let jobs =
            bench.adapter.exchange(exchange("w", 100 + number, Vec::new(), 5)).await.expect("claim").jobs;
        if jobs.is_empty() {
            break;
        }
        ids.extend(jobs.into_iter().map(|job| job.lease.id.to_string()));
    }
    assert_eq!(ids.iter().filter(|id| *id == "waiting").count(), 1, "{ids:?}");
}

#[tokio::test]
async fn marks_of_cancelled_jobs() {
    let mut bench = Bench::full().await;
    let stray =
        |id: &str| format!("`send-email`: job `{id}` is marked as cancelled in line, and is not there");
    for id in ["gone", "done"] {
        bench.heals(&[&format!("SADD @stale:send-email ={id}")], &[&stray(id)]).await;
    }
    let lie = "`send-email`: job `waiting` is marked as cancelled, and is not";
    // seen at the mark and in line
    for (command, count) in [("SADD @stale:send-email =waiting", 2)] {
        bench.run(command);
        assert_eq!(bench.found().await.len(), count);
        assert!(bench.found().await.iter().all(|text| text.starts_with(lie)));
        assert_eq!(bench.app.repair().await.expect("repair").repaired, 1);
        assert_eq!(bench.found().await, [""; 0]);
    }
    bench
        .heals(
            &["SREM @stale:send-email =cancelled"],
            &["`send-email`: the waiting line name job `cancelled`, which does not belong there"],
        )
        .await;
    bench.drains().await;
}

#[tokio::test]
async fn parts_of_jobs_that_are_gone_or_have_ended() {
    let mut bench = Bench::full().await;
    let life = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x000";
    let end = "C\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x001";
    for (command, part, id) in [
        (format!("HSET @done =gone {end}"), "an end", "gone"),
        (format!("HSET @life =gone {life}"), "a history", "gone"),
        (format!("HSET @life =done {life}"), "a history", "done"),
        (format!("HSET @life *=first#1 {life}"), "a history", "first#1"),
        (format!("HSET @life *=gone#1 {life}"), "a history", "gone#1"),
        ("HSET @cancel =gone why".into(), "a cancel flag", "gone"),
        ("HSET @cancel =waiting why".into(), "a cancel flag", "waiting"),
        ("HSET @cancel =done why".into(), "a cancel flag", "done"),
        ("HSET @blobs =gone x".into(), "a payload", "gone"),
        ("HSET @blobs =waiting x".into(), "a payload", "waiting"),
        ("HSET @progress =gone 7".into(), "progress", "gone"),
        ("RPUSH @log:=gone {}".into(), "log lines", "gone"),
        ("RPUSH @log:*=gone#1 {}".into(), "log lines", "gone#1"),
        ("SADD @noted:=gone 1".into(), "log lines", "gone"),
        ("HSET @waiters =gone nobody".into(), "waiters", "gone"),
        ("HSET @waiters =done nobody".into(), "waiters", "done"),
        ("HSET @waiters *=stopped# nobody".into(), "waiters", "stopped"),
        ("HSET @waiters *=gone# nobody".into(), "waiters", "gone"),
    ] {
        bench.heals(&[&command], &[&format!("{part} of `{id}` is left over")]).await;
    }
    for (commands, id) in [
        (vec!["HDEL @progress =active"], "active"),
        (vec!["RPUSH @log:=waiting {}"], "waiting"),
        (vec!["RPUSH @log:*=first#0 {}"], "first#0"),
    ] {
        bench.heals(&commands, &[&format!("log lines of job `{id}` would outlive it")]).await;
    }
    bench.drains().await;
}

#[tokio::test]
async fn who_waits_for_what_has_ended_is_told() {
    let mut bench = Bench::full().await;
    let adapter = bench.adapter.clone();
    let waiting = tokio::spawn(async move { adapter.ended(&"waiting".into()).await });
    let told = async {
        while bench.run("HLEN @waiters") != redis::Value::Int(1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("a waiter is registered");
    // somebody removes the job by hand, and all that is known of it
    bench.run("HDEL @jobs =waiting");
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (2, 0), "{report}");
    let ended = timeout(PATIENCE, waiting).await.expect("in time").expect("no panic").expect("no error");
    assert!(ended.is_none(), "it is not known");
    bench.drains().await;
}

#[tokio::test]
async fn what_is_kept_about_a_task_as_a_whole() {
    let mut bench = Bench::full().await;
    for (commands, expected) in [
        (vec!["SREM @ready send-email"], vec!["`send-email`: jobs are in line, and workers do not see that"]),
        (vec!["SADD @ready other"], vec!["`other`: it is said that jobs are in line, and none is"]),
        (
            vec!["ZADD @due 7 send-email"],
            vec!["`send-email`: the earliest due time is not that of the delayed jobs"],
        ),
        (
            vec!["ZREM @due send-email"],
            vec!["`send-email`: the earliest due time is not that of the delayed jobs"],
        ),
        (vec!["ZADD @due 7 other"], vec!["`other`: the earliest due time is not that of the delayed jobs"]),
        (vec!["HSET @timer other 7"], vec!["`other`: a worker has been told a time at which nothing is due"]),
        (vec!["LPUSH @wake:other 1"], vec!["`other`: there is a wake-up for nothing"]),
        (vec!["SREM @tasks send-email"], vec!["`send-email`: it has jobs, and is not among the known tasks"]),
    ] {
        bench.heals(&commands, &expected).await;
    }
    let sentinel = format!("ZADD @active:other inf {}", "~".repeat(65));
    bench.heals(&[&sentinel], &["`other`: the sentinel of its leases is left without one"]).await;
    bench.drains().await;
}

#[tokio::test]
async fn workflows_that_count_wrongly() {
    let mut bench = Bench::full().await;
    let open = |counted: &str| format!("workflow `chord` counts {counted} open nodes, and has 4");
    for counted in [3, 7, 0] {
        bench.set_state("chord", counted, true);
        bench.heals(&[], &[&open(&counted.to_string())]).await;
    }
    for (value, counted) in
        [("2", "2"), ("8", "8"), ("x", "nothing readable"), ("0", "0"), ("-1", "nothing readable")]
    {
        let expected = format!("join 0 of workflow `chord` says {counted}, and 3 nodes are to come");
        bench.heals(&[&format!("HSET @wf:=chord j0 {value}")], &[&expected]).await;
    }
    bench.heals(&["ZREM @wfdue =chord"], &["workflow `chord` is not in the index it belongs to"]).await;
    for (command, id) in [
        ("ZADD @wfdue 9999999999999 =first", "first"),
        ("ZADD @wfdone 9999999999999 =first", "first"),
        ("ZREM @wfdone =stopped", "stopped"),
        ("ZADD @wfdue 9999999999999 =stopped", "stopped"),
    ] {
        bench.heals(&[command], &[&format!("workflow `{id}` is not in the index it belongs to")]).await;
    }
    for command in ["ZADD @wfdone 7 =gone", "ZADD @wfdue 9999999999999 =gone"] {
        bench.heals(&[command], &["an index names workflow `gone`, which is not known"]).await;
    }
    drain(&bench.adapter, "last").await;
    for id in ["first", "chord"] {
        let record = bench.adapter.workflow(&id.into(), false).await.expect("workflow").expect(id);
        assert_eq!(record.state, WorkflowState::Completed, "{id}");
    }
    bench.drains().await;
}

#[tokio::test]
async fn joins_that_cannot_be_read() {
    let mut bench = Bench::full().await;
    let says = "join 0 of workflow `first` says 5, and 1 nodes are to come";
    bench.heals(&["HSET @wf:=first j0 5"], &[says]).await;
    for command in ["HSET @wf:=chord c0 abc", "HDEL @wf:=chord c0"] {
        bench.run(command);
        let expected = "join 0 of workflow `chord` cannot be read; look at it by hand";
        assert_eq!(bench.found().await, [expected], "{command}");
        let report = bench.app.repair().await.expect("repair");
        assert_eq!((report.repaired, report.left), (0, 1), "{report}");
    }
}

/// Nodes that end while a large workflow is read, again and again: it is not called damaged, and not sound either.
#[tokio::test]
async fn a_workflow_that_never_rests_is_counted_as_unjudged() {
    let bench = Bench::start().await;
    let adapter = &bench.adapter;
    adapter.start(chord("large", 1_000)).await.expect("start");
    let jobs = adapter.exchange(exchange("w", 1, Vec::new(), 1_000)).await.expect("claim").jobs;
    let (mut audit, mut unjudged, mut settled) = (adapter.audit(), 0, 0);
    while let Some(page) = audit.page().await.expect("page") {
        assert!(page.findings.is_empty(), "{:?}", page.findings);
        unjudged += page.unjudged;
        if let Some(job) = jobs.get(settled) {
            settled += 1;
            let number = settled as u64 + 1;
            adapter.exchange(exchange("w", number, vec![complete(job)], 0)).await.expect("settle");
        }
    }
    assert_eq!(unjudged, 1);
    assert!(settled > 10, "{settled}");
    assert_eq!(assert_clean(adapter, "at rest").await.unjudged, 0);
}

#[tokio::test]
async fn stray_marks_cost_nobody_the_place_in_line() {
    let mut bench = Bench::start().await;
    bench.adapter.enqueue(["a", "b", "c", "d"].map(job).to_vec()).await.expect("enqueue");
    bench.run("SADD @stale:send-email =gone =gone-too =and-gone");
    for id in ["b", "a"] {
        bench.adapter.cancel(&id.into(), "why").await.expect("cancel");
    }
    // as many marks as entries, and more: those at the head have gone, the others have stayed
    assert_eq!(bench.run("LLEN @wait:send-email"), redis::Value::Int(2));
    assert_eq!(bench.run("SCARD @stale:send-email"), redis::Value::Int(3));
    assert_eq!(drain(&bench.adapter, "x").await, 2, "`c` and `d`");
    assert_eq!(bench.app.repair().await.expect("repair").repaired, 3);
    bench.drains().await;
}

/// Of a line that is cancelled as a whole, the last cancellation takes a page, and claims the rest.
#[tokio::test]
async fn a_long_line_of_tombstones_goes_page_by_page() {
    let mut bench = Bench::start().await;
    const JOBS: usize = 1_300;
    bench.adapter.enqueue((0..JOBS).map(|n| job(&n.to_string())).collect()).await.expect("enqueue");
    for number in 0..JOBS {
        bench.adapter.cancel(&number.to_string().as_str().into(), "why").await.expect("cancel");
    }
    assert_eq!(bench.run("LLEN @wait:send-email"), redis::Value::Int(800));
    assert_eq!(bench.adapter.counts(TASK).await.expect("counts").waiting, 0);
    assert_clean(&bench.adapter, "cancelled").await;
    assert_eq!(drain(&bench.adapter, "x").await, 0);
    assert_eq!(bench.run("EXISTS @wait:send-email @stale:send-email @ready"), redis::Value::Int(0));
    bench.drains().await;
}

#[tokio::test]
async fn workflows_that_do_not_go_on() {
    // the join of a chord is at zero, and nobody was told
    let mut bench = Bench::start().await;
    bench.adapter.start(chord("w", 2)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 2)).await.expect("claim").jobs;
    bench.adapter.exchange(exchange("w", 2, jobs.iter().map(complete).collect(), 0)).await.expect("settle");
    bench.run("DEL @wait:send-email");
    bench.run("HSET @wf:=w j0 -0\\x200");
    bench.run("SREM @ready send-email");
    let stuck = "join 0 of workflow `w` says 0, and 0 nodes are to come";
    bench.heals(&["DEL @wake:send-email"], &[stuck]).await;
    assert_eq!(drain(&bench.adapter, "x").await, 1, "the callback");
    bench.drains().await;

    // the next step of a chain was not told
    for (damage, says) in
        [("HDEL @wf:=w j0", "1"), ("HSET @wf:=w j0 -0\\x200", "0"), ("HSET @wf:=w j0 7", "7")]
    {
        let mut bench = Bench::start().await;
        bench.adapter.start(chain("w", 3)).await.expect("start");
        let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
        bench.adapter.exchange(exchange("w", 2, vec![complete(&jobs[0])], 0)).await.expect("settle");
        for command in ["DEL @wait:send-email", "SREM @ready send-email", "DEL @wake:send-email"] {
            bench.run(command);
        }
        let stuck = format!("join 0 of workflow `w` says {says}, and 0 nodes are to come");
        bench.heals(&[damage], &[&stuck]).await;
        assert_eq!(drain(&bench.adapter, "x").await, 2, "the other steps");
        bench.drains().await;
    }

    // it has ended, and what is left to cancel was forgotten
    let mut bench = Bench::start().await;
    bench.adapter.start(chain("w", 400)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let failed = settlement(&jobs[0], AttemptEnd::Fail("no".into()));
    bench.adapter.exchange(exchange("w", 2, vec![failed], 0)).await.expect("settle");
    assert_eq!(bench.found().await, [""; 0], "the rest is under way");
    bench.run("DEL @todo");
    let found = bench.found().await;
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("workflow `w` has ended, and node 128 still waits"), "{found:?}");
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (1, 0), "{report}");
    bench.drains().await;

    // a node has failed, and it runs on
    let mut bench = Bench::start().await;
    bench.adapter.start(chord("w", 2)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let failed = settlement(&jobs[0], AttemptEnd::Fail("no".into()));
    bench.adapter.exchange(exchange("w", 2, vec![failed], 0)).await.expect("settle");
    for command in ["HDEL @wf:=w d1", "HDEL @wf:=w d2", "ZREM @wfdone =w"] {
        bench.run(command);
    }
    bench.set_state("w", 2, false);
    let found = bench.found().await;
    assert!(
        found.iter().any(|text| text.starts_with("workflow `w` runs, although node 0 has ended it")),
        "{found:?}"
    );
    while bench.app.repair().await.expect("repair").repaired > 0 {}
    assert_eq!(bench.found().await, [""; 0]);
    let record = bench.adapter.workflow(&"w".into(), false).await.expect("workflow").expect("known");
    assert_eq!(record.state, WorkflowState::Failed);
    bench.drains().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_left() {
    let mut bench = Bench::full().await;
    let commands = [
        "HSET @jobs =garbage \\xff\\x00\\x01",
        "HSET @jobs =short \\x01\\x00",
        "HSET @jobs odd \\x01\\x00",
        "HSET @done =failed ?",
        "HSET @life =released 7",
        "HSET @wf:=garbage m nonsense",
        "HSET @wf:=cut m short",
        "HSET @wf:=first n1 \\xff",
        "ZADD @active:send-email 9999999999999 nonsense",
        "RPUSH @wait:send-email abc",
        "RPUSH @completed:send-email abc",
        "SET @mine 1",
        "HDEL @blobs =large",
    ];
    for command in commands {
        bench.run(command);
    }
    let mut found = bench.found().await;
    found.sort();
    let expected = [
        "`send-email`: the payload of job `large` is missing; cancel the job",
        "nobody knows the key `{taskora}:mine`; it is left as it is",
        "node 1 of workflow `first` cannot be read; look at it by hand",
        "the end of job `failed` cannot be read; look at it by hand",
        "the entry `abc` of `completed` cannot be read; look at it by hand",
        "the entry `abc` of `wait` cannot be read; look at it by hand",
        "the entry `nonsense` of `active` cannot be read; look at it by hand",
        "the head of workflow `cut` cannot be read; look at it by hand",
        "the head of workflow `garbage` cannot be read; look at it by hand",
        "the history of job `released` cannot be read; look at it by hand",
        "the record of job `garbage` cannot be read; look at it by hand",
        "the record of job `odd` cannot be read; look at it by hand",
        "the record of job `short` cannot be read; look at it by hand",
    ];
    assert_eq!(found, expected);
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (0, expected.len()), "{report}");
    let mut again = bench.found().await;
    again.sort();
    assert_eq!(again, expected);
}

#[tokio::test]
async fn a_key_of_another_type_stops_the_check() {
    let mut bench = Bench::full().await;
    bench.run("DEL @jobs");
    bench.run("SET @jobs 7");
    let expected = "the key `{taskora}:jobs` must be a hash, but is a string; remove it by hand";
    assert_eq!(bench.found().await, [expected]);
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (0, 1), "{report}");
}

#[tokio::test]
async fn a_report_counts_more_than_it_holds() {
    let mut bench = Bench::start().await;
    for number in 0..1_500 {
        bench.run(&format!("HSET @cancel =gone-{number} why"));
    }
    let report = bench.app.check().await.expect("check");
    assert_eq!((report.found, report.violations.len(), report.is_truncated()), (1_500, 1_000, true));
    assert!(report.to_string().ends_with("… and 500 more\n1500 violations in 0 jobs and 0 workflows"));
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (1_500, 0));
    assert_eq!(bench.found().await, [""; 0]);
}

/// Claimed after one page, and back in line after a later one: whichever these are, nobody sees damage.
#[tokio::test]
async fn a_job_that_moves_between_two_pages_is_no_damage() {
    let bench = Bench::start().await;
    let adapter = &bench.adapter;
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let mut number = 0;
    let mut pages = 20;
    let mut leave = 1;
    while leave < pages {
        let last = pages;
        for back in leave..last {
            let (mut audit, mut page, mut held) = (adapter.audit(), 0, Vec::new());
            while let Some(found) = audit.page().await.expect("page") {
                let texts: Vec<String> =
                    found.findings.iter().map(|finding| finding.violation.to_string()).collect();
                assert_eq!(
                    texts, [""; 0],
                    "left after page {leave}, back after page {back}, seen in page {page}"
                );
                page += 1;
                number += 1;
                if page == leave {
                    held = adapter.exchange(exchange("w", number, Vec::new(), 1)).await.expect("claim").jobs;
                    assert_eq!(held.len(), 1);
                    number += 1;
                }
                if page == back {
                    let settle = held.drain(..).map(|job| settlement(&job, AttemptEnd::Release)).collect();
                    adapter.exchange(exchange("w", number, settle, 0)).await.expect("settle");
                }
            }
            pages = page;
            // the audit may have ended before it was to come back
            let settle = held.drain(..).map(|job| settlement(&job, AttemptEnd::Release)).collect();
            number += 1;
            adapter.exchange(exchange("w", number, settle, 0)).await.expect("settle");
        }
        leave += 1;
    }
    assert!(pages > 10, "{pages} pages");
}

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Whatever is on its way while a check looks: dispatched, claimed, renewed, retried, released, cancelled, trimmed, of
/// workflows and of large ones. Nothing of it is damage, and a repair finds nothing to repair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_queue_shows_no_violation() {
    let bench = Bench::start().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut busy = JoinSet::new();
    for worker in 0..3_u64 {
        let (adapter, done) = (bench.adapter.clone(), Arc::clone(&done));
        busy.spawn(async move {
            let mut random = Random(worker + 1);
            let mut number = 0;
            let mut settle = Vec::new();
            let few = Keep { age: Duration::from_secs(60), count: 50 };
            while !done.load(Ordering::Relaxed) || !settle.is_empty() {
                number += 1;
                let mut call = exchange(&format!("w{worker}"), number, std::mem::take(&mut settle), 20);
                call.retention = Retention { completed: few, failed: few, workflows: few };
                for job in adapter.exchange(call).await.expect("exchange").jobs {
                    let delay = Duration::from_millis(random.pick(&[0, 1, 20]));
                    let end = match random.below(12) {
                        0 => AttemptEnd::Fail("no".into()),
                        1 | 2 => AttemptEnd::Retry { error: "again".into(), delay },
                        3 => AttemptEnd::Release,
                        4 => {
                            adapter.cancel(&job.lease.id, "why").await.expect("cancel");
                            AttemptEnd::Cancel
                        }
                        _ => AttemptEnd::Complete(b"1".to_vec()),
                    };
                    settle.push(settlement(&job, end));
                }
                if number % 50 == 0 {
                    adapter.sweep(&[TASK.into()], Retention::default()).await.expect("sweep");
                }
            }
        });
    }
    let (adapter, stop) = (bench.adapter.clone(), Arc::clone(&done));
    busy.spawn(async move {
        let mut random = Random(99);
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let jobs = (0..random.below(60)).map(|place| NewJob {
                priority: random.pick(&[0, 0, 0, 3]),
                due: Due::After(Duration::from_millis(random.pick(&[0, 0, 0, 10]))),
                payload: vec![b'7'; random.pick(&[1, 1, 1, 5_000])],
                ..job(&format!("{number}-{place}"))
            });
            adapter.enqueue(jobs.collect()).await.expect("enqueue");
            let id = format!("flow-{number}");
            let len = random.below(4) as u32 + 1;
            let mut flow = if random.below(2) == 0 { chain(&id, len) } else { chord(&id, len) };
            flow.ttl = (random.below(4) == 0).then(|| Duration::from_millis(random.pick(&[5, 60_000])));
            adapter.start(flow).await.expect("start");
            if number % 10 == 0 {
                adapter.start(chord(&format!("large-{number}"), 1_200)).await.expect("start");
            }
            match random.below(4) {
                0 => drop(adapter.cancel_workflow(&id.as_str().into(), "why").await),
                1 => drop(adapter.cancel(&format!("{number}-3").into(), "why").await),
                _ => {}
            }
            // so that the line does not only grow
            while adapter.counts(TASK).await.expect("counts").waiting > 3_000 && !stop.load(Ordering::Relaxed)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let (mut rounds, mut looked_at) = (0, 0);
    while rounds < 5 || looked_at < 8_000 {
        rounds += 1;
        looked_at += assert_clean(&bench.adapter, &format!("round {rounds}")).await.looked_at;
        let repaired = bench.app.repair().await.expect("repair");
        assert!(repaired.violations.is_empty(), "round {rounds}: {repaired}");
    }
    done.store(true, Ordering::Relaxed);
    busy.join_all().await;
    drain(&bench.adapter, "last").await;
    bench.drains().await;
}

#[tokio::test]
async fn a_delayed_job_that_is_cancelled_leaves_no_wake_up() {
    let bench = Bench::start().await;
    let delayed = NewJob { due: Due::After(Duration::from_secs(300)), ..job("a") };
    bench.adapter.enqueue(vec![delayed]).await.expect("enqueue");
    bench.adapter.cancel(&"a".into(), "why").await.expect("cancel");
    assert_clean(&bench.adapter, "cancelled").await;
    bench.drains().await;
}

/// By numbers of entries, not by time, which says little on a busy machine.
#[tokio::test]
async fn no_page_grows_with_the_backlog() {
    let bench = Bench::start().await;
    for chunk in 0..20 {
        let jobs = (0..500).map(|number| job(&format!("{chunk}-{number}")));
        bench.adapter.enqueue(jobs.collect()).await.expect("enqueue");
    }
    bench.adapter.start(chord("large", 3_000)).await.expect("start");
    let (mut audit, mut jobs, mut largest) = (bench.adapter.audit(), 0, 0);
    while let Some(page) = audit.page().await.expect("page") {
        assert!(page.findings.is_empty(), "{:?}", page.findings);
        jobs += page.jobs;
        largest = largest.max(page.looked_at);
    }
    assert_eq!(jobs, 10_000);
    assert!((100..=500).contains(&largest), "{largest}");
}
