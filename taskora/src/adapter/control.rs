//! What a store must do for the gates of tasks: limits, rates, and pauses.
//!
//! A *gate* belongs to a task and to the aliases under which its jobs may be stored. It says how many of the task's jobs run at
//! once, in all processes together, how many start in a time, and whether it is paused. A task with none of these needs no gate. The
//! rules, for every store:
//!
//! - **A claim never exceeds the limit.** No claim hands out a job of a task while as many of its jobs are active as the limit
//!   says, or while it is paused. So the limit holds at each moment, by the limit of that moment.
//! - **A job counts as long as it is active**: from its claim until its lease has ended with a settlement or a rescue. A lease past its
//!   deadline still counts until a sweep has rescued the job, because it may still be renewed and settled. Whatever ends a lease makes
//!   room: nothing else does, and nothing has to be given back.
//! - **Keys take turns.** If a task has limits by key, its jobs with a key wait in the *lane* of that key. Of the lanes that may go,
//!   those go first whose first job has the highest priority, and among them the one that was served longest ago, or, if it never
//!   was, whose first job came first. So a key with many jobs keeps no other waiting for longer than a round. A lane that empties is
//!   forgotten, so returning at once gains nothing. Among tasks, and beside jobs without a key, the job whose turn it is counts as
//!   the first of its task's lanes.
//! - **A job holds its key while it is active**, if it came from the key's lane or has [taken](Control::take_key) it. No lane goes
//!   while as many jobs hold its key as the limit by key says. With `ordered`, a job also holds its key while it waits for its next
//!   attempt, it comes back to the front of its lane, and the jobs of a key go in the order in which they came, whatever their
//!   priority.
//! - **A paused key is one without room**: no lane of it goes, and no job takes it late. It waits for limits by key, as a limit does
//!   that was set for a key of a task without them.
//! - **A claim never exceeds the rate.** A start is a claim, also that of a retry or of a rescued job, and nothing gives it back. Without
//!   `burst`, a rate is a window: of two starts with `max` others between them, the later one comes at least `per` after the earlier one.
//!   With `burst`, it is a bucket that is full at first: each start takes a token, one token comes back every `per / max` (rounded up to
//!   microseconds), and there are never more than `burst`. The store's clock counts, in whole milliseconds.
//! - **A start counts as what its job costs**, and a rate lets no job start for which too few are left.
//! - **A rate of a key** counts the starts of the jobs that hold the key, as that of a task does. A late key counts when it is taken. A lane
//!   that nothing but the rate of its key keeps waiting opens by time, and keeps its turn. Like a pause, a rate that was set for a key of a
//!   task without limits by key waits for them.
//! - **A key may be [closed](Control::close_key) for a time**, because the other side wants no more of its jobs for now. It then opens by time, as
//!   if its rate had closed it, and is [`Blocked::Rate`](crate::Blocked::Rate) until then.
//! - **A limit stops nobody.** Jobs that run when a limit is lowered, or when the task is paused, go on.
//! - **Everything else goes on**: jobs are stored, become due, expire and are cancelled as without a gate.
//! - **A closed task makes no noise.** While no job can be claimed, jobs that come into the line wake nobody. Whatever opens the gate
//!   wakes a worker: a lease that ends, a higher limit, a resume. A gate that its rate has closed opens by time: one worker is told when,
//!   and no other has to ask.
//! - **A pause may end by itself**, at a time by the store's clock. It holds until then and no longer, whether or not anybody looks. Like a rate,
//!   it opens its task, or the lanes of its key, by time: one worker is told when, and no other has to ask.
//! - **Who decides.** Workers declare the limit and the rate of the contract when they start: the newest start wins. A limit that was
//!   [set](Control::set_limit) takes precedence, and stays until it is reset; so does a [rate](Control::set_rate). A pause stays until it
//!   is ended, or ends by itself. All of this stays when the name of the task becomes an alias of another, unless that has its own.
//! - **A rate that changes** counts the starts before the change if it was and is a window with the same `per`, or a bucket. Otherwise it
//!   begins anew. The rate of a key is the one that was set for it, else the one that is declared for each.
//!
//! # What a job costs
//!
//! Each start of a job counts as [`NewJob::cost`](super::NewJob::cost) starts, for the rate of its task and for that of its key. One that costs
//! more than [all there ever is](Rate::at_once) counts as all of it.
//!
//! - **The next job in line decides.** While its rate has fewer starts left than it costs, no job of the task is claimed, also if that job is too late to
//!   start and waits for a sweep. In the lane of a key, the first job decides for the key, and other keys go on.
//! - **Aliases** have a line each. A line is closed while its own next job, or the next one of all lines of the gate, costs more than is left.
//!   A claim takes from several lines in one order, and takes no more of a gate when it meets a job that costs too much.
//! - **Another job may become the next one**, because a job is cancelled, expires or is replaced, or because one of a higher priority comes. The
//!   cost of the new one then decides: the gate, or the lane, opens at once if enough starts are left, else by time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AdapterError, Collected, DeclaredLimit, Lease, LimitKey, NewPause, Pause, PerKey, Rate, TaskName,
    no_collecting,
};
use crate::job::Timestamp;

