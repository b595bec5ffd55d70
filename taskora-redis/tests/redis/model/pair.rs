//! Both stores, and what has been handed out by them.

mod finish;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

use taskora::adapter::{
    Admission, Admissions, Admitted, CallId, Cancellation, Claim, ClaimedJob, Control, DeclaredLimit,
    Enqueued, EventId, Exchange, GatedTask, Inspection, JobReport, Jobs, NewJob, NewPause, RenewLease,
    Signals, TaskClaim, TaskName, Workflows,
};
use taskora::{AdapterError, App, Blocked, JobId, LogEntry, LogLevel, MemoryAdapter, Retention, Timestamp};
use taskora_redis::RedisAdapter;
use taskora_test_server::{RedisServer, Reply};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::timeout;

use super::compare::{Clocks, Snapshot, Subjects, claimed, is_known};
use super::operation::{
    Change, Claims, End, KEYS, Kept, NODES, Operation, Pace, Report, TASKS, Target, fives, flow_id, gated,
    key, limit_key, retention, task,
};
use super::told;
use super::wait::{Wait, end_of};
use crate::kit::{PATIENCE, job, patient};

/// What passes between two operations, so that they have different times. All steps of a case together are less than five
/// seconds, by which everything else is counted.
const STEP: Duration = Duration::from_millis(20);
const LEASE: Duration = Duration::from_secs(20);
/// How long the answer to an exchange is kept for a repetition.
const KEPT: Duration = Duration::from_secs(60);

/// What each of both was sent, and how long ago.
type LastCall = ([Exchange; 2], Duration);

/// Both adapters, each on a runtime of its own: the model's clock stands still unless it is moved.
pub(super) struct Pair<'a> {
    pub(super) server: &'a RedisServer,
    pub(super) memory: (Runtime, MemoryAdapter),
    pub(super) redis: (Runtime, RedisAdapter),
    heard: [broadcast::Receiver<Cancellation>; 2],
    /// The last event that each has told.
    pub(super) heard_until: [EventId; 2],
    /// What sweeps keep.
    pub(super) retention: Retention,
    /// Jobs that were handed out, with leases that are valid or not: by the model, and by Redis.
    claimed: Vec<[ClaimedJob; 2]>,
    /// Each worker's last call, and how long ago by the model's clock.
    calls: [(u64, Option<LastCall>); 2],
    pub(super) subjects: Subjects,
    pub(super) waits: VecDeque<Wait>,
    /// What Redis knows to be awaited, or has told.
    pub(super) registered: BTreeSet<String>,
    /// Jobs that were revived: they may have tombstones.
    pub(super) revived: BTreeSet<JobId>,
    /// A workflow with a deadline was started, or one of whose nodes expire: a claim that meets them may hand out fewer jobs
    /// on Redis, so it must be swept first.
    has_deadlines: bool,
    pub(super) start: (Instant, SystemTime, Timestamp),
    /// How much time has passed, in fives of seconds.
    pub(super) passed: u64,
    /// How long the model's start took: its clock began within this time.
    unsure: Duration,
}

/// Runs one call on both, and compares what it answers.
macro_rules! both {
    ($pair:ident, |$adapter:ident| $call:expr) => {{
        let $adapter = &$pair.memory.1;
        let expected = $pair.memory.0.block_on($call).map_err(|error| format!("memory: {error}"))?;
        let $adapter = &$pair.redis.1;
        let found = $pair.redis.0.block_on($call).map_err(|error| format!("redis: {error}"))?;
        same(stringify!($call), &expected, &found)?;
        expected
    }};
}

pub(super) use both;

pub(super) fn same<T: PartialEq + Debug>(what: &str, memory: &T, redis: &T) -> Result<(), String> {
    if memory == redis {
        return Ok(());
    }
    Err(format!("`{what}`: memory answers {memory:?}, redis answers {redis:?}"))
}

