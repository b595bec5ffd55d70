//! The same random operations on the memory adapter, which is the model, and on Redis: whatever can be seen is the same.

use std::collections::BTreeSet;
use std::time::Duration;

use taskora::adapter::{
    AttemptEnd, CallId, Claim, ClaimedJob, Due, Ended, Exchange, Inspection, Jobs, NewJob, Notes, Renew,
    Settlement, Signals, TaskClaim, TaskName, WorkflowRecord, Workflows,
};
use taskora::workflow::WorkflowId;
use taskora::{AdapterError, JobId, JobInfo, LogEntry, LogLevel, MemoryAdapter, Retention, Timestamp};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::runtime::{Builder, Runtime};

use crate::flows;
use crate::server::Server;

const TASKS: [&str; 3] = ["send-email", "resize", "b"];
const STEPS: usize = 250;

#[test]
fn random_operations_do_the_same_on_memory_and_on_redis() {
    for seed in 1..=4 {
        let mut pair = Pair::start(seed);
        for step in 0..STEPS {
            let what = format!("seed {seed}, step {step}");
            pair.step(&what);
        }
        pair.compare(&format!("seed {seed}, at the end"), 1);
    }
}

/// Both adapters, each on a runtime of its own: the model's clock stands still unless it is moved.
struct Pair {
    memory: (Runtime, MemoryAdapter),
    redis: (Runtime, RedisAdapter),
    random: Random,
    ids: BTreeSet<JobId>,
    flows: BTreeSet<WorkflowId>,
    /// Leases that were handed out, valid or not.
    claimed: Vec<ClaimedJob>,
    number: u64,
    last_call: Option<Exchange>,
    _server: Server,
}

/// Runs one operation on both, and compares what it answers.
macro_rules! both {
    ($pair:ident, $what:expr, |$adapter:ident| $call:expr) => {{
        let $adapter = &$pair.memory.1;
        let expected = $pair.memory.0.block_on($call).expect("memory");
        let $adapter = &$pair.redis.1;
        let found = $pair.redis.0.block_on($call).expect("redis");
        assert_eq!(found, expected, "{}: {}", $what, stringify!($call));
        expected
    }};
}

impl Pair {
    fn start(seed: u64) -> Self {
        let memory =
            Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let redis = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = Server::start();
        let config = RedisConfig::new(server.url()).test_clock();
        let model = memory.block_on(async { MemoryAdapter::new() });
        let adapter = redis.block_on(RedisAdapter::with(config)).expect("connect");
        Self {
            memory: (memory, model),
            redis: (redis, adapter),
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            ids: BTreeSet::new(),
            flows: BTreeSet::new(),
            claimed: Vec::new(),
            number: 0,
            last_call: None,
            _server: server,
        }
    }

    fn step(&mut self, what: &str) {
        // so that no two operations happen in the same millisecond of either clock
        self.advance(Duration::from_millis(2));
        match self.random.below(15) {
            0..=2 => self.enqueue(what),
            3..=6 => self.exchange(what),
            7 => self.cancel(what),
            8 => self.renew(what),
            9 => self.note(what),
            10 => self.sweep(what),
            11 | 12 => self.start_workflow(what),
            13 => self.cancel_workflow(what),
            _ => {
                let seconds = self.random.pick(&[5, 10, 30]);
                self.advance(Duration::from_secs(seconds));
                // answers are kept for a minute, which is real on Redis
                self.last_call = None;
                // a claim that meets the nodes of a late workflow may hand out fewer jobs on Redis
                self.sweep(what);
            }
        }
        self.compare(what, 10);
    }

    fn advance(&mut self, by: Duration) {
        self.memory.0.block_on(tokio::time::advance(by));
        self.redis.0.block_on(self.redis.1.shift_clock(by)).expect("shift the clock");
    }

    fn enqueue(&mut self, what: &str) {
        let jobs: Vec<NewJob> = (0..self.random.below(4) + 1).map(|_| self.new_job()).collect();
        self.ids.extend(jobs.iter().map(|job| job.id.clone()));
        both!(self, what, |adapter| adapter.enqueue(jobs.clone()));
    }

    fn start_workflow(&mut self, what: &str) {
        let id = format!("flow-{:02}", self.random.below(40));
        let flow = flows::random(&mut self.random, &id, &TASKS);
        self.ids.extend((0..flow.nodes.len() as u32).map(|node| JobId::node(&flow.id, node)));
        self.flows.insert(flow.id.clone());
        both!(self, what, |adapter| adapter.start(flow.clone()));
    }

