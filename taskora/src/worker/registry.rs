//! The handlers of a worker, by the names of the jobs they run.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::TaskName;
use crate::context::Context;
use crate::contract::{Task, TaskOptions};
use crate::error::WorkerError;
use crate::failure::Failure;
use crate::handler::{Handler, HandlerOptions};
use crate::json;
use crate::schedules::{Schedule, ScheduleError};
use crate::state::Scope;
use crate::workflow::Composed;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Run = dyn Fn(&Composed, Context) -> BoxFuture<Result<Vec<u8>, Failure>> + Send + Sync;
type KeyOf = dyn Fn(&Composed) -> Option<String> + Send + Sync;
type OnCancel = dyn Fn(&Composed, Context) -> BoxFuture<()> + Send + Sync;
type ReadItem = dyn Fn(&Composed) -> Result<ReadyItem, Failure> + Send + Sync;
type RunBatch = dyn Fn(Vec<ReadyItem>, Context) -> BoxFuture<Result<Vec<u8>, Failure>> + Send + Sync;

/// An item of a batch that its handler can read: a contract.
pub(crate) type ReadyItem = Box<dyn Any + Send>;

/// How a handler runs batches.
struct Batches {
    read: Box<ReadItem>,
    run: Box<RunBatch>,
}

/// A handler whose types are erased: JSON in, JSON out.
pub(crate) struct ErasedHandler {
    pub(crate) name: TaskName,
    pub(crate) contract: TaskOptions,
    pub(crate) options: HandlerOptions,
    run: Box<Run>,
    batches: Option<Batches>,
    key_of: Option<Box<KeyOf>>,
    on_cancel: Option<Box<OnCancel>>,
}

impl ErasedHandler {
    pub(crate) fn new<S, H>(state: S) -> Self
    where
        S: Clone + Send + Sync + 'static,
        H: Handler<S>,
    {
        Self {
            name: <H::Task as Task>::NAME.into(),
            contract: <H::Task as Task>::OPTIONS,
            options: H::OPTIONS,
            // a payload that cannot be read has no key, and fails the attempt
            key_of: <H::Task as Task>::OPTIONS.key_limit().map(|_| -> Box<KeyOf> {
                Box::new(|input| decode::<H::Task>(input).ok().and_then(|task| task.limit_key()))
            }),
            on_cancel: H::OPTIONS.has_on_cancel().then(|| -> Box<OnCancel> {
                let state = state.clone();
                Box::new(move |input, context| match decode::<H::Task>(input) {
                    Ok(task) => Box::pin(H::on_cancel(task, Scope::new(context, state.clone()))),
                    // such a job never started, so there is nothing to clean up
                    Err(_) => Box::pin(std::future::ready(())),
                })
            }),
            batches: H::OPTIONS.runs_batches().then(|| Batches::of::<S, H>(state.clone())),
            run: Box::new(move |input, context| match decode::<H::Task>(input) {
                Ok(task) => {
                    let attempt = H::run(task, Scope::new(context, state.clone()));
                    Box::pin(async move { encode::<H::Task>(&attempt.await?) })
                }
                Err(failure) => Box::pin(std::future::ready(Err(failure))),
            }),
        }
    }

    /// Starts an attempt.
    pub(crate) fn run(&self, input: &Composed, context: Context) -> BoxFuture<Result<Vec<u8>, Failure>> {
        (self.run)(input, context)
    }

    /// Whether it runs batches.
    pub(crate) const fn runs_batches(&self) -> bool {
        self.batches.is_some()
    }

    /// An item of a batch, as the handler takes it.
    pub(crate) fn read_item(&self, input: &Composed) -> Result<ReadyItem, Failure> {
        match &self.batches {
            Some(batches) => (batches.read)(input),
            None => Err(no_batches()),
        }
    }

    /// Starts a batch of such items.
    pub(crate) fn run_batch(
        &self,
        items: Vec<ReadyItem>,
        context: Context,
    ) -> BoxFuture<Result<Vec<u8>, Failure>> {
        match &self.batches {
            Some(batches) => (batches.run)(items, context),
            None => Box::pin(std::future::ready(Err(no_batches()))),
        }
    }

    /// What limits by key count a job with this payload by.
    pub(crate) fn limit_key(&self, input: &Composed) -> Option<String> {
        self.key_of.as_ref().and_then(|key_of| key_of(input))
    }

    /// Cleans up after a cancelled attempt, if there is a hook for it.
    pub(crate) fn on_cancel(&self, input: &Composed, context: Context) -> Option<BoxFuture<()>> {
        self.on_cancel.as_ref().map(|hook| hook(input, context))
    }
}

impl Batches {
    fn of<S, H>(state: S) -> Self
    where
        S: Clone + Send + Sync + 'static,
        H: Handler<S>,
    {
        Self {
            read: Box::new(|input| Ok(Box::new(decode::<H::Task>(input)?))),
            run: Box::new(move |items, context| {
                let items = items.into_iter().filter_map(|item| item.downcast().ok()).map(|item| *item);
                let attempt = H::run_batch(items.collect(), Scope::new(context, state.clone()));
                Box::pin(async move { encode::<H::Task>(&attempt.await?) })
            }),
        }
    }
}

