//! Handles, options, and what can be seen of a workflow.

use std::time::Duration;

use taskora::{CancelOutcome, prelude::*};

use super::{Add, Double, Held, Show, Sum, named, one, outcome, states, worker};
use crate::support::{Probe, Store, on_both, soon};

on_both! {
    async fn s139_a_workflow_runs_until_it_has_completed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(chain((one(1),))).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(WorkflowState::Running));
        let worker = worker(&app, &probe).await;
        assert_eq!(outcome(&handle).await.unwrap(), 2);
        assert_eq!(handle.state().await.unwrap(), Some(WorkflowState::Completed));
        let info = handle.info().await.unwrap().unwrap();
        assert_eq!((&info.id, info.state, info.steps), (handle.id(), WorkflowState::Completed, 1));
        assert!(info.finished_at.is_some_and(|at| at >= info.created_at), "{info:?}");
        assert_eq!(app.workflow::<u32>("nobody").info().await.unwrap(), None);
        worker.shutdown().await.unwrap();
    }

    async fn s156_nodes_have_jobs_of_their_own(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(group([one(1), one(2)]).with(|o| o.priority(7))).await.unwrap();
        outcome(&handle).await.unwrap();
        for (node, expected) in [(0, 2), (1, 3)] {
            let job = app.job::<Add>(&handle.graph().await.unwrap().nodes[node].id);
            assert_eq!(job.id(), &JobId::node(handle.id(), node as u32));
            assert_eq!(job.result().await.unwrap(), expected);
            let info = job.info().await.unwrap().unwrap();
            assert_eq!((&*info.task, info.priority, info.attempts), ("add", 7, 1));
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_workflow_can_be_awaited_from_elsewhere(store: Store) {
        let (app, other, probe) = (store.app().await, store.app().await, Probe::new());
        let flow = named("a").then(Held::s()).then(group((Held::s(), Held::s())));
        let handle = app.dispatch(flow).id("import-7").await.unwrap();
        let elsewhere = other.workflow::<(String, String)>("import-7");
        assert_eq!(elsewhere.id(), handle.id());
        let error = elsewhere.result_within(Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(&error, WorkflowError::TimedOut { id, .. } if id == handle.id()), "{error:?}");
        assert_eq!(
            error.to_string(),
            "workflow `import-7` did not end within 20ms and goes on: no worker has claimed 1 step"
        );
        let waiting = tokio::spawn(async move { outcome(&elsewhere).await });
        let worker = worker(&app, &probe).await;
        probe.open(4);
        let expected = ("a".to_owned(), "a".to_owned());
        assert_eq!(soon("the end", waiting).await.unwrap().unwrap(), expected);
        assert_eq!(outcome(&handle).await.unwrap(), expected);
        let wrong = other.workflow::<u32>("import-7").result().await.unwrap_err();
        assert!(
            matches!(&wrong, WorkflowError::Undecodable { message, .. } if message == "invalid type, expected u32"),
            "{wrong:?}"
        );
        let wrong = other.workflow::<(String, u32)>("import-7").result().await.unwrap_err();
        assert!(
            matches!(&wrong, WorkflowError::Undecodable { message, .. } if message == "at `[1]`: invalid type, expected u32"),
            "{wrong:?}"
        );
        worker.shutdown().await.unwrap();
    }

    async fn an_id_names_one_workflow(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(chain((named("once"),))).id("the-one").await.unwrap();
        let second = app.dispatch(chain((named("twice"),))).id("the-one").await.unwrap();
        assert_eq!((first.outcome(), second.outcome()), (&Outcome::Enqueued, &Outcome::Duplicate("the-one".into())));
        assert_eq!(app.workflow::<String>("the-one").outcome(), &Outcome::Attached);
        probe.open(9);
        assert_eq!(outcome(&first).await.unwrap(), "once");
        assert_eq!(outcome(&second).await.unwrap(), "once");
        assert_eq!(probe.seen(), ["once"]);
        for id in ["", "a#1", "line\nbreak"] {
            let error = app.dispatch(chain((one(1),))).id(id).await.unwrap_err();
            assert!(!error.is_retryable(), "{error}");
        }
        worker.shutdown().await.unwrap();
    }

    async fn an_unknown_workflow_is_unknown(store: Store) {
        let app = store.app().await;
        let handle = app.workflow::<String>("nobody");
        assert_eq!(handle.state().await.unwrap(), None);
        assert!(matches!(handle.graph().await, Err(taskora::WorkflowError::NotFound { .. })));
        assert_eq!(handle.cancel("no").await.unwrap(), CancelOutcome::NotFound);
        let error = handle.result().await.unwrap_err();
        assert!(matches!(&error, WorkflowError::NotFound { id } if id == handle.id()), "{error:?}");
    }

    async fn a_graph_shows_where_everything_is(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(chord([one(1), one(2)], Sum::s()).then(named("x"))).await.unwrap();
        probe.until(1).await;
        let graph = handle.graph().await.unwrap();
        assert_eq!(graph.state, WorkflowState::Running);
        let names: Vec<_> = graph.nodes.iter().map(|node| &*node.name).collect();
        assert_eq!(names, ["0.0.add", "0.1.add", "1.sum", "2.held"]);
        let tasks: Vec<_> = graph.nodes.iter().map(|node| &*node.task).collect();
        assert_eq!(tasks, ["add", "add", "sum", "held"]);
        let edges: Vec<_> = graph.edges.iter().map(|edge| (&*edge.from, &*edge.to)).collect();
        assert_eq!(edges, [(&[0, 1][..], &[2][..]), (&[2][..], &[3][..])]);
        let done = Some(JobState::Completed);
        assert_eq!(states(&handle).await, [done, done, done, Some(JobState::Active)]);
        assert!(graph.nodes[0].finished_at >= graph.nodes[0].started_at && graph.nodes[0].started_at.is_some());
        let text = graph.mermaid();
        assert!(text.contains("n0 & n1 --> n2") && text.contains(r#"n3["2.held"]:::active"#), "{text}");
        probe.open(1);
        assert_eq!(outcome(&handle).await.unwrap(), "x");
        worker.shutdown().await.unwrap();
    }

    async fn workflows_and_steps_can_be_delayed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let second = Show::s().prefix("n").with(|o| o.delay(Duration::from_millis(150)));
        let start = tokio::time::Instant::now();
        let handle = app.dispatch(one(1).then(second)).delay(Duration::from_millis(150)).await.unwrap();
        assert_eq!(states(&handle).await, [Some(JobState::Delayed), None]);
        let worker = worker(&app, &probe).await;
        assert_eq!(outcome(&handle).await.unwrap(), "n2");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(295) && took < store.at_most(Duration::from_secs(3)), "{took:?}");
        worker.shutdown().await.unwrap();
    }

    async fn steps_may_run_in_several_processes(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let adders = Worker::builder(&app).register_all(tasks![Add]).start().await.unwrap();
        let others = Worker::builder(&other).register_all(tasks![Double, Sum]).start().await.unwrap();
        for _ in 0..20 {
            let flow = chord([one(1), one(2)], Sum::s()).then(Double::s()).then(Add::s().b(1)).then(Double::s());
            let handle = app.dispatch(flow).await.unwrap();
            assert_eq!(outcome(&handle).await.unwrap(), 22);
        }
        adders.shutdown().await.unwrap();
        others.shutdown().await.unwrap();
    }
}
