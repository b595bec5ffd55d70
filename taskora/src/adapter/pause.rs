//! Pauses, of a task or of one of its keys.

use std::fmt;
use std::time::Duration;

use super::AdapterError;
use crate::job::Timestamp;

/// A pause that is to begin, see [`Control::pause`](super::Control::pause). A text is a reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NewPause {
    /// Why. May be empty.
    pub reason: String,
    /// Who pauses it. Empty if nobody says.
    pub by: String,
    /// How long it lasts; `None`: until somebody ends it.
    pub lasting: Option<Duration>,
}

impl NewPause {
    /// The shortest pause that ends by itself.
    pub const SHORTEST: Duration = Duration::from_millis(1);
    /// The longest pause that ends by itself, 365 days.
    pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// Says who pauses it.
    #[must_use]
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = who.into();
        self
    }

    /// It ends by itself after this time.
    #[must_use]
    pub const fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    /// Whether it can be.
    ///
    /// # Errors
    /// [`AdapterError::Config`] if it lasts less than [`SHORTEST`](Self::SHORTEST) or more than [`LONGEST`](Self::LONGEST).
    pub fn check(&self) -> Result<(), AdapterError> {
        match self.lasting {
            Some(time) if !(Self::SHORTEST..=Self::LONGEST).contains(&time) => {
                Err(AdapterError::Config(format!(
                    "a pause cannot last {time:?}; choose 1 ms to 365 days, or leave `lasting` out for one that ends with `resume`"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl From<&str> for NewPause {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), ..Self::default() }
    }
}

/// A pause of a task, or of one of its keys. `Display` says who, why and until when: `paused by ada: provider down`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why; empty if nobody has said.
    pub reason: String,
    /// Who has paused it; empty if nobody has said.
    pub by: String,
    /// When it ends by itself; `None`: when somebody resumes it.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// A pause without a reason that began then.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { since, ..Self::default() }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("paused")?;
        if let Some(until) = self.until {
            write!(f, " until {until}")?;
        }
        if !self.by.is_empty() {
            write!(f, " by {}", self.by)?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}
