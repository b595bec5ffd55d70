//! What may be done to a store, as plain data: small numbers instead of ids, so that cases shrink and collide.

mod strategies;

use std::time::{Duration, SystemTime};

use taskora::adapter::{
    Admission, AttemptEnd, BlockingStates, Collect, Due, GatedTask, LimitKey, NewJob, NewNode, NewWorkflow,
    Once, Otherwise, PerKey, Rate, Rule, TaskName,
};
use taskora::workflow::WorkflowId;
use taskora::{JobId, JobState, Retention, RetentionLimit, Ttl};

use super::actions::Act;
pub(super) use strategies::{kept, operation};

pub(super) const TASKS: [&str; 3] = ["send-email", "resize", "b"];
/// Jobs that there may be beside the nodes of workflows.
pub(super) const JOBS: u8 = 10;
/// Workflows that there may be.
pub(super) const FLOWS: u8 = 3;
/// Keys that jobs may be stored under.
pub(super) const KEYS: [&str; 2] = ["k", ""];
/// The most nodes of a workflow.
pub(super) const NODES: u8 = 6;

/// One operation. A lease is a number counted back from the one that was handed out last, valid or not.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Enqueue(Vec<Job>),
    Admit(Vec<Keyed>),
    ReleaseKey {
        task: u8,
        key: u8,
    },
    Exchange {
        worker: u8,
        settle: Vec<(u8, End)>,
        claim: Option<Claims>,
    },
    /// The worker's last exchange once more, as after an answer that was lost.
    Repeat {
        worker: u8,
    },
    Renew(Vec<u8>),
    Note(Vec<(u8, Report)>),
    Cancel(Target),
    Act(Act, Target),
    /// The target is replaced by a new job.
    Replace(Target, Job),
    Sweep {
        tasks: u8,
    },
    /// Five seconds, so often.
    Advance(u8),
    Gate {
        task: u8,
        change: Change,
    },
    /// A worker finds the key of a lease.
    TakeKey(u8, u8),
    /// The key of a lease is closed for so many fives of seconds.
    CloseKey(u8, u8),
    Flush(u8, u8),
    /// A schedule by its number, and what is done to it.
    Schedule(u8, super::schedules::Change),
    Start(Flow),
    CancelWorkflow(u8),
    Await(Target),
    AwaitWorkflow(u8),
    /// The oldest wait that goes on is dropped.
    GiveUp,
}

/// A change of a task's gate.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Declare(Option<u8>, Option<Pace>),
    Set(Option<u8>),
    SetRate(Option<Pace>),
    DeclareKeys(Option<PerKey>),
    SetKey(u8, Option<u8>),
    SetKeyRate(u8, Option<Pace>),
    /// Of the task, or of a key; how long it lasts, in fives of seconds.
    Pause(Option<u8>, Option<u8>),
    Resume(Option<u8>),
}

/// A rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    max: u8,
    /// The length of a window, or the time after which a token comes back, in fives of seconds.
    every: u8,
    burst: Option<u8>,
}

impl Pace {
    pub(super) fn rate(self) -> Rate {
        let Self { max, every, burst } = self;
        match burst {
            None => Rate::new(max.into(), fives(every)),
            Some(burst) => Rate::new(max.into(), fives(every) * max.into()).burst(burst.into()),
        }
    }
}

/// A job, or a node of a workflow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Job(u8),
    Node(u8, u8),
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    id: u8,
    task: u8,
    priority: i16,
    due: When,
    ttl: Option<u8>,
    stalls: u8,
    large: bool,
    annotated: bool,
    limit_key: Option<u8>,
    gathers: Option<Gathers>,
    cost: u8,
}

/// How an item gathers; times are in fives of seconds.
#[derive(Debug, Clone, Copy)]
struct Gathers {
    size: u8,
    delay: u8,
    longer: Option<u8>,
    serial: bool,
}

impl Gathers {
    fn collect(self) -> Collect {
        let mut collect = Collect::new(self.size.into(), fives(self.delay));
        collect.max_wait = self.longer.map(|longer| fives(self.delay) + fives(longer));
        collect.serial = self.serial;
        collect
    }
}

