//! What operators do with single jobs.

use std::future::IntoFuture;
use std::time::Duration;

use taskora::prelude::*;
use taskora::{Action, ActionError, DispatchError, Outcome, RERUN_OF};

use crate::support::{Probe, Store, failure, info, on_both, quick, result, until_state};

/// Fails until the provider is up.
#[task(retry(attempts = 2, delay = "1ms", jitter = false))]
async fn charge(ctx: &Context, probe: State<Probe>) -> Result<u32, TaskError> {
    ctx.progress(50);
    ctx.info(format!("attempt {}", ctx.attempt()));
    if probe.count("up") > 0 { Ok(ctx.attempt()) } else { Err(TaskError::msg("the provider is down")) }
}

#[task]
async fn held(probe: State<Probe>) {
    probe.saw("started");
    probe.gate().await;
}

#[task(retry(attempts = 2, delay = "1h"))]
async fn rests(ctx: &Context) -> Result<u32, TaskError> {
    if ctx.attempt() == 1 { Err(TaskError::msg("not yet")) } else { Ok(ctx.attempt()) }
}

#[task]
async fn named(name: String, probe: State<Probe>) {
    probe.saw(name);
}

#[task]
async fn double(n: u32) -> u32 {
    n * 2
}

#[task(limit(key = given, max = 1))]
async fn given(n: u32) -> u32 {
    n
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app).state(probe.clone()).register_all(tasks![Charge, Double, Held, Rests]).start().await.unwrap()
}

/// The state of a job that could not be changed, and what was said.
fn refused(error: ActionError) -> (JobState, Action, String) {
    let text = error.to_string();
    let ActionError::State { state, action, .. } = error else { panic!("{text}") };
    (state, action, text)
}

