//! What a process is told to do.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use taskora::adapter::{PerKey, Rate};

/// What a process does: its one argument, as JSON. A worker runs until SIGTERM; a producer until it has dispatched and
/// heard everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Its name in the ledger.
    pub name: String,
    /// Where Redis is; often a proxy.
    pub url: String,
    /// The namespace.
    pub namespace: String,
    /// The ledger's file.
    pub ledger: PathBuf,
    /// For what is random in it.
    pub seed: u64,
    /// Threads of its runtime.
    pub threads: usize,
    /// The namespace's time may be shifted.
    pub test_clock: bool,
    /// What happens at which point between two calls to Redis, see `taskora_redis::failpoint`.
    pub failpoints: String,
    /// It connects before anything else, and ends if it cannot; otherwise it connects with the first call.
    #[serde(default)]
    pub eager: bool,
    /// Another binary than that of this build, which must understand this configuration.
    #[serde(default)]
    pub binary: Option<PathBuf>,
    /// Environment variables beside those that it inherits.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// It runs jobs.
    pub worker: Option<WorkerPart>,
    /// It dispatches jobs.
    pub producer: Option<Producer>,
}

/// Settings of a worker, see `taskora::WorkerBuilder`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerPart {
    /// Workers in the process, each with all of these settings; 1 by default.
    pub count: usize,
    /// Attempts at once; 10 by default.
    pub concurrency: usize,
    /// Jobs claimed beyond that; 0 by default.
    pub prefetch: usize,
    /// Length of leases; one second by default.
    pub lease: Duration,
    /// Time between sweeps; half a second by default.
    pub sweep: Duration,
    /// Grace of a shutdown; two seconds by default.
    pub grace: Duration,
    /// Grace of a cancellation; 100 ms by default.
    pub cancel_grace: Duration,
    /// Schedules of one second in its code, see [`SCHEDULE`](crate::tasks::SCHEDULE); none by default.
    #[serde(default)]
    pub schedules: u32,
    /// It makes no ticks.
    #[serde(default)]
    pub no_ticks: bool,
    /// It has none of the tasks that schedules run.
    #[serde(default)]
    pub other_tasks: bool,
    /// How many jobs of a key of the task `work` may run at once, if it has limits by key.
    #[serde(default)]
    pub per_key: Option<u32>,
    /// So many jobs of a key of the task `work` may start in this time, if it has limits by key.
    #[serde(default)]
    pub per_key_rate: Option<(u32, Duration)>,
}

impl WorkerPart {
    /// What holds for each key of the task `work`.
    #[must_use]
    pub fn limit_by_key(&self) -> Option<PerKey> {
        let rate = self.per_key_rate.map(|(max, per)| Rate::new(max, per));
        let limit = self.per_key.map(PerKey::at_most).or_else(|| rate.map(|_| PerKey::fair()));
        limit.map(|limit| limit.rate(rate))
    }
}

impl Default for WorkerPart {
    fn default() -> Self {
        Self {
            count: 1,
            concurrency: 10,
            prefetch: 0,
            lease: Duration::from_secs(1),
            sweep: Duration::from_millis(500),
            grace: Duration::from_secs(2),
            cancel_grace: Duration::from_millis(100),
            schedules: 0,
            no_ticks: false,
            other_tasks: false,
            per_key: None,
            per_key_rate: None,
        }
    }
}

/// What a producer dispatches. What fails is tried again with the same id until it succeeds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Producer {
    /// How many jobs and workflows; 0 is until the process is told to stop (SIGTERM), which then still hears what it awaits.
    pub count: u64,
    /// The rest after each, on average; none by default.
    pub pause: Duration,
    /// Dispatches under way at once; 4 by default.
    pub lanes: usize,
    /// Of a hundred, so many are awaited; 50 by default.
    pub awaited: u32,
    /// The longest time that a handler takes, in milliseconds; 20 by default.
    pub millis: u64,
    /// It also reads what it has dispatched, in all ways that there are; it does not by default.
    pub looks: bool,
    /// The least delay of those that are delayed; none by default.
    #[serde(default)]
    pub least_delay: Duration,
    /// The time that a chain has to end; for ever by default.
    #[serde(default)]
    pub ttl: Option<Duration>,
    /// What it dispatches.
    pub mix: Mix,
}

impl Default for Producer {
    fn default() -> Self {
        Self {
            count: 100,
            pause: Duration::ZERO,
            lanes: 4,
            awaited: 50,
            millis: 20,
            looks: false,
            least_delay: Duration::ZERO,
            ttl: None,
            mix: Mix::default(),
        }
    }
}

/// How often what is dispatched, as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// A job that returns.
    pub plain: u32,
    /// One that is delayed by up to half a second.
    pub delayed: u32,
    /// One whose first attempts fail.
    pub retried: u32,
    /// One that fails for good.
    pub failing: u32,
    /// One with a priority.
    pub urgent: u32,
    /// One with a payload above 4 KiB, and with progress and log lines.
    pub large: u32,
    /// One that is cancelled soon after.
    pub cancelled: u32,
    /// A chain of three.
    pub chain: u32,
    /// A chord of up to ten.
    pub chord: u32,
    /// A workflow that is cancelled soon after.
    pub cancelled_flow: u32,
    /// A workflow of which one step fails for good.
    pub failing_flow: u32,
    /// One whose key a single unfinished job may have.
    pub keyed: u32,
    /// A chord of fourteen hundred, which is more than one call can start.
    pub huge: u32,
    /// A schedule that is stored, triggered, paused and removed.
    #[serde(default)]
    pub scheduled: u32,
    /// One of few keys, of each of which two run at once. Every other one comes without its key, which a worker then finds.
    #[serde(default)]
    pub limited: u32,
    /// One that gathers under one of few keys. Some of those keys are told to go at once.
    #[serde(default)]
    pub gathered: u32,
    /// One whose key lets few through in a time.
    #[serde(default)]
    pub throttled: u32,
}

impl Mix {
    /// Nothing at all: for `Mix { chain: 1, ..Mix::NOTHING }`.
    pub const NOTHING: Self = Self {
        plain: 0,
        delayed: 0,
        retried: 0,
        failing: 0,
        urgent: 0,
        large: 0,
        cancelled: 0,
        chain: 0,
        chord: 0,
        cancelled_flow: 0,
        failing_flow: 0,
        keyed: 0,
        huge: 0,
        scheduled: 0,
        limited: 0,
        gathered: 0,
        throttled: 0,
    };
}

impl Default for Mix {
    /// Something of everything, half of it plain jobs.
    fn default() -> Self {
        Self {
            plain: 50,
            delayed: 8,
            retried: 6,
            failing: 3,
            urgent: 5,
            large: 4,
            cancelled: 6,
            chain: 6,
            chord: 6,
            cancelled_flow: 3,
            failing_flow: 3,
            keyed: 8,
            huge: 0,
            scheduled: 0,
            limited: 6,
            gathered: 5,
            throttled: 3,
        }
    }
}
