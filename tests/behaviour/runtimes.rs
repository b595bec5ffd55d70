//! One app on several runtimes: those of the tests of a program, one after the other, or one for each thread.

use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use taskora::prelude::*;
use taskora::{AdapterError, DispatchError};
use taskora_redis::RedisAdapter;
use taskora_test_server::RedisServer;
use tokio::runtime::{Builder, Runtime};

use crate::support::{quick, result, soon};

#[task]
async fn double(n: u32) -> u32 {
    2 * n
}

static SERVER: LazyLock<RedisServer> = LazyLock::new(|| RedisServer::start().unwrap());

fn lazy(namespace: &str) -> App {
    App::new(RedisAdapter::lazy(crate::support::patient(SERVER.url()).namespace(namespace)).unwrap())
}

fn single() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn several() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn start(app: &App) -> Worker {
    quick(app).register::<Double>().start().await.unwrap()
}

/// A dispatch, and its result.
async fn works(app: &App, n: u32) {
    let handle = soon("a dispatch", async { app.dispatch(Double { n }).await }).await.unwrap();
    assert_eq!(result(&handle).await.unwrap(), 2 * n);
    assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
}

/// As `#[tokio::test]`s do that share a static, each on a runtime that ends with it.
fn one_after_the_other(app: &'static App) {
    for round in 0..3 {
        let tidy = single();
        tidy.block_on(async {
            let worker = start(app).await;
            works(app, round).await;
            worker.shutdown().await.unwrap();
        });
        drop(tidy);
        // and one that leaves its worker, and a dispatch, to their fate
        let untidy = several();
        untidy.block_on(async {
            let _worker = start(app).await;
            works(app, round).await;
            tokio::spawn(async move { app.dispatch(Double { n: 7 }).await });
        });
        untidy.shutdown_background();
    }
}

#[test]
fn a_static_app_on_redis_outlives_the_runtimes_it_was_used_on() {
    static APP: LazyLock<App> = LazyLock::new(|| lazy("static"));
    one_after_the_other(&APP);
}

#[test]
fn a_static_app_in_memory_outlives_the_runtimes_it_was_used_on() {
    static APP: LazyLock<App> = LazyLock::new(|| App::new(MemoryAdapter::new()));
    one_after_the_other(&APP);
}

#[test]
fn a_runtime_that_nobody_drives_holds_up_no_other() {
    let app = lazy("undriven");
    let (still, busy) = (single(), several());
    // it has made the first connection; calls are under way on it, others wait for their turn, and then nobody drives it
    let begun: Vec<_> = still.block_on(async {
        app.counts("double").await.unwrap();
        let begin = |n| {
            let app = app.clone();
            tokio::spawn(async move { app.dispatch(Double { n }).await })
        };
        let begun = (0..10).map(begin).collect();
        tokio::task::yield_now().await;
        begun
    });
    busy.block_on(async {
        let worker = start(&app).await;
        let all: Vec<_> = (0..50)
            .map(|n| {
                let app = app.clone();
                tokio::spawn(async move { works(&app, n).await })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        worker.shutdown().await.unwrap();
    });
    // what had begun there goes on there
    still.block_on(async {
        let worker = start(&app).await;
        for dispatch in begun {
            let handle = soon("a dispatch that had begun", dispatch).await.unwrap().unwrap();
            result(&handle).await.unwrap();
        }
        worker.shutdown().await.unwrap();
    });
}

#[test]
fn a_runtime_that_is_not_driven_while_it_connects_holds_up_no_other() {
    let app = lazy("connecting");
    let (still, other) = (single(), single());
    let begun = still.spawn({
        let app = app.clone();
        async move { app.dispatch(Double { n: 1 }).await }
    });
    still.block_on(tokio::task::yield_now());
    other.block_on(async {
        let worker = start(&app).await;
        works(&app, 2).await;
        worker.shutdown().await.unwrap();
    });
    still.block_on(async { soon("the first dispatch", begun).await.unwrap().unwrap() });
}

#[test]
fn runtimes_that_work_at_once_have_one_connection_for_commands_each() {
    let server = RedisServer::start().unwrap();
    let app = App::new(RedisAdapter::lazy(crate::support::patient(server.url())).unwrap());
    let opened = || server.info("total_connections_received").unwrap().unwrap().parse::<u64>().unwrap();
    let (worker, before) = (several(), opened());
    let running = worker.block_on(start(&app));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let app = app.clone();
            std::thread::spawn(move || {
                single().block_on(async {
                    for n in 0..50 {
                        works(&app, 100 * thread + n).await;
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // one for each runtime, the listener, the pushes, and the one that asks
    assert_eq!(opened() - before, 5 + 1 + 1 + 1);
    worker.block_on(running.shutdown()).unwrap();
}

#[test]
fn runtimes_that_come_and_go_leave_nothing_behind() {
    let server = RedisServer::start().unwrap();
    let app = App::new(RedisAdapter::lazy(crate::support::patient(server.url())).unwrap());
    let clients = || server.info("connected_clients").unwrap().unwrap().parse::<u64>().unwrap();
    let mut most = 0;
    for n in 0..50 {
        let handle = single().block_on(async { app.dispatch(Double { n }).await }).unwrap();
        assert_eq!(handle.outcome(), &Outcome::Enqueued);
        most = most.max(clients());
    }
    // the newest one, the one that asks, and some whose end the server has not noticed
    assert!(most <= 6, "{most} connections");
}

#[test]
fn without_a_runtime_a_call_is_an_error_that_says_so() {
    let app = lazy("nowhere");
    let counts = std::pin::pin!(app.counts("double"));
    let Poll::Ready(Err(error)) = counts.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("no error")
    };
    assert!(matches!(&error, AdapterError::Config(text) if text.contains("tokio runtime")), "{error}");
    let dispatch = std::pin::pin!(async { app.dispatch(Double { n: 1 }).await });
    let Poll::Ready(Err(error)) = dispatch.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("no error")
    };
    assert!(matches!(error, DispatchError::Adapter(AdapterError::Config(_))), "{error}");
}
