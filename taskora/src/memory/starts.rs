//! The starts that a rate counts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::adapter::Rate;
use crate::job::millis;

/// Rates of the same kind count starts in the same way: windows of one length, and buckets.
pub(super) fn kind(rate: Rate) -> Option<Duration> {
    if rate.burst.is_some() { None } else { Some(rate.per) }
}

/// How many starts of this rate a job counts as.
fn counted(rate: Rate, cost: u32) -> u32 {
    cost.clamp(1, rate.at_once())
}

/// The starts of one gate: those that its window may still count, or how empty its bucket is.
#[derive(Default)]
pub(super) struct Starts {
    /// When they were, in milliseconds; the last `max`.
    window: VecDeque<u64>,
    /// When the bucket is full, in microseconds.
    full_at: u64,
}

impl Starts {
    /// When the rate lets a job start that costs so much; `None` if it may start now. One that costs more than there ever is starts when
    /// all of it is there.
    pub(super) fn opens_at(&self, rate: Rate, cost: u32, now: u64) -> Option<u64> {
        let cost = counted(rate, cost);
        let at = match rate.burst {
            None => {
                let last = (self.window.len() + cost as usize).checked_sub(rate.max as usize + 1)?;
                self.window.get(last)?.saturating_add(millis(rate.per))
            }
            Some(burst) => {
                let rest = rate.interval() * u64::from(burst - cost);
                self.full_at.saturating_sub(rest).div_ceil(1_000)
            }
        };
        (at > now).then_some(at)
    }

    /// A bucket that was larger, or slower, is empty at worst.
    pub(super) fn adjust(&mut self, rate: Rate, now: u64) {
        if let Some(burst) = rate.burst {
            self.full_at = self.full_at.min(now * 1_000 + rate.interval() * u64::from(burst));
        }
    }

    /// Whether the rate still counts one of them.
    pub(super) fn counts(&self, rate: Rate, now: u64) -> bool {
        match rate.burst {
            None => self.window.back().is_some_and(|at| at.saturating_add(millis(rate.per)) > now),
            Some(_) => self.full_at > now * 1_000,
        }
    }

    /// A job starts that costs so much.
    pub(super) fn add(&mut self, rate: Rate, cost: u32, now: u64) {
        let cost = counted(rate, cost);
        match rate.burst {
            None => {
                self.window.extend((0..cost).map(|_| now));
                while self.window.len() > rate.max as usize {
                    self.window.pop_front();
                }
            }
            Some(_) => {
                self.full_at = self.full_at.max(now * 1_000) + rate.interval() * u64::from(cost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many starts happens, if it is as early as possible.
    fn starts(rate: Rate, count: usize) -> Vec<u64> {
        let (mut starts, mut now) = (Starts::default(), 1_000_000);
        (0..count)
            .map(|_| {
                now = starts.opens_at(rate, 1, now).unwrap_or(now);
                assert_eq!(starts.opens_at(rate, 1, now), None);
                starts.add(rate, 1, now);
                now - 1_000_000
            })
            .collect()
    }

    #[test]
    fn a_window_is_half_open() {
        let rate = Rate::new(2, Duration::from_secs(1));
        assert_eq!(starts(rate, 6), [0, 0, 1_000, 1_000, 2_000, 2_000]);
    }

    #[test]
    fn a_bucket_gives_its_tokens_and_then_one_by_one() {
        let rate = Rate::new(3, Duration::from_secs(1)).burst(2);
        // a token comes back each 333.334 ms
        assert_eq!(starts(rate, 6), [0, 0, 334, 667, 1_001, 1_334]);
        assert_eq!(starts(Rate::new(1, Duration::from_millis(10)).burst(1), 3), [0, 10, 20]);
    }

    #[test]
    fn a_bucket_that_was_slower_is_empty_at_worst() {
        let (slow, fast) = (Duration::from_secs(3_600), Duration::from_secs(1));
        let mut starts = Starts::default();
        starts.add(Rate::new(1, slow).burst(1), 1, 5_000);
        assert_eq!(starts.opens_at(Rate::new(1, slow).burst(1), 1, 5_000), Some(3_605_000));
        let rate = Rate::new(10, fast).burst(5);
        starts.adjust(rate, 5_000);
        assert_eq!(starts.opens_at(rate, 1, 5_000), Some(5_100));
        starts.adjust(rate, 5_050);
        assert_eq!(starts.opens_at(rate, 1, 5_050), Some(5_100));
    }

    #[test]
    fn a_start_waits_until_its_cost_is_there() {
        let window = Rate::new(5, Duration::from_secs(1));
        let mut starts = Starts::default();
        starts.add(window, 2, 1_000);
        starts.add(window, 1, 1_500);
        assert_eq!(
            [2, 3, 4, 5, 9].map(|cost| starts.opens_at(window, cost, 1_500)),
            [None, Some(2_000), Some(2_000), Some(2_500), Some(2_500),]
        );
        let bucket = Rate::new(10, Duration::from_secs(1)).burst(5);
        let mut starts = Starts::default();
        starts.add(bucket, 4, 1_000);
        assert_eq!(
            [1, 2, 5, 9].map(|cost| starts.opens_at(bucket, cost, 1_000)),
            [None, Some(1_100), Some(1_400), Some(1_400),]
        );
        starts.add(bucket, 9, 1_400);
        assert_eq!(starts.opens_at(bucket, 9, 1_400), Some(1_900));
    }
}
