//! Dispatches that store a job only if its key allows it: `throttle`, `debounce` and `deduplicate`.

use std::time::Duration;

use super::asked::AskedRule;
use super::key::IntoKey;
use super::many::Many;
use super::state::{
    Debounced, Deduplicated, Follows, Leaves, Rejecting, Replaces, RuleState, Throttled, Unruled,
};
use super::{Dispatch, Dispatched};
use crate::adapter::Otherwise;
use crate::contract::Task;
use crate::handle::JobHandle;
use crate::job::JobState;

const LEAVES: AskedRule = AskedRule::Deduplicate { while_in: None, otherwise: Otherwise::Drop };

impl<Out: 'static, R: RuleState> Dispatch<JobHandle<Out>, R> {
    /// Stores the job only if fewer than `max` jobs with this key were stored in the last `window`, a sliding one. Otherwise
    /// nothing is stored, the window is not extended, and the handle says [`Outcome::Throttled`](crate::Outcome::Throttled)
    /// with the time to wait before you try again.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::time::Duration;
    /// # #[task] async fn alert(host: String) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let hour = Duration::from_secs(3_600);
    /// let alert = |host: &str| app.dispatch(Alert { host: host.into() }).throttle(host, 1, hour);
    /// assert_eq!(alert("db-1").await?.outcome(), &Outcome::Enqueued);
    /// assert!(matches!(alert("db-1").await?.outcome(), Outcome::Throttled { .. }));
    /// assert_eq!(alert("db-2").await?.outcome(), &Outcome::Enqueued);
    /// # Ok(()) }
    /// ```
    ///
    /// - `max` is 1 to 1,000, `window` above zero. Use the same values for all dispatches of a key.
    /// - Keys belong to one task. The store's clock counts, so all processes share one window.
    /// - A stored job stays counted, even if it is cancelled. A known [`id`](Dispatch::id) is a duplicate, and does not
    ///   count again.
    pub fn throttle(
        mut self,
        key: impl IntoKey,
        max: u32,
        window: Duration,
    ) -> Dispatch<JobHandle<Out>, Throttled>
    where
        R: Unruled,
    {
        self.options.key = key.to_key();
        self.ruled(AskedRule::Throttle { max, window })
    }

    /// Runs one job for all jobs that are dispatched with this key: `delay` after the last of them, with its payload.
    /// **Without [`max_wait`](Dispatch::max_wait), constant traffic postpones the job for ever.**
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::time::Duration;
    /// # #[task] async fn reindex(document: u32, revision: u32) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let (delay, max_wait) = (Duration::from_secs(5), Duration::from_secs(60));
    /// let first = app.dispatch(Reindex { document: 7, revision: 1 }).debounce(7, delay).max_wait(max_wait).await?;
    /// let second = app.dispatch(Reindex { document: 7, revision: 2 }).debounce(7, delay).max_wait(max_wait).await?;
    /// assert_eq!(second.outcome(), &Outcome::Replaced(first.id().clone()));   // one job, of revision 2
    /// # Ok(()) }
    /// ```
    ///
    /// - While the job is delayed, each dispatch replaces its payload, its annotations, its priority and its ttl, and moves
    ///   its due time. All handles belong to that one job. If the due time has passed while no worker ran, it no longer
    ///   moves.
    /// - Once the job has become ready, the next dispatch makes a new job: a job that waits, runs or is retried is never
    ///   changed.
    /// - You cannot combine it with `delay`, `at` or `id`: the dispatch then returns [`DispatchError::InvalidOption`](crate::DispatchError::InvalidOption).
    pub fn debounce(mut self, key: impl IntoKey, delay: Duration) -> Dispatch<JobHandle<Out>, Debounced>
    where
        R: Unruled,
    {
        self.options.key = key.to_key();
        self.ruled(AskedRule::Debounce { delay, max_wait: None })
    }

    /// Stores the job only if no unfinished job has this key. Otherwise the handle is that job's, and says
    /// [`Outcome::Duplicate`](crate::Outcome::Duplicate).
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn sync(account: u32) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let first = app.dispatch(Sync { account: 7 }).deduplicate(7).await?;
    /// let second = app.dispatch(Sync { account: 7 }).deduplicate(7).await?;
    /// assert_eq!(second.outcome(), &Outcome::Duplicate(first.id().clone()));
    /// # Ok(()) }
    /// ```
    ///
    /// - A job owns its key from when it is stored until it ends, however it ends: completed, failed, cancelled, expired.
    ///   The key is freed in the same step. Retries, rescues, delays and the passing of time do not free it.
    /// - [`while_in`](Dispatch::while_in) says in which states an owner counts; [`replace`](Dispatch::replace) and
    ///   [`keep_last`](Dispatch::keep_last) say what else can happen to a job that is kept out.
    /// - Keys belong to one task. For work that must be done only once, give the job an [`id`](Dispatch::id): a known id is
    ///   a duplicate, whatever its key.
    pub fn deduplicate(mut self, key: impl IntoKey) -> Dispatch<JobHandle<Out>, Deduplicated<Leaves>>
    where
        R: Unruled,
    {
        self.options.key = key.to_key();
        self.ruled(LEAVES)
    }

    /// Returns an error if the job is not stored: [`DispatchError::Throttled`](crate::DispatchError::Throttled) or [`DispatchError::Duplicate`](crate::DispatchError::Duplicate). Not
    /// available for many jobs, whose handles say it one by one.
    pub fn reject_as_error(mut self) -> Self
    where
        R: Rejecting,
    {
        self.options.rejects = true;
        self
    }
}

