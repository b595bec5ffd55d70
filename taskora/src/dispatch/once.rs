//! Idempotency keys: one job or workflow per key, however often it is dispatched, and even longer than retention keeps it.

use std::time::Duration;

use super::asked::AskedRule;
use super::key::IntoKey;
use super::many::Many;
use super::state::{Idempotent, RuleState, Unruled};
use super::{Dispatch, Dispatched};
use crate::contract::Task;
use crate::handle::JobHandle;
use crate::workflow::WorkflowHandle;

impl<Out: 'static, R: RuleState> Dispatch<JobHandle<Out>, R> {
    /// Dispatches the job once. For `life` after the first dispatch, every other dispatch with the key returns the handle of
    /// that job with [`Outcome::Duplicate`](crate::Outcome::Duplicate), even after retention has removed the job.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use taskora::DispatchError;
    /// # use std::time::Duration;
    /// # #[task] async fn charge_card(order: u32, cents: u64) {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let charge = |cents| app.dispatch(ChargeCard { order: 42, cents }).idempotency("order-42", day);
    /// let first = charge(999).await?;
    /// assert_eq!(charge(999).await?.outcome(), &Outcome::Duplicate(first.id().clone()));
    /// assert!(matches!(charge(100).await, Err(DispatchError::KeyReused { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// - If the job fails, is cancelled or expires, its key is freed in the same step, unless you set
    ///   [`keep_failures`](Dispatch::keep_failures).
    /// - The same key with another payload is [`DispatchError::KeyReused`](crate::DispatchError::KeyReused): two different requests use the same key by
    ///   mistake.
    /// - Keys belong to one task. `life` is above zero and at most 366 days; choose it longer than the job may take.
    /// - The handler reads the key with [`Context::idempotency_key`](crate::Context::idempotency_key), to pass it on.
    pub fn idempotency(mut self, key: impl IntoKey, life: Duration) -> Dispatch<JobHandle<Out>, Idempotent>
    where
        R: Unruled,
    {
        self.options.key = key.to_key();
        self.ruled(AskedRule::Once { life, keep_failures: false })
    }
}

impl<T: Task, R: RuleState> Dispatch<Many<T>, R> {
    /// Like `idempotency` of a single dispatch, with a key for each job:
    /// `app.dispatch_many(charges).idempotency(|charge| charge.order, life)`. If one of the keys stands for another payload,
    /// the dispatch returns [`DispatchError::KeyReused`](crate::DispatchError::KeyReused), although the other jobs are stored: dispatching again is harmless.
    pub fn idempotency<K: IntoKey>(
        mut self,
        key: impl Fn(&T) -> K,
        life: Duration,
    ) -> Dispatch<Many<T>, Idempotent>
    where
        R: Unruled,
    {
        self.request.set_keys(key);
        self.ruled(AskedRule::Once { life, keep_failures: false })
    }
}

impl<Out: 'static, R: RuleState> Dispatch<WorkflowHandle<Out>, R> {
    /// Like `idempotency` of a job: the key stands for the workflow, even after retention has removed it, and is freed if
    /// the workflow fails, is cancelled or expires. Workflows and jobs have separate keys.
    pub fn idempotency(
        mut self,
        key: impl IntoKey,
        life: Duration,
    ) -> Dispatch<WorkflowHandle<Out>, Idempotent>
    where
        R: Unruled,
    {
        self.options.key = key.to_key();
        self.ruled(AskedRule::Once { life, keep_failures: false })
    }
}

impl<H: Dispatched> Dispatch<H, Idempotent> {
    /// Keeps the key for its whole life, even if the job or workflow fails, is cancelled or expires. So it is not run again.
    pub fn keep_failures(mut self) -> Self {
        if let Some(AskedRule::Once { keep_failures, .. }) = &mut self.options.rule {
            *keep_failures = true;
        }
        self
    }
}
