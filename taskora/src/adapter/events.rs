//! What happens in a store, told while somebody listens.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::{AdapterError, TaskName};
use crate::job::{JobId, Timestamp};
use crate::text::beginning;
use crate::workflow::{WorkflowId, WorkflowState};

/// Events: transitions of jobs and workflows, pauses, and workers that come and go. The rules, for every store:
///
/// - **One transition is one event**, of the moment of the transition, with the store's time.
/// - **In order**: of one job exactly, and across jobs in the order of the store's steps.
/// - **Nothing is written while nobody listens.** Who [listens](Events::listen) keeps the kinds that it names being written for
///   [`EventPage::HEARD`] at least.
/// - **No gap is hidden.** If events of these kinds may be missing after the cursor, the page says so. A store keeps the newest 10,000 steps
///   with events.
#[async_trait]
pub trait Events: Send + Sync {
    /// Events of these kinds after this one, at most a page. `None` begins to listen: no events, and the place from which to go on.
    /// May also return events of other kinds.
    async fn listen(&self, kinds: Kinds, after: Option<EventId>) -> Result<EventPage, AdapterError>;

    /// Changes when there may be new events. This may be late, or lost with a connection: whoever listens asks now and then.
    fn arrivals(&self) -> watch::Receiver<u64>;
}

/// What [`Events::listen`] has found.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    /// Events, in order. A [`What::Gap`] says where some may be missing.
    pub events: Vec<Event>,
    /// Where to go on.
    pub last: EventId,
    /// There is more already.
    pub more: bool,
}

impl EventPage {
    /// How long events are written after a call.
    pub const HEARD: Duration = Duration::from_secs(30);
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its place among all events; keep it to [resume](crate::Listen::resume) after it.
    pub id: EventId,
    /// When it happened, by the store's clock.
    pub at: Timestamp,
    /// The task; `None` for events of workflows and workers, and for a gap.
    pub task: Option<TaskName>,
    /// The job; `None` for events of workflows, tasks and workers, and for a gap.
    pub job: Option<JobId>,
    /// What happened.
    pub what: What,
}

impl Event {
    /// An event of a job.
    #[must_use]
    pub fn new(id: EventId, at: Timestamp, what: What) -> Self {
        Self { id, at, task: None, job: None, what }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A job was stored. Steps of a workflow are stored with it, and have no such event.
    Enqueued {
        /// When it is due, if not at once.
        due_at: Option<Timestamp>,
    },
    /// A worker was handed the job.
    Started {
        /// The attempt, from 1.
        attempt: u32,
    },
    /// The handler reported progress. More than 4 KiB of it are not told.
    Progress {
        /// The value.
        value: Value,
    },
    /// The job ended with a result. The result itself is not told; ask the job's handle.
    Completed {
        /// Attempts in total.
        attempts: u32,
    },
    /// An attempt failed, and another one will follow.
    Retrying {
        /// The attempt that ended.
        attempt: u32,
        /// Its error, 1 KiB at most.
        error: String,
        /// When the next one is due.
        due_at: Timestamp,
    },
    /// The job ended with an error.
    Failed {
        /// Attempts in total.
        attempts: u32,
        /// The error, 1 KiB at most.
        error: String,
        /// Its workers died too often.
        stalled: bool,
    },
    /// The job was cancelled.
    Cancelled {
        /// Why, 1 KiB at most.
        reason: String,
    },
    /// The job was not started in time.
    Expired,
    /// A worker handed the job back without using up an attempt.
    Released {
        /// When it is due again, if not at once.
        due_at: Option<Timestamp>,
    },
    /// The job was taken back from a worker that stopped renewing its lease, and waits again.
    Rescued {
        /// How often that has happened to it.
        stalls: u32,
    },
    /// Somebody retries the job, which had ended.
    Revived {
        /// When it is due, if not at once.
        due_at: Option<Timestamp>,
    },
    /// Somebody deleted the job.
    Deleted,
    /// A workflow was stored.
    WorkflowStarted {
        /// The workflow.
        workflow: WorkflowId,
        /// How many steps it has.
        nodes: u32,
    },
    /// A workflow ended.
    WorkflowEnded {
        /// The workflow.
        workflow: WorkflowId,
        /// How.
        state: WorkflowState,
    },
    /// Somebody paused the task.
    Paused {
        /// Why, 1 KiB at most.
        reason: String,
    },
    /// Somebody ended the pause of the task. A pause that ends by itself does so without an event.
    Resumed,
    /// A worker has started, or is back after a silence. The event comes with the worker's first sweep, so a worker that shuts down before that sweep has
    /// none.
    WorkerStarted {
        /// Its id, see [`WorkerInfo::id`](super::WorkerEntry::id).
        worker: String,
    },
    /// A worker that has swept before has shut down.
    WorkerStopped {
        /// Its id.
        worker: String,
    },
    /// A worker has been silent for [its time](super::WorkerEntry::silence) without shutting down: its process died, or cannot reach the store.
    /// The event comes with a sweep of another worker. If there are many workers, it takes several sweeps.
    WorkerLost {
        /// Its id.
        worker: String,
    },
    /// Events of the kinds that you listen to may be missing here: nobody listened for a while, or you were too slow.
    Gap,
}

impl What {
    /// The longest error or reason that an event tells, in bytes.
    pub const MAX_TEXT: usize = 1024;
    /// The longest progress that an event tells, in bytes of JSON.
    pub const MAX_PROGRESS: usize = 4096;

