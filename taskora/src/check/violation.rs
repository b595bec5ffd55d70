//! What a check can find.

use crate::job::{JobId, JobState};
use crate::workflow::WorkflowId;

/// An inconsistency in the store: a [code](Violation::code), a [subject](Violation::subject) and a [detail](Violation::detail).
/// Its text is one line of the last two, and says what a repair does about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// An index has an entry for an unknown job. A repair removes the entry.
    EntryWithoutJob {
        /// The index's task.
        task: String,
        /// The index.
        place: Place,
        /// The job.
        id: JobId,
    },
    /// An index has an entry for a job that does not belong there: it has ended, it is elsewhere, or the lease is an old
    /// one. A repair removes the entry.
    MisplacedEntry {
        /// The index's task.
        task: String,
        /// The index.
        place: Place,
        /// The job.
        id: JobId,
    },
    /// A job is twice in its line. A repair removes the second entry.
    DoubleEntry {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
    },
    /// A job is in no index: it would never run, or never be removed. A repair puts it back: to the front of its line, or
    /// among the jobs that have ended in the same way.
    LostJob {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
        /// Where it belongs.
        place: Place,
    },
    /// A job in line is marked as cancelled, but has not ended: claims would skip it. A repair removes the mark.
    FalseMark {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
    },
    /// A mark says that a job in line is cancelled, but the line has no such entry. A repair removes the mark.
    StrayMark {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
    },
    /// Data of a job that is unknown, or that no longer needs it. A repair removes it.
    Leftover {
        /// What is kept.
        part: Part,
        /// The job, or the workflow that is awaited.
        id: JobId,
    },
    /// A job has log lines that it does not know about, so they would stay when it is removed. A repair fixes that.
    DetachedLog {
        /// The job.
        id: JobId,
    },
    /// The payload of a job is missing. This cannot be repaired; cancel the job.
    MissingPayload {
        /// The task.
        task: String,
        /// The job.
        id: JobId,
    },
    /// Bytes that cannot be read. They are left as they are.
    Unreadable {
        /// What they should be, and where they are.
        what: String,
    },
    /// An entry of an index names no job. A repair removes it.
    Garbage {
        /// The index.
        index: String,
        /// The entry.
        entry: String,
    },
    /// Data about a task as a whole does not match its jobs. A repair derives it again.
    TaskIndex {
        /// The task.
        task: String,
        /// What does not match.
        fault: TaskFault,
    },
    /// A workflow's count of open nodes is wrong: it would end too early, or never. A repair corrects the count.
    OpenNodes {
        /// The workflow.
        workflow: WorkflowId,
        /// What it counts; `None` if that cannot be read.
        counted: Option<i64>,
        /// How many there are.
        found: u32,
    },
    /// A join's count is wrong: the nodes behind it were not made ready when they could run, or would be made ready too
    /// early. A repair corrects the count and makes them ready. Nodes that were already made ready too early are left alone.
    JoinCount {
        /// The workflow.
        workflow: WorkflowId,
        /// The join; `None`: the start.
        join: Option<u32>,
        /// How many nodes the join says that it waits for; `None` if that cannot be read.
        counted: Option<i64>,
        /// How many it has to wait for.
        found: u32,
    },
    /// A workflow runs although a node of it has failed, or was cancelled. A repair ends it.
    StillRunning {
        /// The workflow.
        workflow: WorkflowId,
        /// The node.
        node: u32,
    },
    /// A workflow has ended, but its waiting nodes are not being cancelled. A repair cancels them.
    NotWoundUp {
        /// The workflow.
        workflow: WorkflowId,
        /// One of the nodes.
        node: u32,
    },
    /// A workflow is in the wrong index of workflows, or in none. A repair corrects that.
    WorkflowIndex {
        /// The workflow.
        workflow: WorkflowId,
        /// Whether the workflow is known at all.
        is_known: bool,
    },
    /// A key of a task is recorded as owned by a job that has ended, is unknown, or does not own it: dispatches would be
    /// refused for ever. A repair frees it.
    StaleKey {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// The job.
        id: JobId,
    },
    /// A schedule is not looked at when it must be: it would never tick. Or a time is kept for a schedule that is not known, or for
    /// which another time is kept. A repair puts that right.
    ScheduleIndex {
        /// The schedule.
        schedule: String,
        /// Whether the schedule is known, and lacks its time.
        is_known: bool,
    },
    /// Data of the namespace that no version of taskora known to this one has written. It is left as it is.
    UnknownData {
        /// Where the store has it.
        at: String,
    },
    /// The store has data of another kind than it must have there. A repair moves it out of the way.
    WrongKind {
        /// Where the store has it.
        at: String,
        /// The kind that it must be.
        expected: String,
        /// The kind that it is.
        found: String,
    },
}

/// An index of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// Jobs in line.
    Waiting,
    /// Jobs that wait for another job to end.
    Behind,
    /// Delayed and retrying jobs.
    Delayed,
    /// Leases.
    Active,
    /// Jobs in line or delayed that expire unless they are started in time.
    Deadlines,
    /// Jobs that have ended in this state.
    Ended(JobState),
}

/// A part of a job's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// How it has ended.
    End,
    /// Its history: claims, attempts and stalls.
    Life,
    /// What happened to it before.
    Past,
    /// The cancel flag of an active job.
    CancelFlag,
    /// A large payload.
    Payload,
    /// Its progress.
    Progress,
    /// Its log lines.
    Log,
    /// The callers that wait for its end.
    Waiters,
    /// The key that it was stored under.
    Key,
    /// The key that it holds: limits by key count it.
    HeldKey,
}

/// What is wrong with the data about a task as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskFault {
    /// The task has waiting jobs, but workers do not see it.
    HiddenLine,
    /// Workers see the task, but it has no waiting jobs.
    EmptyLine,
    /// The gate of the task is closed although there is room, or open although there is none.
    Gate,
    /// The lane of a key is missing among those that take turns, or has no jobs.
    Lane,
    /// The recorded due time is not the earliest of the delayed jobs.
    DueTime,
    /// A worker was told a time at which nothing is due.
    StrayTimer,
    /// A wake-up without work.
    StrayWake,
    /// The task has jobs, but is not among the known tasks.
    UnknownTask,
    /// The mark that guards the task's leases is left, although there are no leases.
    StrayGuard,
}
