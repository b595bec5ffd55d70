//! What a worker says of itself with each sweep, and what the store shows of it.

use std::sync::Arc;
use std::time::Duration;

use super::{AdapterError, Program, TaskName, TaskSums};
use crate::job::{JobId, Timestamp};

/// What a worker says with a sweep, see [`Jobs::sweep_for`](super::Jobs::sweep_for).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerReport {
    /// What the store shows of it until its next sweep.
    pub worker: WorkerEntry,
    /// Whether a history of its tasks is kept: the store notes how many jobs of each have not ended, and which jobs the sweep itself makes fail.
    pub history: bool,
    /// What it has counted since its last report, by task; at most [`TaskSums::MAX_PER_REPORT`]. If the outcome of a call is unknown, a repeat may leave
    /// them out: they are rather lost than added twice.
    pub sums: Vec<TaskSums>,
}

impl WorkerReport {
    /// A report of this worker, without sums and history.
    #[must_use]
    pub const fn new(worker: WorkerEntry) -> Self {
        Self { worker, history: false, sums: Vec::new() }
    }
}

/// A worker, as it describes itself. Times are durations, because the store's clock counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerEntry {
    /// Its id: 1 to 200 bytes, no control characters. Each worker has its own.
    pub id: Arc<str>,
    /// The program that it is part of.
    pub program: Program,
    /// The names that it claims jobs of, aliases included; at most [`WorkerEntry::MAX_TASKS`].
    pub tasks: Vec<TaskName>,
    /// How many attempts run at once in it.
    pub concurrency: usize,
    /// How many of these places are taken.
    pub running: usize,
    /// Jobs that run in it; at most [`WorkerEntry::MAX_JOBS`].
    pub jobs: Vec<JobId>,
    /// What it does.
    pub state: WorkerState,
    /// How long it has run.
    pub up: Duration,
    /// After how long a silence it counts as gone; [`WorkerEntry::SILENCE`] by default, at most [`WorkerEntry::LONGEST_SILENCE`].
    pub silence: Duration,
}

impl WorkerEntry {
    /// The most jobs that an entry names.
    pub const MAX_JOBS: usize = 200;
    /// The most tasks that an entry names.
    pub const MAX_TASKS: usize = 1_000;
    /// After how long a silence a worker counts as gone that sweeps every five seconds.
    pub const SILENCE: Duration = Duration::from_secs(30);
    /// No worker is silent for longer.
    pub const LONGEST_SILENCE: Duration = Duration::from_secs(7 * 24 * 3_600);

    /// A worker of this process that has just started and does nothing.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), program: Program::this(), ..Self::default() }
    }

    /// An error if no store can keep it.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for an id that is empty, too long, or has control characters.
    pub fn check(&self) -> Result<(), AdapterError> {
        if (1..=200).contains(&self.id.len()) && !self.id.contains(char::is_control) {
            return Ok(());
        }
        Err(AdapterError::Config(
            "the id of a worker has 1 to 200 bytes, and no control characters".to_owned(),
        ))
    }
}

impl Default for WorkerEntry {
    fn default() -> Self {
        Self {
            id: Arc::from(""),
            program: Program::default(),
            tasks: Vec::new(),
            concurrency: 1,
            running: 0,
            jobs: Vec::new(),
            state: WorkerState::Running,
            up: Duration::ZERO,
            silence: Self::SILENCE,
        }
    }
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WorkerState {
    /// It claims jobs.
    #[default]
    Running,
    /// It claims nothing: it was paused, by its own process or from outside. Jobs that it runs go on.
    Paused,
    /// It shuts down: it claims nothing, and waits for what it runs.
    Stopping,
}

impl WorkerState {
    /// Its name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
        }
    }

    /// The state with this name. A name that a later version may use counts as running.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "paused" => Self::Paused,
            "stopping" => Self::Stopping,
            _ => Self::Running,
        }
    }
}

impl std::fmt::Display for WorkerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A worker that is alive, as the store knows it from its last sweep, see [`Inspect::workers`](crate::Inspect::workers).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its id.
    pub id: String,
    /// The name of its host; empty if unknown.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// The name of its executable; empty if unknown.
    pub program: String,
    /// Identifies its executable: two workers with the same build run the same code. Empty if unknown.
    pub build: String,
    /// The tasks whose jobs it runs, aliases included; at most [`WorkerEntry::MAX_TASKS`].
    pub tasks: Vec<String>,
    /// How many attempts run at once in it.
    pub concurrency: usize,
    /// How many of these places are taken. A batch takes one, and so does the thread of a blocking handler until it ends.
    pub running: usize,
    /// The jobs that ran in it at its last sweep, in order of their ids; at most [`WorkerEntry::MAX_JOBS`].
    pub jobs: Vec<JobId>,
    /// What it does.
    pub state: WorkerState,
    /// Whether it was told from outside to claim nothing, with [`Workers::pause`](crate::Workers::pause). Until its next sweep, its state may
    /// not show that yet.
    pub is_quiet: bool,
    /// Since when it runs, by the store's clock.
    pub since: Timestamp,
    /// When it has last swept, by the store's clock.
    pub heard: Timestamp,
}

impl WorkerInfo {
    /// What a store shows of a worker that it has heard at this time.
    #[must_use]
    pub fn new(entry: WorkerEntry, heard: Timestamp, is_quiet: bool) -> Self {
        let WorkerEntry { id, program, tasks, concurrency, running, jobs, state, up, .. } = entry;
        Self {
            id: id.to_string(),
            host: program.host,
            pid: program.pid,
            program: program.name,
            build: program.build,
            tasks: tasks.iter().map(|task| task.to_string()).collect(),
            concurrency,
            running,
            jobs,
            state,
            is_quiet,
            since: Timestamp::from_millis(heard.as_millis().saturating_sub(crate::job::millis(up))),
            heard,
        }
    }

    /// Whether it runs jobs of this task.
    #[must_use]
    pub fn serves(&self, task: &str) -> bool {
        self.tasks.iter().any(|known| known == task)
    }
}
