//! The entry that a process registers in the namespace, for others to see.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use taskora::adapter::{Program, SCHEDULES, TaskName};
use taskora::{AdapterError, Timestamp};

use crate::codec::Reader;

/// The level that this process understands. A namespace is only raised to a level if no live process is below it.
/// 2: gates of tasks; 3: limits by key; 4: pauses that end by themselves.
pub(crate) const LEVEL: u16 = 4;
/// How often a process that only dispatches gives a sign of life, while it dispatches.
const EVERY: Duration = Duration::from_secs(60);
/// A task that no sweep has named for this long is no longer served.
const SERVED: Duration = Duration::from_secs(180);
/// The most tasks that an entry names.
const MAX_TASKS: usize = 1_000;

/// This process, as one adapter sees it.
pub(crate) struct Process {
    pub(crate) name: String,
    since: u64,
    host: String,
    build: String,
    pub(crate) program: String,
    last_sign: Mutex<Option<Instant>>,
    /// The tasks that it serves, with the time of their last sweep.
    served: Mutex<Vec<(Vec<TaskName>, Instant)>>,
}

impl Process {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Program { host, name: program, build, .. } = Program::this();
        Self {
            name: uuid::Uuid::now_v7().simple().to_string(),
            since,
            host,
            build,
            program,
            last_sign: Mutex::new(None),
            served: Mutex::default(),
        }
    }

    /// Notes that a worker of this process sweeps these tasks. Returns whether the worker is new.
    pub(crate) fn serves(&self, tasks: &[TaskName]) -> bool {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = served.iter().any(|(known, _)| known == tasks);
        served.retain(|(known, at)| known != tasks && at.elapsed() < SERVED);
        served.push((tasks.to_vec(), Instant::now()));
        !is_known
    }

    /// The tasks among these that another program serves. A program is identified by the name of its executable.
    pub(crate) fn shared_with<'a>(&self, other: &ProcessInfo, tasks: &'a [TaskName]) -> Vec<&'a str> {
        if other.program.is_empty() || self.program.is_empty() || other.program == self.program {
            return Vec::new();
        }
        tasks.iter().map(|task| &**task).filter(|task| other.serves(task)).collect()
    }

    /// Whether that process runs another build. An unknown build does not count as another one.
    pub(crate) fn differs_from(&self, other: &ProcessInfo) -> bool {
        !self.build.is_empty() && !other.build.is_empty() && self.build != other.build
    }

    /// Its level (2), and the rest as JSON. A process that serves tasks is a worker.
    pub(crate) fn about(&self) -> Vec<u8> {
        let mut about = LEVEL.to_be_bytes().to_vec();
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = served.iter().flat_map(|(tasks, _)| tasks).map(|task| &**task);
        // every worker makes ticks, so that says nothing about whose jobs it runs
        let tasks: BTreeSet<&str> = tasks.filter(|task| *task != SCHEDULES).take(MAX_TASKS).collect();
        let text = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "host": self.host,
            "pid": std::process::id(),
            "since": self.since,
            "program": self.program,
            "build": self.build,
            "roles": if served.is_empty() { ["producer"] } else { ["worker"] },
            "tasks": tasks,
        });
        about.extend(text.to_string().into_bytes());
        about
    }

    /// Whether a sign of life is due; if so, it counts as given.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.last_sign.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= EVERY);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// A live process of a namespace, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its name; each adapter has its own.
    pub name: String,
    /// When it last gave a sign of life.
    pub last_sign: Timestamp,
    /// The level that it understands.
    pub level: u16,
    /// Its version of `taskora-redis`.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// The name of its executable.
    pub program: String,
    /// Identifies its executable; empty if unknown.
    pub build: String,
    /// `worker` or `producer`.
    pub roles: Vec<String>,
    /// The tasks that it serves.
    pub tasks: Vec<String>,
}

impl ProcessInfo {
    /// Fields that a later version adds are ignored, and fields that it leaves out are empty.
    pub(crate) fn read(name: &[u8], entry: &[u8]) -> Option<Self> {
        let mut reader = Reader(entry);
        let (last_sign, level) = (Timestamp::from_millis(reader.u48()?), reader.u16()?);
        let about: Value = serde_json::from_slice(reader.0).unwrap_or_default();
        let text = |field: &str| about.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let texts = |field: &str| {
            let values = about.get(field).and_then(Value::as_array).into_iter().flatten();
            values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let whole = |field: &str| about.get(field).and_then(Value::as_u64).unwrap_or_default();
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            last_sign,
            level,
            version: text("version"),
            host: text("host"),
            pid: u32::try_from(whole("pid")).unwrap_or_default(),
            since: whole("since"),
            program: text("program"),
            build: text("build"),
            roles: texts("roles"),
            tasks: texts("tasks"),
        })
    }

    /// Whether workers of this process run jobs of this task.
    pub(crate) fn serves(&self, task: &str) -> bool {
        self.roles.iter().any(|role| role == "worker") && self.tasks.iter().any(|known| known == task)
    }
}

/// The level of a namespace must be one that this process understands.
pub(crate) fn check_level(level: u64, raised_by: &str) -> Result<(), AdapterError> {
    if level <= u64::from(LEVEL) {
        return Ok(());
    }
    Err(AdapterError::Incompatible(format!(
        "the namespace was raised to level {level} by `{raised_by}`, and this process understands level {LEVEL}; \
         use a newer taskora-redis"
    )))
}
