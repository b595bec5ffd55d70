//! A store with a job in each state, of two tasks, and the calls that go on around the damage.

mod gathers;
mod keys;
mod lanes;
mod schedules;

use std::collections::HashMap;
use std::time::Duration;

use redis::Connection;
use taskora::adapter::{
    Admission, Admissions, Admitted, AttemptEnd, BlockingStates, CallId, Claim, ClaimedJob, Due, Exchange,
    Exchanged, Inspection, JobReport, Jobs, NewJob, NewWorkflow, Otherwise, RenewLease, Rule, Schedules,
    Settled, Settlement, Signals, TaskClaim, Upkeep, WorkerEntry, WorkerReport, WorkflowQuery, Workflows,
};
use taskora::workflow::WorkflowState;
use taskora::{
    AdapterError, App, JobId, JobState, LogEntry, LogLevel, Retention, RetentionLimit, Timestamp, Ttl,
};
use taskora_redis::RedisAdapter;
use tokio::sync::Notify;

use crate::flows::{chain, chord};
use crate::kit::{TASK, complete, job, patient};
use crate::server::Server;

/// The task whose indexes are never damaged.
pub(crate) const OTHER: &str = "resize";
const LEASE: Duration = Duration::from_secs(30);
/// Longer than any test lasts.
const LONG_TTL: Option<Ttl> = Some(Ttl::new(Duration::from_secs(36_000)));
/// Ids that taskora made: their indexes are others than those of callers' ids.
pub(crate) const MADE: [&str; 3] = [
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "01890a5d-ac96-774b-bcce-b302099a8058",
    "01890a5d-ac96-774b-bcce-b302099a8059",
];

use schedules::with_schedules;

#[cfg(feature = "failpoints")]
pub(crate) use gathers::{DELAY, item};
pub(crate) use keys::{debounced, following, throttled};
pub(crate) use schedules::{PERIOD, schedule, tick_of};
#[cfg(feature = "failpoints")]
pub(crate) use schedules::{later, run};

pub(crate) type Outcome<T = ()> = Result<T, String>;

/// What is done to a damaged store first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum First {
    OneTask,
    TwoTasks,
    Sweep,
    Tick,
    Listen,
    Cancel,
    Enqueue,
    Admit,
    Watch,
    Workflow,
    Note,
    Read,
    Check,
    Repair,
}

pub(crate) struct World {
    pub(crate) adapter: RedisAdapter,
    pub(crate) redis: Connection,
    pub(crate) held: Vec<ClaimedJob>,
    /// Jobs that own keys: `k1`, which `k2` waits for, and `k6`.
    pub(crate) owners: Vec<ClaimedJob>,
    pub(crate) number: u64,
    /// For how long `drain` waits for what becomes due.
    pub(crate) patience: Duration,
    /// How often a completion was accepted, by job.
    pub(crate) completed: HashMap<String, usize>,
}

/// An error with what it was about.
pub(crate) fn of<T>(what: &str, result: Result<T, AdapterError>) -> Outcome<T> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn tasks(names: &[&str]) -> Vec<taskora::adapter::TaskName> {
    with_schedules(names).into_iter().map(Into::into).collect()
}

impl World {
    /// An adapter of its own on an emptied server, and jobs called after where they are.
    pub(crate) async fn new(server: &Server) -> Self {
        let client = redis::Client::open(server.url()).expect("a URL");
        let mut redis = client.get_connection().expect("connect");
        redis::cmd("FLUSHALL").exec(&mut redis).expect("flush");
        let config = patient(server.url()).test_clock();
        let adapter = RedisAdapter::connect(config).await.expect("connect");
        let mut world = Self {
            adapter,
            redis,
            held: Vec::new(),
            owners: Vec::new(),
            number: 0,
            patience: Duration::ZERO,
            completed: HashMap::new(),
        };
        world.fill().await.expect("an undamaged store");
        world
    }

