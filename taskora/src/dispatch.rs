//! Dispatching: from a contract to a stored job.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::adapter::{Due, Enqueued, MAX_PRIORITY, MIN_PRIORITY, NewJob, TaskName};
use crate::app::App;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::handle::{HasOutput, JobHandle, Outcome, Raw};
use crate::job::JobId;
use crate::workflow::Bound;

/// How many jobs a bulk dispatch stores in one call.
const CHUNK: usize = 500;
/// How many bytes of payload a bulk dispatch sends in one call.
const CHUNK_BYTES: usize = 1024 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`App::dispatch`] takes: a contract, a signature with all its arguments bound, or a workflow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be dispatched",
    label = "neither a contract nor a signature whose arguments are all `Set`",
    note = "dispatch a contract, as in `SendEmail {{ .. }}`, a signature with all its arguments bound, as in `SendEmail::s().to(..).subject(..)`, or a composition of steps, as in `chain((a, b))`; a list of contracts goes with `dispatch_many(list)`, or as `group(list)`"
)]
pub trait Dispatchable {
    /// The builder that is awaited.
    type Dispatch;

    /// What it still waits for, which must be nothing.
    #[doc(hidden)]
    type Slot;

    /// Prepares the dispatch.
    #[doc(hidden)]
    fn dispatch_on(self, app: &App) -> Self::Dispatch;
}

#[diagnostic::do_not_recommend]
impl<T: Task> Dispatchable for T {
    type Dispatch = Dispatch<T>;
    type Slot = Bound;

    fn dispatch_on(self, app: &App) -> Dispatch<T> {
        Dispatch::new(app, T::NAME.into(), &self, &T::OPTIONS)
    }
}

/// Options that a dispatch may be given.
#[derive(Clone, Default)]
struct Options {
    id: Option<JobId>,
    priority: Option<i16>,
    due: Due,
    meta: Vec<(String, String)>,
}

/// A job about to be dispatched: takes options, and is awaited. Nothing happens before that.
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct Dispatch<T> {
    app: App,
    task: TaskName,
    payload: Result<Vec<u8>, DispatchError>,
    contract: TaskOptions,
    options: Options,
    typed: PhantomData<fn() -> T>,
}

impl<T> Dispatch<T> {
    fn new(app: &App, task: TaskName, payload: &impl Serialize, contract: &TaskOptions) -> Self {
        Self {
            app: app.clone(),
            payload: encode(app, &task, payload),
            task,
            contract: *contract,
            options: Options::default(),
            typed: PhantomData,
        }
    }

    /// The job becomes ready so long after the store has accepted it.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// The job becomes ready at this time, by the store's clock; at once if that is past. Replaces `delay`, and the other
    /// way round.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// Instead of the contract's priority: −1,000 to 1,000, higher goes first. Jobs of one priority are run in the
    /// order they were dispatched.
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// The job's id, instead of a new one. Dispatching an id that is known already, whether its job has ended or not,
    /// changes nothing: the handle is that job's, and says [`Outcome::Duplicate`]. Once that job was removed, the id is free
    /// for a new one. An id that is used again in this way should not be a UUID v7: Redis takes these for ids of
    /// [`JobId::new`], and does not tell a lease of the earlier job from one of the new job.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.options.id = Some(id.into());
        self
    }

    /// Notes something with the job, which its handler reads with [`Context::meta`](crate::Context::meta). Giving a key
    /// again replaces its value.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        set_meta(&mut self.options.meta, key.into(), value.into());
        self
    }
}

impl Dispatch<Raw> {
    pub(crate) fn raw(app: &App, task: &str, payload: &serde_json::Value) -> Self {
        Self::new(app, task.into(), payload, &TaskOptions::new())
    }
}

impl<T: HasOutput> IntoFuture for Dispatch<T> {
    type Output = Result<JobHandle<T>, DispatchError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let id = self.options.id.clone().unwrap_or_else(JobId::new);
            let job = new_job(id.clone(), self.task, self.payload?, &self.contract, self.options)?;
            let enqueued = self.app.adapter().enqueue(vec![job]).await?;
            Ok(JobHandle::dispatched(self.app, outcome(&enqueued, 0, &id), id))
        })
    }
}

