//! How a caller's tasks are written for the scripts: one string that scripts search, see `lua/lib/caller.lua`.

use std::fmt::Arguments;
use std::io::Write as _;

use taskora::adapter::{TaskClaim, TaskName};

use crate::codec::millis;

/// Writes tasks with the limits and leases of a claim.
pub(crate) fn with_terms(tasks: &[TaskClaim], to: &mut Vec<u8>) {
    for claim in tasks {
        push(to, &claim.task, format_args!("{} {}", claim.limit, millis(claim.lease).max(1)));
    }
    to.push(b'\n');
}

/// Tasks by their names alone.
pub(crate) fn names(tasks: &[TaskName]) -> Vec<u8> {
    let mut text = Vec::new();
    for task in tasks {
        push(&mut text, task, format_args!("0 0"));
    }
    text.push(b'\n');
    text
}

fn push(text: &mut Vec<u8>, task: &str, terms: Arguments<'_>) {
    // no job has a task with control characters in its name
    if task.chars().any(char::is_control) {
        return;
    }
    text.push(b'\n');
    text.extend(task.as_bytes());
    text.push(1);
    let _ = text.write_fmt(terms);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_separated_and_odd_names_left_out() {
        assert_eq!(names(&["a".into(), "b\nc".into(), "d".into()]), b"\na\x010 0\nd\x010 0\n");
    }
}