fn no_batches() -> Failure {
    Failure::retryable("the handler runs no batches")
}

fn decode<T: Task>(input: &Composed) -> Result<T, Failure> {
    input
        .decode()
        .map_err(|error| Failure::undecodable(format!("the payload is not a valid `{}`: {error}", T::NAME)))
}

fn encode<T: Task>(output: &T::Output) -> Result<Vec<u8>, Failure> {
    json::write(output).map_err(|error| {
        Failure::retryable(format!("the result of `{}` cannot be written as JSON: {error}", T::NAME))
    })
}

/// All handlers of a worker.
#[derive(Default)]
pub(crate) struct Registry {
    handlers: Vec<Arc<ErasedHandler>>,
}

impl Registry {
    pub(crate) fn add(&mut self, handler: ErasedHandler) {
        self.handlers.push(Arc::new(handler));
    }

    /// The handlers by name, aliases included.
    pub(crate) fn by_name(&self) -> Result<HashMap<TaskName, Arc<ErasedHandler>>, WorkerError> {
        let mut by_name: HashMap<TaskName, Arc<ErasedHandler>> = HashMap::new();
        for handler in &self.handlers {
            let aliases = handler.contract.aliases().iter().map(|alias| TaskName::from(*alias));
            for name in std::iter::once(handler.name.clone()).chain(aliases) {
                match by_name.entry(name) {
                    Entry::Vacant(entry) => {
                        entry.insert(handler.clone());
                    }
                    Entry::Occupied(entry) => {
                        return Err(WorkerError::DuplicateHandler {
                            task: entry.key().to_string(),
                            first: entry.get().options.place(),
                            second: handler.options.place(),
                        });
                    }
                }
            }
        }
        if by_name.is_empty() { Err(WorkerError::NoHandlers) } else { Ok(by_name) }
    }

    /// The schedules of all tasks, by their contracts and by their functions.
    pub(crate) fn schedules(&self) -> Result<Vec<Schedule>, ScheduleError> {
        let sources = self
            .handlers
            .iter()
            .flat_map(|handler| [handler.contract.schedules(), handler.options.schedules()]);
        let mut schedules = Vec::new();
        for source in sources.flatten() {
            schedules.extend(source()?);
        }
        Ok(schedules)
    }

    /// The shortest lease among the handlers, given the worker's own.
    pub(crate) fn shortest_lease(&self, own: Duration) -> Duration {
        self.handlers.iter().map(|handler| handler.contract.lease().unwrap_or(own)).min().unwrap_or(own)
    }
}

/// Several handlers at once, see [`tasks!`](crate::tasks).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of handlers for a worker with this state",
    note = "write `.register_all(tasks![SendEmail, Resize])`"
)]
pub trait HandlerSet<S> {
    #[doc(hidden)]
    fn add_to(register: &mut Register<'_, S>);
}

/// Collects the handlers of a [`HandlerSet`].
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in the signature of a public trait's hidden method")]
pub struct Register<'a, S> {
    pub(crate) registry: &'a mut Registry,
    pub(crate) state: &'a S,
}

impl<S> std::fmt::Debug for Register<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").finish_non_exhaustive()
    }
}

impl<S> HandlerSet<S> for () {
    fn add_to(_: &mut Register<'_, S>) {}
}

impl<S, H, Rest> HandlerSet<S> for (H, Rest)
where
    S: Clone + Send + Sync + 'static,
    H: Handler<S>,
    Rest: HandlerSet<S>,
{
    fn add_to(register: &mut Register<'_, S>) {
        register.registry.add(ErasedHandler::new::<S, H>(register.state.clone()));
        Rest::add_to(register);
    }
}

/// The list that [`tasks!`](crate::tasks) creates.
#[doc(hidden)]
pub struct TaskList<L>(std::marker::PhantomData<L>);

impl<L> TaskList<L> {
    #[doc(hidden)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "only the macro makes one")]
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<L> std::fmt::Debug for TaskList<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<L>())
    }
}

/// A list of handlers for [`WorkerBuilder::register_all`](crate::WorkerBuilder::register_all).
///
/// ```
/// # use taskora::prelude::*;
/// #[task]
/// async fn one() {}
/// #[task]
/// async fn two() {}
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// let app = App::new(MemoryAdapter::new());
/// let worker = Worker::builder(&app).register_all(tasks![One, Two]).start().await?;
/// worker.shutdown().await?;
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! tasks {
    (@list) => { () };
    (@list $first:ty $(, $rest:ty)*) => { ($first, $crate::tasks!(@list $($rest),*)) };
    ($($task:ty),* $(,)?) => { $crate::__private::TaskList::<$crate::tasks!(@list $($task),*)>::new() };
}
