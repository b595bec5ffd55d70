//! Dispatching a workflow.

use super::WorkflowId;
use super::handle::WorkflowHandle;
use super::plan::Plan;
use super::step::Workflow;
use crate::adapter::{Enqueued, NewWorkflow};
use crate::app::App;
use crate::dispatch::{BoxFuture, Dispatch, DispatchOptions, Dispatchable, Dispatched, check_meta};
use crate::error::DispatchError;
use crate::handle::Outcome;

impl<S, Out: 'static> Dispatchable for Workflow<S, Out> {
    type Handle = WorkflowHandle<Out>;
    type Slot = S;

    fn __into_dispatch(self, app: &App) -> Dispatch<Self::Handle> {
        Dispatch::new(app, self.plan())
    }
}

impl<Out: 'static> Dispatched for WorkflowHandle<Out> {
    type Id = WorkflowId;
    type Request = Plan;
    type Output = Self;

    fn send(
        app: App,
        plan: Plan,
        id: Option<WorkflowId>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self, DispatchError>> {
        // what is sent does not depend on the types any more
        let finished = finish(&app, plan, id, options);
        Box::pin(async move {
            let workflow = finished?;
            let id = workflow.id.clone();
            let outcome = match app.adapter().workflows().start(workflow).await? {
                Enqueued::Duplicate => Outcome::Duplicate(id.clone()),
                _ => Outcome::Enqueued,
            };
            Ok(Self::dispatched(app, outcome, id))
        })
    }
}

fn finish(
    app: &App,
    plan: Plan,
    id: Option<WorkflowId>,
    options: DispatchOptions,
) -> Result<NewWorkflow, DispatchError> {
    let DispatchOptions { ttl, due, meta, .. } = options;
    let id = id.unwrap_or_else(WorkflowId::new);
    id.validate()?;
    if ttl.is_some_and(|ttl| ttl.is_zero()) {
        return Err(DispatchError::InvalidOption(
            "a `ttl` of zero leaves no time to run; leave it out for a workflow without a deadline"
                .to_owned(),
        ));
    }
    check_meta(&meta)?;
    let graph = plan.finish(app)?;
    Ok(NewWorkflow { id, nodes: graph.nodes, joins: graph.joins, output: graph.output, ttl, due, meta })
}
