//! Pure decisions: is a failed attempt retried, and when.

use std::fmt;
use std::time::Duration;

/// How the delay between attempts grows. Names and formulas are those common among task queues.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub enum Backoff {
    /// `delay × 2^(attempt − 1)`: the default.
    #[default]
    Exponential,
    /// `delay × attempt`.
    Linear,
    /// Always `delay`.
    Fixed,
    /// What the function returns for the attempt that just failed, counted from 1.
    Custom(fn(u32) -> Duration),
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exponential => "Exponential",
            Self::Linear => "Linear",
            Self::Fixed => "Fixed",
            Self::Custom(_) => "Custom",
        })
    }
}

/// How often a task is attempted, and how long it waits in between.
///
/// ```
/// use std::time::Duration;
/// use taskora::RetryPolicy;
///
/// let retry = RetryPolicy::attempts(4).without_jitter();
/// assert_eq!(retry.delay_after(1, 0.5), Duration::from_secs(1));
/// assert_eq!(retry.delay_after(3, 0.5), Duration::from_secs(4));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    attempts: u32,
    backoff: Backoff,
    delay: Duration,
    max_delay: Option<Duration>,
    jitter: bool,
    timeouts: bool,
}

impl RetryPolicy {
    /// One attempt only: what a task without `retry` gets.
    pub const NONE: Self = Self::attempts(1);

    /// `attempts` in total, with exponential backoff from one second, jittered, and timeouts retried.
    ///
    /// Zero counts as one; the macro refuses it.
    #[must_use]
    pub const fn attempts(attempts: u32) -> Self {
        Self {
            attempts: if attempts == 0 { 1 } else { attempts },
            backoff: Backoff::Exponential,
            delay: Duration::from_secs(1),
            max_delay: None,
            jitter: true,
            timeouts: true,
        }
    }

    /// How the delay grows; exponential by default.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The base delay; one second by default.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The longest delay, including jitter; no limit by default.
    #[must_use]
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = Some(max_delay);
        self
    }

    /// Makes delays exact, without the ±25 % of jitter.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// Whether an attempt that timed out is retried; `true` by default.
    #[must_use]
    pub const fn timeouts(mut self, retried: bool) -> Self {
        self.timeouts = retried;
        self
    }

    /// Attempts in total, at least 1.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether timeouts are retried.
    #[must_use]
    pub const fn retries_timeouts(&self) -> bool {
        self.timeouts
    }

    /// Whether another attempt is allowed after `attempt`, counted from 1, has failed.
    #[must_use]
    pub const fn allows_after(&self, attempt: u32) -> bool {
        attempt < self.attempts
    }

    /// The delay after `attempt`, counted from 1, has failed. `random` is in `0.0..1.0`; it scales the delay by 75 % to 125
    /// %, unless jitter is off. The limit is applied last, and nothing overflows.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, random: f64) -> Duration {
        let attempt = attempt.max(1);
        let delay = match self.backoff {
            Backoff::Exponential => {
                self.delay.saturating_mul(1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX))
            }
            Backoff::Linear => self.delay.saturating_mul(attempt),
            Backoff::Fixed => self.delay,
            Backoff::Custom(delay_after) => delay_after(attempt),
        };
        let delay = if self.jitter {
            let spread = 0.75 + random.clamp(0.0, 1.0) * 0.5;
            Duration::try_from_secs_f64(delay.as_secs_f64() * spread).unwrap_or(Duration::MAX)
        } else {
            delay
        };
        self.max_delay.map_or(delay, |max| delay.min(max))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::NONE
    }
}

/// How many finished jobs of a task are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionLimit {
    /// Older jobs are removed.
    pub age: Duration,
    /// If there are more than this, the oldest are removed.
    pub count: usize,
}

