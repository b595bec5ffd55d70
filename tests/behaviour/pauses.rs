//! Pauses of tasks and of keys that say who, and that end by themselves.

use std::time::Duration;

use taskora::adapter::AdapterError;
use taskora::prelude::*;
use taskora::{Blocked, WorkerBuilder};

use crate::support::{PATIENCE, Probe, Store, info, on_both, result, until_state};

const SOON: Duration = Duration::from_secs(1);

#[task(aliases = ["send-before"])]
async fn send(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(n);
    n
}

#[task(limit(key = |t| t.tenant, max = 2))]
async fn report(tenant: String, probe: State<Probe>) {
    probe.saw(tenant);
}

/// A worker whose sweeps come too late for any test.
fn builder(app: &App, probe: &Probe) -> WorkerBuilder<Probe> {
    Worker::builder(app).sweep(PATIENCE * 10).state(probe.clone()).register_all(tasks![Send, Report])
}

on_both! {
    async fn a_pause_ends_by_itself_and_an_idle_worker_starts_what_waits(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        assert!(app.queues().pause::<Send>().reason("provider down").by("ada").lasting(SOON).await.unwrap());
        let pause = app.queues().gate::<Send>().await.unwrap().paused.expect("it is paused");
        assert_eq!((&*pause.reason, &*pause.by), ("provider down", "ada"));
        let until = pause.until.expect("it ends by itself");
        let handles = app.dispatch_many((0..3).map(|n| Send { n })).await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
            assert!(info(handle).await.started_at.unwrap() >= until);
        }
        assert_eq!(app.queues().gate::<Send>().await.unwrap().paused, None);
        worker.shutdown().await.unwrap();
    }

    async fn a_pause_that_lasts_survives_a_restart(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = builder(&app, &probe).start().await.unwrap();
        app.queues().pause::<Send>().lasting(3 * SOON).await.unwrap();
        let until = app.queues().gate::<Send>().await.unwrap().paused.unwrap().until;
        let job = app.dispatch(Send { n: 1 }).await.unwrap();
        first.shutdown().await.unwrap();
        let second = builder(&store.app().await, &probe).start().await.unwrap();
        assert_eq!(result(&job).await.unwrap(), 1);
        assert!(info(&job).await.started_at >= until);
        second.shutdown().await.unwrap();
    }

    async fn the_pause_of_a_key_ends_by_itself(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        app.queues().pause::<Report>().key("acme").by("ada").lasting(SOON).await.unwrap();
        let paused = app.dispatch(Report { tenant: "acme".into() }).await.unwrap();
        let free = app.dispatch(Report { tenant: "other".into() }).await.unwrap();
        let until = app.queues().gate::<Report>().key("acme").await.unwrap().paused.and_then(|pause| pause.until);
        result(&free).await.unwrap();
        result(&paused).await.unwrap();
        assert!(info(&paused).await.started_at >= until);
        worker.shutdown().await.unwrap();
    }

    async fn a_pause_for_no_time_or_for_ever_is_refused(store: Store) {
        let app = store.app().await;
        for time in [Duration::ZERO, Duration::MAX] {
            let refused = app.queues().pause::<Send>().lasting(time).await.unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "invalid configuration: a pause cannot last {time:?}; choose 1 ms to 365 days, \
                     or leave `lasting` out for one that ends with `resume`"
                )
            );
        }
        assert_eq!(app.queues().gate::<Send>().await.unwrap().paused, None);
    }

    async fn a_resume_ends_a_pause_that_lasts(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        app.queues().pause::<Send>().lasting(Duration::from_secs(3_600)).await.unwrap();
        let job = app.dispatch(Send { n: 1 }).await.unwrap();
        until_state(&job, JobState::Waiting).await;
        assert_eq!(info(&job).await.blocked, Some(Blocked::Paused));
        assert!(app.queues().resume::<Send>().await.unwrap());
        assert_eq!(result(&job).await.unwrap(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn operators_pause_by_name(store: Store) {
        let (app, board, probe) = (store.app().await, store.app().await, Probe::new());
        let queues = board.queues();
        // it has told the aliases
        app.queues().limit::<Send>().set(9).await.unwrap();
        assert!(queues.pause_task("send").reason("provider down").by("ada").await.unwrap());
        assert!(!queues.pause_task("send-before").await.unwrap(), "an alias stands for its task");
        assert!(queues.pause_task("report").lasting(Duration::from_secs(3_600)).await.unwrap());
        let paused: Vec<String> = queues.paused().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(paused.len(), 2);
        assert!(paused[0].starts_with("report is paused until "), "{paused:?}");
        assert_eq!(paused[1], "send is paused by ada: provider down");
        let worker = builder(&app, &probe).start().await.unwrap();
        let job = app.dispatch(Send { n: 1 }).await.unwrap();
        assert_eq!(info(&job).await.blocked, Some(Blocked::Paused));
        assert_eq!(queues.gate_task("send").await.unwrap().to_string(), "0 of 9, paused by ada: provider down");
        queues.limit_task("send").set(5).await.unwrap();
        queues.rate_task("send").set(50, SOON).await.unwrap();
        assert!(queues.resume_task("send").await.unwrap());
        assert!(queues.resume_task("report").await.unwrap());
        assert_eq!(result(&job).await.unwrap(), 1);
        let gate = app.queues().gate::<Send>().await.unwrap();
        assert_eq!((gate.limit(), gate.rate().map(|rate| rate.max), gate.paused), (Some(5), Some(50), None));
        assert!(queues.paused().await.unwrap().is_empty());
        // a key, too
        assert!(queues.pause_task("report").key("acme").by("ada").await.unwrap());
        assert_eq!(app.queues().gate::<Report>().key("acme").await.unwrap().to_string(), "0 of 2, paused by ada");
        assert!(queues.paused().await.unwrap().is_empty(), "its task is not");
        assert!(queues.resume_task("report").key("acme").await.unwrap());
        worker.shutdown().await.unwrap();
    }

    async fn what_no_task_is_called_is_refused(store: Store) {
        let app = store.app().await;
        let queues = app.queues();
        for name in ["", "@", "a\nb"] {
            let refused = [
                queues.pause_task(name).await.map(drop),
                queues.resume_task(name).await.map(drop),
                queues.limit_task(name).set(1).await,
                queues.rate_task(name).reset().await,
                queues.gate_task(name).await.map(drop),
            ];
            for refused in refused {
                assert!(matches!(&refused, Err(AdapterError::Config(why)) if why.contains("task")), "{refused:?}");
            }
        }
        // one that nobody knows is no mistake: its first job may come later
        assert!(queues.pause_task("not-yet").await.unwrap());
        assert_eq!(&*queues.paused().await.unwrap()[0].task, "not-yet");
    }
}