on_both! {
    async fn a_failed_job_is_retried_under_its_id(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let job = app.dispatch(Charge {}).id("invoice-7").await.unwrap();
        assert_eq!(failure(result(&job).await), ("the provider is down".to_owned(), 2));

        probe.saw("up");
        job.retry().await.unwrap();
        assert_eq!(result(&job).await.unwrap(), 1, "its first attempt");
        let info = info(&job).await;
        assert_eq!((info.state, info.attempts, info.error), (JobState::Completed, 1, None));
        let lines: Vec<String> = job.logs().await.unwrap().into_iter().map(|line| line.message).collect();
        assert_eq!(lines, ["attempt 1", "attempt 2", "attempt 1"]);

        let (state, action, text) = refused(job.retry().await.unwrap_err());
        assert_eq!((state, action), (JobState::Completed, Action::Retry));
        assert_eq!(
            text,
            "job `invoice-7` is completed: only a job that has failed, was cancelled or has expired can be retried"
        );
        worker.shutdown().await.unwrap();
    }

    async fn a_cancelled_job_is_retried_by_another_process(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let job = app.dispatch(Charge {}).delay(Duration::from_secs(3600)).await.unwrap();
        job.cancel("a mistake").await.unwrap();
        let elsewhere = store.app().await;
        elsewhere.job_raw(job.id()).retry().await.unwrap();
        assert_eq!(job.state().await.unwrap(), Some(JobState::Waiting), "at once, without its delay");
        probe.saw("up");
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&job).await.unwrap(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_retrying_job_and_a_delayed_one_run_now(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let job = app.dispatch(Rests {}).await.unwrap();
        until_state(&job, JobState::Retrying).await;
        job.run_now().await.unwrap();
        assert_eq!(result(&job).await.unwrap(), 2, "its attempts count");

        let job = app.dispatch(Held {}).delay(Duration::from_secs(3600)).await.unwrap();
        job.run_now().await.unwrap();
        probe.until(1).await;
        let (state, action, text) = refused(job.run_now().await.unwrap_err());
        assert_eq!((state, action), (JobState::Active, Action::RunNow));
        assert_eq!(
            text,
            format!("job `{}` is active: only a delayed or retrying job can be run now", job.id())
        );
        probe.open(1);
        result(&job).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_does_not_run_is_deleted(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let running = app.dispatch(Held {}).await.unwrap();
        probe.until(1).await;
        let (state, action, text) = refused(running.delete().await.unwrap_err());
        assert_eq!((state, action), (JobState::Active, Action::Delete));
        assert_eq!(
            text,
            format!("job `{}` is active: a job can be deleted when it does not run; cancel it first", running.id())
        );
        probe.open(1);
        result(&running).await.unwrap();
        running.delete().await.unwrap();
        assert_eq!(running.state().await.unwrap(), None);

        let delayed = app.dispatch(Charge {}).delay(Duration::from_secs(3600)).await.unwrap();
        let waiting = delayed.clone();
        let waits = tokio::spawn(async move { result(&waiting).await });
        tokio::task::yield_now().await;
        delayed.delete().await.unwrap();
        match waits.await.unwrap().unwrap_err() {
            JobError::Cancelled { reason, .. } => assert_eq!(reason, "the job was deleted"),
            // it asked when the job was gone
            JobError::NotFound { .. } => {}
            other => panic!("{other}"),
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_job_is_replaced_before_it_runs(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let wrong = app.dispatch(Double { n: 20 }).priority(7).meta("tenant", "acme");
        let wrong = wrong.delay(Duration::from_secs(3600)).id("wrong").await.unwrap();
        let right = app.job::<Double>("wrong").replace(Double { n: 21 }).id("right").await.unwrap();
        assert_eq!((right.id().as_str(), right.outcome()), ("right", &Outcome::Enqueued));
        match result(&wrong).await.unwrap_err() {
            JobError::Cancelled { reason, .. } => assert_eq!(reason, "replaced by right"),
            other => panic!("{other}"),
        }
        let stored = info(&right).await;
        assert_eq!((stored.state, stored.priority), (JobState::Delayed, 7));
        assert!(stored.due_at.is_some_and(|due| due > stored.created_at), "still to come");
        let pairs = [("tenant", "acme"), (RERUN_OF, "wrong")];
        assert_eq!(stored.meta, pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));

        // once more, as after an error
        let again = wrong.replace(Double { n: 21 }).id("right").await.unwrap();
        assert_eq!(again.id(), right.id());
        let (state, action, text) = refused(wrong.replace(Double { n: 22 }).await.unwrap_err());
        assert_eq!((state, action), (JobState::Cancelled, Action::Replace));
        assert_eq!(
            text,
            "job `wrong` is cancelled: only a waiting, delayed or retrying job can be replaced; `rerun` dispatches another \
             one in any state"
        );

        right.run_now().await.unwrap();
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&right).await.unwrap(), 42);
        let rerun = right.rerun(Double { n: 4 }).priority(2).await.unwrap();
        assert_eq!(result(&rerun).await.unwrap(), 8);
        assert_eq!(info(&rerun).await.meta, [(RERUN_OF.to_owned(), "right".to_owned())]);
        assert_eq!(info(&right).await.state, JobState::Completed, "as it was");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_gets_another_priority(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let jobs = app.dispatch_many(["a", "b", "c", "d"].map(|name| Named { name: name.into() })).await.unwrap();
        let elsewhere = store.app().await;
        elsewhere.job_raw(jobs[2].id()).reprioritise(9).await.unwrap();
        jobs[0].reprioritise(-1).await.unwrap();
        assert_eq!(info(&jobs[2]).await.priority, 9);
        let page = app.inspect().list("named", JobState::Waiting).await.unwrap();
        let listed: Vec<_> = page.jobs.iter().map(|info| info.id.clone()).collect();
        assert_eq!(listed, [2, 1, 3, 0].map(|at: usize| jobs[at].id().clone()));

        let worker = quick(&app).concurrency(1).state(probe.clone()).register::<Named>().start().await.unwrap();
        for job in &jobs {
            result(job).await.unwrap();
        }
        assert_eq!(probe.seen(), ["c", "b", "d", "a"]);
        let (state, action, text) = refused(jobs[0].reprioritise(3).await.unwrap_err());
        assert_eq!((state, action), (JobState::Completed, Action::Reprioritise));
        assert_eq!(
            text,
            format!(
                "job `{}` is completed: only a waiting, delayed or retrying job can get another priority",
                jobs[0].id()
            )
        );
        let error = app.job_raw("any").reprioritise(1_001).await.unwrap_err();
        assert!(matches!(&error, ActionError::InvalidPriority { priority: 1_001, .. }));
        assert_eq!(
            error.to_string(),
            "job `any` cannot get the priority 1001, which is outside -1000 to 1000"
        );
        worker.shutdown().await.unwrap();
    }

    async fn what_does_not_replace_a_job_says_why(store: Store) {
        let app = store.app().await;
        let job = app.dispatch(Double { n: 1 }).id("job").await.unwrap();
        app.dispatch(Held {}).id("held").await.unwrap();
        let error = job.replace(Double { n: 2 }).id("held").await.unwrap_err();
        assert!(matches!(&error, ActionError::IdTaken { new, .. } if new.as_str() == "held"));
        assert_eq!(
            error.to_string(),
            "job `job` was not replaced: there is a job `held` already, so the new one needs another id"
        );
        let error = job.replace(Double { n: 2 }).id("").await.unwrap_err();
        assert!(matches!(&error, ActionError::Refused { source: DispatchError::InvalidId(_), .. }), "{error}");
        let error = app.job::<Double>("held").replace(Double { n: 2 }).await.unwrap_err();
        assert!(matches!(&error, ActionError::Job(JobError::OtherTask { .. })), "{error}");
        // the same result, but another task
        let error = job.replace(Charge {}).await.unwrap_err();
        assert!(matches!(&error, ActionError::Job(JobError::OtherTask { .. })), "{error}");
        let error = app.job::<Double>("nobody").replace(Double { n: 2 }).await.unwrap_err();
        assert!(matches!(&error, ActionError::Job(JobError::NotFound { .. })), "{error}");
        assert_eq!(job.state().await.unwrap(), Some(JobState::Waiting), "as it was");

        let flow = app.dispatch(chain((Double { n: 1 },))).await.unwrap();
        let node = app.job::<Double>(format!("{}#0", flow.id()));
        let error = node.replace(Double { n: 2 }).await.unwrap_err();
        assert!(matches!(&error, ActionError::PartOfWorkflow { .. }), "{error}");
    }

    async fn a_replaced_job_keeps_its_keys(store: Store) {
        let app = store.app().await;
        let hour = Duration::from_secs(3600);
        let dispatch = || app.dispatch(Double { n: 1 }).deduplicate("key").delay(hour).into_future();
        let old = dispatch().await.unwrap();
        let new = old.replace(Double { n: 2 }).await.unwrap();
        assert_eq!(dispatch().await.unwrap().outcome(), &Outcome::Duplicate(new.id().clone()));

        let old = app.dispatch(Given { n: 1 }).limit_key("acme").delay(hour).await.unwrap();
        let new = old.replace(Given { n: 2 }).await.unwrap();
        let details = app.inspect().job(new.id()).await.unwrap().expect("known");
        assert_eq!(details.limit_key.as_deref(), Some("acme"));
    }

    async fn what_cannot_be_changed_says_why(store: Store) {
        let app = store.app().await;
        let gone = app.job::<Charge>("nobody");
        for error in
            [gone.retry().await, gone.run_now().await, gone.delete().await, gone.reprioritise(1).await]
        {
            assert!(matches!(error.unwrap_err(), ActionError::Job(JobError::NotFound { .. })));
        }
        app.dispatch(Held {}).id("held").await.unwrap();
        let other = app.job::<Charge>("held");
        for error in
            [other.retry().await, other.run_now().await, other.delete().await, other.reprioritise(1).await]
        {
            assert!(matches!(error.unwrap_err(), ActionError::Job(JobError::OtherTask { .. })));
        }
        assert_eq!(app.job::<Held>("held").state().await.unwrap(), Some(JobState::Waiting), "as it was");

        let flow = app.dispatch(chain((Held {},))).await.unwrap();
        let node = app.job_raw(format!("{}#0", flow.id()));
        for error in [node.run_now().await, node.delete().await, node.reprioritise(1).await] {
            let error = error.unwrap_err();
            assert!(matches!(&error, ActionError::PartOfWorkflow { workflow, .. } if workflow == flow.id()));
            assert_eq!(
                error.to_string(),
                format!(
                    "job `{0}#0` belongs to workflow `{0}`, and only the workflow as a whole can be changed: cancel it, \
                     or dispatch it anew",
                    flow.id()
                )
            );
        }
    }
}
