//! Fault 21: very many jobs, and very large ones.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskora::adapter::{
    AttemptEnd, CallId, Claim, ClaimedJob, Exchange, Inspection, JobCounts, Jobs, Settlement, TaskClaim,
    TaskName,
};
use taskora::prelude::*;
use taskora::{Retention, RetentionLimit};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{RedisServer, Reply};

use crate::process::KEEP_ALL;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, Work};

/// What no script may take, in microseconds: twice the promised ten milliseconds, which the benches measure. This is a test and runs
/// beside others; it finds a script whose cost grows with the backlog, which takes many times that.
const SLOW: i64 = 20_000;
/// What it may take now and then, twice or in one of fifty calls: the time of a call is that of the server's thread, with what the machine took from it and
/// with what Redis does of its own. A script that is slow is so each time.
const OUTLIER: i64 = 3 * SLOW;
const OUTLIERS: [usize; 2] = [2, 50];
/// How long 4,000 commands in a script take on the machine on which these limits were measured, in microseconds.
const PACE: i64 = 7_000;
/// What one exchange claims and settles at most.
const PAGE: usize = 500;
/// The largest payload and result that an app allows: 8 MiB with its JSON.
const LARGE: usize = App::DEFAULT_MAX_PAYLOAD - 100;
/// Nothing that has ended is kept.
const NOTHING: Retention = {
    let nothing = RetentionLimit::new(Duration::ZERO, 0);
    Retention::all(nothing)
};
/// When the delayed jobs are due, all at once.
const LATER: Duration = Duration::from_secs(3600);

/// Many jobs waiting, active and due at once, and the largest payload. All of them are claimed and settled in the end, the
/// sweeps come to their end, and no script fails or is slow: by the server's own log of slow
/// commands, and by the processor time of its thread, so that a script is not slow because others use the machine.
///
/// With scale 1 a tenth of what a higher one takes: a million waiting, fifty thousand active, a million due.
pub async fn sizes(seed: u64, scale: u32) -> Report {
    let part = if scale > 1 { 1 } else { 10 };
    let (waiting, active, due) = (1_000_000 / part, 50_000 / part, 1_000_000 / part);
    let all = waiting + active + due;
    let slow = SLOW.to_string();
    let server =
        RedisServer::builder().args(["--slowlog-log-slower-than", &slow, "--slowlog-max-len", "100000"]);
    let stage = Stage::with("sizes", seed, server);
    let config = RedisConfig::new(stage.server.url()).test_clock().command_timeout(Duration::from_secs(20));
    let adapter = RedisAdapter::connect(config).await.expect("a connection");
    let mut hands = Hands {
        app: App::builder(adapter.clone()).retention(KEEP_ALL).build(),
        adapter,
        calls: 0,
        watch: Watch::new(&stage.server),
        findings: Vec::new(),
    };

    // to copy so many bytes takes its time, whatever is done with them: the script with the largest payload or result may
    // take five times what one takes that does nothing but store it (others on the machine take their share of the memory)
    let limit = SLOW.max(5 * hands.watch.reference());
    hands.large().await;
    hands.phase("a large payload and result", limit, limit);

    hands.dispatch(waiting + active, None).await;
    hands.dispatch(due, Some(LATER)).await;
    hands.phase("dispatches", SLOW, OUTLIER);

    let mut held = 0;
    while held < active {
        held += hands.exchange(Vec::new(), PAGE.min(active - held), LATER / 2).await.len();
    }
    hands.expect([waiting, due, active, 0], "before the hour has passed").await;
    hands.phase("claims", SLOW, OUTLIER);

    // all leases have passed, and all delayed jobs are due, at this moment
    hands.adapter.shift_clock(2 * LATER).await.expect("a shifted clock");
    // who claims meets them first
    let mut settled = 0;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        settled += jobs.len();
        jobs = hands.exchange(settlements(&jobs, b"{}"), PAGE, LATER).await;
    }
    settled += jobs.len();
    hands.exchange(settlements(&jobs, b"{}"), 0, LATER).await;
    hands.demand(settled == 20 * PAGE, || format!("20 exchanges claimed {settled} jobs"));
    let left = all - settled;
    hands.phase("exchanges while all is due", SLOW, OUTLIER);
    let (sweeps, rescued) = hands.sweep(KEEP_ALL).await;
    hands.demand(rescued == active, || format!("the sweeps took back {rescued} jobs, and not {active}"));
    hands.expect([left, 0, 0, settled], "after the sweeps").await;
    hands.phase(&format!("{sweeps} sweeps"), SLOW, OUTLIER);

    let mut jobs = hands.exchange(Vec::new(), PAGE, LATER).await;
    while !jobs.is_empty() {
        settled += jobs.len();
        jobs = hands.exchange(settlements(&jobs, b"{}"), PAGE, LATER).await;
    }
    hands.demand(settled == all, || format!("{settled} jobs were claimed in the end, and not {all}"));
    hands.expect([0, 0, 0, all], "in the end").await;
    hands.phase("exchanges", SLOW, OUTLIER);

    let (sweeps, _) = hands.sweep(NOTHING).await;
    hands.expect([0, 0, 0, 0], "after their removal").await;
    hands.phase(&format!("{sweeps} sweeps that remove"), SLOW, OUTLIER);

    let findings = hands.findings;
    let mut report = stage.finish(Vec::new()).await;
    report.jobs = all;
    report.attempts = settled;
    report.demand(findings.is_empty(), || findings.join("\n  "));
    report
}

