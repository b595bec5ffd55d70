//! Watching a job until it has ended.

use std::time::Duration;

use serde::de::DeserializeOwned;
use taskora::prelude::*;
use taskora::{JobWatcher, Watched};

use crate::support::{Echo, Held, Probe, Store, on_both, quick, soon, until_is, until_state};

#[task]
async fn count(ctx: &Context, probe: State<Probe>, to: u32) -> u32 {
    for n in 1..=to {
        ctx.progress(n);
    }
    probe.saw(ctx.id());
    probe.gate().await;
    to
}

#[task(retry(attempts = 2, delay = "1h", jitter = false))]
async fn retried(ctx: &Context) -> Result<(), TaskError> {
    ctx.progress("half");
    Err(TaskError::msg("not yet"))
}

#[task]
async fn refuse() -> Result<u32, String> {
    Err("not today".into())
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let tasks = tasks![Count, Retried, Refuse, Echo, Held];
    quick(app).state(probe.clone()).register_all(tasks).start().await.unwrap()
}

async fn next<P: DeserializeOwned, Out: DeserializeOwned>(
    watcher: &mut JobWatcher<P, Out>,
) -> Result<Option<Watched<P, Out>>, JobError> {
    soon("news", watcher.next()).await
}

/// Reads until this progress comes. All that come are above those before.
async fn until_progress<Out: DeserializeOwned>(watcher: &mut JobWatcher<u32, Out>, expected: u32) {
    let mut last = 0;
    while last != expected {
        match next(watcher).await.unwrap() {
            Some(Watched::Progress(progress)) => {
                assert!(progress > last && progress <= expected, "{progress} after {last}");
                last = progress;
            }
            Some(Watched::State(JobState::Waiting | JobState::Active)) => {}
            _ => panic!("something else before {expected} has come"),
        }
    }
}

/// Reads until the end, behind which nothing comes.
async fn end<P: DeserializeOwned, Out: DeserializeOwned>(
    watcher: &mut JobWatcher<P, Out>,
) -> Result<Out, JobError> {
    loop {
        if let Some(Watched::Ended(end)) = next(watcher).await.unwrap() {
            assert!(next(watcher).await.unwrap().is_none(), "the end comes last");
            return end;
        }
    }
}

