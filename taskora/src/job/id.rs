//! The identity of a job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The identity of a job: a UUID v7 made by [`JobId::new`], or the caller's own text.
///
/// ```
/// use taskora::JobId;
///
/// let id: JobId = "order-4711".into();
/// assert_eq!(id.to_string(), "order-4711");
/// assert_eq!(JobId::new().as_ref().len(), 36);
/// ```
///
/// Any text converts into a `JobId`; whether it may name a *new* job is checked when it is dispatched
/// (1 to 200 bytes, no control characters), see [`JobId::validate`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct JobId(std::sync::Arc<str>);

impl JobId {
    /// The longest id that a caller may give, in bytes.
    pub const MAX_LEN: usize = 200;

    /// A new, time-ordered id (UUID v7, 36 characters).
    #[must_use]
    #[allow(clippy::new_without_default, reason = "an id that is new each time is no default")]
    pub fn new() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self(std::sync::Arc::from(&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text)))
    }

    /// Whether this looks like an id that [`JobId::new`] has made: a UUID v7 in its usual spelling. All others are a caller's
    /// own: they may come again once their job was removed, and their jobs are [kept longer](crate::Retention).
    #[must_use]
    pub fn is_generated(&self) -> bool {
        let is_usual = self.0.len() == 36 && !self.0.bytes().any(|byte| byte.is_ascii_uppercase());
        is_usual && uuid::Uuid::try_parse(&self.0).is_ok_and(|uuid| uuid.get_version_num() == 7)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this text may name a new job: 1 to [`JobId::MAX_LEN`] bytes without control characters.
    ///
    /// # Errors
    /// [`InvalidJobId`], which says what is wrong.
    pub fn validate(&self) -> Result<(), InvalidJobId> {
        if self.0.is_empty() {
            Err(InvalidJobId::Empty)
        } else if self.0.len() > Self::MAX_LEN {
            Err(InvalidJobId::TooLong { len: self.0.len() })
        } else if self.0.chars().any(char::is_control) {
            Err(InvalidJobId::ControlCharacter)
        } else if self.names_a_node() {
            Err(InvalidJobId::Reserved)
        } else {
            Ok(())
        }
    }
}

impl JobId {
    fn names_a_node(&self) -> bool {
        self.0.rsplit_once('#').is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    }
}

/// Why a text cannot name a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJobId {
    /// The text is empty.
    #[error("a job id cannot be empty; leave it out to have one made")]
    Empty,
    /// The text is longer than [`JobId::MAX_LEN`].
    #[error("a job id of {len} bytes is too long; use at most {} bytes", JobId::MAX_LEN)]
    TooLong {
        /// The length of the text in bytes.
        len: usize,
    },
    /// The text ends in `#` and a number, as the ids of a workflow's nodes do.
    #[error(
        "a job id cannot end in `#` and a number, which names a node of a workflow; use another separator"
    )]
    Reserved,
    /// The text contains a control character.
    #[error("a job id cannot contain control characters; use printable text")]
    ControlCharacter,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", &*self.0)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Self::from(text);
        id.validate().map(|()| id)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JobId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for JobId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.as_str().to_owned()
    }
}

impl From<&JobId> for JobId {
    fn from(id: &JobId) -> Self {
        id.clone()
    }
}

impl From<uuid::Uuid> for JobId {
    fn from(id: uuid::Uuid) -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self(std::sync::Arc::from(&*id.hyphenated().encode_lower(&mut text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_where_they_name_a_new_job() {
        assert_eq!("".parse::<JobId>(), Err(InvalidJobId::Empty));
        assert_eq!("a\nb".parse::<JobId>(), Err(InvalidJobId::ControlCharacter));
        assert_eq!("x".repeat(201).parse::<JobId>(), Err(InvalidJobId::TooLong { len: 201 }));
        assert_eq!("order#7".parse::<JobId>(), Err(InvalidJobId::Reserved));
        assert!("order#a7".parse::<JobId>().is_ok());
        assert_eq!("naïve-4711".parse::<JobId>().map(|id| id.to_string()), Ok("naïve-4711".to_owned()));
    }

    #[test]
    fn new_ids_are_ordered_uuids_of_36_characters() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.is_generated() && id.as_str().len() == 36));
        let other =
            ["order-4711", "3f0e2f7c-9d1b-4a52-8c39-5f1d1f0c7a11", "0192F3A4-5B6C-7D8E-9F00-112233445567"];
        assert!(other.iter().all(|id| !JobId::from(*id).is_generated()));
    }
}
