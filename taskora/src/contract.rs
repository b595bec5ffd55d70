//! The contract of a task: what producers and workers agree on.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::collect::Collect;
#[cfg(feature = "runtime")]
use crate::map::Map;
use crate::policy::{RetryPolicy, Ttl};
use crate::rate::Rate;
#[cfg(feature = "runtime")]
use crate::schedules::SchedulesInCode;

/// A contract: the arguments of a task (the type itself), its name, its output and its options.
///
/// Implemented by [`#[task]`](macro@crate::task) for the struct that it generates from a function's arguments, and by
/// [`#[derive(Task)]`](macro@crate::Task) for a struct that producers and workers share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task's contract",
    label = "not a contract",
    note = "a contract is the struct that `#[task]` makes of a function, or a struct with `#[derive(Task)]`"
)]
pub trait Task: Data {
    /// What an attempt returns when it succeeds.
    type Output: Data;

    /// The name that jobs carry, in kebab-case by default.
    const NAME: &'static str;

    /// The options of every job of this task, wherever it is dispatched or run.
    const OPTIONS: TaskOptions = TaskOptions::new();

    /// The types of the arguments, as a tuple.
    #[doc(hidden)]
    type Arguments;

    /// The key that limits by key count this job by, or under which it gathers; `None` if it has none.
    #[doc(hidden)]
    fn limit_key(&self) -> Option<String> {
        None
    }

    /// How many starts of its rates each start of this job counts as; 0 counts as 1.
    #[doc(hidden)]
    fn cost(&self) -> u32 {
        1
    }

    #[doc(hidden)]
    fn from_arguments(arguments: Self::Arguments) -> Self;

    /// From the list of its arguments.
    #[doc(hidden)]
    fn read_arguments<R: ReadArguments>(arguments: R) -> Result<Self, R::Error>;

    /// One job per item, side by side; the result is the `Vec` of their outputs, in order.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn resize(image: String) -> u64 { 0 }
    /// let images = ["a.png", "b.png"].map(|image| Resize { image: image.into() });
    /// let sizes: taskora::workflow::Map<Resize> = Resize::map(images);   // returns a `Vec<u64>`
    /// # let _ = sizes;
    /// ```
    #[cfg(feature = "runtime")]
    fn map(items: impl IntoIterator<Item = Self>) -> Map<Self> {
        Map { items: items.into_iter().collect(), size: None }
    }

    /// Like [`Task::map`], with at most `size` jobs at a time: the next `size` items start when the ones before have
    /// completed. The result is the `Vec` of all results, in order. A `size` of 0 is an error at the dispatch.
    #[cfg(feature = "runtime")]
    fn chunk(items: impl IntoIterator<Item = Self>, size: usize) -> Map<Self> {
        Map { items: items.into_iter().collect(), size: Some(size) }
    }
}

/// A contract with [`collect`](macro@crate::task), whose jobs gather and are run in batches.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not collect",
    label = "a contract without `collect`",
    note = "jobs gather if their contract says so: `#[derive(Task)] #[task(collect(delay = \"2s\", max_size = 100))]`"
)]
pub trait Collects: Task {}

/// The arguments of a contract, one after the other, each in its own type's format.
#[doc(hidden)]
pub trait ReadArguments: Sized {
    /// Why an argument cannot be read.
    type Error;

    /// Begins a list of this length.
    fn start(&mut self, count: usize) -> Result<(), Self::Error>;

    /// The next argument.
    fn next<T: Data>(&mut self) -> Result<T, Self::Error>;

    /// The next argument, whose field has another format than its type.
    fn custom<T>(&mut self) -> Result<T, Self::Error>;
}

/// What can be sent through the queue: arguments and outputs. Implemented for every owned type with `Serialize` and
/// `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel through the queue",
    label = "`{Self}` does not implement serde's `Serialize` and `Deserialize`, or is not `Send`, or borrows",
    note = "arguments and outputs are stored as JSON: add `#[derive(Serialize, Deserialize)]` to `{Self}`; an array of more than 32 values is a `Vec`",
    note = "an argument that belongs to the worker, such as a connection, is a `State<{Self}>` instead; under an alias of `State`, mark it with `#[inject]`"
)]
pub trait Data: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Data for T {}

/// The options of a contract. The macros set them one by one.
#[derive(Debug, Clone, Copy)]
pub struct TaskOptions {
    aliases: &'static [&'static str],
    retry: RetryPolicy,
    timeout: Option<Duration>,
    priority: i16,
    lease: Option<Duration>,
    max_stalls: u32,
    ttl: Option<Ttl>,
    #[cfg(feature = "runtime")]
    schedules: Option<SchedulesInCode>,
    limit: Option<u32>,
    key_limit: Option<KeyLimit>,
    rate: Option<Rate>,
    key_rate: Option<Rate>,
    collect: Option<Collect>,
}