    fn cancel_workflow(&mut self, what: &str) {
        let id = WorkflowId::from(format!("flow-{:02}", self.random.below(40)));
        both!(self, what, |adapter| adapter.cancel_workflow(&id, "why"));
    }

    fn new_job(&mut self) -> NewJob {
        let random = &mut self.random;
        let number = random.below(150);
        NewJob {
            id: format!("job-{number:03}").into(),
            task: random.pick(&TASKS).into(),
            payload: if random.below(10) == 0 { vec![b'7'; 5000] } else { number.to_string().into_bytes() },
            priority: random.pick(&[0, 0, 0, 5, -5, 1000, -1000]),
            due: match random.below(4) {
                0 => Due::After(Duration::from_secs(random.pick(&[10, 20, 60]))),
                _ => Due::Now,
            },
            max_attempts: 3,
            max_stalls: random.pick(&[0, 1, 2]),
            meta: if random.below(5) == 0 { vec![("k".into(), "v".into())] } else { Vec::new() },
        }
    }

    fn lease(&mut self) -> Option<ClaimedJob> {
        if self.claimed.is_empty() {
            return None;
        }
        // the newest are more likely to be valid
        let from = if self.random.below(4) == 0 { 0 } else { self.claimed.len().saturating_sub(12) };
        let place = from + self.random.below(self.claimed.len() - from);
        Some(self.claimed[place].clone())
    }

    fn exchange(&mut self, what: &str) {
        let repeat = self.random.below(8) == 0;
        let call = match self.last_call.take().filter(|_| repeat) {
            Some(call) => call,
            None => self.new_call(),
        };
        let started = |job: &ClaimedJob| call.settle.iter().any(|settlement| settlement.lease == job.lease);
        let memory = self.memory.0.block_on(self.memory.1.exchange(call.clone())).expect("memory");
        let redis = self.redis.0.block_on(self.redis.1.exchange(call.clone())).expect("redis");
        assert_eq!(redis.settled, memory.settled, "{what}: {call:?}");
        let shown = |jobs: &[ClaimedJob]| -> Vec<_> {
            let shown = |job: &ClaimedJob| {
                (
                    job.lease.clone(),
                    job.payload.clone(),
                    job.attempt,
                    job.meta.clone(),
                    job.cancelled,
                    job.node.clone(),
                )
            };
            jobs.iter().map(shown).collect()
        };
        assert_eq!(shown(&redis.jobs), shown(&memory.jobs), "{what}: {call:?}");
        assert!(!memory.jobs.iter().any(started), "{what}: a lease was handed out twice");
        for job in memory.jobs {
            if !self.claimed.iter().any(|known| known.lease == job.lease) {
                self.claimed.push(job);
            }
        }
        self.last_call = Some(call);
    }

    fn new_call(&mut self) -> Exchange {
        self.number += 1;
        let settle = (0..self.random.below(5)).filter_map(|_| {
            let job = self.lease()?;
            let delay = Duration::from_secs(self.random.pick(&[0, 10, 30]));
            let end = match self.random.below(8) {
                0..=2 => AttemptEnd::Complete(b"[1]".to_vec()),
                3 => AttemptEnd::Fail("no".into()),
                4 | 5 => AttemptEnd::Retry { error: "again".into(), delay },
                6 => AttemptEnd::Cancel,
                _ => AttemptEnd::Release,
            };
            Some(Settlement {
                lease: job.lease,
                attempt: job.attempt,
                started_at: job.claimed_at,
                end,
                node: job.node,
            })
        });
        let settle: Vec<Settlement> = settle.collect();
        let tasks: Vec<TaskClaim> = TASKS
            .iter()
            .filter(|_| self.random.below(4) > 0)
            .map(|task| (*task).into())
            .collect::<Vec<TaskName>>()
            .into_iter()
            .map(|task| TaskClaim { task, limit: self.random.below(6), lease: Duration::from_secs(20) })
            .collect();
        let claim = Claim { limit: self.random.below(8), tasks: tasks.into() };
        let call = CallId { worker: "w".into(), slot: 0, number: self.number };
        let claim = (self.random.below(6) > 0).then_some(claim);
        Exchange { call, settle, claim, retention: Retention::default() }
    }

