//! Jobs that are claimed in batches. The rules, for every store:
//!
//! - **Every item is a job**, with its own id, lease, attempts and end. It gathers if it has a [`Collect`] and a
//!   [`limit_key`](super::NewJob::limit_key); a node of a workflow does not.
//! - **A batch is a part of one claim**: up to [`Collect::max_size`] items of one line and one key, in the order of claims. It counts as
//!   one job for the limits of the claim, and as so many for the limit and the rate of its task. Its items have the same
//!   [`ClaimedJob::batch`](super::ClaimedJob::batch), and no other job of the answer has that number.
//! - **When a key goes**: `delay` after its last item came or `max_wait` after its first one did, whichever is earlier; at once with
//!   `max_size` items, or if it is [flushed](super::Control::flush). Only items that still gather count. The rule of the item that was
//!   stored last, or became due last, holds for all of them. A delayed item comes when it is due.
//! - **Items that come back** (retried, released or rescued) gather apart from new ones and go at once, so that one poisoned batch does
//!   not infect the next.
//! - **Of several keys that may go**, that one goes first whose first item is first in the order of claims. A call takes at most one
//!   batch of a key, and one of its items that came back.
//! - **A pause** of the task or of a key holds them back. Others go on to gather.
//! - **With `serial`**, no batch of a key goes while items of such a batch of that key and line are active.
//! - **Items that gather make no noise.** One worker is told when a key goes, and no other has to ask.

use super::AdapterError;
pub use crate::collect::Collect;
use crate::job::{JobId, Timestamp};

impl Collect {
    /// An error if no store can keep it.
    pub fn check(&self) -> Result<(), AdapterError> {
        if (1..=Self::LARGEST).contains(&self.max_size) {
            return Ok(());
        }
        Err(AdapterError::Config("`max_size` is 1 to 500: a batch is one claim".to_owned()))
    }
}

/// The new items that gather under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// How many there are.
    pub count: usize,
    /// When the first of them came.
    pub oldest: Timestamp,
    /// When the last of them came.
    pub newest: Timestamp,
    /// When they go. That may be past, while no worker has claimed them.
    pub due: Timestamp,
    /// The first of them, with their payloads, in the order of claims.
    pub items: Vec<(JobId, Vec<u8>)>,
}

impl Collected {
    /// The most items that one call returns.
    pub const MAX_ITEMS: usize = 1_000;

    /// What gathers in one line, without its items.
    #[must_use]
    pub const fn new(count: usize, oldest: Timestamp, newest: Timestamp, due: Timestamp) -> Self {
        Self { count, oldest, newest, due, items: Vec::new() }
    }

    /// Adds what gathers in another line.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.oldest = self.oldest.min(other.oldest);
        self.newest = self.newest.max(other.newest);
        self.due = self.due.min(other.due);
        self.items.extend(other.items);
    }
}

/// The error of an adapter that collects nothing.
pub fn no_collecting<T>() -> Result<T, AdapterError> {
    Err(AdapterError::Config("this adapter collects no jobs in batches".to_owned()))
}
