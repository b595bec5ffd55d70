//! What may be done to a store, as plain data: small numbers instead of ids, so that cases shrink and collide.

use std::time::{Duration, SystemTime};

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use taskora::adapter::{
    Admission, AttemptEnd, BlockingStates, Due, NewJob, NewNode, NewWorkflow, Otherwise, Rule, TaskName,
};
use taskora::workflow::WorkflowId;
use taskora::{JobId, JobState, Retention, RetentionLimit, Ttl};

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
    Sweep {
        tasks: u8,
    },
    /// Five seconds, so often.
    Advance(u8),
    Start(Flow),
    CancelWorkflow(u8),
    Await(Target),
    AwaitWorkflow(u8),
    /// The oldest wait that goes on is dropped.
    GiveUp,
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

pub(super) fn kept() -> impl Strategy<Value = Option<Kept>> {
    prop::option::weighted(0.3, (0..3u8, 1..6u8).prop_map(|(count, age)| Kept { count, age }))
}

pub(super) fn fives(number: u8) -> Duration {
    Duration::from_secs(5 * u64::from(number))
}

pub(super) fn task(number: u8) -> TaskName {
    TASKS[usize::from(number) % TASKS.len()].into()
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

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.1)
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        6 => Just(When::Now),
        2 => (1..=6u8).prop_map(When::After),
        1 => (0..=8u8).prop_map(When::At),
    ]
}

/// In fives of seconds.
fn brief() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.2, 1..=6u8)
}

fn priority() -> impl Strategy<Value = i16> {
    prop_oneof![4 => Just(0), 1 => Just(5), 1 => Just(-5), 1 => Just(1000), 1 => Just(-1000)]
}

fn job() -> impl Strategy<Value = Job> {
    (0..JOBS, 0..3u8, priority(), when(), brief(), 0..3u8, rarely(), rarely()).prop_map(
        |(id, task, priority, due, ttl, stalls, large, annotated)| Job {
            id,
            task,
            priority,
            due,
            ttl,
            stalls,
            large,
            annotated,
        },
    )
}

fn keyed() -> impl Strategy<Value = Keyed> {
    let otherwise = prop_oneof![
        2 => Just(Otherwise::Drop),
        2 => Just(Otherwise::Replace),
        3 => any::<bool>().prop_map(|cancel_running| Otherwise::Follow { cancel_running }),
    ];
    let states = prop_oneof![3 => Just(15u8), 1 => 1..16u8];
    let by = prop_oneof![
        1 => (1..3u8).prop_map(|max| By::Throttle { max }),
        2 => (1..6u8, prop::option::of(1..6u8)).prop_map(|(delay, longer)| By::Debounce { delay, longer }),
        4 => (states, otherwise).prop_map(|(states, otherwise)| By::Deduplicate { states, otherwise }),
    ];
    (job(), 0..2u8, by).prop_map(|(job, key, by)| Keyed { job, key, by })
}

/// The newest leases are more likely to be valid.
fn lease() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..4u8, 1 => any::<u8>()]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => rarely().prop_map(|large| End::Complete { large }),
        3 => prop_oneof![Just(0), Just(2u8), Just(6)].prop_map(End::Retry),
        1 => Just(End::Fail),
        1 => Just(End::Cancel),
        2 => Just(End::Release),
    ]
}

fn claims() -> impl Strategy<Value = Claims> {
    let asked = || prop::option::weighted(0.8, 0..6u8);
    (0..8u8, [asked(), asked(), asked()]).prop_map(|(limit, of)| Claims { limit, of })
}

fn flow() -> impl Strategy<Value = Flow> {
    let after = prop_oneof![1 => Just(0u8), 3 => any::<u8>()];
    let delay = prop_oneof![5 => Just(0u8), 1 => Just(2)];
    let node = (0..3u8, priority(), after, delay, brief(), 0..3u8, rarely());
    let node = node.prop_map(|(task, priority, after, delay, ttl, stalls, large)| Node {
        task,
        priority,
        after,
        delay,
        ttl,
        stalls,
        large,
    });
    let nodes = prop::collection::vec(node, 0..=usize::from(NODES));
    let ttl = prop::option::weighted(0.2, 1..=12u8);
    (0..FLOWS, nodes, ttl, when(), rarely()).prop_map(|(id, nodes, ttl, due, annotated)| Flow {
        id,
        nodes,
        ttl,
        due,
        annotated,
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        3 => (0..JOBS).prop_map(Target::Job),
        1 => (0..FLOWS, 0..NODES).prop_map(|(flow, node)| Target::Node(flow, node)),
    ]
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let settle = prop::collection::vec((lease(), end()), 0..4);
    let exchange = (0..2u8, settle, prop::option::weighted(0.85, claims()));
    let report = (any::<bool>(), 0..3u8).prop_map(|(progress, lines)| Report { progress, lines });
    prop_oneof![
        3 => prop::collection::vec(job(), 1..4).prop_map(Operation::Enqueue),
        3 => prop::collection::vec(keyed(), 1..4).prop_map(Operation::Admit),
        1 => (0..3u8, 0..2u8).prop_map(|(task, key)| Operation::ReleaseKey { task, key }),
        7 => exchange.prop_map(|(worker, settle, claim)| Operation::Exchange { worker, settle, claim }),
        1 => (0..2u8).prop_map(|worker| Operation::Repeat { worker }),
        1 => prop::collection::vec(lease(), 1..4).prop_map(Operation::Renew),
        1 => prop::collection::vec((lease(), report), 1..3).prop_map(Operation::Note),
        2 => target().prop_map(Operation::Cancel),
        1 => (1..8u8).prop_map(|tasks| Operation::Sweep { tasks }),
        2 => (1..=6u8).prop_map(Operation::Advance),
        2 => flow().prop_map(Operation::Start),
        1 => (0..FLOWS).prop_map(Operation::CancelWorkflow),
        1 => target().prop_map(Operation::Await),
        1 => (0..FLOWS).prop_map(Operation::AwaitWorkflow),
        1 => Just(Operation::GiveUp),
    ]
}
