//! The states of a job, and the transitions between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a job. [`JobState::may_become`] is the table of legal transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobState {
    /// Ready to run; waits for a free worker.
    Waiting,
    /// Waits for its due time.
    Delayed,
    /// A worker holds its lease and runs it.
    Active,
    /// An attempt failed; waits for its backoff to pass.
    Retrying,
    /// Ended with a result.
    Completed,
    /// Ended with an error: the last attempt failed, or its worker died too often.
    Failed,
    /// Ended by a cancellation.
    Cancelled,
    /// Was not started in time.
    Expired,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: &[Self] = &[
        Self::Waiting,
        Self::Delayed,
        Self::Active,
        Self::Retrying,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether the job has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Whether a job may go from this state to `next` in one transition. A job that has ended never changes its state, unless
    /// somebody [revives](JobState::may_be_revived) it.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use JobState::{Active, Cancelled, Completed, Delayed, Expired, Failed, Retrying, Waiting};
        match self {
            Waiting => matches!(next, Active | Cancelled | Expired),
            Delayed | Retrying => matches!(next, Waiting | Cancelled | Expired),
            // back to `Waiting`: released, rescued, or retried without a delay; to `Delayed`: released with one
            Active => matches!(next, Completed | Retrying | Failed | Cancelled | Waiting | Delayed),
            Completed | Failed | Cancelled | Expired => false,
        }
    }

    /// Whether a job in this state may be revived: it has ended, and did not complete. Only a person revives a job, so this is no transition
    /// of [`may_become`](JobState::may_become). The job then becomes [`Waiting`](JobState::Waiting) or [`Delayed`](JobState::Delayed).
    #[must_use]
    pub const fn may_be_revived(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// The state's name, as displayed and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Active => "active",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|state| state.as_str() == text).ok_or_else(|| UnknownState::new(text))
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is not the name of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no state")]
#[non_exhaustive]
pub struct UnknownState {
    /// The text.
    pub text: String,
}

impl UnknownState {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_are_final_and_the_others_are_not() {
        for &from in JobState::ALL {
            let ways_out = JobState::ALL.iter().filter(|to| from.may_become(**to)).count();
            assert_eq!(ways_out == 0, from.is_terminal(), "{from}");
        }
    }

    #[test]
    fn a_state_is_read_as_it_is_shown() {
        for state in JobState::ALL {
            assert_eq!(state.to_string().parse(), Ok(*state));
        }
        assert_eq!("Failed".parse::<JobState>().unwrap_err().to_string(), "`Failed` is no state");
    }
}
