//! Dispatching a workflow.

use super::WorkflowId;
use super::handle::WorkflowHandle;
use super::plan::Plan;
use super::step::Workflow;
use crate::adapter::{AdmittedWorkflow, Enqueued, NewWorkflow, Once, Rule};
use crate::dispatch::{
    BoxFuture, Dispatch, DispatchOptions, Dispatchable, Dispatched, check_key, check_meta, tell_once,
};
use crate::error::DispatchError;
use crate::handle::Outcome;
use crate::json;
use crate::setup::Setup;

impl<S, Out: 'static> Dispatchable for Workflow<S, Out> {
    type Handle = WorkflowHandle<Out>;
    type Slot = S;

    fn __into_dispatch(self, setup: &Setup) -> Dispatch<Self::Handle> {
        Dispatch::new(setup, self.plan())
    }
}

impl<Out: 'static> Dispatched for WorkflowHandle<Out> {
    type Id = WorkflowId;
    type Request = Plan;
    type Output = Self;

    fn send(
        setup: Setup,
        plan: Plan,
        id: Option<WorkflowId>,
        options: DispatchOptions,
    ) -> BoxFuture<Result<Self, DispatchError>> {
        // from here on, nothing depends on the types
        let rule = options.rule.as_ref().map(|rule| rule.check(options.due, id.is_some())).transpose();
        let key = options.key.clone();
        let finished = finish(&setup, plan, id, options);
        Box::pin(async move {
            let (mut workflow, rule) = (finished?, rule?);
            let id = workflow.id.clone();
            if let (Some(Rule::Once(once)), Some(key)) = (rule, key) {
                check_key("workflow", &key)?;
                tell_once(&key, &mut workflow.meta)?;
                let once = Once { fingerprint: fingerprint(&workflow), ..once };
                let admitted = setup.adapter().admissions().admit_workflow(workflow, &key, once).await?;
                return match admitted {
                    AdmittedWorkflow::New => Ok(Self::dispatched(setup, Outcome::Enqueued, id)),
                    AdmittedWorkflow::Duplicate(known) => {
                        Ok(Self::dispatched(setup, Outcome::Duplicate(known.clone()), known))
                    }
                    AdmittedWorkflow::Reused(known) => {
                        let existing = known.as_str().into();
                        Err(DispatchError::KeyReused { task: "workflow".to_owned(), key, existing })
                    }
                };
            }
            let outcome = match setup.adapter().workflows().start(workflow).await? {
                Enqueued::Duplicate => Outcome::Duplicate(id.clone()),
                _ => Outcome::Enqueued,
            };
            Ok(Self::dispatched(setup, outcome, id))
        })
    }
}

/// Identifies a workflow by its tasks, its payloads and its dependencies.
fn fingerprint(workflow: &NewWorkflow) -> u64 {
    let joins = format!("{:?}", workflow.joins);
    let shape: Vec<String> =
        workflow.nodes.iter().map(|node| format!("{:?} {}", node.after, node.task)).collect();
    let payloads = workflow.nodes.iter().map(|node| &*node.payload);
    let rest = shape.iter().map(String::as_bytes).chain([joins.as_bytes(), &*workflow.output]);
    json::fingerprint_of(payloads.chain(rest))
}

fn finish(
    setup: &Setup,
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
    let graph = plan.finish(setup)?;
    Ok(NewWorkflow { id, nodes: graph.nodes, joins: graph.joins, output: graph.output, ttl, due, meta })
}
