//! What can be done with one job.

use std::time::Duration;

use crate::adapter::{Acted, Actions, Revival};
use crate::error::{Action, ActionError};
use crate::handle::JobHandle;
use crate::job::JobInfo;

/// How often a job that ends again in between is asked about anew.
const TRIES: usize = 5;
/// The reason for those who wait for a job that is deleted.
const DELETED: &str = "the job was deleted";

impl<Out> JobHandle<Out> {
    /// Runs a job again that has failed, was cancelled or has expired. It keeps its id, so handles and links stay valid, and
    /// waits behind the other jobs of its priority, as if it had just been dispatched: its attempts count from 0, and its
    /// ttl begins anew. Its log lines stay, its progress does not. A key of
    /// [`deduplicate`](crate::Dispatch::deduplicate) that it once had is not taken back.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// static IS_UP: AtomicBool = AtomicBool::new(false);
    ///
    /// #[task]
    /// async fn charge() -> Result<u32, TaskError> {
    ///     if IS_UP.load(Ordering::Relaxed) { Ok(5) } else { Err(TaskError::msg("the provider is down")) }
    /// }
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = App::new(MemoryAdapter::new());
    /// # let worker = Worker::builder(&app).register::<Charge>().start().await?;
    /// let job = app.dispatch(Charge {}).await?;
    /// assert_eq!(job.result().await.unwrap_err().to_string(), "the provider is down");
    ///
    /// IS_UP.store(true, Ordering::Relaxed);
    /// job.retry().await?;
    /// assert_eq!(job.result().await?, 5);
    /// # worker.shutdown().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError`]; [`ActionError::State`] if the job has not ended, or has completed.
    pub async fn retry(&self) -> Result<(), ActionError> {
        let mut acted = Acted::NotFound;
        for _ in 0..TRIES {
            acted = match self.info().await? {
                None => Acted::NotFound,
                Some(JobInfo { state, finished_at: Some(ended_at), .. }) if state.may_be_revived() => {
                    let revival = Revival { id: self.id().clone(), ended_at, delay: Duration::ZERO };
                    let revived = self.actions().revive(vec![revival]).await;
                    only(revived.map_err(|source| self.adapter_error(source))?)
                }
                Some(info) => Acted::Is(info.state),
            };
            // otherwise it was retried meanwhile, and has ended again
            if !matches!(acted, Acted::Is(state) if state.may_be_revived()) {
                break;
            }
        }
        Action::Retry.judge(self.id(), acted)
    }

    /// Makes a delayed or retrying job due now. It waits for a worker like any other job of its priority. Its attempts
    /// stay counted.
    ///
    /// # Errors
    /// [`ActionError`]; [`ActionError::State`] if the job is neither delayed nor retrying.
    pub async fn run_now(&self) -> Result<(), ActionError> {
        self.make_sure().await?;
        let acted = self.actions().promote(self.id()).await.map_err(|source| self.adapter_error(source))?;
        Action::RunNow.judge(self.id(), acted)
    }

    /// Removes the job with all that is known about it, whether it has ended or not; its id can then be used again. Whoever
    /// waits for its result is told that it was cancelled. A job that waits in line may stay in the store, as cancelled,
    /// until workers have passed its place.
    ///
    /// # Errors
    /// [`ActionError`]; [`ActionError::State`] if a worker runs the job: [cancel](JobHandle::cancel) it first.
    pub async fn delete(&self) -> Result<(), ActionError> {
        self.make_sure().await?;
        let ids = std::slice::from_ref(self.id());
        let acted = self.actions().delete(ids, DELETED).await.map_err(|source| self.adapter_error(source))?;
        Action::Delete.judge(self.id(), only(acted))
    }

    fn actions(&self) -> &dyn Actions {
        self.setup().adapter().actions()
    }
}

/// What became of the only job.
fn only(acted: Vec<Acted>) -> Acted {
    acted.into_iter().next().unwrap_or(Acted::NotFound)
}