impl<T: Task, R: RuleState> Dispatch<Many<T>, R> {
    /// Like `throttle` of a single dispatch, with a key for each job:
    /// `app.dispatch_many(alerts).throttle(|alert| alert.host.clone(), 3, window)`.
    pub fn throttle<K: IntoKey>(
        mut self,
        key: impl Fn(&T) -> K,
        max: u32,
        window: Duration,
    ) -> Dispatch<Many<T>, Throttled>
    where
        R: Unruled,
    {
        self.request.set_keys(key);
        self.ruled(AskedRule::Throttle { max, window })
    }

    /// Like `debounce` of a single dispatch, with a key for each job.
    pub fn debounce<K: IntoKey>(
        mut self,
        key: impl Fn(&T) -> K,
        delay: Duration,
    ) -> Dispatch<Many<T>, Debounced>
    where
        R: Unruled,
    {
        self.request.set_keys(key);
        self.ruled(AskedRule::Debounce { delay, max_wait: None })
    }

    /// Like `deduplicate` of a single dispatch, with a key for each job:
    /// `app.dispatch_many(syncs).deduplicate(|sync| sync.account)`.
    pub fn deduplicate<K: IntoKey>(mut self, key: impl Fn(&T) -> K) -> Dispatch<Many<T>, Deduplicated<Leaves>>
    where
        R: Unruled,
    {
        self.request.set_keys(key);
        self.ruled(LEAVES)
    }
}

impl<H: Dispatched> Dispatch<H, Debounced> {
    /// The job becomes ready at most this long after the first dispatch of its key, whatever comes later. Must be longer
    /// than `delay`.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        if let Some(AskedRule::Debounce { max_wait: wait, .. }) = &mut self.options.rule {
            *wait = Some(max_wait);
        }
        self
    }
}

impl<H: Dispatched, Other: 'static> Dispatch<H, Deduplicated<Other>>
where
    Deduplicated<Other>: RuleState,
{
    /// The states in which a job keeps others with its key out: some of waiting, delayed, active and retrying; all four by
    /// default. With `while_in([JobState::Waiting, JobState::Delayed])`, one job may run while one waits. A job in another
    /// state loses its key to the new one.
    ///
    /// For a terminal state, the dispatch returns [`DispatchError::InvalidOption`](crate::DispatchError::InvalidOption).
    pub fn while_in(mut self, states: impl IntoIterator<Item = JobState>) -> Self {
        if let Some(AskedRule::Deduplicate { while_in, .. }) = &mut self.options.rule {
            *while_in = Some(states.into_iter().collect());
        }
        self
    }

    fn otherwise<Next: 'static>(mut self, new: Otherwise) -> Dispatch<H, Deduplicated<Next>>
    where
        Deduplicated<Next>: RuleState,
    {
        if let Some(AskedRule::Deduplicate { otherwise, .. }) = &mut self.options.rule {
            *otherwise = new;
        }
        self.known_as()
    }
}

impl<H: Dispatched> Dispatch<H, Deduplicated<Leaves>> {
    /// If the job that has the key was never claimed, it gets this one's payload, annotations, attempts and ttl, and keeps
    /// its id, its place and its due time: [`Outcome::Replaced`](crate::Outcome::Replaced). If it was claimed before, it
    /// stays as it is, and this job is a duplicate.
    pub fn replace(self) -> Dispatch<H, Deduplicated<Replaces>> {
        self.otherwise(Otherwise::Replace)
    }

    /// The newest dispatch runs last: a run begins after it, and two never run at once. If the job that has the key was
    /// never claimed, this one replaces it, like [`replace`](Dispatch::replace). Otherwise this job waits for its end,
    /// however it ends, and then joins the line. At most one job waits like this; a later one replaces it.
    ///
    /// Meanwhile the job is `waiting`, and its [`JobInfo::blocked`](crate::JobInfo) names the other job. It can be
    /// cancelled, and may expire.
    pub fn keep_last(self) -> Dispatch<H, Deduplicated<Follows>> {
        self.otherwise(Otherwise::Follow { cancel_running: false })
    }
}

impl<H: Dispatched> Dispatch<H, Deduplicated<Follows>> {
    /// Cancels the job that this one waits for: at once if it waits for its next attempt; otherwise its worker is told, as
    /// by [`JobHandle::cancel`].
    pub fn cancel_running(self) -> Self {
        self.otherwise(Otherwise::Follow { cancel_running: true })
    }
}

impl<H: Dispatched, R: RuleState> Dispatch<H, R> {
    pub(super) fn ruled<Next: RuleState>(mut self, rule: AskedRule) -> Dispatch<H, Next> {
        self.options.rule = Some(rule);
        self.known_as()
    }
}