impl<T> fmt::Debug for Dispatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("task", &self.task)
            .field("id", &self.options.id)
            .finish_non_exhaustive()
    }
}

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

    /// See [`Dispatch::delay`].
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.due = Due::After(delay);
        self
    }

    /// See [`Dispatch::at`].
    pub fn at(mut self, at: SystemTime) -> Self {
        self.options.due = Due::At(at);
        self
    }

    /// See [`Dispatch::priority`].
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// See [`Dispatch::meta`].
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
            store_in_chunks(self.app, jobs).await
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
    jobs: Vec<NewJob>,
) -> Result<Vec<JobHandle<T>>, DispatchError> {
    let total = jobs.len();
    let mut handles = Vec::with_capacity(total);
    let mut failure = None;
    let mut chunks = chunks(jobs).into_iter();
    while failure.is_none() {
        let (Some(first), second) = (chunks.next(), chunks.next()) else { break };
        let (first, second) = tokio::join!(store(&app, first), store(&app, second.unwrap_or_default()));
        for answer in [first, second] {
            match answer {
                Ok(stored) => handles.extend(stored),
                Err(error) => failure = Some(error),
            }
        }
    }
    match failure {
        None => Ok(handles),
        Some(error) if handles.is_empty() => Err(error.into()),
        Some(source) => {
            let stored = handles.iter().map(|handle| handle.id().clone()).collect();
            Err(DispatchError::Partial { stored, total, source })
        }
    }
}

async fn store<T: HasOutput>(
    app: &App,
    jobs: Vec<NewJob>,
) -> Result<Vec<JobHandle<T>>, crate::adapter::AdapterError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let enqueued = app.adapter().enqueue(jobs).await?;
    Ok(ids
        .into_iter()
        .enumerate()
        .map(|(at, id)| JobHandle::dispatched(app.clone(), outcome(&enqueued, at, &id), id))
        .collect())
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

fn outcome(enqueued: &[Enqueued], at: usize, id: &JobId) -> Outcome {
    match enqueued.get(at) {
        Some(Enqueued::Duplicate) => Outcome::Duplicate(id.clone()),
        Some(Enqueued::New) | None => Outcome::Enqueued,
    }
}

fn encode(app: &App, task: &str, payload: &impl Serialize) -> Result<Vec<u8>, DispatchError> {
    let json = serde_json::to_vec(payload).map_err(|error| DispatchError::InvalidPayload {
        task: task.to_owned(),
        message: error.to_string(),
    })?;
    check_size(app, task, json.len())?;
    Ok(json)
}

pub(crate) fn check_size(app: &App, task: &str, size: usize) -> Result<(), DispatchError> {
    let limit = app.max_payload();
    if size > limit { Err(DispatchError::TooLarge { task: task.to_owned(), size, limit }) } else { Ok(()) }
}

pub(crate) fn check_priority(priority: i16) -> Result<(), DispatchError> {
    if (MIN_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        return Ok(());
    }
    let message = format!("priority {priority} is outside {MIN_PRIORITY} to {MAX_PRIORITY}");
    Err(DispatchError::InvalidOption(message))
}

fn new_job(
    id: JobId,
    task: TaskName,
    payload: Vec<u8>,
    contract: &TaskOptions,
    options: Options,
) -> Result<NewJob, DispatchError> {
    id.validate()?;
    check_task_name(&task)?;
    let priority = options.priority.unwrap_or_else(|| contract.priority());
    check_priority(priority)?;
    Ok(NewJob {
        id,
        task,
        payload,
        priority,
        due: options.due,
        max_attempts: contract.retry().max_attempts(),
        max_stalls: contract.max_stalls(),
        meta: options.meta,
    })
}

/// The rule for names of tasks; the macros hold to it while compiling.
pub(crate) fn check_task_name(task: &str) -> Result<(), DispatchError> {
    let message = if task.is_empty() {
        "a name cannot be empty"
    } else if task.len() > 200 {
        "a name has at most 200 bytes"
    } else if task.chars().any(char::is_control) {
        "a name cannot contain control characters"
    } else {
        return Ok(());
    };
    Err(DispatchError::InvalidTask { task: task.to_owned(), message })
}

pub(crate) fn set_meta(meta: &mut Vec<(String, String)>, key: String, value: String) {
    match meta.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => meta.push((key, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
