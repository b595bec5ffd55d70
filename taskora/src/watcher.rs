//! Watching one job.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::adapter::{AdapterError, Ended, JobNews};
use crate::error::JobError;
use crate::handle::JobHandle;
use crate::job::JobState;
use crate::json;

type End = Pin<Box<dyn Future<Output = Result<Option<Ended>, AdapterError>> + Send>>;

/// What a [`JobWatcher`] tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Watched<P, Out> {
    /// The job's state, which is another one than before.
    State(JobState),
    /// The latest progress that the handler reported.
    Progress(P),
    /// The job has ended: what [`JobHandle::result`] returns. This comes last.
    Ended(Result<Out, JobError>),
}

/// Watches a job, see [`JobHandle::watch`]. `P` is the type of its progress, `Out` that of its result.
///
/// A watcher that is slow gets the latest progress, not all that were reported. The end always comes, and comes last.
///
/// - The first state is the one at the beginning, with the progress that there is. A job that has ended already has neither, only its end.
/// - A state is told again when an attempt is over and another one follows: the job is retrying, delayed or waiting.
/// - The start of an attempt is told with the first progress that it reports, not before, because the store does not look for watchers
///   when a worker claims a job. To hear of each start, listen to [events](crate::App::events).
/// - If the connection to the store is lost, the watcher waits until it is back, and goes on with what the store knows then.
///
/// Watching costs the store one more message for each report of the job's progress. A job that nobody watches pays nothing when it is dispatched,
/// claimed and settled; each of its reports of progress asks whether somebody watches.
///
/// ```
/// # use taskora::prelude::*;
/// use taskora::Watched;
///
/// #[task]
/// async fn import(ctx: &Context, rows: u32) -> u32 {
///     ctx.progress(50);
///     rows
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// # let app = App::new(MemoryAdapter::new());
/// # let worker = Worker::builder(&app).register::<Import>().start().await?;
/// let job = app.dispatch(Import { rows: 7 }).await?;
/// let mut watcher = job.watch::<u8>();
/// while let Some(news) = watcher.next().await? {
///     match news {
///         Watched::Progress(percent) => println!("{percent} %"),
///         Watched::State(state) => println!("it is {state}"),
///         Watched::Ended(result) => assert_eq!(result?, 7),
///         _ => {}
///     }
/// }
/// # worker.shutdown().await?;
/// # Ok(()) }
/// ```
pub struct JobWatcher<P, Out> {
    handle: JobHandle<Out>,
    news: watch::Receiver<Option<JobNews>>,
    /// Whether there may be more of it.
    is_told: bool,
    end: End,
    ended: Option<Ended>,
    is_over: bool,
    state: Option<JobState>,
    progress: Option<Vec<u8>>,
    typed: PhantomData<fn() -> P>,
}

impl<P: DeserializeOwned, Out: DeserializeOwned> JobWatcher<P, Out> {
    pub(crate) fn new(handle: JobHandle<Out>) -> Self {
        let news = handle.setup().adapter().signals().watch(handle.id());
        let end = end_of(&handle);
        Self {
            handle,
            news,
            is_told: true,
            end,
            ended: None,
            is_over: false,
            state: None,
            progress: None,
            typed: PhantomData,
        }
    }

    /// What is new; waits until there is something. `None` after the end. You may drop the future and call this again: nothing is lost.
    ///
    /// # Errors
    /// [`JobError::NotFound`] if the job is unknown, [`JobError::OtherTask`] if it belongs to another task than the handle; `None` follows.
    /// [`JobError::Undecodable`] if a progress is not a `P`, and [`JobError::Adapter`] if the store refuses to be asked; the watcher goes on if
    /// you call this again. A result that cannot be read is an error inside of [`Watched::Ended`].
    pub async fn next(&mut self) -> Result<Option<Watched<P, Out>>, JobError> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            if let Some(news) = self.untold()? {
                return Ok(Some(news));
            }
            if let Some(ended) = self.ended.take() {
                self.is_over = true;
                self.handle.check_task(&ended.task)?;
                return Ok(Some(Watched::Ended(self.handle.read_end(ended))));
            }
            tokio::select! {
                biased;
                end = &mut self.end => match end {
                    Ok(Some(ended)) => self.ended = Some(ended),
                    Ok(None) => {
                        self.is_over = true;
                        return Err(JobError::NotFound { id: self.handle.id().clone() });
                    }
                    Err(source) => {
                        let error = self.handle.adapter_error(source);
                        self.news = self.handle.setup().adapter().signals().watch(self.handle.id());
                        self.is_told = true;
                        self.end = end_of(&self.handle);
                        return Err(error);
                    }
                },
                changed = self.news.changed(), if self.is_told => self.is_told = changed.is_ok(),
            }
        }
    }

    /// What the store has told, and this has not passed on.
    fn untold(&mut self) -> Result<Option<Watched<P, Out>>, JobError> {
        let (state, progress) = {
            let news = self.news.borrow_and_update();
            let Some(news) = &*news else { return Ok(None) };
            if let Err(error) = self.handle.check_task(&news.task) {
                self.is_over = true;
                return Err(error);
            }
            (news.state, news.progress.clone().filter(|progress| self.progress.as_ref() != Some(progress)))
        };
        let is_new = self.state != Some(state);
        match progress {
            // an attempt that is over has reported it before
            Some(progress) if !is_new || (self.state.is_some() && state != JobState::Active) => {
                let read = json::read(&progress).map_err(|error| self.handle.undecodable::<P>(&error));
                self.progress = Some(progress);
                read.map(|progress| Some(Watched::Progress(progress)))
            }
            _ if is_new => {
                self.state = Some(state);
                Ok(Some(Watched::State(state)))
            }
            _ => Ok(None),
        }
    }
}

fn end_of<Out>(handle: &JobHandle<Out>) -> End {
    let (adapter, id) = (Arc::clone(handle.setup().adapter()), handle.id().clone());
    Box::pin(async move { adapter.signals().ended(&id).await })
}

impl<P, Out> fmt::Debug for JobWatcher<P, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWatcher")
            .field("id", self.handle.id())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
