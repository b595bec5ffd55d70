//! What a job is: its id, its states and the transitions between them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The identity of a job: a UUID v7 made by [`JobId::new`], or the caller's own text.
///
/// ```
/// use taskora::JobId;
///
/// let id: JobId = "order-4711".into();
/// assert_eq!(id.to_string(), "order-4711");
/// assert_eq!(JobId::new().as_ref().len(), 36);
/// ```
///
/// Any text converts into a `JobId`; whether it may name a *new* job is checked when it is dispatched
/// (1 to 200 bytes, no control characters), see [`JobId::validate`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct JobId(std::sync::Arc<str>);

impl JobId {
    /// The longest id that a caller may give, in bytes.
    pub const MAX_LEN: usize = 200;

    /// A new, time-ordered id (UUID v7, 36 characters).
    #[must_use]
    #[allow(clippy::new_without_default, reason = "an id that is new each time is no default")]
    pub fn new() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self(std::sync::Arc::from(&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this text may name a new job: 1 to [`JobId::MAX_LEN`] bytes without control characters.
    ///
    /// # Errors
    /// [`InvalidJobId`], which says what is wrong.
    pub fn validate(&self) -> Result<(), InvalidJobId> {
        if self.0.is_empty() {
            Err(InvalidJobId::Empty)
        } else if self.0.len() > Self::MAX_LEN {
            Err(InvalidJobId::TooLong { len: self.0.len() })
        } else if self.0.chars().any(char::is_control) {
            Err(InvalidJobId::ControlCharacter)
        } else if self.names_a_node() {
            Err(InvalidJobId::Reserved)
        } else {
            Ok(())
        }
    }
}

impl JobId {
    fn names_a_node(&self) -> bool {
        self.0.rsplit_once('#').is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    }
}

/// Why a text cannot name a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJobId {
    /// The text is empty.
    #[error("a job id cannot be empty; leave it out to have one made")]
    Empty,
    /// The text is longer than [`JobId::MAX_LEN`].
    #[error("a job id of {len} bytes is too long; use at most {} bytes", JobId::MAX_LEN)]
    TooLong {
        /// The length of the text in bytes.
        len: usize,
    },
    /// The text ends in `#` and a number, as the ids of a workflow's nodes do.
    #[error(
        "a job id cannot end in `#` and a number, which names a node of a workflow; use another separator"
    )]
    Reserved,
    /// The text contains a control character.
    #[error("a job id cannot contain control characters; use printable text")]
    ControlCharacter,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", &*self.0)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Self::from(text);
        id.validate().map(|()| id)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JobId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for JobId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.as_str().to_owned()
    }
}

impl From<&JobId> for JobId {
    fn from(id: &JobId) -> Self {
        id.clone()
    }
}

impl From<uuid::Uuid> for JobId {
    fn from(id: uuid::Uuid) -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self(std::sync::Arc::from(&*id.hyphenated().encode_lower(&mut text)))
    }
}

/// Where a job is in its life. [`JobState::may_become`] is the table of legal transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobState {
    /// Ready to run; waits for a free worker.
    Waiting,
    /// Waits for the time it was dispatched for.
    Delayed,
    /// A worker holds its lease and runs it.
    Active,
    /// An attempt failed; waits for its backoff to pass.
    Retrying,
    /// Ended with a result.
    Completed,
    /// Ended with an error: the last attempt failed, or its worker died too often.
    Failed,
    /// Ended by a cancellation.
    Cancelled,
    /// Was not started in time.
    Expired,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Delayed,
        Self::Active,
        Self::Retrying,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether the job has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Whether a job may go from this state to `next` in one transition. A job that ended stays as it is.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use JobState::{Active, Cancelled, Completed, Delayed, Expired, Failed, Retrying, Waiting};
        match self {
            Waiting => matches!(next, Active | Cancelled | Expired),
            Delayed | Retrying => matches!(next, Waiting | Cancelled | Expired),
            // back to `Waiting`: released at shutdown, rescued, or retried without a delay
            Active => matches!(next, Completed | Retrying | Failed | Cancelled | Waiting),
            Completed | Failed | Cancelled | Expired => false,
        }
    }

    /// The state's name, as it is shown and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Active => "active",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A point in time as the store's clock tells it, in milliseconds since the Unix epoch.
