//! How jobs end, their history, and the states that follow from both.

use redis::Value;
use taskora::adapter::{CancelOutcome, Ended, Ending};
use taskora::{AdapterError, JobState, Timestamp};

use super::job::is_envelope;
use super::reader::{Reader, text};
use crate::answer::{bytes, newer, nonsense};

/// The bytes of an end, before the result, the message or the reason.
const END: usize = 21;
/// What scripts return in place of something that a later version wrote.
pub(crate) const NEWER: u8 = b'~';

/// The history of a job that left its worker without ending.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    pub(crate) error: Option<String>,
}

impl Life {
    /// A job without an entry has an empty history. `None` if these bytes are not a history.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut reader = Reader(bytes);
        let _token = reader.u64()?;
        let (attempts, stalls) = (reader.u32()?, reader.u32()?);
        let error = (reader.u8()? == 1).then(|| text(reader.0));
        Some(Self { attempts, stalls, error })
    }
}

/// How a job has ended.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Timestamp,
    pub(crate) ending: Ending,
}

impl End {
    /// `None` if these bytes are not an end of this version.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let state = reader.u8()?;
        let (attempts, stalls) = (reader.u32()?, reader.u32()?);
        let started = reader.u48()?;
        let finished_at = Timestamp::from_millis(reader.u48()?);
        let ending = match state {
            b'C' if is_envelope(reader.0) => return None,
            b'C' => Ending::Completed(reader.0.to_vec()),
            b'F' => Ending::Failed(text(reader.0)),
            b'S' => Ending::Stalled(Ending::stalled_message(stalls)),
            b'X' => Ending::Cancelled(text(reader.0)),
            b'E' => Ending::Expired,
            _ => return None,
        };
        let started_at = (started > 0).then(|| Timestamp::from_millis(started));
        Some(Self { attempts, stalls, started_at, finished_at, ending })
    }

    /// The error for an end that cannot be read.
    pub(crate) fn unreadable(bytes: &[u8], what: &str) -> AdapterError {
        let is_newer = bytes.first() == Some(&NEWER)
            || bytes.len() >= END
                && bytes.first().is_some_and(|letter| {
                    letter.is_ascii_uppercase() && (*letter == b'C' || state(*letter).is_none())
                });
        if is_newer { newer(what) } else { nonsense(format!("{what} cannot be read")) }
    }

    pub(crate) fn ended(self, task: String) -> Ended {
        Ended { task, attempts: self.attempts, ending: self.ending }
    }
}

/// The state that a letter of the scripts stands for.
pub(crate) const fn state(letter: u8) -> Option<JobState> {
    Some(match letter {
        b'C' => JobState::Completed,
        b'F' | b'S' => JobState::Failed,
        b'X' => JobState::Cancelled,
        b'E' => JobState::Expired,
        b'R' => JobState::Retrying,
        b'W' => JobState::Waiting,
        b'D' => JobState::Delayed,
        _ => return None,
    })
}

/// The state of an unfinished job in this place, after this many attempts.
pub(crate) fn state_at(place: &[u8], attempts: u32) -> JobState {
    match place {
        b"active" => JobState::Active,
        b"delayed" if attempts == 0 => JobState::Delayed,
        b"delayed" => JobState::Retrying,
        _ => JobState::Waiting,
    }
}

/// What a cancellation did to `what`.
pub(crate) fn cancelled(value: Value, what: &str) -> Result<CancelOutcome, AdapterError> {
    match bytes(value, "the answer to a cancellation")?.as_slice() {
        b"N" => Ok(CancelOutcome::NotFound),
        b"?" => Err(newer(what)),
        b"A" => Ok(CancelOutcome::Requested),
        b"D" => Ok(CancelOutcome::Cancelled),
        [letter] => state(*letter).map(CancelOutcome::AlreadyEnded).ok_or_else(|| newer(what)),
        _ => Err(nonsense("the answer to a cancellation is too long")),
    }
}

/// The last error's message, or the reason of the cancellation.
pub(crate) fn message(ending: Ending) -> Option<String> {
    match ending {
        Ending::Failed(message) | Ending::Stalled(message) | Ending::Cancelled(message) => Some(message),
        Ending::Completed(_) | Ending::Expired => None,
    }
}
