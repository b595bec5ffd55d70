//! What limits are: of a task, of each key of a task, and rates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{AdapterError, GatedTask};
use crate::contract::KeyLimit;
pub use crate::rate::Rate;

/// What a job is limited by: jobs of one task with the same key share the limits by key of that task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey(Arc<str>);

impl LimitKey {
    /// The most bytes of a key.
    pub const MAX: usize = 200;

    /// A key; `None` unless it has 1 to [`LimitKey::MAX`] bytes.
    #[must_use]
    pub fn new(key: impl Into<Arc<str>>) -> Option<Self> {
        let key = key.into();
        (1..=Self::MAX).contains(&key.len()).then_some(Self(key))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a contract says about the gate of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeclaredLimit {
    /// The task.
    pub task: GatedTask,
    /// How many of its jobs may run at once, above 0; `None`: as many as there are.
    pub max: Option<u32>,
    /// The limit of each of its keys. With one, jobs that have a key wait in the lane of their key, and lanes take turns.
    pub per_key: Option<PerKey>,
    /// How many of its jobs may start in a time.
    pub rate: Option<Rate>,
}

impl DeclaredLimit {
    /// No limits.
    #[must_use]
    pub const fn none(task: GatedTask) -> Self {
        Self { task, max: None, per_key: None, rate: None }
    }

    /// Limits how many jobs run at once.
    #[must_use]
    pub const fn max(mut self, max: Option<u32>) -> Self {
        self.max = max;
        self
    }

    /// Limits each key.
    #[must_use]
    pub const fn per_key(mut self, per_key: Option<PerKey>) -> Self {
        self.per_key = per_key;
        self
    }

    /// Limits how many jobs start in a time.
    #[must_use]
    pub const fn rate(mut self, rate: Option<Rate>) -> Self {
        self.rate = rate;
        self
    }

    /// Whether there is no limit.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.max.is_none() && self.per_key.is_none() && self.rate.is_none()
    }

    /// An error if one of the limits would never let a job run.
    pub fn check(&self) -> Result<(), AdapterError> {
        no_limit_of_zero(self.max)?;
        no_limit_of_zero(self.per_key.and_then(|per_key| per_key.max))?;
        let of_key = self.per_key.and_then(|per_key| per_key.rate);
        self.rate.into_iter().chain(of_key).try_for_each(|rate| rate.check())
    }
}

/// The limits of each key of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PerKey {
    /// How many jobs of one key may run at once, above 0; `None`: as many as there are, and keys only take turns.
    pub max: Option<u32>,
    /// A job holds its key from its first claim to its end, also while it waits for its next attempt.
    pub ordered: bool,
    /// How many jobs of one key may start in a time.
    pub rate: Option<Rate>,
}

impl PerKey {
    /// Keys take turns, and nothing else.
    #[must_use]
    pub const fn fair() -> Self {
        Self { max: None, ordered: false, rate: None }
    }

    /// At most so many jobs of a key run at once.
    #[must_use]
    pub const fn at_most(max: u32) -> Self {
        Self { max: Some(max), ordered: false, rate: None }
    }

    /// The jobs of a key run strictly one after the other.
    #[must_use]
    pub const fn ordered() -> Self {
        Self { max: Some(1), ordered: true, rate: None }
    }

    /// Limits how many jobs of one key start in a time.
    #[must_use]
    pub const fn rate(mut self, rate: Option<Rate>) -> Self {
        self.rate = rate;
        self
    }
}

impl From<KeyLimit> for PerKey {
    fn from(limit: KeyLimit) -> Self {
        match limit {
            KeyLimit::Turns => Self::fair(),
            KeyLimit::AtMost(max) => Self::at_most(max),
            KeyLimit::InOrder => Self::ordered(),
        }
    }
}

impl Rate {
    /// An error if it would never let a job start, or if a store cannot count it.
    pub fn check(&self) -> Result<(), AdapterError> {
        let refused = |message: &str| Err(AdapterError::Config(message.to_owned()));
        if self.max == 0 || self.burst == Some(0) {
            return refused(
                "a rate of 0 would never run the task; to stop it, pause it: `app.queues().pause(..)`",
            );
        }
        if !(Duration::from_millis(1)..=Self::LONGEST).contains(&self.per) {
            return refused("the time of a rate is 1 ms to 365 days");
        }
        match self.burst {
            None if self.max > Self::LARGEST_WINDOW => refused(
                "a window of more than 1,000 starts; give `burst`, as in `Rate::new(5000, MINUTE).burst(100)`",
            ),
            Some(burst) if u128::from(burst) * u128::from(self.interval()) > Self::LONGEST.as_micros() => {
                refused("a bucket that takes more than 365 days to become full")
            }
            _ => Ok(()),
        }
    }
}

/// The error for a limit of 0.
pub fn no_limit_of_zero(max: Option<u32>) -> Result<(), AdapterError> {
    if max == Some(0) {
        let message = "a limit of 0 would never run the task; to stop it, pause it: `app.queues().pause(..)`";
        return Err(AdapterError::Config(message.to_owned()));
    }
    Ok(())
}

/// The error for limits by key, of an adapter that has none.
pub fn no_keys<'a>(limits: impl IntoIterator<Item = &'a DeclaredLimit>) -> Result<(), AdapterError> {
    if limits.into_iter().any(|limit| limit.per_key.is_some()) {
        return Err(AdapterError::Config("this adapter has no limits by key".to_owned()));
    }
    Ok(())
}
