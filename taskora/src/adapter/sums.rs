//! What workers count, and what a store keeps of it.

use std::time::Duration;

use super::TaskName;
use crate::job::Timestamp;
use crate::text::beginning;

/// What has become of the attempts of a task in some time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sums {
    /// How many jobs have completed.
    pub completed: u64,
    /// How many jobs have failed.
    pub failed: u64,
    /// How many attempts have failed that others follow.
    pub retried: u64,
    /// How long jobs have waited for their first attempt, since they became ready.
    pub waits: Histogram,
    /// How long handlers have run.
    pub runs: Histogram,
    /// The most frequent errors of attempts that have failed.
    pub errors: ErrorSums,
}

impl Sums {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in [
            (&mut self.completed, other.completed),
            (&mut self.failed, other.failed),
            (&mut self.retried, other.retried),
        ] {
            *own = own.saturating_add(more);
        }
        self.waits.add(&other.waits);
        self.runs.add(&other.runs);
        for error in other.errors.iter() {
            self.errors.add(&error.pattern, &error.example, error.count);
        }
    }
}

/// What a worker has counted of a task since its last report, see [`WorkerReport`](super::WorkerReport).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskSums {
    /// The task.
    pub task: TaskName,
    /// What it has counted.
    pub sums: Sums,
}

impl TaskSums {
    /// The most tasks of which one report has sums.
    pub const MAX_PER_REPORT: usize = 32;

    /// What was counted of a task.
    #[must_use]
    pub fn new(task: impl Into<TaskName>, sums: Sums) -> Self {
        Self { task: task.into(), sums }
    }
}

/// How often a duration was how long, in [`Histogram::BUCKETS`] buckets: the first one for less than a millisecond, each further one up to twice as
/// long as the one before, and the last one for all that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram([u64; Self::BUCKETS]);

impl Histogram {
    /// How many buckets there are.
    pub const BUCKETS: usize = 24;

    /// Counts a duration.
    pub fn count(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bucket = usize::try_from(u64::BITS - millis.leading_zeros()).unwrap_or(Self::BUCKETS);
        self.put(bucket.min(Self::BUCKETS - 1), 1);
    }

    /// Counts so many durations of a bucket; of one that there is not, none.
    pub fn put(&mut self, bucket: usize, count: u64) {
        if let Some(own) = self.0.get_mut(bucket) {
            *own = own.saturating_add(count);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own = own.saturating_add(more);
        }
    }

    /// The buckets, the shortest durations first.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; Self::BUCKETS] {
        &self.0
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A duration that this share of all, in percent, has not exceeded: the upper bound of a bucket, so it may be up to twice as long as it really was.
    /// `None` if none was counted. What is in the last bucket counts as long as its bound, 2 h 20 min.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let total = self.total();
        let rank = (u128::from(total) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += u128::from(*count);
            seen >= rank
        })?;
        Some(Duration::from_millis(1 << bucket))
    }
}

/// An error, and how often it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorSum {
    /// The error, with `#` in place of each word that has a digit, as in [`ErrorGroup::pattern`](crate::ErrorGroup::pattern). A store keeps the texts of
    /// a bounded number of errors of a task: it is empty if they are gone.
    pub pattern: String,
    /// One of the errors, cut to [`ErrorSum::MAX_TEXT`] bytes.
    pub example: String,
    /// How often it came. It may have been less, if there were more than [`ErrorSums::MAX`] patterns.
    pub count: u64,
}

impl ErrorSum {
    /// The longest text of an example, in bytes.
    pub const MAX_TEXT: usize = 256;
}

/// The most frequent errors, at most [`ErrorSums::MAX`]. A further one takes the place of the rarest one, and its count: so one that is frequent is always
/// among them, and no count is too low.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorSums(Vec<ErrorSum>);

impl ErrorSums {
    /// The most errors that are told apart.
    pub const MAX: usize = 20;

    /// Counts an error so many times.
    pub fn add(&mut self, pattern: &str, example: &str, count: u64) {
        if let Some(known) = self.0.iter_mut().find(|known| known.pattern == pattern) {
            known.count = known.count.saturating_add(count);
            return;
        }
        let example = beginning(example, ErrorSum::MAX_TEXT).to_owned();
        if self.0.len() < Self::MAX {
            self.0.push(ErrorSum { pattern: pattern.to_owned(), example, count });
        } else if let Some(rarest) = self.0.iter_mut().min_by_key(|known| known.count) {
            let count = rarest.count.saturating_add(count);
            *rarest = ErrorSum { pattern: pattern.to_owned(), example, count };
        }
    }

    /// The errors, in no certain order.
    pub fn iter(&self) -> impl Iterator<Item = &ErrorSum> {
        self.0.iter()
    }

    /// The errors, the most frequent one first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<ErrorSum> {
        let mut errors = self.0;
        errors
            .sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.pattern.cmp(&other.pattern)));
        errors
    }
}

/// How many jobs of a task have not ended, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Depth {
    /// Jobs that wait to be claimed.
    pub waiting: u64,
    /// Delayed and retrying ones.
    pub delayed: u64,
    /// Jobs that run.
    pub active: u64,
}

impl Depth {
    /// So many of each.
    #[must_use]
    pub const fn new(waiting: u64, delayed: u64, active: u64) -> Self {
        Self { waiting, delayed, active }
    }

    /// The most of each at several moments.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            waiting: self.waiting.max(other.waiting),
            delayed: self.delayed.max(other.delayed),
            active: self.active.max(other.active),
        }
    }
}