/// How the jobs of a task that have the same key are limited, in all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLimit {
    /// Not at all; keys take turns.
    Turns,
    /// At most so many run at once, above 0; keys take turns.
    AtMost(u32),
    /// They run strictly one after the other: the next one begins when the one before has ended, its retries included.
    InOrder,
}

impl TaskOptions {
    /// The defaults: one attempt, no timeout, priority 0, the worker's lease, one recovery.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            aliases: &[],
            retry: RetryPolicy::NONE,
            timeout: None,
            priority: 0,
            lease: None,
            max_stalls: 1,
            ttl: None,
            #[cfg(feature = "runtime")]
            schedules: None,
            limit: None,
            key_limit: None,
            rate: None,
            key_rate: None,
            collect: None,
        }
    }

    /// Older names under which jobs may still be stored; workers claim those too.
    #[must_use]
    pub const fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// How often the task is attempted.
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The limit of one attempt; its future is dropped when it passes.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The priority of jobs that are dispatched without one, −1,000 to 1,000; higher goes first.
    #[must_use]
    pub const fn with_priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// The length of this task's leases, instead of the worker's.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How often a job may be rescued from dead workers before it fails; 1 by default.
    #[must_use]
    pub const fn with_max_stalls(mut self, max: u32) -> Self {
        self.max_stalls = max;
        self
    }

    /// How long a job may wait to start; a dispatch may set another time.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    #[cfg(feature = "runtime")]
    #[doc(hidden)]
    #[must_use]
    pub const fn with_schedules(mut self, schedules: SchedulesInCode) -> Self {
        self.schedules = Some(schedules);
        self
    }

    #[cfg(feature = "runtime")]
    pub(crate) const fn schedules(&self) -> Option<SchedulesInCode> {
        self.schedules
    }

    /// How many jobs of this task run at once, in all processes together; above 0.
    #[must_use]
    pub const fn with_limit(mut self, max: u32) -> Self {
        self.limit = Some(max);
        self
    }

    /// How jobs with the same key are limited.
    #[must_use]
    pub const fn with_key_limit(mut self, limit: KeyLimit) -> Self {
        self.key_limit = Some(limit);
        self
    }

    /// How many jobs of this task start in a time, in all processes together.
    #[must_use]
    pub const fn with_rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// How many jobs of each key start in a time, in all processes together. The key is that of
    /// [`with_key_limit`](TaskOptions::with_key_limit), without which this has no effect.
    #[must_use]
    pub const fn with_key_rate(mut self, rate: Rate) -> Self {
        self.key_rate = Some(rate);
        self
    }

    /// How jobs of this task gather, to be run in batches.
    #[must_use]
    pub const fn with_collect(mut self, collect: Collect) -> Self {
        self.collect = Some(collect);
        self
    }

    /// See [`TaskOptions::with_aliases`].
    #[must_use]
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// See [`TaskOptions::with_retry`].
    #[must_use]
    pub const fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// See [`TaskOptions::with_timeout`]; no limit by default.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// See [`TaskOptions::with_priority`].
    #[must_use]
    pub const fn priority(&self) -> i16 {
        self.priority
    }

    /// See [`TaskOptions::with_lease`].
    #[must_use]
    pub const fn lease(&self) -> Option<Duration> {
        self.lease
    }

    /// See [`TaskOptions::with_max_stalls`].
    #[must_use]
    pub const fn max_stalls(&self) -> u32 {
        self.max_stalls
    }

    /// See [`TaskOptions::with_ttl`]; no limit by default.
    #[must_use]
    pub const fn ttl(&self) -> Option<Ttl> {
        self.ttl
    }

    /// See [`TaskOptions::with_limit`]; no limit by default.
    #[must_use]
    pub const fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// See [`TaskOptions::with_key_limit`]; no limit by default.
    #[must_use]
    pub const fn key_limit(&self) -> Option<KeyLimit> {
        self.key_limit
    }

    /// See [`TaskOptions::with_rate`]; none by default.
    #[must_use]
    pub const fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// See [`TaskOptions::with_key_rate`]; none by default.
    #[must_use]
    pub const fn key_rate(&self) -> Option<Rate> {
        self.key_rate
    }

    /// See [`TaskOptions::with_collect`]; jobs run one by one by default.
    #[must_use]
    pub const fn collect(&self) -> Option<Collect> {
        self.collect
    }
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self::new()
    }
}