    async fn fill(&mut self) -> Outcome {
        let [completed, failed, waiting] = MADE;
        let ids = ["done", "failed", "retrying", "active", "released", completed, failed, "waiting", waiting];
        let adapter = self.adapter.clone();
        let mut jobs = ids.map(job);
        for id in [2, 3, 4, 7] {
            jobs[id].ttl = LONG_TTL;
        }
        of("enqueue", adapter.enqueue(jobs.to_vec()).await)?;
        let of_other = |id: &str| NewJob { task: OTHER.into(), ..job(id) };
        of("enqueue", adapter.enqueue(["o1", "o2", "o3"].map(of_other).to_vec()).await)?;
        let claimed = of("claim", self.exchange(&[TASK], Vec::new(), 7).await)?.jobs;
        let retry = AttemptEnd::Retry { error: "again".into(), delay: Duration::from_secs(600) };
        let note =
            JobReport { lease: claimed[3].lease.clone(), progress: Some(b"1".to_vec()), logs: vec![line()] };
        of("note", adapter.note(vec![note]).await)?;
        let settle = vec![
            complete(&claimed[0]),
            claimed[1].settlement(AttemptEnd::Fail("no".into())),
            claimed[2].settlement(retry),
            claimed[4].settlement(AttemptEnd::release()),
            complete(&claimed[5]),
            claimed[6].settlement(AttemptEnd::Fail("no".into())),
        ];
        let held = of("settle", self.exchange(&[OTHER], settle, 1).await)?.jobs;
        self.held = vec![held[0].clone(), claimed[3].clone()];
        let cancelled = NewJob { due: Due::Now, ..job("cancelled") };
        let delayed = NewJob { due: Due::After(Duration::from_secs(300)), ttl: LONG_TTL, ..job("delayed") };
        let later = NewJob { due: Due::After(Duration::from_secs(40)), ..of_other("o4") };
        let urgent = NewJob { priority: 5, ttl: LONG_TTL, ..job("urgent") };
        let large = NewJob { payload: vec![b'x'; 5000], ..job("large") };
        of("enqueue", adapter.enqueue(vec![cancelled, delayed, later, urgent, large]).await)?;
        of("cancel", adapter.cancel(&"cancelled".into(), "why").await)?;
        let with_deadline = NewWorkflow { ttl: Some(Duration::from_secs(36_000)), ..chord("chord", 3) };
        let mut first = chain("first", 3);
        first.nodes.iter_mut().for_each(|node| node.ttl = LONG_TTL);
        for flow in [first, with_deadline, chain("stopped", 2)] {
            of("start", adapter.start(flow).await)?;
        }
        of("cancel", adapter.cancel_workflow(&"stopped".into(), "why").await)?;
        self.fill_keys().await?;
        self.fill_lanes().await?;
        self.fill_gathers().await?;
        self.fill_schedules().await?;
        of("wait", self.exchange(&[TASK, OTHER], Vec::new(), 0).await).map(drop)
    }

    /// Settles, and claims of these tasks at most so many.
    pub(crate) async fn exchange(
        &mut self,
        names: &[&str],
        settle: Vec<Settlement>,
        limit: usize,
    ) -> Result<Exchanged, AdapterError> {
        let ids: Vec<String> = settle.iter().map(|settlement| settlement.lease.id.to_string()).collect();
        let call = self.call(names, settle, limit);
        let answer = self.adapter.exchange(call).await?;
        for (id, settled) in ids.into_iter().zip(&answer.settled) {
            if *settled == Settled::Now(JobState::Completed) {
                *self.completed.entry(id).or_default() += 1;
            }
        }
        Ok(answer)
    }

    fn call(&mut self, names: &[&str], settle: Vec<Settlement>, limit: usize) -> Exchange {
        self.number += 1;
        let names = with_schedules(names);
        let claims = names.iter().map(|task| TaskClaim { task: (*task).into(), limit, lease: LEASE });
        Exchange {
            call: CallId { worker: "w".into(), slot: 0, number: self.number },
            settle,
            claim: Some(Claim { limit, room: limit + 1, tasks: claims.collect() }),
            retention: Retention::default(),
        }
    }

