//! Lists of workflows by state.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chain, group, start};
use super::kit::{Caller, MOMENT, PATIENCE, TASK, complete, fail, sweep};
use crate::adapter::{Adapter, ListedWorkflows, NewWorkflow, WorkflowQuery};
use crate::policy::Retention;
use crate::workflow::{WorkflowInfo, WorkflowState};

async fn page(adapter: &Arc<dyn Adapter>, query: &WorkflowQuery) -> ListedWorkflows {
    adapter.inspection().list_workflows(query).await.expect("list_workflows")
}

async fn all(adapter: &Arc<dyn Adapter>, state: WorkflowState, limit: usize) -> Vec<WorkflowInfo> {
    let mut query = WorkflowQuery { limit, ..WorkflowQuery::new(state) };
    let (mut workflows, mut calls) = (Vec::new(), 0);
    loop {
        let page = page(adapter, &query).await;
        assert!(page.workflows.len() <= limit.min(page.scanned), "{page:?}");
        workflows.extend(page.workflows);
        calls += 1;
        assert!(calls < 10_000, "the list has no end");
        match page.next {
            Some(next) => query.after = Some(next),
            None => return workflows,
        }
    }
}

/// The ids of all workflows in a state, in order, which are the same in pages of one, of three and of many.
async fn listed(adapter: &Arc<dyn Adapter>, state: WorkflowState) -> Vec<String> {
    let ids =
        |all: Vec<WorkflowInfo>| -> Vec<String> { all.iter().map(|flow| flow.id.to_string()).collect() };
    let expected = ids(all(adapter, state, 500).await);
    for limit in [1, 3] {
        assert_eq!(ids(all(adapter, state, limit).await), expected, "{state}, in pages of {limit}");
    }
    expected
}

pub(super) async fn workflows_are_listed_by_state(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for state in WorkflowState::ALL {
        assert!(listed(&adapter, *state).await.is_empty(), "{state}");
    }
    let mut worker = Caller::new(&adapter);
    for id in ["done", "failed", "done too", "stopped"] {
        start(&adapter, chain(id, 1)).await;
        match id {
            "stopped" => drop(adapter.workflows().cancel_workflow(&id.into(), "").await.unwrap()),
            "failed" => drop(worker.run_one(fail("no")).await),
            _ => drop(worker.run_one(complete("1")).await),
        }
        f.advance(Duration::from_millis(5)).await;
    }
    for id in ["late", "running", "running too"] {
        let ttl = (id == "late").then_some(MOMENT);
        start(&adapter, NewWorkflow { ttl, ..chain(id, 2) }).await;
        f.advance(Duration::from_millis(5)).await;
    }
    assert_eq!(listed(&adapter, WorkflowState::Running).await, ["late", "running", "running too"]);
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(listed(&adapter, WorkflowState::Running).await, ["running", "running too"]);
    assert_eq!(listed(&adapter, WorkflowState::Completed).await, ["done too", "done"]);
    assert_eq!(listed(&adapter, WorkflowState::Failed).await, ["failed"]);
    assert_eq!(listed(&adapter, WorkflowState::Cancelled).await, ["stopped"]);
    assert_eq!(listed(&adapter, WorkflowState::Expired).await, ["late"]);
}

pub(super) async fn what_is_listed_of_a_workflow_is_what_is_known(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let meta = vec![("tenant".to_owned(), "7".to_owned())];
    start(&adapter, NewWorkflow { meta, ..chain("w", 3) }).await;
    let mut worker = Caller::new(&adapter);
    for open in [3, 2, 1, 0] {
        let state = if open == 0 { WorkflowState::Completed } else { WorkflowState::Running };
        let record = adapter.workflows().workflow(&"w".into(), false).await.unwrap().expect("it is known");
        assert_eq!((record.state, record.len, record.open), (state, 3, open));
        let known = WorkflowInfo::new("w".into(), record);
        assert_eq!(all(&adapter, state, 9).await, [known]);
        if open > 0 {
            worker.run_one(complete("1")).await;
        }
    }
}

/// A workflow that has ended is listed once its last node has ended.
pub(super) async fn a_workflow_with_open_nodes_is_listed_once_they_have_ended(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, group("w", 2)).await;
    let mut worker = Caller::new(&adapter);
    let held = worker.claim(2, &[TASK]).await;
    worker.settle(&held[0], fail("no")).await;
    assert!(listed(&adapter, WorkflowState::Running).await.is_empty());
    assert!(listed(&adapter, WorkflowState::Failed).await.is_empty());
    worker.settle(&held[1], fail("no")).await;
    assert_eq!(listed(&adapter, WorkflowState::Failed).await, ["w"]);
}

pub(super) async fn pages_of_workflows_neither_double_nor_skip(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for number in 0..20 {
        start(&adapter, chain(&format!("{number:02}"), 1)).await;
    }
    let first = WorkflowQuery { limit: 7, ..WorkflowQuery::new(WorkflowState::Running) };
    let seen = page(&adapter, &first).await;
    assert_eq!(seen.workflows.len(), 7);
    // what the place names ends, and another one comes
    let last = seen.workflows[6].id.clone();
    adapter.workflows().cancel_workflow(&last, "").await.unwrap();
    f.advance(Duration::from_millis(5)).await;
    start(&adapter, chain("new", 1)).await;
    let rest = WorkflowQuery { after: seen.next, limit: 500, ..first };
    let rest = super::kit::within(PATIENCE, "the rest", page(&adapter, &rest)).await;
    let mut ids: Vec<String> =
        seen.workflows.iter().chain(&rest.workflows).map(|flow| flow.id.to_string()).collect();
    assert_eq!(ids.pop().as_deref(), Some("new"));
    ids.sort_unstable();
    assert_eq!(ids, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    assert_eq!(listed(&adapter, WorkflowState::Cancelled).await, [last.to_string()]);
}
