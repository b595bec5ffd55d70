//! What happens to ticks that meet an unfinished run, and to ticks that nobody made in time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens at a tick while the schedule's last run has not ended: it is waiting, delayed, retrying or active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Overlap {
    /// The tick does not run, and is counted as skipped: the default.
    #[default]
    Skip,
    /// The tick's job waits for the last run to end. At most one waits: a tick that comes while one does is skipped.
    Queue,
    /// The tick runs beside it.
    Allow,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        })
    }
}

/// What happens to ticks that nobody could make in time, because no worker was up.
///
/// A tick that is found within a second is not late, and none of these rules is about it. Ticks that are caught up run one after the other,
/// also after a run that has not ended yet; with [`Overlap::Allow`], at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissed {
    /// The newest one runs, once: the default.
    #[default]
    Skip,
    /// As many of the newest ones run, the oldest first.
    CatchUpNewest(u32),
    /// All of them run, the oldest first.
    CatchUp,
}