    /// The call under test. It is about healthy jobs, and must not fail.
    pub(crate) async fn first(&mut self, first: First) -> Outcome {
        let adapter = self.adapter.clone();
        match first {
            First::OneTask => {
                let settle = self.held.drain(..).take(1).map(|job| complete(&job)).collect();
                let claimed = of("exchange", self.exchange(&[TASK], settle, 3).await)?;
                let settle = claimed.jobs.iter().map(complete).collect();
                of("exchange", self.exchange(&[TASK], settle, 1).await).map(drop)
            }
            First::TwoTasks => {
                let settle = self.held.drain(..).map(|job| complete(&job)).collect();
                let claimed = of("exchange", self.exchange(&[TASK, OTHER], settle, 30).await)?;
                let settle = claimed.jobs.iter().map(complete).collect();
                of("exchange", self.exchange(&[TASK, OTHER], settle, 30).await).map(drop)
            }
            First::Listen => {
                let call = self.call(&[TASK, OTHER], Vec::new(), 1);
                let wait = Duration::from_secs(5);
                let claimed = of("wait", adapter.work().wait(&call, wait, &Notify::new()).await)?;
                let settle = claimed.jobs.iter().map(complete).collect();
                of("exchange", self.exchange(&[TASK, OTHER], settle, 0).await).map(drop)
            }
            First::Sweep => {
                of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?;
                self.sweep_once(Retention::default()).await.map(drop)
            }
            First::Tick => {
                of("shift", adapter.shift_clock(PERIOD).await)?;
                self.tick().await?;
                of("list", adapter.list_schedules().await).map(drop)
            }
            First::Cancel => {
                for id in [MADE[2], "urgent", "delayed", "o3", "o4", "first#0"] {
                    of("cancel", adapter.cancel(&id.into(), "why").await)?;
                }
                of("cancel", adapter.cancel_workflow(&"chord".into(), "why").await).map(drop)
            }
            First::Admit => {
                let of_other = |id: &str| NewJob { task: OTHER.into(), ..job(id) };
                let jobs = vec![
                    following(of_other("e5"), "o"),
                    debounced(of_other("e6"), "o"),
                    throttled(of_other("e7"), "o"),
                    following(of_other("e8"), "o"),
                ];
                // a call that is repeated after an error finds its own jobs, as they were changed since
                of("admit", adapter.admit(jobs).await)?;
                of("owner", adapter.key_owner(OTHER, "o").await)?;
                of("release", adapter.release_key(OTHER, "o").await).map(drop)
            }
            First::Enqueue => {
                let jobs = ["e1", "e2"].map(|id| NewJob { task: OTHER.into(), ..job(id) });
                of("enqueue", adapter.enqueue(jobs.to_vec()).await)?;
                let later = NewJob { due: Due::After(Duration::from_secs(1)), ..job("e3") };
                of("enqueue", adapter.enqueue(vec![job("e4"), later, job("done")]).await).map(drop)
            }
            First::Watch => {
                for id in ["done", "waiting", "o1"] {
                    let id = id.into();
                    let ended = adapter.ended(&id);
                    if let Ok(ended) = tokio::time::timeout(Duration::from_millis(20), ended).await {
                        of("ended", ended)?;
                    }
                }
                Ok(())
            }
            First::Workflow => {
                of("start", adapter.start(chain("new", 2)).await)?;
                of("start", adapter.start(chord("wide", 2)).await)?;
                for _ in 0..4 {
                    let claimed = of("exchange", self.exchange(&[TASK], Vec::new(), 30).await)?;
                    let settle = claimed.jobs.iter().map(complete).collect();
                    of("exchange", self.exchange(&[TASK], settle, 0).await)?;
                }
                Ok(())
            }
            First::Note => {
                let renew = |job: &ClaimedJob| RenewLease { lease: job.lease.clone(), length: LEASE };
                of("renew", adapter.renew(self.held.iter().map(renew).collect()).await)?;
                let note = |job: &ClaimedJob| JobReport {
                    lease: job.lease.clone(),
                    progress: Some(b"2".to_vec()),
                    logs: vec![line()],
                };
                of("note", adapter.note(self.held.iter().map(note).collect()).await).map(drop)
            }
            First::Read => {
                of("counts", adapter.counts(TASK).await)?;
                of("counts", adapter.counts(OTHER).await)?;
                for id in ["o1", "o3", "o4"] {
                    of("job", adapter.job(&id.into()).await)?;
                }
                of("workers", adapter.workers().await)?;
                for state in WorkflowState::ALL {
                    of("list", adapter.list_workflows(&WorkflowQuery::new(*state)).await)?;
                }
                of("workflow", adapter.workflow(&"chord".into(), true).await).map(drop)
            }
            First::Check => of("check", App::new(adapter).check().await).map(drop),
            First::Repair => of("repair", App::new(adapter).repair().await).map(drop),
        }
    }