    /// Its kind; `None` for a gap.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Enqueued { .. } => Kind::Enqueued,
            Self::Started { .. } => Kind::Started,
            Self::Progress { .. } => Kind::Progress,
            Self::Completed { .. } => Kind::Completed,
            Self::Retrying { .. } => Kind::Retrying,
            Self::Failed { .. } => Kind::Failed,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Expired => Kind::Expired,
            Self::Released { .. } => Kind::Released,
            Self::Rescued { .. } => Kind::Rescued,
            Self::Revived { .. } => Kind::Revived,
            Self::Deleted => Kind::Deleted,
            Self::WorkflowStarted { .. } => Kind::WorkflowStarted,
            Self::WorkflowEnded { .. } => Kind::WorkflowEnded,
            Self::Paused { .. } => Kind::Paused,
            Self::Resumed => Kind::Resumed,
            Self::WorkerStarted { .. } => Kind::WorkerStarted,
            Self::WorkerStopped { .. } => Kind::WorkerStopped,
            Self::WorkerLost { .. } => Kind::WorkerLost,
            Self::Gap => return None,
        })
    }

    /// A text, as far as an event tells it.
    #[must_use]
    pub fn text(text: &str) -> String {
        beginning(text, Self::MAX_TEXT).to_owned()
    }
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "see the variants of `What`")]
pub enum Kind {
    Enqueued,
    Started,
    Progress,
    Completed,
    Retrying,
    Failed,
    Cancelled,
    Expired,
    Released,
    Rescued,
    Revived,
    Deleted,
    WorkflowStarted,
    WorkflowEnded,
    Paused,
    Resumed,
    WorkerStarted,
    WorkerStopped,
    WorkerLost,
}

impl Kind {
    /// How a job may end.
    pub const ENDS: [Self; 4] = [Self::Completed, Self::Failed, Self::Cancelled, Self::Expired];
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u32);

impl Kinds {
    /// All kinds.
    pub const ALL: Self = Self((1 << (Kind::WorkerLost as u32 + 1)) - 1);

    /// The set with one bit for each kind, in the order of [`Kind`]; unknown bits are kept.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// See [`Kinds::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether this kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }

    /// Whether the sets have a kind in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | 1 << kind as u32))
    }
}

/// The place of an event among all. Later events have higher ids, also across restarts, unless the store was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId {
    /// When the stream of events was begun.
    pub(crate) stream: u64,
    /// The step.
    pub(crate) step: u64,
    /// The event's number within it; [`EventId::WHOLE`]: all of them.
    pub(crate) index: u32,
}

impl EventId {
    /// All events of a step.
    pub const WHOLE: u32 = u32::MAX;

    /// The event with this number in this step of a stream.
    #[must_use]
    pub const fn new(stream: u64, step: u64, index: u32) -> Self {
        Self { stream, step, index }
    }

    /// When the stream of events was begun, the step in it, and the event's number within the step.
    #[must_use]
    pub const fn parts(self) -> (u64, u64, u32) {
        (self.stream, self.step, self.index)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, step, index } = self;
        write!(f, "{stream}-{step}.{index}")
    }
}

/// A text that is no [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no id of an event; it has the form `1764400000000-17.0`")]
#[non_exhaustive]
pub struct InvalidEventId {
    /// The text.
    pub text: String,
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (stream, rest) = text.split_once('-')?;
            let (step, index) = rest.split_once('.')?;
            Some(Self { stream: stream.parse().ok()?, step: step.parse().ok()?, index: index.parse().ok()? })
        };
        read().ok_or_else(|| InvalidEventId { text: text.to_owned() })
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The events of an adapter that has none: it refuses to listen.
#[derive(Debug)]
pub(super) struct NoEvents;

#[async_trait]
impl Events for NoEvents {
    async fn listen(&self, _: Kinds, _: Option<EventId>) -> Result<EventPage, AdapterError> {
        Err(AdapterError::Config("this adapter tells no events".to_owned()))
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}
