//! Dispatching many jobs of one task, in few calls.

use std::fmt;
use std::marker::PhantomData;

use super::asked::for_payload;
use super::check::{check_collect, check_key};
use super::job::{admitted, encode, handle, new_job, replaces_nothing, tell_key};
use super::key::IntoKey;
use super::{BoxFuture, DispatchOptions, Dispatched, DispatchedJobs};
use crate::adapter::{Admission, NewJob, Rule, TaskName};
use crate::contract::Task;
use crate::error::DispatchError;
use crate::handle::{Expected, JobHandle};
use crate::job::JobId;
use crate::setup::Setup;

/// How many jobs a bulk dispatch stores in one call.
const CHUNK: usize = 500;
/// How many bytes of payload a bulk dispatch sends in one call.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Many jobs of the task `T`: awaiting their dispatch returns a `Vec` of handles, in the order of the jobs.
#[derive(Debug)]
pub struct Many<T>(PhantomData<T>);

/// Jobs of one task to store.
pub struct ManyRequest<T> {
    tasks: Vec<T>,
    /// One key for each job if there is a rule; none otherwise.
    keys: Vec<Option<String>>,
    /// What limits by key count each job by, if the dispatch says so.
    limit_keys: Option<Vec<Option<String>>>,
}

impl<T: Task> ManyRequest<T> {
    pub(crate) fn new(tasks: impl IntoIterator<Item = T>) -> Self {
        Self { tasks: tasks.into_iter().collect(), keys: Vec::new(), limit_keys: None }
    }

    pub(super) fn set_keys<K: IntoKey>(&mut self, key: impl Fn(&T) -> K) {
        self.keys = self.tasks.iter().map(|task| key(task).to_key()).collect();
    }

    pub(super) fn set_limit_keys<K: IntoKey>(&mut self, key: impl Fn(&T) -> K) {
        self.limit_keys = Some(self.tasks.iter().map(|task| key(task).to_key()).collect());
    }
}

impl<T: Task> fmt::Debug for ManyRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // no payloads
        f.debug_struct("ManyRequest").field("task", &T::NAME).finish_non_exhaustive()
    }
}

impl<T: Task> DispatchedJobs for Many<T> {}

impl<T: Task> Dispatched for Many<T> {
    type Id = Vec<JobId>;
    type Request = ManyRequest<T>;
    type Output = Vec<JobHandle<T::Output>>;

