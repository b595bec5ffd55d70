//! How violations are reported: a code for programs; a subject and a detail for people.

use std::fmt;

use super::{Part, Place, TaskFault, Violation};
use crate::job::JobId;
use crate::workflow::WorkflowId;

/// What a [`Violation`] is about.
// a variant with the name of a public type would make rustc print that type with its whole path
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A job, with its task if that is known.
    OneJob {
        /// The task.
        task: Option<String>,
        /// The job.
        id: JobId,
    },
    /// A task as a whole.
    OneTask(String),
    /// A workflow.
    OneWorkflow(WorkflowId),
    /// A schedule.
    OneSchedule(String),
    /// A place in the store, as the adapter names it.
    Stored(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneJob { task: Some(task), id } => write!(f, "job `{id}` of `{task}`"),
            Self::OneJob { task: None, id } => write!(f, "job `{id}`"),
            Self::OneTask(task) => write!(f, "task `{task}`"),
            Self::OneWorkflow(id) => write!(f, "workflow `{id}`"),
            Self::OneSchedule(name) => write!(f, "schedule `{name}`"),
            Self::Stored(at) => f.write_str(at),
        }
    }
}

impl Violation {
    /// The kind of violation, for programs. It stays the same when the words change.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EntryWithoutJob { .. } => "entry-without-job",
            Self::MisplacedEntry { .. } => "misplaced-entry",
            Self::DoubleEntry { .. } => "double-entry",
            Self::LostJob { .. } => "lost-job",
            Self::FalseMark { .. } => "false-mark",
            Self::StrayMark { .. } => "stray-mark",
            Self::Leftover { .. } => "leftover",
            Self::DetachedLog { .. } => "detached-log",
            Self::MissingPayload { .. } => "missing-payload",
            Self::Unreadable { .. } => "unreadable",
            Self::Garbage { .. } => "garbage",
            Self::TaskIndex { .. } => "task-index",
            Self::OpenNodes { .. } => "open-nodes",
            Self::JoinCount { .. } => "join-count",
            Self::StillRunning { .. } => "still-running",
            Self::NotWoundUp { .. } => "not-wound-up",
            Self::WorkflowIndex { .. } => "workflow-index",
            Self::StaleKey { .. } => "stale-key",
            Self::ScheduleIndex { .. } => "schedule-index",
            Self::UnknownData { .. } => "unknown-data",
            Self::WrongKind { .. } => "wrong-kind",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::EntryWithoutJob { task, id, .. }
            | Self::MisplacedEntry { task, id, .. }
            | Self::DoubleEntry { task, id }
            | Self::LostJob { task, id, .. }
            | Self::FalseMark { task, id }
            | Self::StrayMark { task, id }
            | Self::MissingPayload { task, id }
            | Self::StaleKey { task, id, .. } => Subject::OneJob { task: Some(task.clone()), id: id.clone() },
            Self::Leftover { id, .. } | Self::DetachedLog { id } => {
                Subject::OneJob { task: None, id: id.clone() }
            }
            Self::TaskIndex { task, .. } => Subject::OneTask(task.clone()),
            Self::OpenNodes { workflow, .. }
            | Self::JoinCount { workflow, .. }
            | Self::StillRunning { workflow, .. }
            | Self::NotWoundUp { workflow, .. }
            | Self::WorkflowIndex { workflow, .. } => Subject::OneWorkflow(workflow.clone()),
            Self::ScheduleIndex { schedule, .. } => Subject::OneSchedule(schedule.clone()),
            Self::Garbage { index: at, .. } | Self::UnknownData { at } | Self::WrongKind { at, .. } => {
                Subject::Stored(format!("`{at}`"))
            }
            Self::Unreadable { what } => Subject::Stored(what.clone()),
        }
    }

    /// What is wrong with it, and what a repair does.
    #[must_use]
    pub fn detail(&self) -> String {
        let count =
            |count: &Option<i64>| count.map_or_else(|| "nothing readable".to_owned(), |n| n.to_string());
        match self {
            Self::EntryWithoutJob { place, .. } => {
                format!("{place} have an entry for it, but it is not known; a repair removes the entry")
            }
            Self::MisplacedEntry { place, .. } => {
                format!(
                    "{place} have an entry for it, but it does not belong there; a repair removes the entry"
                )
            }
            Self::DoubleEntry { .. } => "it is twice in line; a repair removes the second entry".to_owned(),
            Self::LostJob { place, .. } => format!("it is missing from {place}; a repair puts it back"),
            Self::FalseMark { .. } => {
                "it is marked as cancelled, but has not ended; a repair removes the mark".to_owned()
            }
            Self::StrayMark { .. } => {
                "it is marked as cancelled, but is not in line; a repair removes the mark".to_owned()
            }
            Self::Leftover { part, .. } => format!("{part} is left over; a repair removes it"),
            Self::DetachedLog { .. } => "its log lines would outlive it; a repair attaches them".to_owned(),
            Self::MissingPayload { .. } => "its payload is missing; cancel the job".to_owned(),
            Self::Unreadable { .. } => "it cannot be read; look at it by hand".to_owned(),
            Self::Garbage { entry, .. } => {
                format!("the entry `{entry}` names no job; a repair removes it")
            }
            Self::TaskIndex { fault, .. } => format!("{fault}; a repair derives it again"),
            Self::OpenNodes { counted, found, .. } => format!(
                "it counts {} open nodes, but has {found}; a repair corrects the number",
                count(counted)
            ),
            Self::JoinCount { join, counted, found, .. } => {
                let what = join.map_or_else(|| "its start".to_owned(), |join| format!("its join {join}"));
                format!(
                    "{what} says {}, but {found} nodes have not completed; a repair corrects the count and makes \
                     ready what can run",
                    count(counted)
                )
            }
            Self::StillRunning { node, .. } => {
                format!("it still runs, although node {node} has ended it; a repair ends it")
            }
            Self::NotWoundUp { node, .. } => {
                format!("it has ended, but node {node} still waits; a repair cancels the node")
            }
            Self::WorkflowIndex { is_known: true, .. } => {
                "it is not in the index it belongs to; a repair moves it".to_owned()
            }
            Self::WorkflowIndex { is_known: false, .. } => {
                "an index has an entry for it, but it is not known; a repair removes the entry".to_owned()
            }
            Self::StaleKey { key, .. } => {
                format!("key `{key}` is recorded as its own, but it does not own it; a repair frees the key")
            }
            Self::ScheduleIndex { is_known: true, .. } => {
                "no worker looks at it when it is due; a repair has it looked at now".to_owned()
            }
            Self::ScheduleIndex { is_known: false, .. } => {
                "the store has its times, but not the schedule; a repair removes them".to_owned()
            }
            Self::UnknownData { .. } => {
                "this version of taskora does not know it; it is left as it is".to_owned()
            }
            Self::WrongKind { expected, found, .. } => {
                format!("it must be a {expected}, but is a {found}; a repair moves it aside")
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject(), self.detail())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("the waiting jobs"),
            Self::Behind => f.write_str("the jobs behind others"),
            Self::Delayed => f.write_str("the delayed jobs"),
            Self::Active => f.write_str("the leases"),
            Self::Deadlines => f.write_str("the deadlines to start"),
            Self::Ended(state) => write!(f, "the {state} jobs"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "an end",
            Self::Life => "a history",
            Self::Past => "a timeline",
            Self::CancelFlag => "a cancel flag",
            Self::Payload => "a payload",
            Self::Progress => "progress",
            Self::Log => "log lines",
            Self::Waiters => "waiters",
            Self::Key => "a key",
            Self::HeldKey => "a held limit key",
        })
    }
}

