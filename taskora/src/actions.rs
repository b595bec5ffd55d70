//! What can be done with one job.

mod replacement;

use std::time::Duration;

use crate::adapter::{Acted, Actions, MAX_PRIORITY, MIN_PRIORITY, Revival};
use crate::contract::Task;
use crate::dispatch::{Dispatch, Dispatchable};
use crate::error::{Action, ActionError};
use crate::handle::JobHandle;
use crate::job::JobInfo;
pub use replacement::{RERUN_OF, Replacement};

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

    /// Gives a job that is waiting, delayed or retrying another priority: −1,000 to 1,000, higher goes first. A job that waits goes
    /// behind the others of its new priority, as if it had just come. The jobs of an ordered key go in the order in which they came,
    /// whatever their priority. Nothing changes if the job has this priority already.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn import(file: String) {}
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let job = app.dispatch(Import { file: "urgent.csv".into() }).await?;
    /// job.reprioritise(9).await?;
    /// assert_eq!(job.info().await?.map(|info| info.priority), Some(9));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError`]; [`ActionError::State`] if the job runs or has ended, [`ActionError::InvalidPriority`] if there is no such priority.
    pub async fn reprioritise(&self, priority: i16) -> Result<(), ActionError> {
        if !(MIN_PRIORITY..=MAX_PRIORITY).contains(&priority) {
            return Err(ActionError::InvalidPriority { id: self.id().clone(), priority });
        }
        self.make_sure().await?;
        let acted = self.actions().reprioritise(self.id(), priority).await;
        Action::Reprioritise.judge(self.id(), acted.map_err(|source| self.adapter_error(source))?)
    }

    /// Replaces a job that is waiting, delayed or retrying, for example because its payload is wrong. In one step, the job ends as
    /// cancelled, with the reason "replaced by" and the new id, and a new job of the same task is stored. The new one keeps the old
    /// one's priority, annotations and due time; a job that waits goes behind the others of its priority. It takes over a key of
    /// `deduplicate`, `debounce` or `idempotency`. Its annotation [`RERUN_OF`] is the old id. Attempts count from 0, and everything else is
    /// as the contract says. A run of a schedule is replaced by a job that is none.
    ///
    /// Await it to get the handle of the new job; set its [`id`](Replacement::id) before that if you want to choose it. You can repeat
    /// a replacement with an id of your own, for example after an [`AdapterError`](crate::AdapterError): it happens once.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use std::time::Duration;
    /// # #[task] async fn send_email(to: String) {}
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = App::new(MemoryAdapter::new());
    /// let job = app.dispatch(SendEmail { to: "ada@exmaple.org".into() }).delay(Duration::from_secs(60)).await?;
    /// let corrected = job.replace(SendEmail { to: "ada@example.org".into() }).await?;
    /// assert_eq!(job.state().await?, Some(JobState::Cancelled));
    /// assert_eq!(corrected.state().await?, Some(JobState::Delayed));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError`]; [`ActionError::State`] if the job runs or has ended, [`ActionError::IdTaken`] if there is a job with the new
    /// id, [`ActionError::Refused`] if the new job cannot be stored.
    pub fn replace<T: Task<Output = Out>>(&self, task: T) -> Replacement<Out> {
        Replacement::new(self, &task)
    }

    /// Dispatches another job with the annotation [`RERUN_OF`], which is this job's id, for example to do again what has ended, with
    /// another payload. This job stays as it is, whatever its state. Like any dispatch, it takes options and happens when you await it.
    pub fn rerun<T: Task<Output = Out>>(&self, task: T) -> Dispatch<Self>
    where
        Out: 'static,
    {
        task.__into_dispatch(self.setup()).meta(RERUN_OF, self.id().to_string())
    }

    fn actions(&self) -> &dyn Actions {
        self.setup().adapter().actions()
    }
}

/// What became of the only job.
fn only(acted: Vec<Acted>) -> Acted {
    acted.into_iter().next().unwrap_or(Acted::NotFound)
}