fn settlements(jobs: &[ClaimedJob], result: &[u8]) -> Vec<Settlement> {
    jobs.iter().map(|job| job.settlement(AttemptEnd::Complete(result.to_vec()))).collect()
}

/// Dispatches, claims, settles and sweeps, one call at a time.
struct Hands<'a> {
    app: App,
    adapter: RedisAdapter,
    calls: u64,
    watch: Watch<'a>,
    findings: Vec<String>,
}

impl Hands<'_> {
    fn demand(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.findings.push(message());
        }
    }

    fn phase(&mut self, name: &str, limit: i64, outlier: i64) {
        let found = self.watch.phase(name, limit, outlier);
        self.findings.extend(found);
    }

    /// The largest payload is stored and claimed, and the largest result is settled and read.
    async fn large(&mut self) {
        let act = Act { ballast: "x".repeat(LARGE), ..Act::default() };
        let dispatch = self.app.dispatch(Work { act });
        let job = self.watch.call(dispatch.into_future()).await.expect("a large job");
        let jobs = self.exchange(Vec::new(), 1, LATER).await;
        let claimed: Vec<usize> = jobs.iter().map(|job| job.payload.len()).collect();
        self.demand(matches!(*claimed, [size] if size > LARGE), || format!("payloads of {claimed:?} bytes"));
        let result = format!("{{\"nonce\":1,\"ballast\":\"{}\"}}", "x".repeat(LARGE));
        self.exchange(settlements(&jobs, result.as_bytes()), 0, LATER).await;
        let read = self.watch.call(job.result_within(PATIENCE)).await;
        self.demand(read.is_ok(), || format!("the large result is {read:?}"));
        self.sweep(NOTHING).await;
    }

    async fn dispatch(&mut self, count: usize, delay: Option<Duration>) {
        for from in (0..count).step_by(PAGE) {
            let jobs = (from..count.min(from + PAGE)).map(|_| Work { act: Act::default() });
            let many = self.app.dispatch_many(jobs);
            let many = match delay {
                Some(delay) => many.delay(delay),
                None => many,
            };
            self.watch.call(many.into_future()).await.expect("jobs");
        }
    }

    async fn exchange(&mut self, settle: Vec<Settlement>, limit: usize, lease: Duration) -> Vec<ClaimedJob> {
        self.calls += 1;
        let tasks: Arc<[TaskClaim]> =
            Arc::new([TaskClaim { task: TaskName::from(Work::NAME), limit, lease }]);
        let exchange = Exchange {
            call: CallId { worker: "hands".into(), slot: 0, number: self.calls },
            settle,
            claim: Some(Claim { limit, room: limit, tasks }),
            retention: KEEP_ALL,
        };
        self.watch.call(self.adapter.exchange(exchange)).await.expect("an exchange").jobs
    }

    /// Sweeps while there is more, and answers how often, and how many jobs were rescued.
    async fn sweep(&mut self, retention: Retention) -> (usize, usize) {
        let (mut sweeps, mut rescued) = (0, 0);
        loop {
            let tasks = [Work::NAME.into()];
            let swept = self.watch.call(self.adapter.sweep(&tasks, retention)).await.expect("a sweep");
            sweeps += 1;
            rescued += swept.rescued;
            if !swept.more {
                return (sweeps, rescued);
            }
        }
    }

    async fn expect(&mut self, counts: [usize; 4], when: &str) {
        let counted = self.watch.call(self.adapter.counts(Work::NAME)).await.expect("counts");
        let JobCounts { waiting, delayed, active, completed, .. } = counted;
        let found = [waiting, delayed, active, completed];
        self.demand(found == counts, || {
            format!("{when}, {found:?} jobs wait, are delayed, active and completed, and not {counts:?}")
        });
    }
}

/// Looks for scripts that failed or were slow.
struct Watch<'a> {
    server: &'a RedisServer,
    process: String,
    began: Instant,
    /// The processor time of each call in this phase, in microseconds.
    calls: Vec<i64>,
    /// At the start of the phase.
    slowness: f64,
}

impl<'a> Watch<'a> {
    fn new(server: &'a RedisServer) -> Self {
        let process = server.info("process_id").expect("a server").unwrap_or_default();
        let mut watch = Self { server, process, began: Instant::now(), calls: Vec::new(), slowness: 1.0 };
        watch.slowness = watch.slowness();
        watch
    }

