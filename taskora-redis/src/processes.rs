//! The processes that use a namespace, and the level that all of them must understand.

use std::collections::BTreeSet;
use std::fmt;

use taskora::AdapterError;
use taskora::adapter::TaskName;

use crate::adapter::RedisAdapter;
use crate::answer::{exactly, nonsense, number, strings};
use crate::process::ProcessInfo;
use crate::scripts::SCRIPTS;
use crate::server::{MIN_WIRE_VERSION, WIRE_VERSION};

/// Why a level was not raised.
#[derive(Debug)]
#[non_exhaustive]
pub enum LevelError {
    /// Live processes do not understand it.
    NeedsLevel {
        /// The requested level.
        level: u16,
        /// The processes that do not understand it.
        held_back_by: Vec<ProcessInfo>,
    },
    /// The store could not do it.
    Adapter(AdapterError),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsLevel { level, held_back_by } => {
                write!(f, "level {level} needs newer processes: {}", names(held_back_by))
            }
            Self::Adapter(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LevelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NeedsLevel { .. } => None,
            Self::Adapter(error) => error.source(),
        }
    }
}

impl From<AdapterError> for LevelError {
    fn from(error: AdapterError) -> Self {
        Self::Adapter(error)
    }
}

fn names(processes: &[ProcessInfo]) -> String {
    let name = |process: &ProcessInfo| {
        let ProcessInfo { program, host, pid, version, level, .. } = process;
        format!("`{program}` (process {pid} on `{host}`, taskora {version}) understands level {level}")
    };
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}

impl RedisAdapter {
    /// Warns about two services that share a namespace by mistake and run each other's jobs; once per worker.
    pub(crate) async fn warn_of_other_programs(&self, tasks: &[TaskName]) {
        let settings = self.inner.settings();
        // this is only a hint, so errors do not matter
        let Ok(processes) = self.processes().await else { return };
        let mut told = BTreeSet::new();
        for other in &processes {
            let shared = settings.process.shared_with(other, tasks);
            if !shared.is_empty() && told.insert(&other.program) {
                tracing::warn!(
                    namespace = %settings.namespace,
                    tasks = shared.join(", "),
                    program = %settings.process.program,
                    other = %other.program,
                    host = %other.host,
                    pid = other.pid,
                    "another program serves the same tasks in this namespace, and each runs the other's jobs; \
                     two services that share one Redis need a namespace each: `RedisConfig::new(url).namespace(\"..\")`"
                );
            }
        }
    }

    /// The live processes of the namespace: those that gave a sign of life within three minutes.
    ///
    /// # Errors
    /// As any call.
    #[doc(hidden)]
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.processes, |_, _| ()).await?;
        pairs(&strings(answer, "the live processes")?)
    }

    /// Raises the level of the namespace, unless a live process does not understand it. With `force`, it is raised anyway,
    /// and those processes stop.
    ///
    /// # Errors
    /// [`LevelError::NeedsLevel`] with the processes that hold it back; otherwise as for any call.
    #[doc(hidden)]
    pub async fn raise_level(&self, level: u16, force: bool) -> Result<(), LevelError> {
        let writer =
            format!("taskora {} ({})", env!("CARGO_PKG_VERSION"), self.inner.settings().process.name);
        let answer = self.inner.script(&SCRIPTS.raise_level, |call, _| {
            call.put("level", level).put("force", u8::from(force)).put("writer", &writer);
            call.put("version", WIRE_VERSION).put("min", MIN_WIRE_VERSION);
        });
        let what = "the answer to `raise_level`";
        let [reached, held_back_by] = exactly(answer.await?, what)?;
        if number::<u64>(&reached, what)? >= u64::from(level) {
            return Ok(());
        }
        let held_back_by = pairs(&strings(held_back_by, what)?)?;
        Err(LevelError::NeedsLevel { level, held_back_by })
    }
}

/// Names and entries, alternating.
fn pairs(values: &[Vec<u8>]) -> Result<Vec<ProcessInfo>, AdapterError> {
    let read = |pair: &[Vec<u8>]| match pair {
        [name, entry] => ProcessInfo::read(name, entry),
        _ => None,
    };
    values.chunks(2).map(|pair| read(pair).ok_or_else(|| nonsense("a process cannot be read"))).collect()
}