/// How long finished jobs stay, per task. They are removed while jobs settle and by the periodic sweep, always in bounded
/// steps, so for a short time there may be a few hundred more than `count`. The handle of a removed job returns
/// [`JobError::NotFound`](crate::JobError::NotFound), so leave enough time to read results.
///
/// A job that was dispatched with an [`id`](crate::Dispatch::id) of your own stays for the whole `age`, however many jobs
/// the task completes in the meantime, because its id protects you from doing the same work twice. Such jobs have a separate
/// limit, [`Retention::MAX_NAMED`].
///
/// ```
/// use std::time::Duration;
/// use taskora::prelude::*;
/// use taskora::{RetentionLimit, Retention};
///
/// let retention = Retention::default().completed(RetentionLimit::new(Duration::from_secs(10 * 60), 100_000));
/// let app = App::builder(MemoryAdapter::new()).retention(retention).build();
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Jobs that completed: one hour or 10,000 by default.
    pub completed: RetentionLimit,
    /// Jobs that failed, were cancelled or expired: seven days or 10,000 of each by default.
    pub failed: RetentionLimit,
    /// Workflows that have ended, with all their jobs: 24 hours or 1,000 by default, over all workflows.
    pub workflows: RetentionLimit,
}

impl RetentionLimit {
    /// Finished jobs stay for `age`, and the newest `count` of them.
    #[must_use]
    pub const fn new(age: Duration, count: usize) -> Self {
        Self { age, count }
    }
}

impl Retention {
    /// The same limit for everything.
    #[must_use]
    pub const fn all(limit: RetentionLimit) -> Self {
        Self { completed: limit, failed: limit, workflows: limit }
    }

    /// Sets the limit for jobs that completed.
    #[must_use]
    pub const fn completed(mut self, limit: RetentionLimit) -> Self {
        self.completed = limit;
        self
    }

    /// Sets the limit for jobs that failed, were cancelled or expired.
    #[must_use]
    pub const fn failed(mut self, limit: RetentionLimit) -> Self {
        self.failed = limit;
        self
    }

    /// Sets the limit for workflows.
    #[must_use]
    pub const fn workflows(mut self, limit: RetentionLimit) -> Self {
        self.workflows = limit;
        self
    }

    /// How many finished jobs with an id of the caller's own are kept, per task and state, instead of [`RetentionLimit::count`].
    pub const MAX_NAMED: usize = 100_000;

    /// How far the number of finished jobs may exceed `count` before a worker's settlements remove the oldest ones. So they
    /// are removed in batches, not one by one. The periodic sweep removes the rest.
    pub const SLACK: usize = 64;
}

impl Default for Retention {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            completed: RetentionLimit { age: Duration::from_secs(HOUR), count: 10_000 },
            failed: RetentionLimit { age: Duration::from_secs(7 * 24 * HOUR), count: 10_000 },
            workflows: RetentionLimit { age: Duration::from_secs(24 * HOUR), count: 1_000 },
        }
    }
}

/// How long a job may wait to start, and what is kept of it if it does not start in time.
///
/// The deadline is the time at which the job becomes ready, plus [`Ttl::max`], by the store's clock. No attempt starts at or
/// after it: not the first one, not a retry, not one after a recovery from a dead worker. A running attempt is never
/// interrupted. If the retry after a failed attempt would be due at or after the deadline, the job fails at once, with that
/// attempt's error.
///
/// ```
/// use std::time::Duration;
/// use taskora::{OnExpire, Ttl};
///
/// let ttl = Ttl::new(Duration::from_secs(300)).on_expire(OnExpire::Discard);
/// assert_eq!(ttl.max(), Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    max: Duration,
    on_expire: OnExpire,
}

/// What is kept of an expired job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnExpire {
    /// The job ends as [`JobState::Expired`](crate::JobState::Expired) and is kept as long as failed jobs are: the default.
    #[default]
    Fail,
    /// Nothing is kept. Callers that await the result still get [`JobError::Expired`](crate::JobError::Expired). The end of
    /// a workflow's step is kept with the workflow.
    Discard,
}

impl Ttl {
    /// The job expires this long after it became ready. Less than a millisecond counts as one.
    #[must_use]
    pub const fn new(max: Duration) -> Self {
        Self { max, on_expire: OnExpire::Fail }
    }

