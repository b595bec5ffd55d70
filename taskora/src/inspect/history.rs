//! What has become of a task's jobs over time.

use std::time::Duration;

use crate::adapter::{AdapterError, Depth, ErrorSum, Histogram, HistoryStep, Inspection, StoredSlot};
use crate::job::{Timestamp, millis};

/// A time that ends now, for [`Inspect::history`](crate::Inspect::history). Its length says how long the slots are: minutes for up to three hours, ten
/// minutes for up to three days, and hours for longer. At most 30 days are kept, and a longer time counts as 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last(Duration);

impl Last {
    /// So many minutes; the one that has begun is the last of them.
    #[must_use]
    pub const fn minutes(minutes: u32) -> Self {
        Self(Duration::from_secs(minutes as u64 * 60))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u32) -> Self {
        Self(Duration::from_secs(hours as u64 * 3_600))
    }

    /// So many days.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(Duration::from_secs(days as u64 * 24 * 3_600))
    }

    /// How long each slot is.
    #[must_use]
    pub fn step(self) -> Duration {
        self.slots().0.length()
    }

    /// The step, and how many slots of it, one at least.
    fn slots(self) -> (HistoryStep, usize) {
        let needed = |step: HistoryStep| {
            let slots = self.0.as_secs().div_ceil(step.length().as_secs()).max(1);
            usize::try_from(slots).unwrap_or(usize::MAX)
        };
        let fits = |step: &&HistoryStep| needed(**step) <= step.kept();
        let step = HistoryStep::ALL.iter().find(fits).copied().unwrap_or(HistoryStep::Hour);
        (step, needed(step).min(step.kept()))
    }
}

/// What has become of a task's jobs in one slot of time, see [`Inspect::history`](crate::Inspect::history).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistorySlot {
    /// When it begins, by the store's clock: a whole minute, ten minutes or an hour.
    pub at: Timestamp,
    /// How long it is. The last slot has not ended.
    pub step: Duration,
    /// Whether any worker of the task has reported in it. If none has, nothing is known of this time, and all numbers are 0.
    pub is_known: bool,
    /// How many jobs have completed.
    pub completed: u64,
    /// How many jobs have failed: after their last attempt, or because their workers died too often.
    pub failed: u64,
    /// How many attempts have failed that others follow.
    pub retried: u64,
    /// The most jobs that were waiting, delayed and active when workers have looked, which they do once a minute. `None` if none has.
    pub depth: Option<Depth>,
    /// How long jobs have waited for their first attempt since they were dispatched, of those that have ended or are retried. Jobs with a delay and steps of
    /// workflows are not counted. `None` if there were none.
    pub wait: Option<Percentiles>,
    /// How long handlers have run. `None` if none has.
    pub run: Option<Percentiles>,
    /// The most frequent errors of attempts that have failed, retried ones included, the most frequent one first; at most
    /// [`ErrorSums::MAX`](crate::adapter::ErrorSums::MAX).
    pub errors: Vec<ErrorSum>,
}

impl HistorySlot {
    fn new(step: HistoryStep, slot: StoredSlot, is_known: bool) -> Self {
        let StoredSlot { at, sums, depth } = slot;
        Self {
            at,
            step: step.length(),
            is_known,
            completed: sums.completed,
            failed: sums.failed,
            retried: sums.retried,
            depth,
            wait: Percentiles::of(&sums.waits),
            run: Percentiles::of(&sums.runs),
            errors: sums.errors.into_sorted(),
        }
    }
}

/// Durations that half of all, 95 % and 99 % have not exceeded. They are rounded up to a power of two in milliseconds, so each is up to twice as long as it
/// really was. The longest is 2 h 20 min, which stands for all that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// Half of all were not longer.
    pub p50: Duration,
    /// 95 % of all were not longer.
    pub p95: Duration,
    /// 99 % of all were not longer.
    pub p99: Duration,
}

impl Percentiles {
    fn of(histogram: &Histogram) -> Option<Self> {
        Some(Self {
            p50: histogram.percentile(50)?,
            p95: histogram.percentile(95)?,
            p99: histogram.percentile(99)?,
        })
    }
}

/// The slots of this time, oldest first, without gaps.
pub(super) async fn history(
    inspection: &dyn Inspection,
    task: &str,
    last: Last,
) -> Result<Vec<HistorySlot>, AdapterError> {
    let (step, count) = last.slots();
    let stored = inspection.history(task, step, count).await?;
    let newest = step.slot_at(stored.now);
    let first = newest.saturating_sub(count as u64 - 1);
    let mut known = stored.slots.into_iter().peekable();
    let slots = (first..=newest).map(|number| {
        let at = step.begin_of(number);
        // a store may know more than was asked for
        while known.next_if(|slot| slot.at < at).is_some() {}
        match known.next_if(|slot| slot.at.as_millis() < at.as_millis() + millis(step.length())) {
            Some(slot) => HistorySlot::new(step, StoredSlot { at, ..slot }, true),
            None => HistorySlot::new(step, StoredSlot::new(at), false),
        }
    });
    Ok(slots.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_time_says_how_long_its_slots_are() {
        use HistoryStep::{Hour, Minute, TenMinutes};
        for (last, slots) in [
            (Last::minutes(0), (Minute, 1)),
            (Last::minutes(90), (Minute, 90)),
            (Last::hours(3), (Minute, 180)),
            (Last::minutes(181), (TenMinutes, 19)),
            (Last::days(3), (TenMinutes, 432)),
            (Last::hours(73), (Hour, 73)),
            (Last::days(30), (Hour, 720)),
            (Last::days(31), (Hour, 720)),
            (Last::days(u32::MAX), (Hour, 720)),
        ] {
            assert_eq!(last.slots(), slots, "{last:?}");
        }
        assert_eq!(Last::hours(4).step(), Duration::from_secs(600));
    }
}
