//! Dispatching many jobs of one task in few calls.

use std::fmt;

use super::job::{encode, handle, new_job, replaces_nothing};
use super::{BoxFuture, DispatchOptions, Dispatched, DispatchedJobs};
use crate::adapter::{NewJob, TaskName};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::{Expected, JobHandle};
use crate::job::JobId;

/// How many jobs a bulk dispatch stores in one call.
const CHUNK: usize = 500;
/// How many bytes of payload a bulk dispatch sends in one call.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Jobs of one task that are to be stored.
pub struct ManyRequest {
    task: &'static str,
    contract: TaskOptions,
    payloads: Result<Vec<Vec<u8>>, DispatchError>,
}

impl ManyRequest {
    pub(crate) fn new<T: Task>(app: &App, tasks: impl IntoIterator<Item = T>) -> Self {
        let payloads = tasks.into_iter().map(|task| encode(app, T::NAME, &task)).collect();
        Self { task: T::NAME, contract: T::OPTIONS, payloads }
    }
}

impl fmt::Debug for ManyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no payloads
        f.debug_struct("ManyRequest").field("task", &self.task).finish_non_exhaustive()
    }
}

impl<Out: 'static> DispatchedJobs for Vec<JobHandle<Out>> {}

impl<Out: 'static> Dispatched for Vec<JobHandle<Out>> {
    type Id = Vec<JobId>;
    type Request = ManyRequest;

    fn send(
        app: App,
        request: ManyRequest,
        ids: Option<Vec<JobId>>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self, DispatchError>> {
        Box::pin(async move {
            let (task, contract) = (TaskName::from(request.task), request.contract);
            let payloads = request.payloads?;
            let ids = match ids {
                Some(ids) if ids.len() != payloads.len() => {
                    let (ids, jobs) = (ids.len(), payloads.len());
                    return Err(DispatchError::InvalidOption(format!(
                        "{ids} ids for {jobs} jobs; give each job one"
                    )));
                }
                Some(ids) => ids,
                None if options.replace_failed => return Err(replaces_nothing()),
                None => payloads.iter().map(|_| JobId::new()).collect(),
            };
            let jobs = ids
                .into_iter()
                .zip(payloads)
                .map(|(id, payload)| new_job(id, task.clone(), payload, &contract, options.clone()))
                .collect::<Result<Vec<_>, _>>()?;
            store_in_chunks(app, Expected::new(task, &contract), jobs).await
        })
    }
}

/// Stores the jobs chunk by chunk, with two calls under way, so that the store is never idle between them.
async fn store_in_chunks<Out>(
    app: App,
    expected: Expected,
    jobs: Vec<NewJob>,
) -> Result<Vec<JobHandle<Out>>, DispatchError> {
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
                Ok(answers) => {
                    for answer in answers {
                        match answer {
                            Ok(handle) => handles.push(handle),
                            Err(error) => failure = failure.or(Some(error)),
                        }
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
    }
    match failure {
        None => Ok(handles),
        Some(DispatchError::Adapter(source)) if !handles.is_empty() => {
            Err(DispatchError::Partial { stored: ids(&handles), total, source })
        }
        Some(DispatchError::IdTaken { id, task, .. }) => {
            Err(DispatchError::IdTaken { id, task, stored: ids(&handles) })
        }
        Some(error) => Err(error),
    }
}

fn ids<Out>(handles: &[JobHandle<Out>]) -> Vec<JobId> {
    handles.iter().map(|handle| handle.id().clone()).collect()
}

/// Stores jobs in one call; says of each of them what became of it.
async fn store<Out>(
    app: &App,
    expected: &Expected,
    jobs: Vec<NewJob>,
) -> Result<Vec<Result<JobHandle<Out>, DispatchError>>, DispatchError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let mut enqueued = app.adapter().jobs().enqueue(jobs).await?.into_iter();
    Ok(ids.into_iter().map(|id| handle(app, expected.clone(), id, enqueued.next())).collect())
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

    fn job(bytes: usize) -> NewJob {
        new_job(JobId::new(), "t".into(), vec![b'1'; bytes], &TaskOptions::new(), DispatchOptions::default())
            .unwrap()
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
