//! How jobs end.

use std::fmt;

use crate::job::JobState;

/// How a job has ended.
#[derive(Clone, PartialEq)]
pub struct Ended {
    /// Its task.
    pub task: String,
    /// Attempts in total, see [what counts](crate::adapter#what-counts-as-an-attempt).
    pub attempts: u32,
    /// How it ended.
    pub ending: Ending,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("task", &self.task)
            .field("attempts", &self.attempts)
            .field("ending", &self.ending)
            .finish()
    }
}

/// The ways in which a job ends.
#[derive(Clone, PartialEq)]
pub enum Ending {
    /// Completed, with its result as JSON.
    Completed(Vec<u8>),
    /// Failed, with the last error's message.
    Failed(String),
    /// Cancelled, with the reason.
    Cancelled(String),
    /// Not started in time.
    Expired,
    /// Failed, because it was rescued from dead workers too often; with a message that says so.
    Stalled(String),
}

impl Ending {
    /// The state of a job with this ending.
    #[must_use]
    pub const fn state(&self) -> JobState {
        match self {
            Self::Completed(_) => JobState::Completed,
            Self::Failed(_) | Self::Stalled(_) => JobState::Failed,
            Self::Cancelled(_) => JobState::Cancelled,
            Self::Expired => JobState::Expired,
        }
    }

    /// The message of a job that was rescued `stalls` times, one time too many.
    #[must_use]
    pub fn stalled_message(stalls: u32) -> String {
        let times = if stalls == 1 { "once".to_owned() } else { format!("{stalls} times") };
        format!("stalled: rescued {times} from workers that stopped renewing its lease")
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a result may be as confidential as a payload
        match self {
            Self::Completed(result) => write!(f, "Completed({} bytes)", result.len()),
            Self::Failed(message) => f.debug_tuple("Failed").field(message).finish(),
            Self::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
            Self::Expired => f.write_str("Expired"),
            Self::Stalled(message) => f.debug_tuple("Stalled").field(message).finish(),
        }
    }
}
