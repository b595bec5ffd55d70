//! Attempts and the rests between them.

use std::time::Duration;

use taskora::prelude::*;

use crate::support::{Probe, Store, failure, info, on_both, result, until_state};

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("try later, attempt {0}")]
    Later(u32),
}

#[task(retry(attempts = 3, backoff = fixed, delay = "20ms", jitter = false))]
async fn always_fails(ctx: &Context, probe: State<Probe>) -> Result<(), Trouble> {
    probe.saw(ctx.attempt());
    Err(Trouble::Later(ctx.attempt()))
}

#[task(retry(attempts = 2, delay = "200ms", jitter = false))]
async fn fails_once(ctx: &Context, probe: State<Probe>) -> Result<u32, Trouble> {
    probe.saw(ctx.attempt());
    if ctx.attempt() == 1 { Err(Trouble::Later(1)) } else { Ok(ctx.attempt()) }
}

#[task]
async fn once(probe: State<Probe>) -> Result<(), TaskError> {
    probe.saw("once");
    Err(TaskError::msg("final"))
}

/// The base delay is an hour: a test that waited for it would not end.
#[task(retry(attempts = 3, delay = "1h"))]
async fn asks(ctx: &Context, probe: State<Probe>) -> Result<(), TaskError> {
    probe.saw(ctx.attempt());
    match ctx.attempt() {
        1 => Err(ctx.retry_after(Duration::from_millis(10))),
        2 => Err(TaskError::retry_after(Duration::from_millis(10)).because("the upstream said so")),
        _ => Err(ctx.give_up("enough")),
    }
}

#[task(retry = 5)]
async fn gives_up(ctx: &Context, probe: State<Probe>) -> Result<(), TaskError> {
    probe.saw(ctx.attempt());
    Err(ctx.give_up("no such user"))
}

#[task(retry = 1)]
async fn asks_in_vain(ctx: Context) -> Result<(), TaskError> {
    Err(ctx.retry_after(Duration::from_secs(1)).because("no more attempts"))
}

#[task(retry(attempts = 3, backoff = linear, delay = "40ms", jitter = false))]
async fn linear(ctx: &Context, probe: State<Probe>) -> Result<(), String> {
    probe.saw(ctx.attempt());
    Err("again".into())
}

#[task(retry(attempts = 2, delay = "1h"))]
async fn rests(probe: State<Probe>) -> Result<(), String> {
    probe.saw("rests");
    Err("rest".into())
}

#[task]
async fn other(probe: State<Probe>) {
    probe.saw("other");
}

on_both! {
    async fn s024_three_attempts_are_three_runs_and_the_last_message_stays(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<AlwaysFails>().start().await.unwrap();
        let handle = app.dispatch(AlwaysFails {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("try later, attempt 3".into(), 3));
        assert_eq!(info(&handle).await.attempts, 3);
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["1", "2", "3"]);
    }

    async fn s026_an_error_may_ask_for_its_own_delay(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Asks>().start().await.unwrap();
        let handle = app.dispatch(Asks {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("enough".into(), 3));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["1", "2", "3"]);
    }

    async fn an_error_that_gives_up_is_final_whatever_the_policy_allows(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<GivesUp>().start().await.unwrap();
        let handle = app.dispatch(GivesUp {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("no such user".into(), 1));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["1"]);
    }

    async fn no_error_gets_more_attempts_than_the_policy_allows(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<AsksInVain>().start().await.unwrap();
        let handle = app.dispatch(AsksInVain {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("no more attempts".into(), 1));
        worker.shutdown().await.unwrap();
    }

    async fn s029_without_retry_the_first_error_is_final(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Once>().start().await.unwrap();
        let handle = app.dispatch(Once {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("final".into(), 1));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["once"]);
    }

    async fn s030_the_stored_job_shows_how_many_attempts_it_has(store: Store) {
        let app = store.app().await;
        let five = app.dispatch(GivesUp {}).await.unwrap();
        let one = app.dispatch(Once {}).await.unwrap();
        assert_eq!((info(&five).await.max_attempts, info(&one).await.max_attempts), (5, 1));
        assert_eq!(info(&five).await.attempts, 0);
    }

    async fn s031_between_its_attempts_a_job_is_retrying(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<FailsOnce>().start().await.unwrap();
        let handle = app.dispatch(FailsOnce {}).await.unwrap();
        until_state(&handle, JobState::Retrying).await;
        let between = info(&handle).await;
        assert_eq!((between.attempts, between.error.as_deref()), (1, Some("try later, attempt 1")));
        assert!(between.due_at > Some(between.created_at));
        assert_eq!(app.counts("fails-once").await.unwrap().delayed, 1);

        assert_eq!(result(&handle).await.unwrap(), 2);
        let after = info(&handle).await;
        assert_eq!((after.state, after.attempts), (JobState::Completed, 2));
        assert!(after.started_at.unwrap().since(after.created_at) >= Duration::from_millis(200));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["1", "2"]);
    }

    async fn the_rests_are_those_of_the_policy(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe).register::<Linear>().start().await.unwrap();
        let handle = app.dispatch(Linear {}).await.unwrap();
        assert_eq!(failure(result(&handle).await).1, 3);
        let info = info(&handle).await;
        // 40 ms and 80 ms
        assert!(info.finished_at.unwrap().since(info.created_at) >= Duration::from_millis(120), "{info:?}");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_rests_holds_no_slot(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app)
            .state(probe.clone())
            .register_all(tasks![Rests, Other])
            .concurrency(1)
            .start()
            .await
            .unwrap();
        let resting = app.dispatch(Rests {}).await.unwrap();
        until_state(&resting, JobState::Retrying).await;
        result(&app.dispatch(Other {}).await.unwrap()).await.unwrap();
        worker.shutdown().await.unwrap();
        // and the rest is kept by the store: it survives the worker
        assert_eq!(resting.state().await.unwrap(), Some(JobState::Retrying));
    }
}