impl fmt::Display for TaskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HiddenLine => "it has waiting jobs, but workers do not see it",
            Self::EmptyLine => "workers see it, but it has no waiting jobs",
            Self::Lane => "the lane of a key is not where workers look for it",
            Self::Gate => "its gate is closed although there is room, or the other way round",
            Self::DueTime => "its due time is not the earliest of its delayed jobs",
            Self::StrayTimer => "a worker was told a time at which nothing is due",
            Self::StrayWake => "there is a wake-up without work",
            Self::UnknownTask => "it has jobs, but is not among the known tasks",
            Self::StrayGuard => "the mark that guards its leases is left, without a lease",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_has_a_code_a_subject_and_a_detail() {
        let lost = Violation::LostJob { task: "mail".into(), id: "a".into(), place: Place::Delayed };
        assert_eq!(lost.code(), "lost-job");
        assert_eq!(lost.subject(), Subject::OneJob { task: Some("mail".into()), id: "a".into() });
        assert_eq!(
            lost.to_string(),
            "job `a` of `mail`: it is missing from the delayed jobs; a repair puts it back"
        );
        let stray = Violation::WorkflowIndex { workflow: "w".into(), is_known: false };
        assert_eq!(
            stray.to_string(),
            "workflow `w`: an index has an entry for it, but it is not known; a repair removes the entry"
        );
    }
}
