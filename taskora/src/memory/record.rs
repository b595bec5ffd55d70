//! What the store knows about one job.

use std::collections::VecDeque;

use tokio::sync::{oneshot, watch};

use super::collects::Item;
use super::key::{Held, OnceKey};
use super::line::Place;
use crate::adapter::{
    AdapterError, Ended, Ending, JobData, JobNews, Lease, LimitKey, NewJob, NodeRef, PastStep, StoredValue,
};
use crate::job::{Blocked, JobId, JobInfo, JobState, LogEntry, Timestamp, millis};

/// Everything about one job. Data that a remote store keeps separately is simply empty here.
pub(super) struct Record {
    pub(super) new: NewJob,
    /// Which node of a workflow it is, if it is one.
    pub(super) node: Option<NodeRef>,
    pub(super) created_at: u64,
    pub(super) phase: Phase,
    /// No attempt starts from this time on.
    pub(super) deadline: Option<u64>,
    /// The token of the newest lease; 0 before the first.
    pub(super) token: u64,
    /// Tokens up to this one belong to earlier jobs: this job's tokens are all higher.
    pub(super) older_tokens: u64,
    /// Attempts that were settled; releases and rescues do not count.
    pub(super) attempts: u32,
    pub(super) stalls: u32,
    /// The reason, once the job is flagged as cancelled while active.
    pub(super) flag: Option<String>,
    /// The last failed attempt's message.
    pub(super) error: Option<String>,
    pub(super) progress: Option<Vec<u8>>,
    pub(super) logs: VecDeque<LogEntry>,
    pub(super) waiters: Vec<oneshot::Sender<Ended>>,
    /// Who watches the job.
    pub(super) watchers: Option<watch::Sender<Option<JobNews>>>,
    /// What happened to it before.
    pub(super) past: VecDeque<PastStep>,
    /// The key that it holds: limits by key count it.
    pub(super) holds: Option<LimitKey>,
    /// The key that it was stored under, while it may own that key.
    pub(super) held: Option<Held>,
    /// The key that stands for it, and is freed if it ends without completing.
    pub(super) once: Option<OnceKey>,
}

/// Where a job is, with the data for that; all times are milliseconds since the Unix epoch.
pub(super) enum Phase {
    /// In no index: it is new, or its attempt has just ended. Never seen between two steps.
    Between {
        /// The state that the job has left, unless it is new.
        from: Option<JobState>,
    },
    Waiting(Place),
    /// In the lane of this key.
    InLane(LimitKey, Place),
    /// It gathers with others that are claimed in one batch.
    Gathering(Item),
    /// In no line, until this job has ended.
    Behind(JobId),
    Delayed {
        due: u64,
        retrying: bool,
    },
    Active {
        deadline: u64,
        claimed_at: u64,
    },
    Ended {
        at: u64,
        /// When the attempt that ended it was claimed, if an attempt did.
        started_at: Option<u64>,
        ending: Ending,
    },
}

impl Phase {
    pub(super) fn state(&self) -> JobState {
        match self {
            Self::Between { from } => from.unwrap_or(JobState::Waiting),
            Self::Waiting(_) | Self::InLane(..) | Self::Gathering(_) | Self::Behind(_) => JobState::Waiting,
            Self::Delayed { retrying: false, .. } => JobState::Delayed,
            Self::Delayed { retrying: true, .. } => JobState::Retrying,
            Self::Active { .. } => JobState::Active,
            Self::Ended { ending, .. } => ending.state(),
        }
    }

    /// Whether the job is in a line, from which it may be claimed.
    pub(super) const fn is_in_line(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::InLane(..) | Self::Gathering(_))
    }

    /// Whether the job waits for an attempt to start.
    pub(super) const fn is_before_a_start(&self) -> bool {
        matches!(
            self,
            Self::Waiting(_) | Self::InLane(..) | Self::Gathering(_) | Self::Behind(_) | Self::Delayed { .. }
        )
    }
}

impl Record {
    /// A new job, in no index yet.
    pub(super) fn new(new: NewJob, created_at: u64) -> Self {
        Self {
            new,
            node: None,
            created_at,
            phase: Phase::Between { from: None },
            deadline: None,
            token: 0,
            older_tokens: 0,
            attempts: 0,
            stalls: 0,
            flag: None,
            error: None,
            progress: None,
            logs: VecDeque::new(),
            waiters: Vec::new(),
            watchers: None,
            past: VecDeque::new(),
            holds: None,
            held: None,
            once: None,
        }
    }

    /// Whether this lease is the valid one. It stays so after its deadline, until a sweep takes the job back.
    pub(super) fn is_held_by(&self, lease: &Lease) -> bool {
        // if a job was trimmed, its id may now belong to a job of another task
        let is_same = self.new.task == lease.task && self.token == lease.token;
        is_same && matches!(self.phase, Phase::Active { .. })
    }

