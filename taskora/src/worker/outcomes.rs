//! Attempts that have ended and that no call has settled yet.

use std::collections::VecDeque;

use crate::adapter::{AttemptEnd, Collect, Settlement};

/// The most attempts settled in one call, beside a batch.
const MOST: usize = 64;
/// The most bytes of results in one call.
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Default)]
pub(crate) struct Outcomes {
    alone: VecDeque<Settlement>,
    batches: VecDeque<BatchOutcomes>,
}

/// The outcomes of a batch, whose result is kept once until it is sent.
struct BatchOutcomes {
    items: VecDeque<Settlement>,
    result: Vec<u8>,
}

impl Outcomes {
    pub(crate) fn push(&mut self, outcome: Settlement) {
        self.alone.push_back(outcome);
    }

    /// The items of a batch: of those that are completed, this is the result.
    pub(crate) fn push_batch(&mut self, items: Vec<Settlement>, result: Vec<u8>) {
        if !items.is_empty() {
            self.batches.push_back(BatchOutcomes { items: items.into(), result });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.batches.is_empty()
    }

    /// As many as one call settles: of a batch all, if their results are not too large.
    pub(crate) fn take(&mut self) -> Vec<Settlement> {
        let mut taken = Vec::with_capacity(self.alone.len().min(MOST));
        let mut bytes = 0;
        while let Some(outcome) = self.alone.front() {
            bytes += if let AttemptEnd::Complete(result) = &outcome.end { result.len() } else { 0 };
            if !taken.is_empty() && (taken.len() == MOST || bytes > MOST_BYTES) {
                return taken;
            }
            taken.extend(self.alone.pop_front());
        }
        let Some(batch) = self.batches.front_mut() else { return taken };
        for _ in 0..Collect::LARGEST {
            bytes += batch.result.len();
            if !taken.is_empty() && bytes > MOST_BYTES {
                break;
            }
            taken.extend(batch.next());
        }
        self.batches.retain(|batch| !batch.items.is_empty());
        taken
    }

    /// All of them.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Settlement> {
        let batches = self.batches.drain(..).flat_map(|mut batch| std::iter::from_fn(move || batch.next()));
        self.alone.drain(..).chain(batches)
    }
}

impl BatchOutcomes {
    fn next(&mut self) -> Option<Settlement> {
        let mut outcome = self.items.pop_front()?;
        if let AttemptEnd::Complete(result) = &mut outcome.end {
            result.clone_from(&self.result);
        }
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Lease;
    use crate::job::Timestamp;

    fn settlement(id: usize, result: usize) -> Settlement {
        Settlement {
            lease: Lease { id: format!("{id}").into(), task: "t".into(), token: 1 },
            attempt: 1,
            started_at: Timestamp::default(),
            end: AttemptEnd::Complete(vec![b'1'; result]),
            node: None,
        }
    }

    fn batch(count: usize) -> Vec<Settlement> {
        (0..count).map(|id| settlement(id, 0)).collect()
    }

    fn sizes(outcomes: &mut Outcomes) -> Vec<usize> {
        let take = || Some(outcomes.take().len()).filter(|taken| *taken > 0);
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn a_batch_is_settled_in_one_call_and_others_in_several() {
        let mut outcomes = Outcomes::default();
        (0..100).for_each(|id| outcomes.push(settlement(id, 1)));
        outcomes.push_batch(batch(500), b"7".to_vec());
        outcomes.push_batch(batch(3), b"8".to_vec());
        assert_eq!(sizes(&mut outcomes), [64, 36 + 500, 3]);
        assert!(outcomes.is_empty());
    }

    #[test]
    fn large_results_are_settled_bit_by_bit_and_each_item_has_one() {
        let mut outcomes = Outcomes::default();
        outcomes.push_batch(batch(4), vec![b'1'; MOST_BYTES / 2]);
        let first = outcomes.take();
        assert_eq!(first.len(), 2);
        let is_whole = |outcome: &Settlement| matches!(&outcome.end, AttemptEnd::Complete(result) if result.len() == MOST_BYTES / 2);
        assert!(first.iter().chain(&outcomes.drain().collect::<Vec<_>>()).all(is_whole));
        assert!(outcomes.is_empty());
        outcomes.push(settlement(1, MOST_BYTES + 1));
        outcomes.push_batch(batch(2), vec![b'1'; MOST_BYTES + 1]);
        assert_eq!(sizes(&mut outcomes), [1, 1, 1]);
    }
}
