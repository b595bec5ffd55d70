//! The identity of a workflow.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::{InvalidJobId, JobId};

/// The identity of a workflow: a UUID v7 made by [`WorkflowId::new`], or the caller's own text. The rules are those of
/// a [`JobId`].
///
/// ```
/// use taskora::workflow::WorkflowId;
///
/// let id: WorkflowId = "import-4711".into();
/// assert_eq!(id.to_string(), "import-4711");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowId(JobId);

impl WorkflowId {
    /// A new, time-ordered id (UUID v7, 36 characters).
    #[must_use]
    #[allow(clippy::new_without_default, reason = "an id that is new each time is no default")]
    pub fn new() -> Self {
        Self(JobId::new())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether this text may name a new workflow, see [`JobId::validate`].
    ///
    /// # Errors
    /// [`InvalidJobId`], which says what is wrong.
    pub fn validate(&self) -> Result<(), InvalidJobId> {
        self.0.validate()
    }
}

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkflowId({})", self.0)
    }
}

impl FromStr for WorkflowId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl AsRef<str> for WorkflowId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for WorkflowId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for WorkflowId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<WorkflowId> for String {
    fn from(id: WorkflowId) -> Self {
        id.0.into()
    }
}

impl From<&WorkflowId> for WorkflowId {
    fn from(id: &WorkflowId) -> Self {
        id.clone()
    }
}