impl<'a> Pair<'a> {
    /// Two empty stores.
    pub(super) fn new(server: &'a RedisServer, kept: Option<Kept>) -> Self {
        let memory =
            Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let redis = Builder::new_current_thread().enable_all().build().expect("a runtime");
        server.command(&["FLUSHALL"]).expect("an empty server");
        let config = patient(server.url()).test_clock();
        let adapter = redis.block_on(RedisAdapter::connect(config)).expect("connect");
        let begun = Instant::now();
        let redis_start = now(server);
        let memory_start = SystemTime::now();
        let model = memory.block_on(async { MemoryAdapter::new() });
        let unsure = memory_start.elapsed().unwrap_or_default();
        Self {
            heard: [model.cancellations(), adapter.cancellations()],
            heard_until: [
                memory.block_on(told::begin(&model)).expect("listen"),
                redis.block_on(told::begin(&adapter)).expect("listen"),
            ],
            start: (begun, memory_start, redis_start),
            unsure,
            server,
            memory: (memory, model),
            redis: (redis, adapter),
            retention: retention(kept),
            claimed: Vec::new(),
            calls: [(0, None), (0, None)],
            subjects: Subjects::default(),
            waits: VecDeque::new(),
            registered: BTreeSet::new(),
            revived: BTreeSet::new(),
            has_deadlines: false,
            passed: 0,
        }
    }

    /// One operation; then everything that can be seen is compared.
    pub(super) fn step(&mut self, operation: &Operation) -> Result<(), String> {
        self.advance(STEP)?;
        self.apply(operation)?;
        self.compare_told()?;
        self.compare_waits()?;
        self.compare_owners()?;
        self.compare_schedules()?;
        let memory = self.memory.0.block_on(Snapshot::take(&self.memory.1, &self.subjects));
        let redis = self.redis.0.block_on(Snapshot::take(&self.redis.1, &self.subjects));
        let redis = redis.map_err(|error| error.to_string())?;
        memory.map_err(|error| error.to_string())?.check(&redis, self.clocks())
    }