    /// What is kept of an expired job; [`OnExpire::Fail`] by default.
    #[must_use]
    pub const fn on_expire(mut self, on_expire: OnExpire) -> Self {
        self.on_expire = on_expire;
        self
    }

    /// How long the job may wait after it became ready.
    #[must_use]
    pub const fn max(self) -> Duration {
        self.max
    }

    /// Whether nothing is kept of an expired job.
    #[must_use]
    pub const fn is_discarded(self) -> bool {
        matches!(self.on_expire, OnExpire::Discard)
    }

    /// The same rule with another time.
    #[must_use]
    pub const fn with_max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(retry: RetryPolicy, attempts: impl IntoIterator<Item = u32>) -> Vec<u64> {
        attempts.into_iter().map(|n| retry.delay_after(n, 0.5).as_millis() as u64).collect()
    }

    #[test]
    fn s032_exponential_doubles_from_the_base() {
        assert_eq!(delays(RetryPolicy::attempts(9).without_jitter(), 1..=4), [1000, 2000, 4000, 8000]);
    }

    #[test]
    fn s033_exponential_is_the_default() {
        let named = RetryPolicy::attempts(9).backoff(Backoff::Exponential).without_jitter();
        let default = RetryPolicy::attempts(9).without_jitter();
        assert_eq!(delays(named, 1..=6), delays(default, 1..=6));
    }

    #[test]
    fn s034_fixed_stays_and_linear_grows_by_the_base() {
        let fixed = RetryPolicy::attempts(9).backoff(Backoff::Fixed).without_jitter();
        assert_eq!(delays(fixed, [1, 2, 5]), [1000, 1000, 1000]);
        let linear = RetryPolicy::attempts(9).backoff(Backoff::Linear).without_jitter();
        assert_eq!(delays(linear, [1, 2, 5]), [1000, 2000, 5000]);
    }

    #[test]
    fn s035_a_custom_function_is_used_as_it_is_and_a_custom_base_doubles() {
        let custom = RetryPolicy::attempts(9)
            .backoff(Backoff::Custom(|n| Duration::from_millis(u64::from(n) * 7)))
            .without_jitter();
        assert_eq!(delays(custom, 1..=3), [7, 14, 21]);
        let base = RetryPolicy::attempts(9).delay(2 * SECOND).without_jitter();
        assert_eq!(delays(base, 1..=3), [2000, 4000, 8000]);
    }

    #[test]
    fn s038_without_jitter_the_random_number_changes_nothing() {
        let exact = RetryPolicy::attempts(9).without_jitter();
        assert_eq!(exact.delay_after(2, 0.0), exact.delay_after(2, 0.999));
        let none = RetryPolicy::attempts(9).backoff(Backoff::Custom(|_| Duration::ZERO));
        assert_eq!(none.delay_after(1, 0.9), Duration::ZERO);
    }

    #[test]
    fn s039_three_attempts_are_three_in_total() {
        let retry = RetryPolicy::attempts(3);
        assert_eq!([1, 2, 3, 4].map(|n| retry.allows_after(n)), [true, true, false, false]);
        assert!(!RetryPolicy::NONE.allows_after(1));
    }

    #[test]
    fn jitter_spreads_by_a_quarter_and_never_beyond_the_limit() {
        let retry = RetryPolicy::attempts(9);
        assert_eq!(retry.delay_after(1, 0.0), Duration::from_millis(750));
        assert_eq!(retry.delay_after(1, 1.0), Duration::from_millis(1250));
        assert_eq!(retry.max_delay(SECOND).delay_after(1, 1.0), SECOND);
    }

    #[test]
    fn absurd_attempts_saturate() {
        let retry = RetryPolicy::attempts(u32::MAX).delay(Duration::MAX);
        assert_eq!(retry.delay_after(u32::MAX, 1.0), Duration::MAX);
        assert_eq!(retry.max_delay(SECOND).delay_after(77, 0.3), SECOND);
    }
}