on_both! {
    async fn the_newest_progress_and_then_the_end_are_told(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let job = app.dispatch(Count { to: 100 }).await.unwrap();
        let (mut here, mut slow) = (job.watch::<u32>(), job.watch::<u32>());
        let mut elsewhere = store.app().await.job::<Count>(job.id()).watch::<u32>();
        assert!(matches!(next(&mut here).await, Ok(Some(Watched::State(JobState::Waiting)))));
        let worker = worker(&app, &probe).await;
        until_progress(&mut here, 100).await;
        until_progress(&mut elsewhere, 100).await;
        let nothing = tokio::time::timeout(Duration::from_millis(50), here.next()).await;
        assert!(nothing.is_err(), "nothing is told twice: {nothing:?}");
        probe.open(1);
        assert_eq!(end(&mut here).await.unwrap(), 100);
        assert_eq!(end(&mut elsewhere).await.unwrap(), 100);
        // whoever has not looked until now gets the last progress, and then the end
        assert!(matches!(next(&mut slow).await, Ok(Some(Watched::State(JobState::Active)))));
        assert!(matches!(next(&mut slow).await, Ok(Some(Watched::Progress(100)))));
        assert_eq!(end(&mut slow).await.unwrap(), 100);
        worker.shutdown().await.unwrap();
    }

    async fn who_watches_after_the_end_gets_it_at_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        probe.open(1);
        let job = app.dispatch(Count { to: 3 }).await.unwrap();
        until_state(&job, JobState::Completed).await;
        let mut watcher = job.watch::<u32>();
        assert!(matches!(next(&mut watcher).await, Ok(Some(Watched::Ended(Ok(3))))));
        assert!(next(&mut watcher).await.unwrap().is_none());
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_is_unknown_or_of_another_task_is_an_error(store: Store) {
        let app = store.app().await;
        let mut watcher = app.job::<Echo>("nobody").watch::<u32>();
        let error = next(&mut watcher).await.unwrap_err();
        assert!(matches!(&error, JobError::NotFound { id } if id.as_str() == "nobody"), "{error:?}");
        assert!(next(&mut watcher).await.unwrap().is_none());
        let job = app.dispatch(Echo::from("a")).await.unwrap();
        let mut watcher = app.job::<Refuse>(job.id()).watch::<u32>();
        let error = next(&mut watcher).await.unwrap_err();
        assert!(matches!(&error, JobError::OtherTask { task, .. } if task == "echo"), "{error:?}");
        job.cancel("ended").await.unwrap();
        let mut watcher = app.job::<Refuse>(job.id()).watch::<u32>();
        assert!(matches!(next(&mut watcher).await, Err(JobError::OtherTask { .. })));
    }

    async fn each_end_is_told_as_the_result_is(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let late = app.dispatch(Echo::from("late")).ttl(Duration::from_secs(5)).await.unwrap();
        let cancelled = app.dispatch(Echo::from("a")).delay(Duration::from_secs(3600)).await.unwrap();
        let (mut of_late, mut of_cancelled) = (late.watch::<u32>(), cancelled.watch::<u32>());
        assert!(matches!(next(&mut of_cancelled).await, Ok(Some(Watched::State(JobState::Delayed)))));
        assert!(matches!(next(&mut of_late).await, Ok(Some(Watched::State(JobState::Waiting)))));
        cancelled.cancel("not needed").await.unwrap();
        let error = end(&mut of_cancelled).await.unwrap_err();
        assert!(matches!(&error, JobError::Cancelled { reason, .. } if reason == "not needed"), "{error:?}");
        store.pass(Duration::from_secs(6)).await;
        let worker = worker(&app, &probe).await;
        assert!(matches!(end(&mut of_late).await, Err(JobError::Expired { .. })));

        let mut failed = app.dispatch(Refuse {}).await.unwrap().watch::<u32>();
        let error = end(&mut failed).await.unwrap_err();
        assert!(matches!(&error, JobError::Failed { message, .. } if message == "not today"), "{error:?}");
        let running = app.dispatch(Count { to: 1 }).await.unwrap();
        let mut of_running = running.watch::<u32>();
        until_progress(&mut of_running, 1).await;
        running.cancel("enough").await.unwrap();
        let error = end(&mut of_running).await.unwrap_err();
        assert!(matches!(&error, JobError::Cancelled { reason, .. } if reason == "enough"), "{error:?}");
        worker.shutdown().await.unwrap();
    }

    async fn twenty_watch_one_job(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let job = app.dispatch(Count { to: 10 }).await.unwrap();
        let watchers: Vec<_> = (0..20).map(|_| job.watch::<u32>()).collect();
        let worker = worker(&app, &probe).await;
        let watching: Vec<_> = watchers
            .into_iter()
            .map(|mut watcher| {
                tokio::spawn(async move {
                    until_progress(&mut watcher, 10).await;
                    watcher
                })
            })
            .collect();
        let mut watchers = Vec::new();
        for watching in watching {
            watchers.push(watching.await.unwrap());
        }
        probe.open(1);
        for watcher in &mut watchers {
            assert_eq!(end(watcher).await.unwrap(), 10);
        }
        worker.shutdown().await.unwrap();
    }

    async fn an_attempt_that_fails_is_told(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let job = app.dispatch(Retried {}).await.unwrap();
        let mut watcher = job.watch::<String>();
        assert!(matches!(next(&mut watcher).await, Ok(Some(Watched::State(JobState::Waiting)))));
        let worker = worker(&app, &probe).await;
        let mut told = Vec::new();
        while !told.contains(&"retrying".to_owned()) {
            match next(&mut watcher).await.unwrap() {
                Some(Watched::State(state)) => told.push(state.to_string()),
                Some(Watched::Progress(progress)) => told.push(progress),
                _ => panic!("it has not ended: {told:?}"),
            }
        }
        // what was reported before comes before
        assert_eq!(told[told.len() - 2..], ["half", "retrying"]);
        job.cancel("enough").await.unwrap();
        assert!(matches!(end(&mut watcher).await, Err(JobError::Cancelled { .. })));
        worker.shutdown().await.unwrap();
    }

    async fn a_progress_of_another_type_is_an_error_and_the_end_comes(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let mut watcher = app.dispatch(Count { to: 1 }).await.unwrap().watch::<Vec<String>>();
        let error = loop {
            match next(&mut watcher).await {
                Ok(Some(Watched::State(_))) => {}
                Ok(_) => panic!("neither a progress nor an end can be read"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, JobError::Undecodable { .. }), "{error:?}");
        probe.open(1);
        assert_eq!(end(&mut watcher).await.unwrap(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_step_of_a_workflow_is_watched(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let workflow = app.dispatch(chain((Count { to: 4 }, Echo::from("end")))).await.unwrap();
        let step = probe.until(1).await.remove(0);
        let mut watcher = app.job_raw(step).watch::<u32>();
        until_progress(&mut watcher, 4).await;
        probe.open(1);
        assert_eq!(end(&mut watcher).await.unwrap(), serde_json::json!(4));
        assert_eq!(soon("the workflow", workflow.result()).await.unwrap(), "end");
        worker.shutdown().await.unwrap();
    }

    async fn a_watch_that_is_given_up_leaves_the_job_alone(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let job = app.dispatch(Count { to: 2 }).await.unwrap();
        let mut watcher = job.watch::<u32>();
        until_progress(&mut watcher, 2).await;
        drop(watcher);
        probe.open(1);
        assert_eq!(soon("the result", job.result()).await.unwrap(), 2);
        until_is(Option::is_some, || async { job.progress::<u32>().await.unwrap() }, || "some".into()).await;
        worker.shutdown().await.unwrap();
    }
}
