//! Dispatching many jobs of one task in few calls.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::{BoxFuture, Options, encode, handle, new_job, set_meta};
use crate::adapter::{Due, NewJob, TaskName};
use crate::app::App;
use crate::contract::Task;
use crate::error::DispatchError;
use crate::handle::{Expected, HasOutput, JobHandle};
use crate::job::JobId;

/// How many jobs a bulk dispatch stores in one call.
const CHUNK: usize = 500;
/// How many bytes of payload a bulk dispatch sends in one call.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Many jobs of one task about to be dispatched: takes options, and is awaited. Nothing happens before that.
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct DispatchMany<T> {
    app: App,
    payloads: Result<Vec<Vec<u8>>, DispatchError>,
    options: Options,
    typed: PhantomData<fn() -> T>,
}

impl<T: Task> DispatchMany<T> {
    pub(crate) fn new(app: &App, tasks: impl IntoIterator<Item = T>) -> Self {
        let payloads = tasks.into_iter().map(|task| encode(app, T::NAME, &task)).collect();
        Self { app: app.clone(), payloads, options: Options::default(), typed: PhantomData }
    }

    /// See [`Dispatch::delay`](super::Dispatch::delay).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// See [`Dispatch::at`](super::Dispatch::at).
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// See [`Dispatch::priority`](super::Dispatch::priority).
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// See [`Dispatch::meta`](super::Dispatch::meta).
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        set_meta(&mut self.options.meta, key.into(), value.into());
        self
    }
}

impl<T: Task> IntoFuture for DispatchMany<T> {
    type Output = Result<Vec<JobHandle<T>>, DispatchError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let task = TaskName::from(T::NAME);
            let jobs = self
                .payloads?
                .into_iter()
                .map(|payload| {
                    new_job(JobId::new(), task.clone(), payload, &T::OPTIONS, self.options.clone())
                })
                .collect::<Result<Vec<_>, _>>()?;
            store_in_chunks(self.app, Expected::new(task, &T::OPTIONS), jobs).await
        })
    }
}

impl<T: Task> fmt::Debug for DispatchMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatchMany").field("task", &T::NAME).finish_non_exhaustive()
    }
}

/// Stores the jobs chunk by chunk, with two calls under way, so that the store is never idle between them.
async fn store_in_chunks<T: HasOutput>(
    app: App,
    expected: Expected,
    jobs: Vec<NewJob>,
) -> Result<Vec<JobHandle<T>>, DispatchError> {
    let total = jobs.len();
    let mut handles = Vec::with_capacity(total);
    let mut failure = None;
    let mut chunks = chunks(jobs).into_iter();
    while failure.is_none() {
        let (Some(first), second) = (chunks.next(), chunks.next()) else { break };
        let store = |jobs| store(&app, &expected, jobs);
        let (first, second) = tokio::join!(store(first), store(second.unwrap_or_default()));
        for answer in [first, second] {
            match answer {
                Ok(stored) => handles.extend(stored),
                Err(error) => failure = Some(error),
            }
        }
    }
    match failure {
        None => Ok(handles),
        Some(DispatchError::Adapter(source)) if !handles.is_empty() => {
            let stored = handles.iter().map(|handle| handle.id().clone()).collect();
            Err(DispatchError::Partial { stored, total, source })
        }
        Some(error) => Err(error),
    }
}

async fn store<T: HasOutput>(
    app: &App,
    expected: &Expected,
    jobs: Vec<NewJob>,
) -> Result<Vec<JobHandle<T>>, DispatchError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let mut enqueued = app.adapter().enqueue(jobs).await?.into_iter();
    ids.into_iter().map(|id| handle(app, expected.clone(), id, enqueued.next())).collect()
}

fn chunks(jobs: Vec<NewJob>) -> Vec<Vec<NewJob>> {
    let mut chunks: Vec<Vec<NewJob>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        bytes += job.payload.len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK && bytes <= CHUNK_BYTES => chunk.push(job),
            _ => {
                bytes = job.payload.len();
                chunks.push(vec![job]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::TaskOptions;

    fn job(bytes: usize) -> NewJob {
        new_job(JobId::new(), "t".into(), vec![b'1'; bytes], &TaskOptions::new(), Options::default()).unwrap()
    }

    #[test]
    fn chunks_are_bounded_in_number_and_in_bytes() {
        let sizes = |jobs: Vec<NewJob>| chunks(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..1_001).map(|_| job(1)).collect()), [500, 500, 1]);
        assert_eq!(
            sizes(vec![job(CHUNK_BYTES), job(1), job(CHUNK_BYTES), job(CHUNK_BYTES + 1)]),
            [1, 1, 1, 1]
        );
        assert_eq!(sizes(Vec::new()), [] as [usize; 0]);
    }
}
