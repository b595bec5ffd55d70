//! What a check can find, and how it is reported.

use std::fmt;

use crate::job::{JobId, JobState};
use crate::workflow::WorkflowId;

/// An inconsistency in the store. Its text is one line, and says what a repair does about it.
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
    /// A key of the namespace that no version of taskora known to this one has written. It is left as it is.
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key of the namespace has the wrong type. A repair moves it out of the way, to a key whose name begins with
    /// `aside:`.
    WrongType {
        /// The key.
        key: String,
        /// The type it must have.
        expected: String,
        /// The type it has.
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("the waiting line"),
            Self::Behind => f.write_str("the jobs behind others"),
            Self::Delayed => f.write_str("the delayed jobs"),
            Self::Active => f.write_str("the leases"),
            Self::Deadlines => f.write_str("the deadlines to start"),
            Self::Ended(state) => write!(f, "the {state} jobs"),
        }
    }
}

/// A part of a job's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// How it has ended.
    End,
    /// Its history: claims, attempts and stalls.
    Life,
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
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "an end",
            Self::Life => "a history",
            Self::CancelFlag => "a cancel flag",
            Self::Payload => "a payload",
            Self::Progress => "progress",
            Self::Log => "log lines",
            Self::Waiters => "waiters",
            Self::Key => "a key",
        })
    }
}

/// What is wrong with the data about a task as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskFault {
    /// The task has waiting jobs, but is missing from the ready set.
    HiddenLine,
    /// The task is in the ready set, but has no waiting jobs.
    EmptyLine,
    /// The gate of the task is closed although there is room, or open although there is none.
    Gate,
    /// The recorded due time is not the earliest of the delayed jobs.
    DueTime,
    /// A worker was told a time at which nothing is due.
    StrayTimer,
    /// A wake-up without work.
    StrayWake,
    /// The task has jobs, but is not among the known tasks.
    UnknownTask,
    /// The sentinel of the task's leases is left, although there are no leases.
    StraySentinel,
}

impl fmt::Display for TaskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HiddenLine => "it has waiting jobs, but is missing from the ready set",
            Self::EmptyLine => "it is in the ready set, but has no waiting jobs",
            Self::Gate => "its gate is closed although there is room, or the other way round",
            Self::DueTime => "its due time is not the earliest of its delayed jobs",
            Self::StrayTimer => "a worker was told a time at which nothing is due",
            Self::StrayWake => "there is a wake-up without work",
            Self::UnknownTask => "it has jobs, but is not among the known tasks",
            Self::StraySentinel => "the sentinel of its leases is left, without a lease",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |count: &Option<i64>| count.map_or_else(|| "nothing readable".to_owned(), |n| n.to_string());
        match self {
            Self::EntryWithoutJob { task, place, id } => {
                write!(
                    f,
                    "`{task}`: an entry of {place} names job `{id}`, which is not known; a repair removes the entry"
                )
            }
            Self::MisplacedEntry { task, place, id } => {
                write!(
                    f,
                    "`{task}`: an entry of {place} names job `{id}`, which does not belong there; a repair removes the entry"
                )
            }
            Self::DoubleEntry { task, id } => {
                write!(f, "`{task}`: job `{id}` is twice in line; a repair removes the second entry")
            }
            Self::LostJob { task, id, place } => {
                write!(f, "`{task}`: job `{id}` is missing from {place}; a repair puts it back")
            }
            Self::FalseMark { task, id } => {
                write!(
                    f,
                    "`{task}`: job `{id}` is marked as cancelled, but has not ended; a repair removes the mark"
                )
            }
            Self::StrayMark { task, id } => {
                write!(
                    f,
                    "`{task}`: job `{id}` is marked as cancelled, but is not in line; a repair removes the mark"
                )
            }
            Self::Leftover { part, id } => {
                write!(f, "{part} of `{id}` is left over; a repair removes it")
            }
            Self::DetachedLog { id } => {
                write!(f, "log lines of job `{id}` would outlive it; a repair attaches them")
            }
            Self::MissingPayload { task, id } => {
                write!(f, "`{task}`: the payload of job `{id}` is missing; cancel the job")
            }
            Self::Unreadable { what } => write!(f, "{what} cannot be read; look at it by hand"),
            Self::Garbage { index, entry } => {
                write!(f, "the entry `{entry}` of `{index}` names no job; a repair removes it")
            }
            Self::TaskIndex { task, fault } => write!(f, "`{task}`: {fault}; a repair derives it again"),
            Self::OpenNodes { workflow, counted, found } => write!(
                f,
                "workflow `{workflow}` counts {} open nodes, but has {found}; a repair corrects the number",
                count(counted)
            ),
            Self::JoinCount { workflow, join, counted, found } => {
                match join {
                    Some(join) => write!(f, "join {join} of workflow `{workflow}`")?,
                    None => write!(f, "the start of workflow `{workflow}`")?,
                }
                write!(
                    f,
                    " says {}, but {found} nodes have not completed; a repair corrects the count",
                    count(counted)
                )?;
                f.write_str(" and makes ready what can run")
            }
            Self::StillRunning { workflow, node } => {
                write!(
                    f,
                    "workflow `{workflow}` still runs, although node {node} has ended it; a repair ends it"
                )
            }
            Self::NotWoundUp { workflow, node } => {
                write!(f, "workflow `{workflow}` has ended, but node {node} still waits; a repair cancels it")
            }
            Self::WorkflowIndex { workflow, is_known: true } => {
                write!(f, "workflow `{workflow}` is not in the index it belongs to; a repair moves it")
            }
            Self::WorkflowIndex { workflow, is_known: false } => {
                write!(
                    f,
                    "an index names workflow `{workflow}`, which is not known; a repair removes the entry"
                )
            }
            Self::StaleKey { task, key, id } => {
                write!(
                    f,
                    "`{task}`: key `{key}` belongs to job `{id}`, which does not own it; a repair frees it"
                )
            }
            Self::ScheduleIndex { schedule, is_known: true } => {
                write!(f, "nobody looks at schedule `{schedule}` when it is due; a repair looks at it now")
            }
            Self::ScheduleIndex { schedule, is_known: false } => {
                write!(f, "what is kept of schedule `{schedule}` has no schedule; a repair removes it")
            }
            Self::UnknownKey { key } => write!(f, "unknown key `{key}`; it is left as it is"),
            Self::WrongType { key, expected, found } => {
                write!(f, "the key `{key}` must be a {expected}, but is a {found}; a repair moves it aside")
            }
        }
    }
}
