//! What a server refuses or is slow with, and what that costs.

use std::time::{Duration, Instant};

use redis::Commands;
use taskora::AdapterError;
use taskora::adapter::{Due, Enqueued, Inspection, Jobs, NewJob, Settled, Signals};
use taskora::{CancelOutcome, JobState};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::kit::{PATIENCE, TASK, complete, exchange, job, patient, wait};
use crate::proxy::{Fate, Proxy};
use crate::server::Server;

fn lazy(server: &Server) -> RedisAdapter {
    RedisAdapter::lazy(patient(server.url())).expect("a valid configuration")
}

/// A number that `INFO` shows; `name` is what stands before it.
fn info(server: &Server, name: &str) -> usize {
    let info = server.cli(&["INFO", "everything"]);
    let number = info.lines().find_map(|line| line.strip_prefix(name)?.split(',').next());
    number.map_or(0, |number| number.trim().parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_dispatches_fail_together() {
    let mut server = Server::start();
    let adapter = RedisAdapter::connect(RedisConfig::new(server.url())).await.expect("connect");
    server.kill();
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..2000 {
        let adapter = adapter.clone();
        calls.spawn(async move { adapter.enqueue(vec![job(&number.to_string())]).await });
    }
    for result in calls.join_all().await {
        assert!(matches!(result, Err(AdapterError::Unavailable { .. })), "{result:?}");
    }
    // one time limit and not the sum of them, with what a busy machine adds
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_runtime_that_is_shut_down_takes_no_turn_with_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut server = Server::start();
    let adapter = lazy(&server);
    server.kill();
    let first = runtime();
    first.block_on(async {
        // more than go in one call
        let calls: Vec<_> = (0..600)
            .map(|number| {
                let adapter = adapter.clone();
                tokio::spawn(async move { adapter.enqueue(vec![job(&number.to_string())]).await })
            })
            .collect();
        tokio::task::yield_now().await;
        // two calls are under way; who takes their turns serves the others
        calls[0].abort();
        calls[1].abort();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    server.restart();
    runtime().block_on(async {
        let mut calls = JoinSet::new();
        for number in 0..10 {
            let adapter = adapter.clone();
            calls.spawn(async move { adapter.enqueue(vec![job(&format!("next-{number}"))]).await });
        }
        for result in timeout(PATIENCE, calls.join_all()).await.expect("the way is free") {
            assert_eq!(result.expect("enqueue"), [Enqueued::New]);
        }
    });
}

/// What a worker's listener does: it claims one job, and has room for more.
#[tokio::test]
async fn who_is_left_with_room_keeps_its_due_time_and_wakes_nobody() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let later = NewJob { due: Due::After(Duration::from_secs(600)), ..job("later") };
    adapter.enqueue(vec![later]).await.expect("enqueue");
    let claim = async |number, room| {
        let mut call = exchange("w", number, Vec::new(), 1);
        call.claim.iter_mut().for_each(|claim| claim.room = room);
        let answer = adapter.exchange(call).await.expect("exchange");
        (answer.jobs.len(), answer.next_due.is_some(), server.cli(&["EXISTS", "{taskora}:wake:send-email"]))
    };
    assert_eq!(claim(1, 4).await, (0, true, "0".to_owned()), "it is told, which takes the marker");
    for number in 2..5 {
        adapter.enqueue(vec![job(&number.to_string())]).await.expect("enqueue");
        assert_eq!(claim(number, 4).await, (1, true, "0".to_owned()));
    }
    adapter.enqueue(vec![job("last")]).await.expect("enqueue");
    assert_eq!(claim(5, 1).await, (1, false, "1".to_owned()), "who is full passes it on");
}

#[tokio::test]
async fn a_user_without_channels_loses_pushes_and_nothing_else() {
    let server = Server::start();
    let adapter = lazy(&server);
    server.cli(&["ACL", "SETUSER", "limited", "on", "nopass", "~*", "+@all", "resetchannels"]);
    let limited = RedisAdapter::connect(format!("redis://limited:any@127.0.0.1:{}", server.port()));
    let limited = limited.await.expect("connect");
    limited.enqueue(vec![job("a"), job("b")]).await.expect("enqueue");
    let waiter = adapter.clone();
    let waiting = tokio::spawn(async move { waiter.ended(&"a".into()).await });
    timeout(PATIENCE, async {
        while server.cli(&["HLEN", "{taskora}:waiters"]) != "1" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a waiter is registered");
    let claimed = limited.exchange(exchange("w", 1, Vec::new(), 2)).await.expect("claim").jobs;
    assert_eq!(limited.cancel(&"b".into(), "why").await.expect("cancel"), CancelOutcome::Requested);
    let settle = claimed.iter().map(complete).collect();
    let settled = limited.exchange(exchange("w", 2, settle, 0)).await.expect("settle").settled;
    assert_eq!(settled, [JobState::Completed, JobState::Cancelled].map(Settled::Now));
    let counts = limited.counts(TASK).await.expect("counts");
    assert_eq!((counts.completed, counts.cancelled, counts.active), (1, 1, 0));
    waiting.abort();
}

#[tokio::test]
async fn a_server_that_lacks_replicas_is_tried_again_without_haste() {
    let server = Server::start();
    let config = patient(server.url()).command_timeout(Duration::from_millis(100));
    let adapter = RedisAdapter::connect(config).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    // makes the push connection
    assert!(adapter.ended(&"unknown".into()).await.expect("ended").is_none());
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let error = adapter.enqueue(vec![job("b")]).await.expect_err("refused");
    assert!(matches!(error, AdapterError::Unavailable { .. }), "{error:?}");
    let before = info(&server, "errorstat_NOREPLICAS:count=");
    let waiter = adapter.clone();
    let waiting = tokio::spawn(async move { waiter.ended(&"a".into()).await });
    // how often a second sees it registering
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tries = info(&server, "errorstat_NOREPLICAS:count=") - before;
    assert!((1..=40).contains(&tries), "{tries} tries in a second");
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    adapter.exchange(exchange("w", 2, vec![complete(&claimed[0])], 0)).await.expect("settle");
    let ended = timeout(PATIENCE, waiting).await.expect("in time").expect("no panic");
    assert!(ended.expect("no error").is_some());
}

#[tokio::test]
async fn a_server_with_no_room_for_a_client_is_unavailable_and_tried_again() {
    let server = Server::with_password("hush");
    let url = format!("redis://:hush@127.0.0.1:{}", server.port());
    let mut control = redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("connect");
    let mut set = |clients: u32| {
        let mut cmd = redis::cmd("CONFIG");
        cmd.arg("SET").arg("maxclients").arg(clients).exec(&mut control).expect("set the limit");
        control.ping::<String>().expect("ping");
    };
    set(1);
    let error = RedisAdapter::connect(&url).await.expect_err("no room");
    assert!(matches!(error, AdapterError::Unavailable { .. }), "{error:?}");
    let config = patient(&url);
    let adapter = RedisAdapter::lazy(config).expect("a valid configuration");
    let mut call = tokio::spawn(async move { adapter.enqueue(vec![job("a")]).await });
    assert!(timeout(Duration::from_millis(100), &mut call).await.is_err(), "it goes on trying");
    set(100);
    assert_eq!(call.await.expect("no panic").expect("room now"), [Enqueued::New]);
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_a_call_is_made_all_the_same() {
    let server = Server::start();
    // whoever has used a script before has loaded it
    lazy(&server).enqueue(vec![job("first")]).await.expect("enqueue");
    let proxy = Proxy::start(server.port()).await;
    proxy.set(Fate::Late);
    let config = patient(proxy.url()).command_timeout(Duration::from_millis(800));
    let adapter = RedisAdapter::lazy(config).expect("a valid configuration");
    let connected = async {
        while let Err(error) = adapter.enqueue(vec![job("a")]).await {
            assert!(error.is_retryable(), "{error}");
        }
    };
    timeout(PATIENCE, connected).await.expect("connected at last");
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_wait_that_always_fails_is_not_begun_without_pause() {
    let server = Server::start();
    let adapter = lazy(&server);
    adapter.enqueue(vec![job("a")]).await.expect("connect");
    let listener = adapter.work();
    // connecting works, waiting does not
    server.cli(&["ACL", "SETUSER", "default", "-blpop"]);
    let mut rounds = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        let error = wait(&*listener, PATIENCE).await.expect_err("it is not allowed");
        assert!(error.to_string().contains("blpop"), "{error}");
        rounds += 1;
    }
    let elapsed = started.elapsed().as_secs();
    assert!(rounds > 1 && rounds < 30 * (elapsed + 1), "{rounds} rounds in {elapsed} s");
}

#[tokio::test]
async fn large_payloads_come_in_answers_of_bounded_size() {
    let server = Server::start();
    let adapter = lazy(&server);
    let sizes = [1 << 20, 5000, 6000, 3 << 20, 1 << 20, 1 << 20, 5000, 5001];
    let jobs = sizes.iter().enumerate().map(|(number, size)| NewJob {
        payload: vec![b'x'; *size],
        due: Due::Now,
        ..job(&number.to_string())
    });
    adapter.enqueue(jobs.collect()).await.expect("enqueue");
    // somebody removed one by hand
    server.cli(&["HDEL", "{taskora}:blobs", "=2"]);
    let calls = || info(&server, "cmdstat_fcall:calls=") + info(&server, "cmdstat_hmget:calls=");
    let before = calls();
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 100)).await.expect("claim").jobs;
    let found: Vec<usize> = claimed.iter().map(|job| job.payload.len()).collect();
    assert_eq!(found, [1 << 20, 5000, 3 << 20, 1 << 20, 1 << 20, 5000, 5001]);
    let calls = calls() - before;
    assert!(calls >= 6, "no answer has two of the large ones, but there were {calls} calls");
}

#[tokio::test]
async fn a_plain_job_costs_few_commands() {
    let server = Server::start();
    let adapter = lazy(&server);
    let commands = || info(&server, "total_commands_processed:");
    // counted within functions too, but for the function itself and for the two that count; failpoints ask for theirs
    let own = 2 + usize::from(cfg!(feature = "failpoints"));
    adapter.enqueue(vec![job("first")]).await.expect("enqueue");
    adapter.exchange(exchange("w", 1, Vec::new(), 0)).await.expect("load the script");
    let before = commands();
    adapter.enqueue((0..100).map(|number| job(&number.to_string())).collect()).await.expect("enqueue");
    let enqueue = commands() - before - own;
    assert!(enqueue <= 7, "{enqueue} commands for a hundred jobs");

    let claimed = adapter.exchange(exchange("w", 2, Vec::new(), 1)).await.expect("claim").jobs;
    let before = commands();
    let claimed =
        adapter.exchange(exchange("w", 3, vec![complete(&claimed[0])], 1)).await.expect("exchange").jobs;
    let exchange = commands() - before - own;
    assert_eq!(claimed.len(), 1);
    assert!(exchange <= 15, "{exchange} commands to settle one job and to claim the next");
}

/// Somebody took the task out of `ready` by hand: once nobody is being woken for it, a dispatch puts it back.
#[tokio::test]
async fn a_line_that_its_task_has_lost_is_found_by_the_next_dispatch() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    server.cli(&["ZREM", "{taskora}:ready", TASK]);
    assert_eq!(wait(&*adapter.work(), PATIENCE).await.expect("woken"), 0, "the marker is taken, for nothing");
    adapter.enqueue(vec![job("b")]).await.expect("enqueue");
    assert_eq!(crate::kit::drain(&adapter, "w").await, 2);
}