    /// What else goes on: dispatches, leases that lapse, jobs that come due, and all of it claimed and settled.
    pub(crate) async fn go_on(&mut self, round: &str) -> Outcome {
        let adapter = self.adapter.clone();
        let fresh = |task: &str| NewJob { task: task.into(), ..job(&format!("{round} of {task}")) };
        of("enqueue", adapter.enqueue(vec![fresh(TASK), fresh(OTHER)]).await)?;
        for shift in [0, 61, 700] {
            of("shift", adapter.shift_clock(Duration::from_secs(shift)).await)?;
            for _ in 0..3 {
                self.sweep(Retention::default()).await?;
                self.tick().await?;
                self.drain().await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn sweep(&self, keep: Retention) -> Outcome {
        for _ in 0..200 {
            if !self.sweep_once(keep).await? {
                return Ok(());
            }
        }
        Err("sweeps say for ever that there is more".into())
    }

    /// One sweep, of a worker that says what it does. Returns whether there is more.
    pub(crate) async fn sweep_once(&self, keep: Retention) -> Outcome<bool> {
        let (report, tasks) = (self.report(), tasks(&[TASK, OTHER]));
        Ok(of("sweep", self.adapter.sweep_for(&report, &tasks, keep).await)?.more)
    }

    /// What the worker says of itself.
    pub(crate) fn report(&self) -> WorkerReport {
        let mut entry = WorkerEntry::new("w");
        entry.tasks = tasks(&[TASK, OTHER]);
        entry.jobs = self.held.iter().map(|job| job.lease.id.clone()).collect();
        let mut report = WorkerReport::new(entry);
        report.history = true;
        report
    }

    #[cfg(feature = "failpoints")]
    pub(crate) fn by_hand(&mut self, words: &[&str]) -> redis::Value {
        let mut cmd = redis::Cmd::new();
        for word in words {
            cmd.arg(*word);
        }
        cmd.query(&mut self.redis).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    async fn drain(&mut self) -> Outcome {
        let mut settle: Vec<Settlement> = Vec::new();
        for _ in 0..200 {
            let answer = of("exchange", self.exchange(&[TASK, OTHER], settle, 8).await)?;
            if answer.jobs.is_empty() && !answer.more {
                let Some(wait) =
                    answer.next_due.filter(|wait| !self.patience.is_zero() && *wait <= self.patience)
                else {
                    return Ok(());
                };
                of("shift", self.adapter.shift_clock(wait).await)?;
            }
            settle = answer.jobs.iter().map(complete).collect();
        }
        Err("exchanges say for ever that there is more".into())
    }

    /// Jobs that have not ended; `except` are those that the damage was done to.
    pub(crate) async fn open(&mut self, except: &[&str]) -> Outcome<Vec<String>> {
        let mut open = Vec::new();
        let ids = ["retrying", "active", "released", "waiting", MADE[2], "delayed", "urgent", "large"];
        let keyed = ["k1", "k2", "k3", "k4", "k5", "k6", "n1", "n2", "n3", "i1", "i2", "i3", "i4"];
        let nodes = ["first#0", "first#1", "first#2", "chord#0", "chord#1", "chord#2", "chord#3"];
        for id in ids.iter().chain(&["o1", "o2", "o3", "o4"]).chain(&keyed).chain(&nodes) {
            if except.iter().any(|victim| id == victim || id.starts_with(&format!("{victim}#"))) {
                continue;
            }
            let info = of(id, self.adapter.job(&JobId::from(*id)).await)?;
            match info.map(|info| info.state) {
                Some(JobState::Completed | JobState::Cancelled) => {}
                other => open.push(format!("{id} is {other:?}")),
            }
        }
        open.extend(self.open_schedules(except).await?);
        Ok(open)
    }

    pub(crate) async fn found(&self) -> Outcome<Vec<String>> {
        let report = of("check", App::new(self.adapter.clone()).check().await)?;
        Ok(report.violations.iter().map(ToString::to_string).collect())
    }

    /// Repairs until nothing is left to repair; what is left to be looked at by hand.
    pub(crate) async fn repair(&self) -> Outcome<Vec<String>> {
        for _ in 0..6 {
            let mut audit = self.adapter.audit();
            let (mut repaired, mut left) = (0, Vec::new());
            while let Some(page) = of("audit", audit.page().await)? {
                for finding in page.findings {
                    match of("mend", self.adapter.repair(&finding).await)? {
                        taskora::adapter::RepairOutcome::Repaired => repaired += 1,
                        taskora::adapter::RepairOutcome::Gone => {}
                        _ => left.push(finding.violation.to_string()),
                    }
                }
            }
            if repaired == 0 {
                return Ok(left);
            }
        }
        Err(format!("repairs find for ever something to repair: {:?}", self.found().await?))
    }

    /// Removes all that has ended, and names what is left.
    pub(crate) async fn remains(&mut self) -> Outcome<Vec<String>> {
        let none = RetentionLimit::new(Duration::from_secs(1), 0);
        let keep = Retention::all(none);
        of("shift", self.adapter.shift_clock(Duration::from_secs(36_000)).await)?;
        self.remove_schedules().await?;
        for _ in 0..3 {
            self.sweep(keep).await?;
            self.drain().await?;
            of("shift", self.adapter.shift_clock(Duration::from_secs(3_600)).await)?;
        }
        self.sweep(keep).await?;
        of("sign off", self.adapter.sign_off(&self.report()).await)?;
        let keys: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg("*").query(&mut self.redis).map_err(|error| error.to_string())?;
        let keys = keys.iter().map(|key| key.escape_ascii().to_string());
        let usual =
            ["clock", "front", "meta", "procs", "registry", "seq", "tasks", "damaged", "wfgone", "wftimer"];
        Ok(keys
            // what was put aside for a workflow, and what throttled keys have let through, expires by the server's own clock
            .filter(|key| !key.starts_with("{taskora}:stage:") && !key.starts_with("{taskora}:throttle:"))
            .filter(|key| {
                let name = key.strip_prefix("{taskora}:").unwrap_or(key);
                // a gate stays for the jobs to come, and a history expires
                let is_kept = ["call:", "aside:", "gate:", "rate:", "history:", "patterns:"]
                    .iter()
                    .any(|kept| name.starts_with(kept));
                !usual.contains(&name) && !is_kept
            })
            .collect())
    }
}

fn line() -> LogEntry {
    LogEntry::new(LogLevel::Info, "sending", Timestamp::from_millis(1), 1)
}
