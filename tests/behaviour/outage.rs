//! Redis being away: a state, not an end.

use std::time::{Duration, Instant};

use taskora::adapter::AdapterError;
use taskora::{DispatchError, Error, WorkerError, prelude::*};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::RedisServer;

use crate::support::{Echo, Held, Probe, quick, result, soon, until_is};

/// What takes a second may take so long on a busy machine; what is repeated without an end takes longer.
const BUSY_SECOND: Duration = Duration::from_secs(5);

/// A server that keeps what it has acknowledged.
fn durable() -> RedisServer {
    RedisServer::builder().args(["--appendonly", "yes", "--appendfsync", "always"]).start().unwrap()
}

fn assert_names_the_address_only(error: &DispatchError, server: &RedisServer) {
    assert!(error.is_retryable());
    assert!(matches!(error, DispatchError::Adapter(AdapterError::Unavailable { .. })), "{error:?}");
    assert!(error.to_string().contains(&server.address()), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatch_to_a_server_that_is_down_fails_within_a_second() {
    let mut server = RedisServer::builder().password("s3cret").start().unwrap();
    let app = App::new(RedisAdapter::connect(server.url()).await.unwrap());
    let lazy = App::new(RedisAdapter::lazy(RedisConfig::new(server.url())).unwrap());
    app.dispatch(Echo::from("up")).await.unwrap();
    server.kill();
    for app in [&app, &lazy, &app] {
        let start = Instant::now();
        let error = app.dispatch(Echo::from("down")).await.unwrap_err();
        let took = start.elapsed();
        assert!(took < BUSY_SECOND, "{took:?}");
        assert_names_the_address_only(&error, &server);
    }
    assert!(!format!("{app:?} {lazy:?}").contains("s3cret"));

    // and comes back by itself
    server.restart().unwrap();
    for app in [&app, &lazy] {
        until_is(
            |sent| *sent,
            || async { app.dispatch(Echo::from("up again")).await.is_ok() },
            || "sent".into(),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_to_nobody_is_an_error_that_names_the_address() {
    let mut server = RedisServer::start().unwrap();
    server.kill();
    let start = Instant::now();
    let error = RedisAdapter::connect(server.url()).await.unwrap_err();
    assert!(start.elapsed() < BUSY_SECOND, "{:?}", start.elapsed());
    assert!(
        matches!(&error, AdapterError::Unavailable { address, .. } if *address == server.address()),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_works_again_when_its_server_is_back() {
    let mut server = durable();
    let app = App::new(RedisAdapter::connect(server.url()).await.unwrap());
    let worker = quick(&app).register::<Echo>().start().await.unwrap();
    assert_eq!(result(&app.dispatch(Echo::from("before")).await.unwrap()).await.unwrap(), "before");
    server.restart().unwrap();
    let back = Instant::now();
    let sent = until_is(
        Option::is_some,
        || async { app.dispatch(Echo::from("after")).await.ok() },
        || "sent".into(),
    )
    .await;
    assert_eq!(result(&sent.unwrap()).await.unwrap(), "after");
    assert!(back.elapsed() < 2 * BUSY_SECOND, "{:?}", back.elapsed());
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_runs_through_a_restart_completes_and_its_waiter_learns_it() {
    let mut server = durable();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(server.url()).await.unwrap());
    let builder = Worker::builder(&app).lease(Duration::from_secs(30)).sweep(Duration::from_millis(100));
    let worker = builder.state(probe.clone()).register::<Held>().start().await.unwrap();
    let handle = app.dispatch(Held {}).await.unwrap();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.result().await }
    });
    probe.until(1).await;
    server.kill();
    // it ends while nobody can be told
    probe.open(1);
    server.restart().unwrap();
    assert_eq!(soon("the result", waiting).await.unwrap().unwrap(), 7);
    assert_eq!(result(&handle).await.unwrap(), 7);
    let info = until_is(Result::is_ok, || handle.info(), || "an answer".into()).await.unwrap().unwrap();
    assert_eq!((info.state, info.stalls, info.attempts), (JobState::Completed, 0, 1));
    worker.shutdown().await.unwrap();
    assert_eq!(probe.seen(), ["started"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_reach_its_server_still_stops() {
    let mut server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(server.url()).await.unwrap());
    let worker = quick(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
    app.dispatch(Held {}).await.unwrap();
    probe.until(1).await;
    server.kill();
    let (grace, start) = (Duration::from_millis(100), Instant::now());
    let error = soon("a shutdown", worker.shutdown_within(grace)).await.unwrap_err();
    assert!(start.elapsed() < grace + 2 * BUSY_SECOND, "{:?}", start.elapsed());
    assert!(matches!(error, Error::Worker(WorkerError::HandBack(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_start_before_its_server() {
    let mut server = RedisServer::start().unwrap();
    server.kill();
    let app = App::new(RedisAdapter::lazy(RedisConfig::new(server.url())).unwrap());
    let worker = quick(&app).register::<Echo>().start().await.unwrap();
    server.restart().unwrap();
    let sent = until_is(
        Option::is_some,
        || async { app.dispatch(Echo::from("first")).await.ok() },
        || "sent".into(),
    )
    .await;
    assert_eq!(result(&sent.unwrap()).await.unwrap(), "first");
    worker.shutdown().await.unwrap();
}