/// A job and its key.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    job: Job,
    key: u8,
    by: By,
}

/// A rule; times are in fives of seconds.
#[derive(Debug, Clone, Copy)]
enum By {
    /// One window for each key: how long a key is remembered goes by the server's own clock.
    Throttle {
        max: u8,
    },
    Debounce {
        delay: u8,
        longer: Option<u8>,
    },
    Deduplicate {
        states: u8,
        otherwise: Otherwise,
    },
    Once {
        payload: bool,
        keep: bool,
    },
}

/// In fives of seconds.
#[derive(Debug, Clone, Copy)]
enum When {
    Now,
    After(u8),
    /// Counted from the beginning of the case, so that it may be past.
    At(u8),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Complete {
        large: bool,
    },
    /// In fives of seconds.
    Retry(u8),
    Fail,
    Cancel,
    Release,
}

#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) limit: u8,
    /// For each task: its limit; none if it is not asked for.
    pub(super) of: [Option<u8>; 3],
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) progress: bool,
    pub(super) lines: u8,
}

#[derive(Debug, Clone)]
pub(super) struct Flow {
    id: u8,
    nodes: Vec<Node>,
    ttl: Option<u8>,
    due: When,
    annotated: bool,
}

#[derive(Debug, Clone)]
struct Node {
    task: u8,
    priority: i16,
    /// A bit for each earlier node that it waits for; a root if there is none.
    after: u8,
    delay: u8,
    ttl: Option<u8>,
    stalls: u8,
    large: bool,
    limit_key: Option<u8>,
    cost: u8,
}

/// What a sweep keeps. Only completed jobs are removed in a case: on Redis the trimming of cancelled jobs, and of
/// workflows, waits for tombstones, which the model does not have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    count: u8,
    /// In fives of seconds.
    age: u8,
}

/// What sweeps keep in a case; everything if `None`. What an exchange trims is left to each store, in slabs.
pub(super) fn retention(kept: Option<Kept>) -> Retention {
    let mut retention = Retention::default();
    if let Some(Kept { count, age }) = kept {
        retention.completed = RetentionLimit::new(fives(age), count.into());
    }
    retention
}

pub(super) fn fives(number: u8) -> Duration {
    Duration::from_secs(5 * u64::from(number))
}

pub(super) fn task(number: u8) -> TaskName {
    TASKS[usize::from(number) % TASKS.len()].into()
}

/// The last task is an alias of the first one, as soon as that has a gate.
pub(super) fn gated(number: u8) -> GatedTask {
    let number = usize::from(number) % TASKS.len();
    let aliases = if number == 0 { vec![TASKS[2].into()] } else { Vec::new() };
    GatedTask { task: TASKS[number].into(), aliases }
}

pub(super) fn flow_id(number: u8) -> WorkflowId {
    format!("flow-{number}").as_str().into()
}

impl Target {
    pub(super) fn id(self) -> JobId {
        match self {
            // one of them is stored in another way than texts are
            Self::Job(0) => "0191b0a6-0000-7000-8000-000000000001".into(),
            Self::Job(number) => format!("job-{number}").into(),
            Self::Node(flow, node) => JobId::node(&flow_id(flow), node.into()),
        }
    }
}

impl When {
    fn due(self, start: SystemTime) -> Due {
        match self {
            Self::Now => Due::Now,
            Self::After(number) => Due::After(fives(number)),
            Self::At(number) => Due::At(start + fives(number)),
        }
    }
}

pub(super) fn limit_key(number: u8) -> LimitKey {
    LimitKey::new(["acme", "b", "c"][usize::from(number) % 3]).expect("not too long")
}

fn payload(large: bool, number: u8) -> Vec<u8> {
    if large { vec![b'7'; 5000] } else { number.to_string().into_bytes() }
}

/// What is discarded may be there on Redis until the next sweep, so jobs are kept.
fn ttl(max: Option<u8>) -> Option<Ttl> {
    max.map(|max| Ttl::new(fives(max)))
}

