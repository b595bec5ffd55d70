//! What a handler logs with its job.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// How serious a [`LogEntry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogLevel {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Went wrong.
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// One line that a handler logged with the job. The newest 1,000 lines of a job are kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// How serious it is.
    pub level: LogLevel,
    /// The text of the line.
    pub message: String,
    /// Additional fields; `null` if there are none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub fields: serde_json::Value,
    /// When it was stored, by the store's clock.
    pub at: Timestamp,
    /// The attempt that logged it, counted from 1.
    pub attempt: u32,
}

impl LogEntry {
    /// A line without fields.
    #[must_use]
    pub fn new(level: LogLevel, message: impl Into<String>, at: Timestamp, attempt: u32) -> Self {
        Self { level, message: message.into(), fields: serde_json::Value::Null, at, attempt }
    }

    /// How many lines are kept for a job; the oldest are dropped first.
    pub const MAX_PER_JOB: usize = 1_000;
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEntry")
            .field("level", &self.level)
            .field("message", &self.message)
            .field("at", &self.at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
