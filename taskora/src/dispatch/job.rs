//! Dispatching one job.

use std::fmt;

use serde::Serialize;

use super::asked::{self, for_payload};
use super::check::{
    check_collect, check_key, check_meta, check_priority, check_size, check_task_name, check_ttl,
    checked_cost, checked_limit_key, ttl_of,
};
use super::{BoxFuture, Dispatch, DispatchOptions, Dispatchable, Dispatched, DispatchedJobs};
use crate::adapter::{Admission, Admitted, Enqueued, NewJob, Rule, TaskName};
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::{Expected, JobHandle, Outcome};
use crate::job::JobId;
use crate::json;
use crate::setup::Setup;
use crate::workflow::Bound;

#[diagnostic::do_not_recommend]
impl<T: Task> Dispatchable for T {
    type Handle = JobHandle<T::Output>;
    type Slot = Bound;

    fn __into_dispatch(self, setup: &Setup) -> Dispatch<Self::Handle> {
        Dispatch::new(setup, JobRequest::new(setup, &self))
    }
}

/// A job to store.
pub struct JobRequest {
    task: TaskName,
    payload: Result<Vec<u8>, DispatchError>,
    contract: TaskOptions,
    /// What limits by key count it by, or where it gathers, as its contract says.
    limit_key: Option<String>,
    /// Whether its dispatch may say that.
    takes_key: bool,
    /// How many starts it counts as.
    cost: u32,
}

impl JobRequest {
    pub(crate) fn new<T: Task>(setup: &Setup, task: &T) -> Self {
        Self {
            task: T::NAME.into(),
            payload: encode(setup, T::NAME, task),
            contract: T::OPTIONS,
            limit_key: task.limit_key(),
            takes_key: T::OPTIONS.key_limit().is_some(),
            cost: task.cost(),
        }
    }

    /// The task that the job will belong to.
    pub(crate) fn task(&self) -> Expected {
        Expected::new(self.task.clone(), &self.contract)
    }

    /// Whether limits count it by a key that only the caller of its dispatch knows.
    pub(crate) const fn needs_key(&self) -> bool {
        self.takes_key && self.limit_key.is_none()
    }

    /// The job, in the place of another one: with its annotations, with the name under which that one is stored, which may be an older one
    /// of the task, and with the key by which limits count that one, unless it has its own.
    pub(crate) fn in_place_of(
        self,
        id: JobId,
        task: String,
        meta: Vec<(String, String)>,
        limit_key: Option<String>,
    ) -> Result<NewJob, DispatchError> {
        let limit_key = self.limit_key.or(limit_key);
        let options = DispatchOptions { meta, ..DispatchOptions::default() };
        new_job(id, task.into(), self.payload?, &self.contract, (limit_key, self.cost), options)
    }