    fn send(
        setup: Setup,
        request: ManyRequest<T>,
        ids: Option<Vec<JobId>>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self::Output, DispatchError>> {
        let jobs = prepare(&setup, request, ids, &options);
        Box::pin(async move {
            let (jobs, rule) = jobs?;
            store_in_chunks(setup, Expected::new(T::NAME.into(), &T::OPTIONS), jobs, rule).await
        })
    }
}

/// A job, and its key if it has one.
type Keyed = (NewJob, Option<String>);

/// Checks everything that can be refused, before anything is stored.
fn prepare<T: Task>(
    setup: &Setup,
    request: ManyRequest<T>,
    ids: Option<Vec<JobId>>,
    options: &DispatchOptions,
) -> Result<(Vec<Keyed>, Option<Rule>), DispatchError> {
    let ManyRequest { tasks, keys, limit_keys } = request;
    if limit_keys.is_some() && T::OPTIONS.key_limit().is_none() {
        return Err(DispatchError::NotLimitedByKey { task: T::NAME.to_owned() });
    }
    let mut limit_keys = limit_keys.into_iter().flatten();
    let rule = options.rule.as_ref().map(|rule| rule.check(options.due, ids.is_some())).transpose()?;
    check_collect(&T::OPTIONS, rule, options.ttl)?;
    let ids = match ids {
        Some(ids) if ids.len() != tasks.len() => {
            let (ids, jobs) = (ids.len(), tasks.len());
            return Err(DispatchError::InvalidOption(format!(
                "{ids} ids for {jobs} jobs; give each job one"
            )));
        }
        Some(ids) => ids,
        None if options.replace_failed => return Err(replaces_nothing()),
        None => tasks.iter().map(|_| JobId::new()).collect(),
    };
    keys.iter().flatten().try_for_each(|key| check_key(T::NAME, key))?;
    let (name, mut keys) = (TaskName::from(T::NAME), keys.into_iter());
    let job = |(id, task): (_, T)| {
        let (payload, options) = (encode(setup, T::NAME, &task)?, options.clone());
        let limit_key = limit_keys.next().flatten().or_else(|| task.limit_key());
        let terms = (limit_key, task.cost());
        let job = new_job(id, name.clone(), payload, &T::OPTIONS, terms, options)?;
        Ok((job, keys.next().flatten()))
    };
    let jobs = ids.into_iter().zip(tasks).map(job).collect::<Result<_, DispatchError>>()?;
    Ok((jobs, rule))
}

/// Stores the jobs chunk by chunk, with two calls in flight, so that the store is never idle between them. With a rule, it
/// makes one call at a time, because the order of a key's jobs matters.
async fn store_in_chunks<Out>(
    setup: Setup,
    expected: Expected,
    jobs: Vec<Keyed>,
    rule: Option<Rule>,
) -> Result<Vec<JobHandle<Out>>, DispatchError> {
    let total = jobs.len();
    let mut handles = Vec::with_capacity(total);
    let mut failure = None;
    let mut chunks = chunks(jobs).into_iter();
    while failure.is_none() {
        let Some(first) = chunks.next() else { break };
        let second = if rule.is_none() { chunks.next().unwrap_or_default() } else { Vec::new() };
        let (first, second) =
            tokio::join!(store(&setup, &expected, first, rule), store(&setup, &expected, second, rule));
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

/// The stored jobs; a throttled handle belongs to none.
fn ids<Out>(handles: &[JobHandle<Out>]) -> Vec<JobId> {
    handles.iter().filter(|handle| handle.is_stored()).map(|handle| handle.id().clone()).collect()
}

/// Stores jobs in one call; with a rule, jobs without a key go in a second call. Returns what happened to each job.
async fn store<Out>(
    setup: &Setup,
    expected: &Expected,
    jobs: Vec<Keyed>,
    rule: Option<Rule>,
) -> Result<Vec<Result<JobHandle<Out>, DispatchError>>, DispatchError> {
    let ids: Vec<(JobId, Option<String>)> =
        jobs.iter().map(|(job, key)| (job.id.clone(), key.clone().filter(|_| rule.is_some()))).collect();
    let (mut plain, mut keyed) = (Vec::new(), Vec::new());
    for (mut job, key) in jobs {
        match rule.zip(key) {
            None => plain.push(job),
            Some((rule, key)) => {
                let rule = for_payload(rule, &job.payload);
                tell_key(rule, &key, &mut job.meta)?;
                keyed.push(Admission { job, key, rule });
            }
        }
    }
    let adapter = setup.adapter();
    let mut enqueued = match plain.is_empty() {
        true => Vec::new(),
        false => adapter.jobs().enqueue(plain).await?,
    }
    .into_iter();
    let mut admissions = match keyed.is_empty() {
        true => Vec::new(),
        false => adapter.admissions().admit(keyed).await?,
    }
    .into_iter();
    let answer = |(id, key): (JobId, Option<String>)| {
        let expected = expected.clone();
        match key {
            Some(key) => admitted(setup, expected, id, &key, admissions.next()),
            None => handle(setup, expected, id, enqueued.next()),
        }
    };
    Ok(ids.into_iter().map(answer).collect())
}

fn chunks(jobs: Vec<Keyed>) -> Vec<Vec<Keyed>> {
    let mut chunks: Vec<Vec<Keyed>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        let size = job.0.payload.len();
        bytes += size;
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK && bytes <= CHUNK_BYTES => chunk.push(job),
            _ => {
                bytes = size;
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

    fn job(bytes: usize) -> Keyed {
        let options = DispatchOptions::default();
        let payload = vec![b'1'; bytes];
        (new_job(JobId::new(), "t".into(), payload, &TaskOptions::new(), (None, 1), options).unwrap(), None)
    }

    #[test]
    fn chunks_are_bounded_in_number_and_in_bytes() {
        let sizes = |jobs: Vec<Keyed>| chunks(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..1_001).map(|_| job(1)).collect()), [500, 500, 1]);
        assert_eq!(
            sizes(vec![job(CHUNK_BYTES), job(1), job(CHUNK_BYTES), job(CHUNK_BYTES + 1)]),
            [1, 1, 1, 1]
        );
        assert_eq!(sizes(Vec::new()), [] as [usize; 0]);
    }
}