/// How long a slot of a history is. A store keeps each of them, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistoryStep {
    /// A minute.
    Minute,
    /// Ten minutes.
    TenMinutes,
    /// An hour.
    Hour,
}

impl HistoryStep {
    /// All of them, the shortest one first.
    pub const ALL: &[Self] = &[Self::Minute, Self::TenMinutes, Self::Hour];

    /// How long the slot is.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::Hour => 3_600,
        })
    }

    /// How many slots are kept: minutes for three hours, ten minutes for three days, hours for thirty days.
    #[must_use]
    pub const fn kept(self) -> usize {
        match self {
            Self::Minute => 180,
            Self::TenMinutes => 432,
            Self::Hour => 720,
        }
    }

    /// The number of the slot that has this time.
    #[must_use]
    pub fn slot_at(self, at: Timestamp) -> u64 {
        at.as_millis() / crate::job::millis(self.length())
    }

    /// When this slot begins.
    #[must_use]
    pub fn begin_of(self, slot: u64) -> Timestamp {
        Timestamp::from_millis(slot.saturating_mul(crate::job::millis(self.length())))
    }
}

/// A part of the history of a task, see [`Inspection::history`](super::Inspection::history).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredHistory {
    /// What time it is for the store.
    pub now: Timestamp,
    /// The slots of which anything is known, oldest first.
    pub slots: Vec<StoredSlot>,
}

/// What is known of a task in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredSlot {
    /// When it begins.
    pub at: Timestamp,
    /// What workers have counted.
    pub sums: Sums,
    /// The most jobs that had not ended, of each kind, when sweeps have looked; `None` if none has.
    pub depth: Option<Depth>,
}

impl StoredSlot {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }

    /// A sweep has looked.
    pub fn note(&mut self, depth: Depth) {
        self.depth = Some(self.depth.map_or(depth, |known| known.max(depth)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn of(durations: &[Duration]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|duration| histogram.count(*duration));
        histogram
    }

    #[test]
    fn each_bucket_is_twice_as_wide() {
        for (millis, bucket) in
            [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1023, 10), (1024, 11), (4_194_303, 22), (4_194_304, 23)]
        {
            assert_eq!(of(&[MS * millis]).buckets()[bucket], 1, "{millis} ms");
        }
        assert_eq!(of(&[Duration::MAX, MS / 2]).buckets()[23], 1);
        assert_eq!(of(&[MS / 2]).buckets()[0], 1);
    }

    #[test]
    fn percentiles_are_upper_bounds() {
        assert_eq!(Histogram::default().percentile(50), None);
        // one of each
        let one = of(&[MS * 5]);
        assert_eq!([0, 50, 100].map(|percent| one.percentile(percent)), [Some(MS * 8); 3]);
        // 90 short ones, 9 longer ones, and one very long one
        let mut many = Histogram::default();
        many.put(0, 90);
        many.put(7, 9);
        many.put(23, 1);
        let percentiles = [50, 90, 91, 95, 99, 100].map(|percent| many.percentile(percent).unwrap());
        assert_eq!(percentiles, [MS, MS, MS * 128, MS * 128, MS * 128, MS * (1 << 23)]);
        let mut full = Histogram::default();
        full.put(3, u64::MAX);
        full.put(4, u64::MAX);
        assert_eq!(full.percentile(50), Some(MS * 8), "it does not overflow");
        full.put(24, 1);
        assert_eq!(full.total(), u64::MAX);
    }

    #[test]
    fn sums_are_added() {
        let mut sums = Sums { completed: 1, waits: of(&[MS]), ..Sums::default() };
        sums.errors.add("no #", "no 1", 2);
        let mut more = Sums { completed: 2, failed: u64::MAX, retried: 3, ..Sums::default() };
        more.runs.count(MS);
        more.errors.add("no #", "no 2", 3);
        more.errors.add("down", "down", 1);
        sums.add(&more);
        sums.add(&Sums { failed: 1, ..Sums::default() });
        assert_eq!((sums.completed, sums.failed, sums.retried), (3, u64::MAX, 3));
        assert_eq!((sums.waits.total(), sums.runs.total()), (1, 1));
        let errors: Vec<_> =
            sums.errors.clone().into_sorted().into_iter().map(|e| (e.pattern, e.example, e.count)).collect();
        assert_eq!(errors, [("no #".into(), "no 1".into(), 5), ("down".into(), "down".into(), 1)]);
    }

    #[test]
    fn a_frequent_error_is_kept_among_many_rare_ones() {
        let mut errors = ErrorSums::default();
        for number in 0..1_000 {
            errors.add(&format!("rare {number}"), "", 1);
            errors.add("frequent", &"é".repeat(200), 1);
        }
        let errors = errors.into_sorted();
        assert_eq!(errors.len(), ErrorSums::MAX);
        let frequent = errors.iter().find(|error| error.pattern == "frequent").expect("it is kept");
        assert!(frequent.count >= 1_000);
        assert_eq!(frequent.example, "é".repeat(128), "an example is cut between letters");
    }

    #[test]
    fn slots_have_numbers_and_beginnings() {
        let at = Timestamp::from_millis(3_600_000 * 7 + 61_000);
        let slots = HistoryStep::ALL
            .iter()
            .map(|step| (step.slot_at(at), step.begin_of(step.slot_at(at)).as_millis()));
        let hour = 3_600_000 * 7;
        assert!(slots.eq([(421, hour + 60_000), (42, hour), (7, hour)]));
        let mut slot = StoredSlot::new(at);
        slot.note(Depth::new(1, 5, 0));
        slot.note(Depth::new(2, 3, 1));
        assert_eq!(slot.depth, Some(Depth::new(2, 5, 1)));
    }
}
