//! Converts the answers of a check's scripts into violations.

use taskora::adapter::Finding;
use taskora::check::{Part, Place, TaskFault};
use taskora::workflow::WorkflowId;
use taskora::{AdapterError, JobId, JobState, Violation};

use crate::answer::nonsense;
use crate::id;

/// Any bytes as text.
pub(super) fn shown(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

/// The id that a stored one stands for; its bytes if taskora has not written it.
fn shown_id(stored: &[u8]) -> JobId {
    let watched = stored.strip_prefix(b"*").and_then(|rest| rest.strip_suffix(b"#"));
    match watched.and_then(id::load_workflow) {
        Some(workflow) => JobId::from(workflow.as_str()),
        None => id::load(stored).unwrap_or_else(|| JobId::from(shown(stored))),
    }
}

fn place(name: &[u8]) -> Option<Place> {
    Some(match name {
        b"wait" | b"prio" | b"lane" | b"came" | b"laned" => Place::Waiting,
        b"behind" => Place::Behind,
        b"delayed" => Place::Delayed,
        b"active" => Place::Active,
        b"ttls" => Place::Deadlines,
        b"completed" | b"owncompleted" => Place::Ended(JobState::Completed),
        b"failed" | b"ownfailed" => Place::Ended(JobState::Failed),
        b"cancelled" | b"owncancelled" => Place::Ended(JobState::Cancelled),
        b"expired" | b"ownexpired" => Place::Ended(JobState::Expired),
        _ => return None,
    })
}

fn part(name: &[u8]) -> Option<Part> {
    Some(match name {
        b"done" => Part::End,
        b"life" => Part::Life,
        b"past" => Part::Past,
        b"cancel" => Part::CancelFlag,
        b"blobs" => Part::Payload,
        b"progress" => Part::Progress,
        b"log" => Part::Log,
        b"waiters" => Part::Waiters,
        b"keyed" => Part::Key,
        b"held" => Part::HeldKey,
        _ => return None,
    })
}

/// The stored id in an index's entry.
fn id_in<'a>(role: &[u8], entry: &'a [u8]) -> &'a [u8] {
    match role {
        b"active" => {
            entry.iter().rposition(|byte| *byte == b':').and_then(|at| entry.get(..at)).unwrap_or(entry)
        }
        b"wait" | b"completed" | b"owncompleted" => entry.get(6..).unwrap_or(entry),
        _ => entry,
    }
}

/// A finding as a script returns it: code, role, task, entry, and more. `repair` takes it unchanged.
pub(super) fn finding(notes: Vec<Vec<u8>>) -> Result<Finding, AdapterError> {
    let [code, role, task, entry, more, ..] = notes.as_slice() else {
        return Err(nonsense("a finding is too short"));
    };
    let unknown = || nonsense(format!("a finding of an unknown kind: {} {}", shown(code), shown(role)));
    let id = shown_id(id_in(role, entry));
    let in_index = || place(role).ok_or_else(unknown);
    let task = shown(task);
    let mut is_left = false;
    let violation = match code.as_slice() {
        b"D" => Violation::EntryWithoutJob { task, place: in_index()?, id },
        b"M" => Violation::MisplacedEntry { task, place: in_index()?, id },
        b"T" => Violation::FalseMark { task, id },
        b"K" => Violation::StrayMark { task, id },
        b"U" => Violation::DoubleEntry { task, id },
        b"L" => Violation::LostJob { task, id, place: place(more).ok_or_else(unknown)? },
        b"O" => Violation::Leftover { part: part(role).ok_or_else(unknown)?, id },
        b"q" => Violation::TaskIndex { task, fault: TaskFault::Lane },
        b"k" => match id::key_in(entry) {
            Some((task, key)) => Violation::StaleKey { task, key, id: shown_id(more) },
            None => Violation::Garbage { index: shown(role), entry: shown(entry) },
        },
        b"G" => Violation::DetachedLog { id },
        b"P" => {
            is_left = true;
            Violation::MissingPayload { task, id }
        }
        b"R" => {
            is_left = true;
            if role == b"sched" {
                return Ok(Finding {
                    violation: Violation::Unreadable {
                        what: format!("the state of schedule `{}`", shown(entry)),
                    },
                    notes: None,
                });
            }
            let part = match more.as_slice() {
                b"done" => "end",
                b"life" => "history",
                _ => "record",
            };
            Violation::Unreadable { what: format!("the {part} of job `{id}`") }
        }
        b"s" | b"S" => Violation::ScheduleIndex { schedule: shown(entry), is_known: code.as_slice() == b"s" },
        b"N" if role == b"stage" => Violation::Garbage { index: shown(role), entry: shown(entry) },
        b"W" | b"N" => {
            let workflow = id::load_workflow(entry).unwrap_or_else(|| WorkflowId::from(shown(entry)));
            match code.as_slice() {
                b"W" => Violation::WorkflowIndex { workflow, is_known: false },
                _ => Violation::Leftover { part: Part::Log, id: JobId::from(workflow.as_str()) },
            }
        }
        b"?" => Violation::Garbage { index: shown(role), entry: shown(entry) },
        _ => return Err(unknown()),
    };
    let notes = (!is_left).then_some(notes);
    Ok(Finding { violation, notes })
}

/// What is wrong with a task as a whole: letters of `lua/lib/invariants.lua`. One repair fixes all of it.
pub(super) fn task_faults(task: &[u8], letters: &[u8]) -> Vec<Finding> {
    let fault = |letter: &u8| {
        Some(match letter {
            b'r' => TaskFault::HiddenLine,
            b'R' => TaskFault::EmptyLine,
            b'g' => TaskFault::Gate,
            b'd' => TaskFault::DueTime,
            b't' => TaskFault::StrayTimer,
            b'w' => TaskFault::StrayWake,
            b'n' => TaskFault::UnknownTask,
            b's' => TaskFault::StrayGuard,
            _ => return None,
        })
    };
    let finding = |fault| Finding {
        violation: Violation::TaskIndex { task: shown(task), fault },
        notes: Some(vec!["F".into(), Vec::new(), task.to_vec(), Vec::new()]),
    };
    letters.iter().filter_map(fault).map(finding).collect()
}
