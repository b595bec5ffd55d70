//! Ends: failures, cancellations, deadlines, and what becomes of the other steps.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::{AttemptEnd, NewNode, NewWorkflow, Settled, TaskName};
use taskora::{CancelOutcome, Retention, prelude::*};

use super::{Add, Double, Fails, Fragile, Held, Show, Sum, named, one, outcome, states, worker};
use crate::support::{LEASE, Probe, Store, on_both, quick, soon, until, until_is};

const CANCELLED: Option<JobState> = Some(JobState::Cancelled);

fn failing(why: &str) -> Fails {
    Fails { why: why.to_owned() }
}

/// Waits until all nodes have ended, and says how.
pub(super) async fn all_ended<Out>(handle: &WorkflowHandle<Out>) -> Vec<Option<JobState>> {
    let have_ended =
        |states: &Vec<Option<JobState>>| states.iter().all(|state| state.is_some_and(JobState::is_terminal));
    until_is(have_ended, || states(handle), || "all nodes have ended".into()).await
}

fn failure<T: std::fmt::Debug>(result: Result<T, WorkflowError>) -> (String, String, String) {
    match result {
        Err(WorkflowError::Failed { node, task, message, .. }) => (node, task, message),
        other => panic!("not a failure: {other:?}"),
    }
}

