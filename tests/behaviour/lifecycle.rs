//! From a dispatch to a result.

use taskora::prelude::*;

use crate::support::{Probe, Store, failure, info, on_both, result};

#[task]
async fn greet(name: String, probe: State<Probe>) -> String {
    probe.saw(&name);
    format!("hello {name}")
}

#[task]
async fn fail(message: String) -> Result<(), String> {
    Err(message)
}

#[task(aliases = ["salute", "say-hello"])]
async fn welcome(name: String) -> String {
    format!("welcome {name}")
}

on_both! {
    async fn s001_a_job_dispatched_before_its_worker_starts_is_handled_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(Greet { name: "Ada".into() }).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));

        let worker = Worker::builder(&app).state(probe.clone()).register::<Greet>().start().await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), "hello Ada");
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
        worker.shutdown().await.unwrap();

        assert_eq!(probe.seen(), ["Ada"]);
        assert_eq!(handle.id().as_str().len(), 36);
        let info = info(&handle).await;
        assert_eq!((info.task.as_str(), info.attempts, info.stalls), ("greet", 1, 0));
        assert!(info.started_at >= Some(info.created_at) && info.finished_at >= info.started_at, "{info:?}");
        assert_eq!(app.counts("greet").await.unwrap().completed, 1);
    }

    async fn s002_an_error_without_retry_is_final_and_keeps_its_message(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(Fail { message: "out of paper".into() }).await.unwrap();
        let worker = Worker::builder(&app).register::<Fail>().start().await.unwrap();
        assert_eq!(failure(result(&handle).await), ("out of paper".into(), 1));
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Failed));
        assert_eq!(info(&handle).await.error.as_deref(), Some("out of paper"));
        assert_eq!(app.counts("fail").await.unwrap().failed, 1);
        worker.shutdown().await.unwrap();
    }

    async fn s003_one_at_a_time_is_in_the_order_of_dispatch(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        for name in ["1", "2", "3"] {
            app.dispatch(Greet { name: name.into() }).await.unwrap();
        }
        let worker =
            Worker::builder(&app).state(probe.clone()).register::<Greet>().concurrency(1).start().await.unwrap();
        assert_eq!(probe.until(3).await, ["1", "2", "3"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_prefetching_worker_keeps_the_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        app.dispatch_many(names.iter().map(|name| Greet { name: name.clone() })).await.unwrap();
        let worker = Worker::builder(&app)
            .state(probe.clone())
            .register::<Greet>()
            .concurrency(1)
            .prefetch(10)
            .start()
            .await
            .unwrap();
        assert_eq!(probe.until(100).await, names);
        worker.shutdown().await.unwrap();
    }

    async fn aliases_keep_the_jobs_of_old_names_working(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Welcome>().start().await.unwrap();
        for name in ["welcome", "salute", "say-hello"] {
            let handle = app.dispatch_raw(name, serde_json::json!({ "name": "Ada" })).await.unwrap();
            assert_eq!(result(&handle).await.unwrap(), "welcome Ada");
            assert_eq!(info(&handle).await.task, name);
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_name_that_no_worker_knows_waits_and_is_counted(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Welcome>().start().await.unwrap();
        let stranger = app.dispatch_raw("not-here-yet", serde_json::json!({ "name": "Bob" })).await.unwrap();
        // the worker is alive and well, and has had its chance
        let known = app.dispatch(Welcome { name: "Ada".into() }).await.unwrap();
        assert_eq!(result(&known).await.unwrap(), "welcome Ada");
        assert_eq!(stranger.state().await.unwrap(), Some(JobState::Waiting));
        assert_eq!(app.counts("not-here-yet").await.unwrap().waiting, 1);
        worker.shutdown().await.unwrap();

        #[task(name = "not-here-yet")]
        async fn late(name: String) -> String {
            format!("at last, {name}")
        }
        let worker = Worker::builder(&app).register::<Late>().start().await.unwrap();
        assert_eq!(result(&stranger).await.unwrap(), "at last, Bob");
        worker.shutdown().await.unwrap();
    }

    async fn several_workers_share_the_jobs_of_one_app(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut workers = Vec::new();
        for _ in 0..3 {
            let builder = Worker::builder(&app).state(probe.clone()).register::<Greet>().concurrency(2);
            workers.push(builder.start().await.unwrap());
        }
        let names: Vec<String> = (100..160).map(|n| n.to_string()).collect();
        let handles = app.dispatch_many(names.iter().map(|name| Greet { name: name.clone() })).await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.sorted(), names);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }
}