/// The gates of tasks. See the rules above.
///
/// A list has at most [`MAX_LIMITS`] entries.
#[async_trait]
pub trait Control: Send + Sync {
    /// A worker that starts says which limits the contracts of its tasks declare; without one, an earlier declaration is removed.
    /// Returns what each task had declared before, in order.
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError>;

    /// Sets a limit of the task, or of one of its keys, that takes precedence over the declared one, or removes it (`None`). A limit
    /// of 0 is refused.
    async fn set_limit(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        max: Option<u32>,
    ) -> Result<(), AdapterError>;

    /// Sets a rate of the task, or of one of its keys, that takes precedence over the declared one, or removes it (`None`). A rate that
    /// [`Rate::check`] does not accept is refused.
    async fn set_rate(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        rate: Option<Rate>,
    ) -> Result<(), AdapterError>;

    /// Pauses a task, or one of its keys. Returns whether it was not paused before; if it was, only the end may change, to the later of both: one
    /// that does not end by itself ends last. What [`NewPause::check`] does not accept is refused.
    async fn pause(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        pause: NewPause,
    ) -> Result<bool, AdapterError>;

    /// Ends a pause of a task, or of one of its keys. Returns whether there was one.
    async fn resume(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<bool, AdapterError>;

    /// All tasks that are paused, in the order of their names; paused keys are not among them.
    async fn paused(&self) -> Result<Vec<(TaskName, Pause)>, AdapterError>;

    /// What is known about the gate of a task, or of one of its keys.
    async fn gate(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<Gate, AdapterError>;

    /// Says whether a worker is to claim nothing. The mark is kept with what the store shows of the worker, and is gone with it. The worker
    /// hears of it with its next [sweep](super::Jobs::sweep_for). Returns whether there is such a worker.
    ///
    /// An adapter that does not know its workers refuses the call.
    async fn quiet(&self, worker: &str, is_quiet: bool) -> Result<bool, AdapterError> {
        let _ = (worker, is_quiet);
        Err(AdapterError::Config("this adapter does not know its workers".to_owned()))
    }

    /// A worker knows the key of a job that it has claimed, and that does not hold it: because the job was stored before its task had
    /// limits by key, or it is a node of a workflow, whose first claim is from the line of its task. The job keeps this key, unless
    /// it has one. It holds it now, or it waits in the lane of its key, without having used up an attempt. A job that is to be
    /// cancelled may go on, and so may one that gathers.
    async fn take_key(&self, lease: &Lease, key: &LimitKey) -> Result<KeyTaken, AdapterError>;

    /// No job starts that is limited by the key which the job of this lease holds, within this time, at most [`Rate::LONGEST`]. If the key is
    /// closed for longer already, that stays. Nothing happens if the lease is not valid, or its job holds no key.
    async fn close_key(&self, lease: &Lease, time: Duration) -> Result<(), AdapterError>;

    /// The new items that gather under a key of the task, and the first `limit` of them, [`Collected::MAX_ITEMS`] at most. `None` if there
    /// are none. Changes nothing.
    async fn collected(
        &self,
        _task: &GatedTask,
        _key: &LimitKey,
        _limit: usize,
    ) -> Result<Option<Collected>, AdapterError> {
        no_collecting()
    }

    /// What gathers under a key of the task goes now. Returns whether there was something.
    async fn flush(&self, _task: &GatedTask, _key: &LimitKey) -> Result<bool, AdapterError> {
        no_collecting()
    }
}

/// What has become of a job whose key was not known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTaken {
    /// The handler may start.
    Go,
    /// The job waits in the lane of its key, and the lease is over.
    Waits,
    /// The lease was no longer valid; nothing changed.
    Stale,
}

/// The most limits that one call may declare.
pub const MAX_LIMITS: usize = 100;

/// A task, and the names under which its jobs may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedTask {
    /// Its name.
    pub task: TaskName,
    /// Its aliases, which share its gate.
    pub aliases: Vec<TaskName>,
}

