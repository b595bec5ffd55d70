//! Operations on the queues of tasks, for operators.

mod drained;
mod gates;
mod pauses;
mod purge;

use crate::adapter::{AdapterError, LimitKey};
use crate::contract::{Collects, Task};
use crate::dispatch::IntoKey;
use crate::handle::{Expected, JobHandle};
use crate::setup::Setup;

pub use drained::Drained;
pub(crate) use gates::gated;
pub use gates::{TaskGate, TaskLimit, TaskRate};
pub use pauses::{PausedTask, TaskPause, TaskResume};
pub use purge::{Purge, Purged};

/// The queues of an app's tasks, see [`App::queues`](crate::App::queues).
#[derive(Debug)]
pub struct Queues<'a> {
    setup: &'a Setup,
}

impl<'a> Queues<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self { setup }
    }

    /// The unfinished job that owns a key of [`deduplicate`](crate::Dispatch::deduplicate); `None` if the key is free.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn owner_of<T: Task>(
        &self,
        key: impl IntoKey,
    ) -> Result<Option<JobHandle<T::Output>>, AdapterError> {
        let Some(key) = key.to_key() else { return Ok(None) };
        let owner = self.setup.adapter().admissions().key_owner(T::NAME, &key).await?;
        Ok(owner.map(|id| {
            JobHandle::attached(self.setup.clone(), id, Some(Expected::new(T::NAME.into(), &T::OPTIONS)))
        }))
    }

    /// Frees a key of [`deduplicate`](crate::Dispatch::deduplicate), so that the next dispatch is stored although the owner
    /// has not ended. The owner goes on. Returns the owner, or `None` if the key was free.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn release_key<T: Task>(
        &self,
        key: impl IntoKey,
    ) -> Result<Option<JobHandle<T::Output>>, AdapterError> {
        let Some(key) = key.to_key() else { return Ok(None) };
        let owner = self.setup.adapter().admissions().release_key(T::NAME, &key).await?;
        Ok(owner.map(|id| {
            JobHandle::attached(self.setup.clone(), id, Some(Expected::new(T::NAME.into(), &T::OPTIONS)))
        }))
    }

    /// The items that gather now under a key of a task with [`collect`](macro@crate::task) go at once. Returns whether there were some;
    /// `true` may also mean that an earlier try of this call has seen them. The key of a task that collects without one is `"*"`.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[derive(Task, Serialize, Deserialize)]
    /// # #[task(output = (), collect(key = |t| t.table, delay = "2s", max_size = 100))]
    /// # struct InsertRow { table: String }
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch(InsertRow { table: "orders".into() }).await?;
    /// assert!(app.queues().flush::<InsertRow>("orders").await?);
    /// assert!(!app.queues().flush::<InsertRow>("customers").await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the key is not 1 to 200 bytes long; otherwise if the store cannot be reached.
    pub async fn flush<T: Collects>(&self, key: impl IntoKey) -> Result<bool, AdapterError> {
        let key = collect_key::<T>(&key)?;
        self.setup.adapter().control().flush(&gated(T::NAME, &T::OPTIONS), &key).await
    }
}

/// A key under which items gather.
pub(crate) fn collect_key<T: Collects>(key: &impl IntoKey) -> Result<LimitKey, AdapterError> {
    key.to_key().and_then(LimitKey::new).ok_or_else(|| key_length(T::NAME))
}

fn key_length(task: &str) -> AdapterError {
    AdapterError::Config(format!("the key of a job of `{task}` has 1 to {} bytes", LimitKey::MAX))
}
