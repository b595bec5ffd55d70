//! Pages of the jobs of a task that are in one state, and of workflows.

use std::fmt;
use std::str::FromStr;

use super::TaskName;
use crate::job::{JobInfo, JobState, Timestamp};
use crate::workflow::{WorkflowInfo, WorkflowState};

/// A page of jobs that is asked for, see [`Inspection::list`](super::Inspection::list).
#[derive(Debug, Clone, PartialEq)]
pub struct JobQuery {
    /// The task.
    pub task: TaskName,
    /// The state.
    pub state: JobState,
    /// Which of these jobs.
    pub filter: JobFilter,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<Place>,
    /// How many jobs are returned at most.
    pub limit: usize,
    /// How many entries are looked at at most; a store may stop before.
    pub most: usize,
}

impl JobQuery {
    /// The most jobs of a page.
    pub const MAX_LIMIT: usize = 500;
    /// The most entries that one call looks at, whatever it is asked for.
    pub const PAGE: usize = 500;

    /// The first page of all jobs.
    #[must_use]
    pub fn new(task: impl Into<TaskName>, state: JobState) -> Self {
        Self {
            task: task.into(),
            state,
            filter: JobFilter::default(),
            after: None,
            limit: Self::MAX_LIMIT,
            most: Self::PAGE,
        }
    }
}

/// Which jobs are listed: those that meet all conditions. Texts are looked for byte by byte.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct JobFilter {
    /// [`JobInfo::error`] contains this.
    pub error: Option<String>,
    /// The payload contains this: JSON as it is stored, or what is stored of a workflow's step.
    pub payload: Option<String>,
    /// The id begins with this.
    pub id_prefix: Option<String>,
    /// Each of these is among the annotations.
    pub meta: Vec<(String, String)>,
    /// It ended then or later.
    pub since: Option<Timestamp>,
    /// It ended then or earlier.
    pub until: Option<Timestamp>,
}

impl JobFilter {
    /// Whether all jobs pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a job meets every condition except that on its payload.
    #[must_use]
    pub fn fits(&self, job: &JobInfo) -> bool {
        let is_in = |text: &str| job.error.as_ref().is_some_and(|error| error.contains(text));
        self.error.as_deref().is_none_or(is_in)
            && self.id_prefix.as_deref().is_none_or(|prefix| job.id.as_str().starts_with(prefix))
            && self.meta.iter().all(|pair| job.meta.contains(pair))
            && self.since.is_none_or(|since| job.finished_at.is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| job.finished_at.is_some_and(|at| at <= until))
    }
}

impl fmt::Debug for JobFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a text that is looked for may be as confidential as the payload
        f.debug_struct("JobFilter")
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// A page of jobs.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The jobs, in the order of [`Inspection::list`](super::Inspection::list).
    pub jobs: Vec<JobInfo>,
    /// How many entries were looked at.
    pub scanned: usize,
    /// The last entry that was looked at; `None` if it was the last one of all.
    pub next: Option<Place>,
}

/// A page of workflows that is asked for, see [`Inspection::list_workflows`](super::Inspection::list_workflows).
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowQuery {
    /// The state.
    pub state: WorkflowState,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<Place>,
    /// How many workflows are returned at most.
    pub limit: usize,
    /// How many entries are looked at at most; a store may stop before.
    pub most: usize,
}

impl WorkflowQuery {
    /// The first page of the workflows in this state.
    #[must_use]
    pub const fn new(state: WorkflowState) -> Self {
        Self { state, after: None, limit: JobQuery::MAX_LIMIT, most: JobQuery::PAGE }
    }
}

/// A page of workflows.
#[derive(Debug, Clone, Default)]
pub struct ListedWorkflows {
    /// The workflows, in the order of [`Inspection::list_workflows`](super::Inspection::list_workflows).
    pub workflows: Vec<WorkflowInfo>,
    /// How many entries were looked at.
    pub scanned: usize,
    /// The last entry that was looked at; `None` if it was the last one of all.
    pub next: Option<Place>,
}

/// A place in the order of a list. It stays valid when the entry that it names is gone, and when others come and go.
///
/// Its text has no blank and no slash: the part, the number and the entry in hexadecimal digits, each after an underscore.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Which of several lists; they come one after the other.
    pub part: u8,
    /// By what the list is ordered; the store says what it is.
    pub number: f64,
    /// The entry, among those of one number.
    pub entry: Vec<u8>,
}

impl Place {
    /// The longest entry, in bytes.
    const MAX_ENTRY: usize = 512;
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_", self.part, self.number)?;
        self.entry.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let read = || {
            let (part, rest) = text.split_once('_')?;
            let (number, entry) = rest.split_once('_')?;
            let number: f64 = number.parse().ok()?;
            let is_hex = entry.bytes().all(|digit| digit.is_ascii_hexdigit()) && entry.len() % 2 == 0;
            if number.is_nan() || !is_hex || entry.len() > 2 * Self::MAX_ENTRY {
                return None;
            }
            let byte = |at| u8::from_str_radix(entry.get(at..at + 2)?, 16).ok();
            let entry = (0..entry.len()).step_by(2).map(byte).collect::<Option<_>>()?;
            Some(Self { part: part.parse().ok()?, number, entry })
        };
        read().ok_or(NoPlace)
    }
}

/// A text that is no [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in a list")]
pub struct NoPlace;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for number in [0.0, -1.0, 1.5, 2_199_023_255_553.0, -4.4e15, 1e300, f64::INFINITY, f64::NEG_INFINITY]
        {
            let place = Place { part: 2, number, entry: vec![0, 61, 255] };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!(Place::default().to_string(), "0_0_");
        for text in ["", "_", "0_0", "0_NaN_", "256_0_", "0_1_0", "0_1_0g", "0_1_é0", "0_1_+1", "-1_0_"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
        assert_eq!(format!("0_0_{}", "00".repeat(513)).parse::<Place>(), Err(NoPlace));
    }
}