impl GatedTask {
    /// A task without aliases.
    #[must_use]
    pub fn new(task: impl Into<TaskName>) -> Self {
        Self { task: task.into(), aliases: Vec::new() }
    }
}

/// What is known about the gate of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Gate {
    /// The limit in the contract.
    pub declared: Option<u32>,
    /// The limit that was set at run time, which takes precedence.
    pub set: Option<u32>,
    /// The limit of each key in the contract.
    pub per_key: Option<PerKey>,
    /// How many of the task's jobs are active. More than the limit if that was lowered since they were claimed.
    pub running: usize,
    /// The rate in the contract.
    pub declared_rate: Option<Rate>,
    /// The rate that was set at run time, which takes precedence.
    pub set_rate: Option<Rate>,
    /// When the rate lets the next job start; `None` if it does not keep one from starting now.
    pub opens_at: Option<Timestamp>,
    /// The pause of the task, or of the key.
    pub paused: Option<Pause>,
}

impl Gate {
    /// How many jobs may run at once.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.set.or(self.declared)
    }

    /// How many jobs may start in a time.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.set_rate.or(self.declared_rate)
    }
}

/// Shows how many run, and the rate: `5 of 3, at most 100 in 60s`.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.running)?;
        if let Some(limit) = self.limit() {
            write!(f, " of {limit}")?;
        }
        if let Some(rate) = self.rate() {
            write!(f, ", {rate}")?;
        }
        match &self.paused {
            Some(pause) => write!(f, ", {pause}"),
            None => Ok(()),
        }
    }
}

/// The gates of an adapter that has none: it refuses each call.
#[derive(Debug)]
pub(super) struct NoControl;

impl NoControl {
    fn refuse<T>() -> Result<T, AdapterError> {
        Err(AdapterError::Config("this adapter has no limits and no pauses".to_owned()))
    }
}

#[async_trait]
impl Control for NoControl {
    /// Nothing that can be removed was ever declared.
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError> {
        if limits.iter().all(DeclaredLimit::is_none) { Ok(limits) } else { Self::refuse() }
    }

    async fn set_limit(
        &self,
        _: &GatedTask,
        _: Option<&LimitKey>,
        _: Option<u32>,
    ) -> Result<(), AdapterError> {
        Self::refuse()
    }

    async fn set_rate(
        &self,
        _: &GatedTask,
        _: Option<&LimitKey>,
        _: Option<Rate>,
    ) -> Result<(), AdapterError> {
        Self::refuse()
    }

    async fn pause(&self, _: &GatedTask, _: Option<&LimitKey>, _: NewPause) -> Result<bool, AdapterError> {
        Self::refuse()
    }

    async fn resume(&self, _: &GatedTask, _: Option<&LimitKey>) -> Result<bool, AdapterError> {
        Self::refuse()
    }

    /// Nothing can be paused.
    async fn paused(&self) -> Result<Vec<(TaskName, Pause)>, AdapterError> {
        Ok(Vec::new())
    }

    async fn gate(&self, _: &GatedTask, _: Option<&LimitKey>) -> Result<Gate, AdapterError> {
        Self::refuse()
    }

    /// No task has limits by key.
    async fn take_key(&self, _: &Lease, _: &LimitKey) -> Result<KeyTaken, AdapterError> {
        Ok(KeyTaken::Go)
    }

    /// Nor holds any job one.
    async fn close_key(&self, _: &Lease, _: Duration) -> Result<(), AdapterError> {
        Ok(())
    }
}
