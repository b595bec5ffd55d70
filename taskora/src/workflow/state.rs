//! The states of a workflow.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::UnknownState;

/// The state of a workflow. It runs from its start, and ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WorkflowState {
    /// Started, and not ended; also while its first step is delayed.
    Running,
    /// Ended with a result: all of its steps have completed.
    Completed,
    /// Ended because a step failed.
    Failed,
    /// Ended by a cancellation, of itself or of one of its steps.
    Cancelled,
    /// Had not ended by its deadline.
    Expired,
}

impl WorkflowState {
    /// Every state, in the order of a workflow's life.
    pub const ALL: &[Self] = &[Self::Running, Self::Completed, Self::Failed, Self::Cancelled, Self::Expired];

    /// Whether the workflow has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Running)
    }

    /// The state's name, as displayed and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for WorkflowState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|state| state.as_str() == text).ok_or_else(|| UnknownState::new(text))
    }
}

impl fmt::Display for WorkflowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_stored_as_it_is_shown() {
        for state in WorkflowState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
            assert_eq!(state.to_string().parse(), Ok(*state));
        }
    }
}
