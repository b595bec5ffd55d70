//! The proxy does the harm that it says.

use std::time::{Duration, Instant};

use taskora::adapter::{CallId, Claim, Exchange, Inspection, Jobs, Signals, TaskClaim};
use taskora::{AdapterError, App, Outcome, Retention, Task};
use taskora_fault_tests::proxy::{Fate, Kind, Proxy};
use taskora_fault_tests::tasks::{Act, Work};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::RedisServer;
use tokio::sync::Notify;

async fn behind_a_proxy() -> (RedisServer, Proxy, RedisAdapter) {
    let server = RedisServer::start().expect("a server");
    let proxy = Proxy::start(server.port()).await.expect("a proxy");
    let adapter = RedisAdapter::connect(RedisConfig::new(proxy.url())).await.expect("connected");
    (server, proxy, adapter)
}

fn work() -> Work {
    Work { act: Act::default() }
}

#[tokio::test]
async fn a_lost_answer_is_that_of_something_done() {
    let (_server, proxy, adapter) = behind_a_proxy().await;
    let app = App::new(adapter.clone());
    // the script is known, so that the next call goes by its hash
    app.dispatch(work()).await.expect("dispatched");
    proxy.lose_script("enqueue", 2).expect("a script");
    for _ in 0..2 {
        let handle = app.dispatch(work()).await.expect("dispatched");
        assert_eq!(*handle.outcome(), Outcome::Enqueued);
    }
    assert_eq!(
        (proxy.lost(), proxy.connections(Kind::Commands)),
        (1, 2),
        "the second answer, and a new connection"
    );
    assert_eq!(adapter.counts(Work::NAME).await.expect("counts").waiting, 3);
    assert!(proxy.lose_script("no-such-script", 1).is_err());
}

#[tokio::test]
async fn what_is_swallowed_is_not_answered_and_what_is_late_is() {
    let (_server, proxy, adapter) = behind_a_proxy().await;
    proxy.set(Fate::Late(Duration::from_millis(200)));
    let started = Instant::now();
    adapter.counts("work").await.expect("late");
    assert!(started.elapsed() >= Duration::from_millis(200));
    for fate in [Fate::BlackHole, Fate::Mute] {
        proxy.set(fate);
        assert!(matches!(adapter.counts("work").await, Err(AdapterError::Unavailable { .. })), "{fate:?}");
        proxy.set(Fate::Pass);
        adapter.counts("work").await.expect("it passes again");
    }
}

#[tokio::test]
async fn muted_requests_arrive_and_swallowed_ones_do_not() {
    let (server, proxy, adapter) = behind_a_proxy().await;
    let app = App::new(adapter.clone());
    let waiting = || server.command(&["LLEN", "{taskora}:wait:work"]).expect("a length").number();
    // from here on the script is known, so that one request is enough
    app.dispatch(work()).await.expect("dispatched");
    proxy.set(Fate::BlackHole);
    app.dispatch(work()).await.expect_err("nothing passes");
    assert_eq!(waiting(), Some(1));
    // the way is open again, and what was on it arrives late; now a connection that is there when it falls silent
    proxy.set(Fate::Pass);
    adapter.counts("work").await.expect("it passes again");
    while waiting() != Some(2) {
        tokio::task::yield_now().await;
    }
    proxy.set(Fate::Mute);
    app.dispatch(work()).await.expect_err("no answer passes");
    assert_eq!(waiting(), Some(3));
}

#[tokio::test]
async fn each_kind_of_connection_is_known_and_can_be_cut_alone() {
    let (_server, proxy, adapter) = behind_a_proxy().await;
    let _cancellations = adapter.cancellations();
    let claim = TaskClaim { task: "work".into(), limit: 1, lease: Duration::from_secs(30) };
    let call = Exchange {
        call: CallId { worker: "w".into(), slot: 0, number: 1 },
        settle: Vec::new(),
        claim: Some(Claim { limit: 1, room: 1, tasks: [claim].into() }),
        retention: Retention::default(),
    };
    let waited = adapter.work().wait(&call, Duration::from_millis(50), &Notify::new()).await;
    assert_eq!(waited.expect("nothing to do").jobs.len(), 0);
    adapter.renew(Vec::new()).await.expect("renewed");
    let connections = || Kind::ALL.map(|kind| proxy.connections(kind));
    assert_eq!(connections(), [1, 1, 1]);
    proxy.cut_kind(Kind::Commands);
    adapter.counts("work").await.expect("on a new connection");
    assert_eq!(connections(), [2, 1, 1]);
    proxy.reset();
    adapter.counts("work").await.expect("on a new connection");
    assert_eq!(proxy.connections(Kind::Commands), 3);
}

#[tokio::test]
async fn connections_are_refused_and_go_to_another_server() {
    let (_server, proxy, adapter) = behind_a_proxy().await;
    let app = App::new(adapter.clone());
    app.dispatch(work()).await.expect("dispatched");
    let other = RedisServer::start().expect("a server");
    proxy.switch(other.port());
    assert_eq!(adapter.counts("work").await.expect("counts").waiting, 0, "the other one has nothing");
    proxy.refuse(true);
    proxy.cut();
    assert!(matches!(
        app.dispatch(work()).await.err(),
        Some(taskora::DispatchError::Adapter(AdapterError::Unavailable { .. }))
    ));
    proxy.refuse(false);
    app.dispatch(work()).await.expect("dispatched");
    assert_eq!(adapter.counts("work").await.expect("counts").waiting, 1);
}