///
/// Every time that taskora shows or compares comes from the store (for Redis: from the server's `TIME`), so
/// that a client whose clock is wrong changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As the standard library's time.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn plus(self, elapsed: Duration) -> Self {
        Self(self.0.saturating_add(millis(elapsed)))
    }
}

/// A duration in whole milliseconds, rounded up, so that nothing is due early.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// How serious a [`LogEntry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
pub struct LogEntry {
    /// How serious it is.
    pub level: LogLevel,
    /// What was said.
    pub message: String,
    /// Further fields; `null` if none were given.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub fields: serde_json::Value,
    /// When it was said, by the store's clock.
    pub at: Timestamp,
    /// The attempt that said it, counted from 1.
    pub attempt: u32,
}

impl LogEntry {
    /// How many lines are kept for a job; the oldest go first.
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

/// What is known of a job, without its payload and its result.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// The job's id.
    pub id: JobId,
    /// The name of its task.
    pub task: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts that have ended, plus the one that runs.
    pub attempts: u32,
    /// Attempts in total that its contract allows.
    pub max_attempts: u32,
    /// How often it was taken back from a worker that had stopped renewing its lease.
    pub stalls: u32,
    /// Its priority; higher goes first.
    pub priority: i16,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it becomes ready, for a delayed or retrying job.
    pub due_at: Option<Timestamp>,
    /// When the attempt that ended it was claimed; `None` for a job that has not ended, or that no attempt ended
    /// (cancelled before it ran, or taken back from a dead worker once too often).
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last error's message, or the reason of the cancellation; `None` for a job that has completed.
    pub error: Option<String>,
    /// The last progress that a handler reported.
    pub progress: Option<serde_json::Value>,
    /// The dispatcher's own annotations, in the order they were given.
    pub meta: Vec<(String, String)>,
}

impl JobInfo {
    /// A description of a new waiting job; adapters fill in the rest.
    #[must_use]
    pub fn new(id: JobId, task: impl Into<String>, state: JobState, created_at: Timestamp) -> Self {
        Self {
            id,
            task: task.into(),
            state,
            attempts: 0,
            max_attempts: 1,
            stalls: 0,
            priority: 0,
            created_at,
            due_at: None,
            started_at: None,
            finished_at: None,
            error: None,
            progress: None,
            meta: Vec::new(),
        }
    }
}

impl fmt::Debug for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // neither progress nor meta: both may hold what the payload holds
        f.debug_struct("JobInfo")
            .field("id", &self.id)
            .field("task", &self.task)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("max_attempts", &self.max_attempts)
            .field("stalls", &self.stalls)
            .field("priority", &self.priority)
            .field("created_at", &self.created_at)
            .field("due_at", &self.due_at)
            .field("started_at", &self.started_at)
            .field("finished_at", &self.finished_at)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_are_final_and_the_others_are_not() {
        for from in JobState::ALL {
            let ways_out = JobState::ALL.iter().filter(|to| from.may_become(**to)).count();
            assert_eq!(ways_out == 0, from.is_terminal(), "{from}");
        }
    }

    #[test]
    fn ids_are_checked_where_they_name_a_new_job() {
        assert_eq!("".parse::<JobId>(), Err(InvalidJobId::Empty));
        assert_eq!("a\nb".parse::<JobId>(), Err(InvalidJobId::ControlCharacter));
        assert_eq!("x".repeat(201).parse::<JobId>(), Err(InvalidJobId::TooLong { len: 201 }));
        assert_eq!("order#7".parse::<JobId>(), Err(InvalidJobId::Reserved));
        assert!("order#a7".parse::<JobId>().is_ok());
        assert_eq!("naïve-4711".parse::<JobId>().map(|id| id.to_string()), Ok("naïve-4711".to_owned()));
    }

    #[test]
    fn new_ids_are_ordered_uuids_of_36_characters() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id.as_str()).is_ok() && id.as_str().len() == 36));
    }

    #[test]
    fn durations_round_up_to_whole_milliseconds() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(5)), 5);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
