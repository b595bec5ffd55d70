//! Attempts that have ended and that no call has settled yet.

use std::collections::VecDeque;

use crate::adapter::{AttemptEnd, Settlement};

/// The most attempts settled in one call.
const MOST: usize = 64;
/// The most bytes of results in one call.
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Default)]
pub(crate) struct Outcomes {
    waiting: VecDeque<Settlement>,
}

impl Outcomes {
    pub(crate) fn push(&mut self, outcome: Settlement) {
        self.waiting.push_back(outcome);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// As many as one call settles.
    pub(crate) fn take(&mut self) -> Vec<Settlement> {
        let mut taken = Vec::with_capacity(self.waiting.len().min(MOST));
        let mut bytes = 0;
        while let Some(outcome) = self.waiting.front() {
            bytes += if let AttemptEnd::Complete(result) = &outcome.end { result.len() } else { 0 };
            if !taken.is_empty() && (taken.len() == MOST || bytes > MOST_BYTES) {
                break;
            }
            taken.extend(self.waiting.pop_front());
        }
        taken
    }

    /// All of them.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Settlement> {
        self.waiting.drain(..)
    }
}
