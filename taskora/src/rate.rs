//! How many jobs may start in a time.

use std::fmt;
use std::time::Duration;

/// How many jobs may start in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// So many starts, above 0 ..
    pub max: u32,
    /// .. in each such time.
    pub per: Duration,
    /// A token bucket of this size instead of a window.
    pub burst: Option<u32>,
}

impl Rate {
    /// The most starts that a window counts one by one.
    pub const LARGEST_WINDOW: u32 = 1_000;
    /// The longest `per`, and the longest time in which a bucket becomes full: a year.
    pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// A window: at most so many starts in each such time.
    #[must_use]
    pub const fn new(max: u32, per: Duration) -> Self {
        Self { max, per, burst: None }
    }

    /// A token bucket of this size.
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// The most that it ever gives at once: `max` of a window, `burst` of a bucket.
    #[must_use]
    pub const fn at_once(&self) -> u32 {
        match self.burst {
            Some(burst) => burst,
            None => self.max,
        }
    }

    /// In a bucket, the time after which a token comes back, in microseconds.
    #[must_use]
    pub fn interval(&self) -> u64 {
        // a store counts `per` in milliseconds, rounded up
        let micros = self.per.as_nanos().div_ceil(1_000_000) * 1_000;
        u64::try_from(micros.div_ceil(self.max.max(1).into())).unwrap_or(u64::MAX)
    }
}

/// `at most 100 in 60s`, or `100 in 60s, 10 at once`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.burst {
            None => write!(f, "at most {} in {:?}", self.max, self.per),
            Some(burst) => write!(f, "{} in {:?}, {burst} at once", self.max, self.per),
        }
    }
}
