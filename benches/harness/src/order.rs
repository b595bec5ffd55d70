//! What the runner asks of a contender, and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One measurement to take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The server to use, as `redis://127.0.0.1:port`; it is empty.
    pub url: String,
    /// How many jobs to measure.
    pub jobs: usize,
    /// The size of a job's payload as JSON, in bytes.
    pub bytes: usize,
    /// After so many seconds the measurement ends with what was done by then.
    pub limit: f64,
    /// What to do.
    #[serde(flatten)]
    pub kind: Kind,
}

/// How often the handler of a job that fails twice runs.
pub(crate) const RUNS: usize = 3;

/// The kinds of workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// So many callers, each with one call in flight, each call with `batch` jobs.
    Dispatch { callers: usize, batch: usize },
    /// A worker empties a queue; `waiting` jobs more than are measured stand behind them, and `delayed` jobs of the same task
    /// become due when all is over; there are `schedules` that tick once a day.
    Process(Process),
    /// A worker empties a queue of items that are run in batches.
    Batches { concurrency: usize },
    /// So many callers, each with one dispatch under a rule in flight, and nobody runs the jobs.
    Ruled { rule: Rule, callers: usize },
    /// A worker empties a queue, and each job fails twice before it succeeds: three runs in all.
    Retry { concurrency: usize },
    /// All jobs are due at the moment when a worker starts; they are of so many tasks in turn.
    Due { concurrency: usize, tasks: usize },
    /// So many callers, each dispatches a job and awaits its result.
    Results { callers: usize, concurrency: usize },
    /// So many callers dispatch workflows of `size` steps each while a worker runs them; `jobs` counts steps.
    Workflow { shape: Shape, size: usize, callers: usize, concurrency: usize },
    /// One job at a time to an idle worker: from the call to the handler's first line.
    Latency,
    /// The server's memory with `jobs` waiting, which are of so many keys that limits count; none: they have no key.
    Memory {
        #[serde(default)]
        keys: usize,
    },
    /// A worker with so many tasks, so many daily schedules, and nothing to do.
    Idle {
        tasks: usize,
        #[serde(default)]
        schedules: usize,
        /// All but the first one have limits.
        #[serde(default)]
        gates: bool,
    },
    /// A worker makes the ticks of so many schedules: of one second, or all of them once at the same moment.
    Ticks { schedules: usize, at_once: bool },
    /// The longest script of one kind of call, over so many tasks with `jobs` jobs in all.
    Longest { call: Call, tasks: usize },
}

/// How a worker empties a queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub concurrency: usize,
    pub prefetch: usize,
    pub tasks: usize,
    pub waiting: usize,
    pub delayed: usize,
    #[serde(default)]
    pub schedules: usize,
    /// The tasks without jobs have limits, rates or limits by key, and one is paused.
    #[serde(default)]
    pub gates: bool,
    #[serde(default)]
    pub operator: Operator,
}

/// The calls whose scripts are timed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// A sweep, when the leases of all jobs have passed.
    Sweep,
    /// A claim, when all jobs have become due.
    Claim,
    /// An overview of all tasks.
    Overview,
    /// A page of 50 of the waiting jobs of one task, a hundred of them one after the other.
    Page,
    /// A search of the waiting jobs of one task for a text that none has.
    Search,
}

/// What an operator does meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Nothing.
    #[default]
    Away,
    /// Listens to all events.
    Listens,
    /// Has paused a task without jobs that the worker serves.
    Paused,
}

/// When schedules tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Each second.
    EachSecond,
    /// Once a day, and not while anything is measured.
    Daily,
    /// All of them once, at the full second after this time.
    AtOnce(Duration),
}

/// What decides about a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Nothing: for comparison.
    None,
    /// A throttle that lets none through but the first.
    Throttled,
    /// All are debounced under one key.
    Debounced,
}

/// What the steps of a workflow have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Nothing: plain jobs, for comparison.
    Plain,
    /// Plain jobs that expire unless they are started in time.
    Brief,
    /// Plain jobs, each with a key of its own that one unfinished job may have.
    Keyed,
    /// Plain jobs of a hundred keys, that take turns.
    Lanes,
    /// The same with ten thousand keys.
    ManyLanes,
    /// One after the other, each with the output of the one before it.
    Chain,
    /// Side by side, and their outputs are collected.
    Group,
    /// A group, and one more step that gets all of its outputs.
    Chord,
}

/// One measurement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Jobs per second, milliseconds (p50 or longest), bytes per job or calls per minute, by the kind of workload.
    pub value: f64,
    /// The server's CPU time, in microseconds per job.
    #[serde(default)]
    pub redis_us: Option<f64>,
    /// The contender's CPU time, in microseconds per job.
    #[serde(default)]
    pub client_us: Option<f64>,
    /// Further figures, by name.
    #[serde(default)]
    pub more: BTreeMap<String, f64>,
    /// Why there is no measurement.
    #[serde(default)]
    pub refused: Option<String>,
}

impl Sample {
    /// No measurement, for this reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { refused: Some(reason.into()), ..Self::default() }
    }
}
