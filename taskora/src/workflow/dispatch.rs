//! Dispatching a workflow.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use super::WorkflowId;
use super::handle::WorkflowHandle;
use super::plan::Plan;
use super::step::Workflow;
use crate::adapter::{Due, Enqueued, NewWorkflow};
use crate::app::App;
use crate::dispatch::{Dispatchable, check_meta, set_meta};
use crate::error::DispatchError;
use crate::handle::Outcome;

impl<S, Out> Dispatchable for Workflow<S, Out> {
    type Dispatch = WorkflowDispatch<Out>;
    type Slot = S;

    fn dispatch_on(self, app: &App) -> WorkflowDispatch<Out> {
        WorkflowDispatch {
            app: app.clone(),
            plan: self.plan(),
            id: None,
            ttl: None,
            due: Due::Now,
            meta: Vec::new(),
            typed: PhantomData,
        }
    }
}

/// A workflow about to be dispatched: takes options, and is awaited. Nothing happens before that.
///
/// ```
/// # use taskora::prelude::*;
/// # use std::time::Duration;
/// # #[task] async fn load(path: String) -> u32 { 0 }
/// # #[task] async fn store(rows: u32) {}
/// # async fn example(app: App) -> Result<(), taskora::DispatchError> {
/// let flow = Load { path: "a.csv".into() }.then(Store::s());
/// let handle = app.dispatch(flow).id("import-4711").ttl(Duration::from_secs(3600)).meta("tenant", "42").await?;
/// # let _ = handle;
/// # Ok(()) }
/// ```
///
/// Awaiting it is an error, and nothing was stored, if a payload cannot be written or is too large, or if the graph makes
/// no sense: [`DispatchError`].
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct WorkflowDispatch<Out> {
    app: App,
    plan: Plan,
    id: Option<WorkflowId>,
    ttl: Option<Duration>,
    due: Due,
    meta: Vec<(String, String)>,
    typed: PhantomData<fn() -> Out>,
}

impl<Out> WorkflowDispatch<Out> {
    /// The workflow's deadline, from when the store has accepted it: one that has not ended by then has expired, and
    /// nothing of it starts any more. The store keeps it, so that it holds whatever becomes of this process. The workflow ends
    /// on time if a worker of the namespace is idle or somebody awaits its result; otherwise within one sweep (5 s).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The first steps become ready so long after the store has accepted the workflow.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Due::After(delay);
        self
    }

    /// The first steps become ready at this time, by the store's clock; at once if that is past. Replaces `delay`, and the
    /// other way round.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.due = Due::At(at);
        self
    }

    /// The workflow's id, instead of a new one. Dispatching an id that is known already, whether its workflow has
    /// ended or not, changes nothing: the handle is that workflow's, and says [`Outcome::Duplicate`].
    pub fn id(mut self, id: impl Into<WorkflowId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Notes something with the workflow, which the handlers of all its steps read with
    /// [`Context::meta`](crate::Context::meta). Giving a key again replaces its value. All keys and values together have at
    /// most 16 KiB.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        set_meta(&mut self.meta, key.into(), value.into());
        self
    }

    fn finish(self) -> Result<(App, NewWorkflow), DispatchError> {
        let id = self.id.unwrap_or_else(WorkflowId::new);
        id.validate()?;
        if self.ttl.is_some_and(|ttl| ttl.is_zero()) {
            return Err(DispatchError::InvalidOption(
                "a `ttl` of zero leaves no time to run; leave it out for a workflow without a deadline"
                    .to_owned(),
            ));
        }
        check_meta(&self.meta)?;
        let graph = self.plan.finish(&self.app)?;
        let workflow = NewWorkflow {
            id,
            nodes: graph.nodes,
            joins: graph.joins,
            output: graph.output,
            ttl: self.ttl,
            due: self.due,
            meta: self.meta,
        };
        Ok((self.app, workflow))
    }
}

impl<Out> IntoFuture for WorkflowDispatch<Out> {
    type Output = Result<WorkflowHandle<Out>, DispatchError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        // what is sent does not depend on the types any more
        let finished = self.finish();
        Box::pin(async move {
            let (app, workflow) = finished?;
            let id = workflow.id.clone();
            let outcome = match app.adapter().start(workflow).await? {
                Enqueued::Duplicate => Outcome::Duplicate(id.clone()),
                _ => Outcome::Enqueued,
            };
            Ok(WorkflowHandle::dispatched(app, outcome, id))
        })
    }
}

impl<Out> fmt::Debug for WorkflowDispatch<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowDispatch")
            .field("id", &self.id)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