fn meta(annotated: bool) -> Vec<(String, String)> {
    if annotated { vec![("k".into(), "v".into())] } else { Vec::new() }
}

impl Job {
    pub(super) fn new_job(&self, start: SystemTime) -> NewJob {
        NewJob {
            priority: self.priority,
            due: self.due.due(start),
            max_attempts: 3,
            max_stalls: self.stalls.into(),
            meta: meta(self.annotated),
            ttl: ttl(self.ttl),
            limit_key: self.limit_key.map(limit_key),
            collect: self.gathers.map(Gathers::collect),
            // an item costs one start
            cost: if self.gathers.is_some() { 1 } else { self.cost.into() },
            ..NewJob::new(Target::Job(self.id).id(), task(self.task), payload(self.large, self.id))
        }
    }
}

impl Keyed {
    pub(super) fn admission(&self, start: SystemTime) -> Admission {
        let rule = match self.by {
            By::Throttle { max } => Rule::Throttle { max: max.into(), window: fives(2 + 3 * self.key) },
            By::Debounce { delay, longer } => Rule::Debounce {
                delay: fives(delay),
                max_wait: longer.map(|longer| fives(delay) + fives(longer)),
            },
            By::Once { payload, keep } => {
                Rule::Once(Once { life: fives(4), fingerprint: payload.into(), keep_failures: keep })
            }
            By::Deduplicate { states, otherwise } => {
                let all = [JobState::Waiting, JobState::Delayed, JobState::Active, JobState::Retrying];
                let some = (0..).zip(all).filter(|(bit, _)| states >> bit & 1 == 1).map(|(_, state)| state);
                Rule::Deduplicate { while_in: BlockingStates::new(some).expect("no ends"), otherwise }
            }
        };
        Admission { job: self.job.new_job(start), key: key(self.key).to_owned(), rule }
    }
}

pub(super) fn key(number: u8) -> &'static str {
    KEYS[usize::from(number) % KEYS.len()]
}

impl Flow {
    /// Of the workflow or of a node.
    pub(super) fn has_deadline(&self) -> bool {
        self.ttl.is_some() || self.nodes.iter().any(|node| node.ttl.is_some())
    }

    pub(super) fn new_workflow(&self, start: SystemTime) -> NewWorkflow {
        let (mut joins, mut nodes): (Vec<Vec<u32>>, _) = (Vec::new(), Vec::new());
        for (number, node) in (0u8..).zip(&self.nodes) {
            let join: Vec<u32> =
                (0..number).filter(|bit| node.after >> bit & 1 == 1).map(Into::into).collect();
            let after = (!join.is_empty()).then(|| {
                joins.iter().position(|known| *known == join).unwrap_or_else(|| {
                    joins.push(join);
                    joins.len() - 1
                })
            });
            nodes.push(NewNode {
                name: format!("{number}-step"),
                task: task(node.task),
                payload: payload(node.large, number),
                composed: after.is_some(),
                after: after.and_then(|join| u32::try_from(join).ok()),
                priority: node.priority,
                delay: fives(node.delay),
                max_attempts: 3,
                max_stalls: node.stalls.into(),
                ttl: ttl(node.ttl),
                limit_key: node.limit_key.map(limit_key),
                cost: node.cost.into(),
            });
        }
        NewWorkflow {
            id: flow_id(self.id),
            nodes,
            joins,
            output: b"0".to_vec(),
            ttl: self.ttl.map(fives),
            due: self.due.due(start),
            meta: meta(self.annotated),
        }
    }
}

impl End {
    pub(super) fn attempt_end(self) -> AttemptEnd {
        match self {
            // beyond 32 KiB an end is not pushed with its result
            Self::Complete { large: true } => AttemptEnd::Complete(vec![b'1'; 40_000]),
            Self::Complete { large: false } => AttemptEnd::Complete(b"[1]".to_vec()),
            Self::Retry(delay) => AttemptEnd::Retry { error: "again".into(), delay: fives(delay) },
            Self::Fail => AttemptEnd::Fail("no".into()),
            Self::Cancel => AttemptEnd::Cancel,
            Self::Release => AttemptEnd::release(),
        }
    }
}