    fn clocks(&self) -> Clocks {
        let (begun, memory, redis) = self.start;
        let since_epoch = memory.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let memory = Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(0));
        let passed = Duration::from_secs(5 * self.passed) + super::SLOW;
        Clocks { memory, redis, elapsed: begun.elapsed(), unsure: self.unsure, passed }
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Enqueue(jobs) => {
                let mut jobs: Vec<NewJob> = jobs.iter().map(|job| job.new_job(self.start.1)).collect();
                if self.is_used_up()? {
                    jobs.retain(|job| job.id != Target::Job(0).id());
                }
                for (job, enqueued) in jobs.iter().zip(both!(self, |adapter| adapter.enqueue(jobs.clone()))) {
                    self.subjects.jobs.insert(job.id.clone());
                    if enqueued == Enqueued::New {
                        self.registered.remove(&end_of(&job.id));
                    }
                }
            }
            Operation::Admit(keyed) => {
                let mut jobs: Vec<Admission> =
                    keyed.iter().map(|keyed| keyed.admission(self.start.1)).collect();
                if self.is_used_up()? {
                    jobs.retain(|keyed| keyed.job.id != Target::Job(0).id());
                }
                let admitted = both!(self, |adapter| async {
                    adapter
                        .admit(jobs.clone())
                        .await
                        .map(|admitted| admitted.into_iter().map(in_fives).collect::<Vec<_>>())
                });
                for (keyed, admitted) in jobs.iter().zip(admitted) {
                    self.subjects.jobs.insert(keyed.job.id.clone());
                    if admitted == Admitted::New {
                        self.registered.remove(&end_of(&keyed.job.id));
                    }
                }
            }
            Operation::ReleaseKey { task: of, key: number } => {
                both!(self, |adapter| adapter.release_key(&task(*of), key(*number)));
            }
            Operation::Exchange { worker, settle, claim } => {
                let mut settle = &settle[..];
                let is_node = |(lease, _): &(u8, End)| {
                    self.lease(*lease).is_some_and(|[memory, _]| memory.node.is_some())
                };
                if self.has_deadlines && settle.iter().any(is_node) {
                    // it may come back into its line when it should have started already
                    let call = self.call(*worker, settle, None);
                    self.exchange(*worker, call, Duration::ZERO)?;
                    self.sweep(&TASKS.map(TaskName::from))?;
                    settle = &[];
                }
                let call = self.call(*worker, settle, claim.as_ref());
                self.exchange(*worker, call, Duration::ZERO)?;
            }
            Operation::Repeat { worker } => {
                let last = self.calls[usize::from(*worker)].1.take();
                if let Some((call, age)) = last.filter(|(_, age)| *age < KEPT) {
                    self.exchange(*worker, call, age)?;
                }
            }
            Operation::Renew(leases) => {
                let leases: Vec<_> = leases.iter().filter_map(|lease| self.lease(*lease)).collect();
                let renewals = |of: usize| {
                    let lease = |jobs: &[ClaimedJob; 2]| jobs[of].lease.clone();
                    leases.iter().map(|jobs| RenewLease { lease: lease(jobs), length: LEASE }).collect()
                };
                let memory = self.memory.0.block_on(self.memory.1.renew(renewals(0)));
                let redis = self.redis.0.block_on(self.redis.1.renew(renewals(1)));
                same("renewed", &answered(memory)?, &answered(redis)?)?;
            }
            Operation::Note(notes) => {
                let about = |of: usize| -> Vec<JobReport> {
                    let note =
                        |(lease, report): &(u8, Report)| Some(notes_of(&self.lease(*lease)?[of], *report));
                    notes.iter().filter_map(note).collect()
                };
                let memory = self.memory.0.block_on(self.memory.1.note(about(0)));
                let redis = self.redis.0.block_on(self.redis.1.note(about(1)));
                same("noted", &answered(memory)?, &answered(redis)?)?;
            }
            Operation::Cancel(target) => {
                both!(self, |adapter| adapter.cancel(&target.id(), "why"));
            }
            Operation::Act(act, target) => self.act(*act, *target)?,
            Operation::Replace(target, job) => self.replace(*target, job.new_job(self.start.1))?,
            Operation::Sweep { tasks } => {
                let some = (0..3).filter(|number| tasks >> number & 1 == 1).map(task);
                self.sweep(&some.collect::<Vec<_>>())?;
            }
            Operation::Advance(number) => self.pass(fives(*number))?,
            Operation::Gate { task, change } => self.change(&gated(*task), *change)?,
            Operation::TakeKey(lease, key) => {
                let Some([memory, redis]) = self.lease(*lease) else { return Ok(()) };
                let key = limit_key(*key);
                let memory = self.memory.0.block_on(self.memory.1.take_key(&memory.lease, &key));
                let redis = self.redis.0.block_on(self.redis.1.take_key(&redis.lease, &key));
                same("taken", &answered(memory)?, &answered(redis)?)?;
            }
            Operation::CloseKey(lease, time) => {
                let Some([memory, redis]) = self.lease(*lease) else { return Ok(()) };
                let time = fives(*time);
                answered(self.memory.0.block_on(self.memory.1.close_key(&memory.lease, time)))?;
                answered(self.redis.0.block_on(self.redis.1.close_key(&redis.lease, time)))?;
            }
            Operation::Flush(task, key) => {
                both!(self, |adapter| adapter.flush(&gated(*task), &limit_key(*key)));
            }
            Operation::Schedule(name, change) => self.change_schedule(*name, change)?,
            Operation::Start(flow) => {
                self.has_deadlines |= flow.has_deadline();
                let flow = flow.new_workflow(self.start.1);
                self.subjects.flows.insert(flow.id.clone());
                both!(self, |adapter| adapter.start(flow.clone()));
            }
            Operation::CancelWorkflow(number) => {
                both!(self, |adapter| adapter.cancel_workflow(&flow_id(*number), "enough"));
            }
            Operation::Await(target) => self.wait(*target)?,
            Operation::AwaitWorkflow(number) => self.wait_for_workflow(*number)?,
            Operation::GiveUp => {
                if let Some(wait) = self.waits.pop_front() {
                    wait.memory.abort();
                    wait.redis.abort();
                }
            }
        }
        Ok(())
    }

    fn change(&self, task: &GatedTask, change: Change) -> Result<(), String> {
        match change {
            Change::Declare(max, pace) => {
                let limit = DeclaredLimit::none(task.clone()).max(max.map(Into::into));
                let limit = limit.rate(pace.map(Pace::rate));
                both!(self, |adapter| adapter.declare_limits(vec![limit.clone()]));
            }
            Change::Set(max) => both!(self, |adapter| adapter.set_limit(task, None, max.map(Into::into))),
            Change::SetRate(pace) => {
                both!(self, |adapter| adapter.set_rate(task, None, pace.map(Pace::rate)));
            }
            Change::DeclareKeys(per_key) => {
                let limit = DeclaredLimit::none(task.clone()).per_key(per_key);
                both!(self, |adapter| adapter.declare_limits(vec![limit.clone()]));
            }
            Change::SetKey(key, max) => {
                let key = limit_key(key);
                both!(self, |adapter| adapter.set_limit(task, Some(&key), max.map(Into::into)));
            }
            Change::SetKeyRate(key, pace) => {
                let key = limit_key(key);
                both!(self, |adapter| adapter.set_rate(task, Some(&key), pace.map(Pace::rate)));
            }
            Change::Pause(key, lasting) => {
                let (key, mut pause) = (key.map(limit_key), NewPause::from("why").by("ada"));
                pause.lasting = lasting.map(|fives| Duration::from_secs(5) * u32::from(fives));
                both!(self, |adapter| adapter.pause(task, key.as_ref(), pause.clone()));
            }
            Change::Resume(key) => {
                let key = key.map(limit_key);
                both!(self, |adapter| adapter.resume(task, key.as_ref()));
            }
        }
        Ok(())
    }

    /// A UUID v7 does not come again, not even when its job was trimmed.
    pub(super) fn is_used_up(&self) -> Result<bool, String> {
        let once = Target::Job(0).id();
        Ok(self.subjects.jobs.contains(&once)
            && !answered(self.memory.0.block_on(is_known(&self.memory.1, &once)))?)
    }

    /// Both say the same of who owns a key.
    fn compare_owners(&self) -> Result<(), String> {
        for task in TASKS {
            for key in KEYS {
                both!(self, |adapter| adapter.key_owner(task, key));
            }
        }
        Ok(())
    }

    /// Time passes, and what has a deadline comes to its end: on Redis a sweep does that, and whoever waits does it in memory.
    pub(super) fn pass(&mut self, by: Duration) -> Result<(), String> {
        let first = by.min(fives(3));
        for part in [first, by - first] {
            self.advance(part)?;
            if self.has_deadlines {
                // in memory, a caller that awaits a workflow ends it at its deadline: before a longer lease passes
                self.sweep(&TASKS.map(TaskName::from))?;
            }
            // a listener renews its kinds more often than every half minute
            self.keep_listening()?;
        }
        Ok(())
    }

    pub(super) fn advance(&mut self, by: Duration) -> Result<(), String> {
        self.passed += by.as_secs() / 5;
        self.memory.0.block_on(tokio::time::advance(by));
        for (_, age) in self.calls.iter_mut().filter_map(|(_, last)| last.as_mut()) {
            *age += by;
        }
        self.redis.0.block_on(self.redis.1.shift_clock(by)).map_err(|error| error.to_string())
    }

    fn lease(&self, back: u8) -> Option<[ClaimedJob; 2]> {
        let last = self.claimed.len().checked_sub(1)?;
        self.claimed.get(last - usize::from(back) % self.claimed.len()).cloned()
    }

    /// The same call for both, each with its own leases.
    fn call(&mut self, worker: u8, settle: &[(u8, End)], claim: Option<&Claims>) -> [Exchange; 2] {
        let settlement = |of: usize, (lease, end): &(u8, End)| {
            let [memory, redis] = self.lease(*lease)?;
            let job = if of == 0 { memory } else { redis };
            Some(job.settlement(end.attempt_end()))
        };
        let settlements = [0, 1].map(|of| settle.iter().filter_map(|one| settlement(of, one)).collect());
        let claim = claim.map(|claims| {
            let of = (0..).zip(claims.of).filter_map(|(number, limit)| {
                Some(TaskClaim { task: task(number), limit: limit?.into(), lease: LEASE })
            });
            Claim { limit: claims.limit.into(), room: claims.limit.into(), tasks: of.collect() }
        });
        let number = &mut self.calls[usize::from(worker)].0;
        *number += 1;
        let call = CallId { worker: format!("worker-{worker}").into(), slot: 0, number: *number };
        let exchange = |settle| Exchange {
            call: call.clone(),
            settle,
            claim: claim.clone(),
            retention: Retention::default(),
        };
        settlements.map(exchange)
    }

    fn exchange(&mut self, worker: u8, calls: [Exchange; 2], age: Duration) -> Result<(), String> {
        let [here, there] = calls.clone();
        let memory = answered(self.memory.0.block_on(self.memory.1.exchange(here)))?;
        let redis = answered(self.redis.0.block_on(self.redis.1.exchange(there)))?;
        same("settled", &memory.settled, &redis.settled)?;
        same("claimed", &claimed(&memory.jobs), &claimed(&redis.jobs))?;
        for pair in memory.jobs.into_iter().zip(redis.jobs) {
            let pair = <[ClaimedJob; 2]>::from(pair);
            // only an answer that is repeated has a lease for the second time, and then both have
            let [here, there] =
                [0, 1].map(|of| self.claimed.iter().position(|old| old[of].lease == pair[of].lease));
            if here != there || (here.is_some() && age == Duration::ZERO) {
                return Err(format!("{:?} was handed out before", pair.map(|job| job.lease)));
            }
            if here.is_none() {
                self.claimed.push(pair);
            }
        }
        self.calls[usize::from(worker)].1 = Some((calls, age));
        Ok(())
    }

    fn sweep(&mut self, tasks: &[TaskName]) -> Result<(), String> {
        let retention = self.retention;
        while both!(self, |adapter| adapter.sweep(tasks, retention)).more {}
        Ok(())
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        for wait in &self.waits {
            wait.memory.abort();
            wait.redis.abort();
        }
    }
}

/// Times are counted in fives of seconds.
fn in_fives(admitted: Admitted) -> Admitted {
    match admitted {
        Admitted::Throttled { retry_in } => Admitted::Throttled {
            retry_in: Duration::from_secs(retry_in.as_secs_f64().div_euclid(5.0) as u64),
        },
        other => other,
    }
}

fn answered<T>(answer: Result<T, AdapterError>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}

fn notes_of(job: &ClaimedJob, report: Report) -> JobReport {
    let line = |number| LogEntry::new(LogLevel::Warn, format!("line {number}"), Timestamp::from_millis(1), 1);
    JobReport {
        lease: job.lease.clone(),
        progress: report.progress.then(|| format!("{{\"done\":{}}}", report.lines).into_bytes()),
        logs: (0..report.lines).map(line).collect(),
    }
}

/// The server's time.
fn now(server: &RedisServer) -> Timestamp {
    let Ok(Reply::List(parts)) = server.command(&["TIME"]) else { panic!("the server tells no time") };
    let part = |at: usize| parts[at].text().and_then(|text| text.parse::<u64>().ok()).expect("a number");
    Timestamp::from_millis(part(0) * 1000 + part(1) / 1000)
}
