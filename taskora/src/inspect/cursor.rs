//! Where a page of jobs ends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::adapter::Place;
use crate::job::JobState;

/// Where a [page of jobs](super::JobPage) ends. It names the state and the task, and stays valid however long you keep it.
///
/// It is shown as text without blanks, except those in the task's name, and is read from the same text:
///
/// ```
/// use taskora::{Cursor, JobState};
///
/// let cursor: Cursor = "failed/0_1767225600000_3d61/send-email".parse()?;
/// assert_eq!((cursor.state(), cursor.task()), (JobState::Failed, "send-email"));
/// assert_eq!(cursor.to_string(), "failed/0_1767225600000_3d61/send-email");
/// # Ok::<(), taskora::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    state: JobState,
    task: String,
    pub(super) place: Place,
}

impl Cursor {
    pub(super) fn new(state: JobState, task: &str, place: Place) -> Self {
        Self { state, task: task.to_owned(), place }
    }

    /// The state of the jobs.
    #[must_use]
    pub const fn state(&self) -> JobState {
        self.state
    }

    /// The name of their task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a task's name may have slashes, so it comes last
        write!(f, "{}/{}/{}", self.state, self.place, self.task)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let read = || {
            let (state, rest) = text.split_once('/')?;
            let (place, task) = rest.split_once('/')?;
            Some(Self::new(state.parse().ok()?, task, place.parse().ok()?))
        };
        read().ok_or(InvalidCursor)
    }
}

impl TryFrom<String> for Cursor {
    type Error = InvalidCursor;

    fn try_from(text: String) -> Result<Self, InvalidCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// A text that is no [`Cursor`], or no [`WorkflowCursor`](super::WorkflowCursor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no cursor, which is a state, a place and, for jobs, a task, with slashes between them; pass `next` of the page before as it is, or begin without a cursor"
)]
#[non_exhaustive]
pub struct InvalidCursor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_shown() {
        for task in ["send-email", "a/b c/", "größe"] {
            let cursor =
                Cursor::new(JobState::Waiting, task, Place { part: 1, number: 7.0, entry: vec![61] });
            assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            let json = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }
        for text in ["", "waiting", "waiting/0_1_", "asleep/0_1_/a", "waiting/0_x_/a", "waiting//a"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
        assert!(serde_json::from_str::<Cursor>("7").is_err());
    }
}