    /// The time that the thread which runs scripts has used so far, in microseconds, where the system tells it.
    fn used(&self) -> Option<i64> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.process)).ok()?;
        Some(text.split(' ').next()?.parse::<i64>().ok()? / 1_000)
    }

    async fn call<T>(&mut self, call: impl Future<Output = T>) -> T {
        let before = self.used();
        let answer = call.await;
        let used = self.used().zip(before).map(|(after, before)| after - before);
        // without it, the log of slow commands alone decides
        self.calls.push(used.unwrap_or(i64::MAX));
        answer
    }

    /// How long a script takes that stores the largest payload and does nothing else, in microseconds.
    fn reference(&self) -> i64 {
        let script = "return redis.call('SET', KEYS[1], ARGV[1])";
        let before = self.used();
        let asked = Instant::now();
        let stored = self.server.command(&["EVAL", script, "1", "reference", &"x".repeat(LARGE)]);
        assert!(matches!(stored, Ok(Reply::Text(_))), "{stored:?}");
        let used = self.used().zip(before).map(|(after, before)| after - before);
        for command in [&["DEL", "reference"][..], &["SLOWLOG", "RESET"]] {
            self.server.command(command).expect("a server");
        }
        used.unwrap_or_else(|| asked.elapsed().as_micros() as i64)
    }

    /// How much slower the machine is at this moment than one on which [`PACE`] is right; at least 1.
    fn slowness(&self) -> f64 {
        let script = "for i = 1, 2000 do redis.call('HSET', KEYS[1], 'field' .. i % 50, string.rep('x', 100) .. i) \
                      redis.call('HGET', KEYS[1], 'field' .. i % 50) end return 1";
        let before = self.used();
        assert!(matches!(self.server.command(&["EVAL", script, "1", "pace"]), Ok(Reply::Number(1))));
        let used = self.used().zip(before).map_or(PACE, |(after, before)| after - before);
        self.server.command(&["DEL", "pace"]).expect("a server");
        (used as f64 / PACE as f64).max(1.0)
    }

    /// What was wrong since the last phase. No script may take longer than `limit` microseconds, nor an outlier than that. A
    /// machine that is slow, or has become slow meanwhile, gets as much more time.
    fn phase(&mut self, name: &str, limit: i64, outlier: i64) -> Vec<String> {
        let took = self.began.elapsed();
        let mut calls = std::mem::take(&mut self.calls);
        calls.sort_unstable_by(|a, b| b.cmp(a));
        let [few, part] = OUTLIERS;
        let most = calls.first().copied().unwrap_or(0);
        let repeated = calls.get(few.max(calls.len() / part)).copied().unwrap_or(0);
        let slowness = (0..3).map(|_| self.slowness()).fold(self.slowness, f64::max);
        let [limit, outlier] = [limit, outlier].map(|limit| (limit as f64 * slowness) as i64);
        let mut findings = Vec::new();
        let Ok(Reply::List(entries)) = self.server.command(&["SLOWLOG", "GET", "-1"]) else {
            return vec!["the server's log of slow commands cannot be read".to_owned()];
        };
        let mut slow: Vec<(i64, String)> = entries.iter().filter_map(entry).collect();
        slow.sort_unstable();
        let slowest = slow.last();
        println!(
            "sizes: {name} took {took:.1?}, one call at most {most} µs of the server; {} slow commands, the slowest {:?}",
            slow.len(),
            slow.iter().rev().take(5).collect::<Vec<_>>()
        );
        if let Some((time, script)) = slowest
            && (repeated.min(*time) > limit || most.min(*time) > outlier)
        {
            findings.push(format!(
                "in {name}, `{script}` took {time} µs, and calls up to {most} and, again and again, {repeated} µs of the server, which is more than {limit}"
            ));
        }
        let failed = self.count("cmdstat_fcall", "failed_calls");
        let unknown = self.count("cmdstat_function|load", "calls");
        if failed > unknown {
            findings.push(format!(
                "after {name}, {failed} scripts have failed, and {unknown} because they were not there"
            ));
        }
        self.slowness = self.slowness();
        // fails only for a server that is gone
        let _ = self.server.command(&["SLOWLOG", "RESET"]);
        self.began = Instant::now();
        findings
    }

    /// A number in a field of `INFO` that has several.
    fn count(&self, field: &str, name: &str) -> u64 {
        let text = self.server.info(field).ok().flatten().unwrap_or_default();
        let mut parts = text.split(',').filter_map(|part| part.split_once('='));
        parts.find(|(known, _)| *known == name).and_then(|(_, count)| count.parse().ok()).unwrap_or_default()
    }
}

/// Time and command of an entry of the log of slow commands.
fn entry(entry: &Reply) -> Option<(i64, String)> {
    let Reply::List(fields) = entry else { return None };
    let (Some(time), Some(Reply::List(words))) = (fields.get(2)?.number(), fields.get(3)) else {
        return None;
    };
    let script = words.get(1).and_then(Reply::text).unwrap_or_default();
    let hashes = taskora_redis::functions();
    let name = hashes.into_iter().find(|(_, hash)| hash == script).map(|(name, _)| name);
    let command = words.first().and_then(Reply::text).unwrap_or_default();
    Some((
        time,
        name.map_or_else(
            || format!("{command} {}", script.chars().take(40).collect::<String>()),
            str::to_owned,
        ),
    ))
}