    fn cancel(&mut self, what: &str) {
        let nodes: Vec<&JobId> = self.ids.iter().filter(|id| id.as_str().contains('#')).collect();
        let id = if nodes.is_empty() || self.random.below(4) > 0 {
            JobId::from(format!("job-{:03}", self.random.below(150)))
        } else {
            nodes[self.random.below(nodes.len())].clone()
        };
        both!(self, what, |adapter| adapter.cancel(&id, "why"));
    }

    fn renew(&mut self, what: &str) {
        let length = Duration::from_secs(20);
        let Some(lease) = self.lease().map(|job| job.lease) else { return };
        both!(self, what, |adapter| adapter.renew(vec![Renew { lease: lease.clone(), length }]));
    }

    fn note(&mut self, what: &str) {
        let Some(lease) = self.lease().map(|job| job.lease) else { return };
        let line = LogEntry {
            level: LogLevel::Warn,
            message: what.to_owned(),
            fields: serde_json::Value::Null,
            at: Timestamp::from_millis(1),
            attempt: 1,
        };
        let notes = Notes { lease, progress: Some(b"{\"done\":1}".to_vec()), logs: vec![line] };
        both!(self, what, |adapter| adapter.note(vec![notes.clone()]));
    }

    fn sweep(&mut self, what: &str) {
        let tasks = TASKS.map(TaskName::from);
        let mut swept = both!(self, what, |adapter| adapter.sweep(&tasks, Retention::default()));
        while swept.more {
            swept = both!(self, what, |adapter| adapter.sweep(&tasks, Retention::default()));
        }
    }

    /// What can be read of the tasks, and of one in `share` jobs.
    fn compare(&mut self, what: &str, share: usize) {
        for task in TASKS {
            both!(self, what, |adapter| adapter.counts(task));
        }
        for id in self.flows.clone() {
            if self.random.below(share) > 0 {
                continue;
            }
            let record = both!(self, format!("{what}, {id}"), |adapter| flow(adapter, &id));
            if record.starts_with("Some") && !record.contains("state: Running") {
                both!(self, format!("{what}, {id}"), |adapter| flow_ended(adapter, &id));
            }
            let nodes: Vec<u32> = (0..12).collect();
            both!(self, format!("{what}, {id}"), |adapter| adapter.node_results(&id, &nodes));
        }
        let ids = self.ids.clone();
        for id in &ids {
            if self.random.below(share) > 0 {
                continue;
            }
            let info = both!(self, format!("{what}, {id}"), |adapter| info(adapter, id));
            if info.is_some_and(|info| info.finished_at.is_some()) {
                both!(self, format!("{what}, {id}"), |adapter| ended(adapter, id));
            }
            both!(self, format!("{what}, {id}"), |adapter| adapter.logs(id));
        }
    }
}

/// What is known of a job, with times replaced by whether they are known.
async fn info(adapter: &impl Inspection, id: &JobId) -> Result<Option<JobInfo>, AdapterError> {
    let known = |time: Option<Timestamp>| time.map(|_| Timestamp::default());
    let info = adapter.job(id).await?.map(|mut info| {
        info.created_at = Timestamp::default();
        (info.due_at, info.started_at, info.finished_at) =
            (known(info.due_at), known(info.started_at), known(info.finished_at));
        info
    });
    Ok(info)
}

/// What is known of a workflow, as [`info`].
async fn flow(adapter: &impl Workflows, id: &WorkflowId) -> Result<String, AdapterError> {
    let known = |time: Option<Timestamp>| time.map(|_| Timestamp::default());
    let record = adapter.workflow(id, true).await?.map(|record| WorkflowRecord {
        created_at: Timestamp::default(),
        finished_at: known(record.finished_at),
        nodes: record
            .nodes
            .into_iter()
            .map(|mut node| {
                (node.started_at, node.finished_at) = (known(node.started_at), known(node.finished_at));
                node
            })
            .collect(),
        ..record
    });
    Ok(format!("{record:?}"))
}

async fn flow_ended(adapter: &impl Workflows, id: &WorkflowId) -> Result<String, AdapterError> {
    let ended = adapter.workflow_ended(id).await?;
    Ok(format!("{:?}", ended.map(|ended| (ended.state, ended.output, ended.culprit, ended.reason))))
}

async fn ended(adapter: &impl Signals, id: &JobId) -> Result<Option<Ended>, AdapterError> {
    adapter.ended(id).await
}

/// Xorshift: the same numbers for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
