//! The limit of one attempt.

use std::time::Duration;

use taskora::prelude::*;

use crate::support::{Probe, Store, failure, info, on_both, result};

#[task(timeout = "200ms")]
async fn stuck(probe: State<Probe>, ctx: Context) {
    let _running = probe.enter();
    probe.saw("started");
    probe.watch(&ctx);
    std::future::pending::<()>().await;
}

#[task(timeout = "10s")]
async fn fast(n: u32) -> u32 {
    tokio::task::yield_now().await;
    n
}

#[task(timeout = "20ms", retry(attempts = 3, delay = "10ms"))]
async fn stuck_twice(probe: State<Probe>, ctx: &Context) -> Result<u32, String> {
    probe.saw(ctx.attempt());
    if ctx.attempt() < 3 {
        std::future::pending::<()>().await;
    }
    Ok(ctx.attempt())
}

#[task(timeout = "20ms", retry(attempts = 3, delay = "10ms", timeouts = false))]
async fn stuck_for_good(probe: State<Probe>) -> Result<(), String> {
    probe.saw("run");
    std::future::pending().await
}

on_both! {
    async fn s048_an_attempt_that_takes_too_long_is_told_and_dropped_and_fails(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<Stuck>().start().await.unwrap();
        let handle = app.dispatch(Stuck {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("timed out after 200ms".into(), 1));
        assert_eq!(probe.until(2).await, ["started", "told"]);
        assert_eq!(probe.running(), 0);
        let info = info(&handle).await;
        let took = info.finished_at.unwrap().since(info.started_at.unwrap());
        assert!(took >= Duration::from_millis(200) && took < store.at_most(Duration::from_secs(2)), "{took:?}");
        worker.shutdown().await.unwrap();
    }

    async fn s050_an_attempt_that_is_fast_enough_completes(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Fast>().start().await.unwrap();
        let handle = app.dispatch(Fast { n: 7 }).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn a_timeout_is_retried_like_an_error(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<StuckTwice>().start().await.unwrap();
        let handle = app.dispatch(StuckTwice {}).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 3);
        assert_eq!(probe.seen(), ["1", "2", "3"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_timeout_is_final_where_the_policy_says_so(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<StuckForGood>().start().await.unwrap();
        let handle = app.dispatch(StuckForGood {}).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("timed out after 20ms".into(), 1));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["run"]);
    }

    async fn a_timeout_frees_the_slot(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app)
            .state(probe.clone())
            .register_all(tasks![Stuck, Fast])
            .concurrency(1)
            .start()
            .await
            .unwrap();
        let stuck = app.dispatch(Stuck {}).await.unwrap();
        let fast = app.dispatch(Fast { n: 1 }).await.unwrap();
        assert_eq!(result(&fast).await.unwrap(), 1);
        assert_eq!(stuck.state().await.unwrap(), Some(JobState::Failed));
        worker.shutdown().await.unwrap();
    }
}
