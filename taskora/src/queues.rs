//! Operations on the queues of tasks, for operators.

mod gates;

use crate::adapter::AdapterError;
use crate::contract::Task;
use crate::dispatch::IntoKey;
use crate::handle::{Expected, JobHandle};
use crate::setup::Setup;

pub(crate) use gates::gated;
pub use gates::{TaskGate, TaskLimit, TaskPause, TaskRate, TaskResume};

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
}