on_both! {
    async fn x10_a_chain_whose_first_step_fails_has_failed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let flow = failing("no luck").then(Double::s()).then(named("never"));
        let handle = app.dispatch(flow).await.unwrap();
        let (node, task, message) = failure(outcome(&handle).await);
        assert_eq!((&*node, &*task, &*message), ("0.fails", "fails", "no luck"));
        assert_eq!(handle.state().await.unwrap(), Some(WorkflowState::Failed));
        assert_eq!(all_ended(&handle).await, [Some(JobState::Failed), CANCELLED, CANCELLED]);
        let graph = handle.graph().await.unwrap();
        let errors: Vec<_> = graph.nodes.iter().map(|node| node.error.as_deref()).collect();
        assert_eq!(errors, [Some("no luck"), Some("workflow failed"), Some("workflow failed")]);
        assert!(probe.seen().is_empty());
        worker.shutdown().await.unwrap();
    }

    async fn x11_cancelling_a_group_cancels_every_member(store: Store) {
        let (app, other, probe) = (store.app().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Held>().concurrency(2).start().await.unwrap();
        let handle = app.dispatch(group(["a", "b", "c", "d"].map(named)).then(named("e"))).await.unwrap();
        probe.until(2).await;
        let elsewhere = other.workflow::<String>(handle.id());
        assert_eq!(elsewhere.cancel("changed my mind").await.unwrap(), CancelOutcome::Cancelled);
        let error = outcome(&handle).await.unwrap_err();
        assert!(matches!(&error, WorkflowError::Cancelled { reason, .. } if reason == "changed my mind"), "{error:?}");
        assert_eq!(all_ended(&handle).await, [CANCELLED; 5]);
        let again = handle.cancel("again").await.unwrap();
        assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Cancelled));
        until(0, || async { probe.running() }).await;
        assert_eq!(probe.seen().len(), 2, "nobody else has started");
        worker.shutdown().await.unwrap();
    }

    async fn x12_a_sibling_is_cancelled_when_another_fails(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let late = Add { a: 1, b: 1 }.with(|o| o.delay(Duration::from_secs(3_600)));
        let last = failing("broken").with(|o| o.delay(Duration::from_millis(50)));
        let handle = app.dispatch(group((named("held"), late, last))).await.unwrap();
        assert_eq!(failure(outcome(&handle).await).2, "broken");
        assert_eq!(all_ended(&handle).await, [CANCELLED, CANCELLED, Some(JobState::Failed)]);
        until(0, || async { probe.running() }).await;
        assert_eq!(probe.seen(), ["held"]);
        worker.shutdown().await.unwrap();
    }

    async fn x13_what_a_dead_worker_has_settled_goes_on(store: Store) {
        let (app, ghost, probe) = (store.app().await, store.ghost().await, Probe::new());
        let handle = app.dispatch(one(1).then(Double::s())).await.unwrap();
        // settled, and never heard of again: the next step is there all the same
        let job = ghost.claim_one::<Add>(LEASE).await;
        let end = AttemptEnd::Complete(b"2".to_vec());
        assert_eq!(ghost.settle(&job, end.clone()).await, Settled::Now(JobState::Completed));
        assert_eq!(ghost.settle(&job, end).await, Settled::Stale);
        assert_eq!(states(&handle).await, [Some(JobState::Completed), Some(JobState::Waiting)]);
        // claimed, and never heard of again: somebody else takes it over
        ghost.claim_one::<Double>(LEASE).await;
        let worker = worker(&app, &probe).await;
        assert_eq!(outcome(&handle).await.unwrap(), 4);
        worker.shutdown().await.unwrap();
    }

    async fn x14_a_step_that_stalls_out_fails_its_workflow(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let handle = app.dispatch(Fragile {}.then(Double::s())).await.unwrap();
        ghost.claim_one::<Fragile>(LEASE / 3).await;
        let sweeper = quick(&app).register::<Fragile>().start().await.unwrap();
        let (node, task, message) = failure(outcome(&handle).await);
        assert_eq!((&*node, &*task), ("0.fragile", "fragile"));
        assert!(message.contains("stalled"), "{message}");
        assert_eq!(all_ended(&handle).await, [Some(JobState::Failed), CANCELLED]);
        sweeper.shutdown().await.unwrap();
    }

    async fn x14_a_step_that_is_cancelled_alone_cancels_its_workflow(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(group([named("a"), named("b")])).await.unwrap();
        probe.until(2).await;
        let node = app.job::<Held>(JobId::node(handle.id(), 1));
        assert_eq!(node.cancel("not this one").await.unwrap(), CancelOutcome::Requested);
        let error = outcome(&handle).await.unwrap_err();
        assert!(matches!(&error, WorkflowError::Cancelled { reason, .. } if reason == "not this one"), "{error:?}");
        assert_eq!(all_ended(&handle).await, [CANCELLED; 2]);
        let graph = handle.graph().await.unwrap();
        let errors: Vec<_> = graph.nodes.iter().map(|node| node.error.as_deref()).collect();
        assert_eq!(errors, [Some("workflow cancelled"), Some("not this one")]);
        worker.shutdown().await.unwrap();
    }

    async fn x14_a_step_that_expires_with_its_workflow_ends(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let flow = group([named("a"), named("b")]).then(named("c"));
        let handle = app.dispatch(flow).ttl(Duration::from_millis(300)).await.unwrap();
        probe.until(2).await;
        let error = outcome(&handle).await.unwrap_err();
        assert!(matches!(&error, WorkflowError::Expired { id } if id == handle.id()), "{error:?}");
        assert_eq!(all_ended(&handle).await, [CANCELLED; 3]);
        until(0, || async { probe.running() }).await;
        worker.shutdown().await.unwrap();
    }

    async fn a_workflow_that_is_awaited_ends_at_its_deadline_without_a_worker(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(one(1).then(Double::s())).ttl(Duration::from_millis(300)).await.unwrap();
        // the sweeps of a worker would end it, too, but seconds later
        let result = handle.result_within(Duration::from_secs(3)).await;
        assert!(matches!(result, Err(WorkflowError::Expired { .. })), "{result:?}");
        assert_eq!(handle.state().await.unwrap(), Some(WorkflowState::Expired));
        let later = app.workflow::<i64>(handle.id()).result_within(Duration::from_secs(3)).await;
        assert!(matches!(later, Err(WorkflowError::Expired { .. })), "{later:?}");
    }

    async fn x16_a_deadline_needs_no_dispatcher(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let handle = app.dispatch(one(1).then(Double::s())).ttl(Duration::from_millis(200)).await.unwrap();
        let id = handle.id().clone();
        drop((handle, app));
        tokio::time::sleep(Duration::from_millis(250)).await;
        // another process, much later; it does not know the tasks
        let worker = quick(&other).register::<Sum>().start().await.unwrap();
        let handle = other.workflow::<i64>(id);
        assert!(matches!(outcome(&handle).await, Err(WorkflowError::Expired { .. })));
        assert_eq!(all_ended(&handle).await, [CANCELLED; 2]);
        worker.shutdown().await.unwrap();
    }

    async fn a_step_whose_results_cannot_be_read_yet_waits(store: Store) {
        let ((app, switch), ghost, probe) = (store.switched().await, store.ghost().await, Probe::new());
        let handle = app.dispatch(one(1).then(Double::s())).await.unwrap();
        let job = ghost.claim_one::<Add>(LEASE).await;
        ghost.settle(&job, AttemptEnd::Complete(b"2".to_vec())).await;
        switch.no_results.store(true, Ordering::SeqCst);
        let worker = worker(&app, &probe).await;
        until(Some(JobState::Active), || async { states(&handle).await[1] }).await;
        tokio::time::sleep(2 * LEASE).await;
        assert_eq!(states(&handle).await[1], Some(JobState::Active), "it waits, and keeps its lease");
        switch.no_results.store(false, Ordering::SeqCst);
        assert_eq!(outcome(&handle).await.unwrap(), 4);
        let graph = handle.graph().await.unwrap();
        assert_eq!(graph.nodes[1].attempts, 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_step_can_be_cancelled_while_it_waits_for_results(store: Store) {
        let ((app, switch), ghost, probe) = (store.switched().await, store.ghost().await, Probe::new());
        let handle = app.dispatch(one(1).then(Show::s().prefix("n"))).await.unwrap();
        let job = ghost.claim_one::<Add>(LEASE).await;
        ghost.settle(&job, AttemptEnd::Complete(b"2".to_vec())).await;
        switch.no_results.store(true, Ordering::SeqCst);
        let worker = worker(&app, &probe).await;
        until(Some(JobState::Active), || async { states(&handle).await[1] }).await;
        handle.cancel("enough").await.unwrap();
        assert_eq!(all_ended(&handle).await, [Some(JobState::Completed), CANCELLED]);
        soon("the shutdown", worker.shutdown()).await.unwrap();
    }

    async fn a_recipe_that_makes_no_sense_fails_its_step(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let adapter = store.adapter().await;
        let recipes: [(&[u8], &str); 3] = [
            (b"[1", "the recipe of a composed value cannot be read"),
            (br#"{"form":"payload","template":null,"holes":[[0,7]]}"#, "the result of node 7 is not there"),
            (br#"{"form":"arguments","template":["text"],"holes":[]}"#, "not a valid `double`: at `[0]`: invalid type, expected i64"),
        ];
        for (at, (recipe, expected)) in recipes.into_iter().enumerate() {
            let node = NewNode { composed: true, ..NewNode::new("odd", "double", recipe) };
            let id = format!("odd-{at}");
            let flow = NewWorkflow::new(id.as_str(), vec![node], Vec::new(), "0");
            adapter.workflows().start(flow).await.unwrap();
            let (node, _, message) = failure(outcome(&app.workflow::<i64>(id)).await);
            assert!(node == "odd" && message.contains(expected), "{message}");
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_workflow_that_was_trimmed_is_unknown(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(one(1).then(Double::s())).await.unwrap();
        outcome(&handle).await.unwrap();
        worker.shutdown().await.unwrap();
        let adapter = store.adapter().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut retention = Retention::default();
        retention.workflows.count = 0;
        let tasks = [TaskName::from("add")];
        while adapter.jobs().sweep(&tasks, retention).await.unwrap().more {}
        assert!(matches!(handle.result().await, Err(WorkflowError::NotFound { .. })));
        assert!(matches!(handle.graph().await, Err(taskora::WorkflowError::NotFound { .. })));
        assert_eq!(app.job::<Add>(JobId::node(handle.id(), 0)).info().await.unwrap(), None);
    }
}