    /// Of a task whose contract is not known here.
    pub(crate) fn raw(setup: &Setup, task: TaskName, payload: &impl Serialize) -> Self {
        let payload = encode(setup, &task, payload);
        Self { task, payload, contract: TaskOptions::new(), limit_key: None, takes_key: true, cost: 1 }
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
    type Output = Self;

    fn send(
        setup: Setup,
        request: JobRequest,
        id: Option<JobId>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self, DispatchError>> {
        Box::pin(async move {
            if options.replace_failed && id.is_none() {
                return Err(replaces_nothing());
            }
            let JobRequest { task, payload, contract, limit_key, takes_key, cost } = request;
            if options.limit_key.is_some() && !takes_key {
                return Err(DispatchError::NotLimitedByKey { task: task.to_string() });
            }
            let limit_key = options.limit_key.clone().or(limit_key);
            let rule = options.rule.as_ref().map(|rule| rule.check(options.due, id.is_some())).transpose()?;
            check_collect(&contract, rule, options.ttl)?;
            let key = options.key.clone();
            key.iter().try_for_each(|key| check_key(&task, key))?;
            let id = id.unwrap_or_else(JobId::new);
            let expected = Expected::new(task.clone(), &contract);
            let rejects = options.rejects;
            let mut job = new_job(id.clone(), task.clone(), payload?, &contract, (limit_key, cost), options)?;
            let Some((rule, key)) = rule.zip(key) else {
                let enqueued = setup.adapter().jobs().enqueue(vec![job]).await?;
                return handle(&setup, expected, id, enqueued.into_iter().next());
            };
            let rule = for_payload(rule, &job.payload);
            tell_key(rule, &key, &mut job.meta)?;
            let admission = Admission { job, key: key.clone(), rule };
            let answer = setup.adapter().admissions().admit(vec![admission]).await?.into_iter().next();
            let task = task.to_string();
            match answer {
                Some(Admitted::Duplicate(existing)) if rejects => {
                    Err(DispatchError::Duplicate { task, key, existing })
                }
                Some(Admitted::Throttled { retry_in }) if rejects => {
                    Err(DispatchError::Throttled { task, key, retry_in })
                }
                Some(Admitted::Reused(existing)) => Err(DispatchError::KeyReused { task, key, existing }),
                answer => admitted(&setup, expected, id, &key, answer),
            }
        })
    }
}

pub(super) fn replaces_nothing() -> DispatchError {
    DispatchError::InvalidOption(
        "`replace_failed` needs an `id`, as only a job with the same id is replaced".to_owned(),
    )
}

/// The handle of a job, from the store's answer.
pub(super) fn handle<Out>(
    setup: &Setup,
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
    Ok(JobHandle::dispatched(setup.clone(), outcome, id, expected))
}

/// Puts an idempotency key into the annotations, where the handler reads it.
pub(super) fn tell_key(rule: Rule, key: &str, meta: &mut Vec<(String, String)>) -> Result<(), DispatchError> {
    if matches!(rule, Rule::Once(_)) {
        asked::tell(key, meta)?;
    }
    Ok(())
}

/// The handle for a job that was to be stored under a key. It belongs to the job that stands for it.
pub(super) fn admitted<Out>(
    setup: &Setup,
    expected: Expected,
    id: JobId,
    key: &str,
    admitted: Option<Admitted>,
) -> Result<JobHandle<Out>, DispatchError> {
    let (outcome, id) = match admitted {
        Some(Admitted::New) | None => (Outcome::Enqueued, id),
        Some(Admitted::Duplicate(existing)) => (Outcome::Duplicate(existing.clone()), existing),
        Some(Admitted::Replaced(existing)) => (Outcome::Replaced(existing.clone()), existing),
        Some(Admitted::Throttled { retry_in }) => (Outcome::Throttled { retry_in }, id),
        Some(Admitted::Reused(existing)) => {
            let (task, key) = (expected.name().to_owned(), key.to_owned());
            return Err(DispatchError::KeyReused { task, key, existing });
        }
        Some(Admitted::Taken { task }) => return handle(setup, expected, id, Some(Enqueued::Taken { task })),
    };
    Ok(JobHandle::dispatched(setup.clone(), outcome, id, expected))
}

pub(super) fn encode(setup: &Setup, task: &str, payload: &impl Serialize) -> Result<Vec<u8>, DispatchError> {
    let json = json::write(payload).map_err(|error| DispatchError::InvalidPayload {
        task: task.to_owned(),
        message: error.to_string(),
    })?;
    check_size(setup, task, json.len())?;
    Ok(json)
}

pub(super) fn new_job(
    id: JobId,
    task: TaskName,
    payload: Vec<u8>,
    contract: &TaskOptions,
    (limit_key, cost): (Option<String>, u32),
    options: DispatchOptions,
) -> Result<NewJob, DispatchError> {
    id.validate()?;
    check_task_name(&task)?;
    let priority = options.priority.unwrap_or_else(|| contract.priority());
    check_priority(priority)?;
    check_meta(&options.meta)?;
    check_ttl(options.ttl)?;
    let limit_key = checked_limit_key(&task, limit_key)?;
    let cost = checked_cost(&task, contract, cost)?;
    Ok(NewJob {
        priority,
        due: options.due,
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        meta: options.meta,
        ttl: ttl_of(contract, options.ttl),
        collect: contract.collect().filter(|_| limit_key.is_some()),
        limit_key,
        cost,
        replace_failed: options.replace_failed,
        ..NewJob::new(id, task, payload)
    })
}
