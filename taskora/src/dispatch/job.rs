//! Dispatching one job.

use std::fmt;

use serde::Serialize;

use super::{
    BoxFuture, Dispatch, DispatchOptions, Dispatchable, Dispatched, DispatchedJobs, check_meta,
    check_priority, check_size, check_task_name, check_ttl, ttl_of,
};
use crate::adapter::{Enqueued, NewJob, TaskName};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::{Expected, JobHandle, Outcome};
use crate::job::JobId;
use crate::json;
use crate::workflow::Bound;

#[diagnostic::do_not_recommend]
impl<T: Task> Dispatchable for T {
    type Handle = JobHandle<T::Output>;
    type Slot = Bound;

    fn __into_dispatch(self, app: &App) -> Dispatch<Self::Handle> {
        Dispatch::new(app, JobRequest::new(app, T::NAME.into(), &self, &T::OPTIONS))
    }
}

/// A job that is to be stored.
pub struct JobRequest {
    task: TaskName,
    payload: Result<Vec<u8>, DispatchError>,
    contract: TaskOptions,
}

impl JobRequest {
    pub(crate) fn new(app: &App, task: TaskName, payload: &impl Serialize, contract: &TaskOptions) -> Self {
        Self { payload: encode(app, &task, payload), task, contract: *contract }
    }
}

impl fmt::Debug for JobRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no payload
        f.debug_struct("JobRequest").field("task", &self.task).finish_non_exhaustive()
    }
}

impl<Out: 'static> DispatchedJobs for JobHandle<Out> {}

impl<Out: 'static> Dispatched for JobHandle<Out> {
    type Id = JobId;
    type Request = JobRequest;

    fn send(
        app: App,
        request: JobRequest,
        id: Option<JobId>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self, DispatchError>> {
        Box::pin(async move {
            if options.replace_failed && id.is_none() {
                return Err(replaces_nothing());
            }
            let JobRequest { task, payload, contract } = request;
            let id = id.unwrap_or_else(JobId::new);
            let expected = Expected::new(task.clone(), &contract);
            let job = new_job(id.clone(), task, payload?, &contract, options)?;
            let enqueued = app.adapter().jobs().enqueue(vec![job]).await?;
            handle(&app, expected, id, enqueued.into_iter().next())
        })
    }
}

pub(super) fn replaces_nothing() -> DispatchError {
    DispatchError::InvalidOption(
        "`replace_failed` needs an `id`, as only a job with the same id is replaced".to_owned(),
    )
}

/// The handle of a job that the store has answered for.
pub(super) fn handle<Out>(
    app: &App,
    expected: Expected,
    id: JobId,
    enqueued: Option<Enqueued>,
) -> Result<JobHandle<Out>, DispatchError> {
    let outcome = match enqueued {
        Some(Enqueued::New) | None => Outcome::Enqueued,
        Some(Enqueued::Duplicate) => Outcome::Duplicate(id.clone()),
        // stored under an older name of the same task
        Some(Enqueued::Taken { task }) if expected.is(&task) => Outcome::Duplicate(id.clone()),
        Some(Enqueued::Taken { task }) => {
            return Err(DispatchError::IdTaken { id, task: task.to_string(), stored: Vec::new() });
        }
    };
    Ok(JobHandle::dispatched(app.clone(), outcome, id, expected))
}

pub(super) fn encode(app: &App, task: &str, payload: &impl Serialize) -> Result<Vec<u8>, DispatchError> {
    let json = json::write(payload).map_err(|error| DispatchError::InvalidPayload {
        task: task.to_owned(),
        message: error.to_string(),
    })?;
    check_size(app, task, json.len())?;
    Ok(json)
}

pub(super) fn new_job(
    id: JobId,
    task: TaskName,
    payload: Vec<u8>,
    contract: &TaskOptions,
    options: DispatchOptions,
) -> Result<NewJob, DispatchError> {
    id.validate()?;
    check_task_name(&task)?;
    let priority = options.priority.unwrap_or_else(|| contract.priority());
    check_priority(priority)?;
    check_meta(&options.meta)?;
    check_ttl(options.ttl)?;
    Ok(NewJob {
        priority,
        due: options.due,
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        meta: options.meta,
        ttl: ttl_of(contract, options.ttl),
        replace_failed: options.replace_failed,
        ..NewJob::new(id, task, payload)
    })
}