    /// The only place where a job's state changes.
    pub(super) fn enter(&mut self, phase: Phase) -> Phase {
        let (from, to) = (self.phase.state(), phase.state());
        let is_new = matches!(self.phase, Phase::Between { from: None });
        // when a lease is renewed or ends, the job stays active until it moves on; a job behind another one is already
        // waiting
        let stays = (from, to) == (JobState::Active, JobState::Active)
            || matches!(
                (&self.phase, &phase),
                (
                    Phase::Behind(_),
                    Phase::Behind(_) | Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_)
                )
            );
        debug_assert!(is_new || from.may_become(to) || stays, "{from} to {to}");
        std::mem::replace(&mut self.phase, phase)
    }

    /// Sets the deadline to start of a job that becomes ready at this time.
    pub(super) fn start_by(&mut self, ready: u64) {
        self.deadline = self.new.ttl.map(|ttl| ready.saturating_add(millis(ttl.max()).max(1)));
    }

    /// When it expires, for a job in line or delayed.
    pub(super) fn expires_at(&self) -> Option<u64> {
        self.deadline.filter(|_| self.phase.is_before_a_start())
    }

    /// Whether it is too late to start the job at this time.
    pub(super) fn is_late(&self, at: u64) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= at)
    }

    /// Whether it has ended without completing.
    pub(super) fn has_ended_in_vain(&self) -> bool {
        matches!(&self.phase, Phase::Ended { ending, .. } if !matches!(ending, Ending::Completed(_)))
    }

    /// Begins a second life, in no index yet. Tokens up to this one belong to the first one.
    pub(super) fn revive(&mut self, token: u64, now: u64) {
        self.add_revival(now);
        self.phase = Phase::Between { from: None };
        self.token = token;
        (self.attempts, self.stalls) = (0, 0);
        (self.error, self.progress) = (None, None);
        (self.held, self.once) = (None, None);
    }

    pub(super) fn add_log(&mut self, line: LogEntry) {
        if self.logs.len() == LogEntry::MAX_PER_JOB {
            self.logs.pop_front();
        }
        self.logs.push_back(line);
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match &self.phase {
            Phase::Ended { ending, .. } => Some(Ended {
                task: self.new.task.to_string(),
                attempts: self.attempts,
                ending: ending.clone(),
            }),
            Phase::Between { .. }
            | Phase::Waiting(_)
            | Phase::InLane(..)
            | Phase::Gathering(_)
            | Phase::Behind(_)
            | Phase::Delayed { .. }
            | Phase::Active { .. } => None,
        }
    }

    /// Another one watches the job. Like those before, it is told what is known now.
    pub(super) fn watch(&mut self) -> watch::Receiver<Option<JobNews>> {
        if matches!(self.phase, Phase::Ended { .. }) {
            return watch::channel(None).1;
        }
        let watchers = self.watchers.get_or_insert_with(|| watch::channel(None).0);
        let watcher = watchers.subscribe();
        self.tell_watchers();
        watcher
    }

    /// Tells those who watch the job what is known about it.
    pub(super) fn tell_watchers(&mut self) {
        if self.watchers.as_ref().is_some_and(|watchers| watchers.receiver_count() == 0) {
            self.watchers = None;
        }
        if let Some(watchers) = &self.watchers {
            watchers.send_replace(Some(JobNews {
                task: self.new.task.to_string(),
                state: self.phase.state(),
                progress: self.progress.clone(),
            }));
        }
    }

    /// What is stored with the job.
    pub(super) fn data(&self) -> JobData {
        let mut data = JobData::new(StoredValue::new(&self.new.payload));
        data.limit_key = self.new.limit_key.as_ref().map(LimitKey::to_string);
        data.log_lines = self.logs.len();
        data.past = self.past.iter().cloned().collect();
        match &self.phase {
            Phase::Ended { ending: Ending::Completed(result), .. } => {
                data.result = Some(StoredValue::new(result));
            }
            Phase::Ended { .. } => {}
            _ => {
                let once = || match self.once.as_ref()? {
                    OnceKey::OfJob(_, key) | OnceKey::OfWorkflow(key) => Some(key.clone()),
                };
                data.key = self.held.as_ref().map(|held| held.key.text.clone()).or_else(once);
            }
        }
        data
    }

    pub(super) fn info(&self, id: &JobId) -> Result<JobInfo, AdapterError> {
        let created_at = Timestamp::from_millis(self.created_at);
        let mut info = JobInfo::new(id.clone(), &*self.new.task, self.phase.state(), created_at);
        info.attempts = self.attempts;
        info.max_attempts = self.new.max_attempts;
        info.stalls = self.stalls;
        info.priority = self.new.priority;
        info.cost = self.new.cost.max(1);
        info.meta.clone_from(&self.new.meta);
        info.error.clone_from(&self.error);
        info.progress = match &self.progress {
            Some(json) => Some(serde_json::from_slice(json).map_err(|error| {
                AdapterError::Protocol(format!("the progress of job `{id}` is not JSON: {error}"))
            })?),
            None => None,
        };
        if self.node.is_none() && !matches!(self.phase, Phase::Ended { .. }) {
            info.expires_at = self.deadline.map(Timestamp::from_millis);
        }
        match &self.phase {
            Phase::Between { .. } | Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_) => {}
            Phase::Behind(front) => info.blocked = Some(Blocked::Behind(front.clone())),
            Phase::Delayed { due, .. } => info.due_at = Some(Timestamp::from_millis(*due)),
            Phase::Active { .. } => info.attempts += 1,
            Phase::Ended { at, started_at, ending } => {
                info.started_at = started_at.map(Timestamp::from_millis);
                info.finished_at = Some(Timestamp::from_millis(*at));
                info.error = match ending {
                    Ending::Completed(_) | Ending::Expired => None,
                    Ending::Failed(message) | Ending::Cancelled(message) | Ending::Stalled(message) => {
                        Some(message.clone())
                    }
                };
            }
        }
        Ok(info)
    }
}
