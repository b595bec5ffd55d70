//! A store to damage by hand.

use std::time::Duration;

use redis::{Commands, Connection};
use taskora::adapter::{AttemptEnd, Due, JobReport, Jobs, NewJob, NewWorkflow, Workflows};
use taskora::{App, LogEntry, LogLevel, Retention, RetentionLimit, Timestamp, Ttl};
use taskora_redis::RedisAdapter;

use super::assert_clean;
use crate::flows::{chain, chord};
use crate::kit::{TASK, complete, drain, exchange, job, patient};
use crate::server::Server;

/// A store to damage.
pub(super) struct Bench {
    _server: Server,
    pub(super) adapter: RedisAdapter,
    pub(super) app: App,
    pub(super) redis: Connection,
}

impl Bench {
    pub(super) async fn start() -> Self {
        let server = Server::start();
        let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
        let redis = redis::Client::open(server.url()).expect("a URL").get_connection().expect("connect");
        Self { app: App::new(adapter.clone()), _server: server, adapter, redis }
    }

    /// The same with a job in each state, called after where it is, and workflows.
    pub(super) async fn full() -> Self {
        let bench = Self::start().await;
        let adapter = &bench.adapter;
        let ids =
            ["done", "failed", "retrying", "active", "flagged", "released", "waiting", "cancelled", "behind"];
        adapter.enqueue(ids.map(job).to_vec()).await.expect("enqueue");
        let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 6)).await.expect("claim").jobs;
        let retry = AttemptEnd::Retry { error: "again".into(), delay: Duration::from_secs(600) };
        let settle = vec![
            complete(&claimed[0]),
            claimed[1].settlement(AttemptEnd::Fail("no".into())),
            claimed[2].settlement(retry),
            claimed[5].settlement(AttemptEnd::release()),
        ];
        let line = LogEntry::new(LogLevel::Info, "sending", Timestamp::from_millis(1), 1);
        let notes = JobReport { lease: claimed[3].lease.clone(), progress: None, logs: vec![line] };
        adapter.note(vec![notes]).await.expect("note");
        adapter.exchange(exchange("w", 2, settle, 0)).await.expect("settle");
        for id in ["flagged", "cancelled"] {
            adapter.cancel(&id.into(), "why").await.expect("cancel");
        }
        let delayed = NewJob { due: Due::After(Duration::from_secs(300)), ..job("delayed") };
        let urgent = NewJob { priority: 5, ..job("urgent") };
        let large = NewJob { payload: vec![b'x'; 5000], ..job("large") };
        let ttl = Some(Ttl::new(Duration::from_secs(3600)));
        let brief = NewJob { ttl, ..job("brief") };
        let early = NewJob { ttl, due: Due::After(Duration::from_secs(600)), ..job("early") };
        adapter.enqueue(vec![delayed, urgent, large, brief, early]).await.expect("enqueue");
        let mut first = chain("first", 2);
        first.nodes[0].ttl = ttl;
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
    pub(super) fn run(&mut self, command: &str) -> redis::Value {
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
    pub(super) fn set_state(&mut self, flow: &str, left: u32, keeps_end: bool) {
        let key = format!("{{taskora}}:wf:={flow}");
        let state: Vec<u8> = self.redis.hget(&key, "l").expect("its state");
        let end = state.iter().position(|byte| *byte == b' ').filter(|_| keeps_end).unwrap_or(state.len());
        let state = [left.to_string().as_bytes(), &state[end..]].concat();
        let _: () = self.redis.hset(&key, "l", state).expect("its state");
    }

    pub(super) async fn found(&self) -> Vec<String> {
        let report = self.app.check().await.expect("check");
        report.violations.iter().map(ToString::to_string).collect()
    }

    /// A check finds these, each text up to what a repair does; a repair repairs all of them; then nothing is found.
    pub(super) async fn heals(&mut self, damage: &[&str], expected: &[&str]) {
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
    pub(super) async fn drains(&self) {
        let adapter = &self.adapter;
        adapter.shift_clock(Duration::from_secs(7200)).await.expect("shift the clock");
        let none = RetentionLimit::new(Duration::from_secs(1), 0);
        let keep = Retention::all(none);
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
        // starts go by themselves when their rate no longer counts them
        keys.retain(|key| !key.starts_with("{taskora}:rate:"));
        let baseline = ["clock", "front", "meta", "procs", "registry", "seq", "tasks"]
            .map(|key| format!("{{taskora}}:{key}"));
        keys.retain(|key| !baseline.contains(key));
        assert_eq!(keys, [""; 0]);
    }

    pub(super) fn redis_again(&self) -> Connection {
        redis::Client::open(self._server.url()).expect("a URL").get_connection().expect("connect")
    }
}

/// The bytes that a text with `\x..` stands for.
pub(super) fn unescaped(word: &str) -> Vec<u8> {
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
