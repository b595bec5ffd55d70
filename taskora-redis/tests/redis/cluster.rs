//! A Redis Cluster, and masters that fail: jobs go on at whoever has the namespace, without a restart.

use std::time::Duration;

use taskora::Retention;
use taskora::adapter::{Enqueued, Inspection, Jobs, Signals};
use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{Cluster, RedisServer, Reply};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::{PATIENCE, drain, job, patient};

/// A failover takes a node's timeout, an election, and the pauses of the clients.
const FAILOVER: Duration = Duration::from_secs(20);

#[task]
async fn double(number: u32) -> u32 {
    2 * number
}

#[task]
async fn sum(numbers: Vec<u32>) -> u32 {
    numbers.iter().sum()
}

fn start() -> (Cluster, u16, usize) {
    let cluster = Cluster::start().unwrap_or_else(|error| panic!("{error}"));
    let slot = cluster.slot("{taskora}:").expect("a slot");
    let owner = cluster.owner(slot).expect("an owner");
    (cluster, slot, owner)
}

async fn app(config: RedisConfig) -> App {
    App::new(RedisAdapter::connect(config).await.expect("connect"))
}

async fn worker(app: &App) -> Worker {
    let builder = Worker::builder(app).lease(Duration::from_secs(5)).sweep(Duration::from_millis(200));
    builder.register::<Double>().register::<Sum>().start().await.expect("a worker")
}

/// One job and one workflow, to their results. A call that fails meanwhile is made again.
async fn work(app: &App, what: &str) {
    let start = Instant::now();
    loop {
        let handle = app.dispatch(Double { number: 21 }).await;
        let flow = app
            .dispatch(group([0u32, 1, 2, 3, 4].map(|number| Double::s().number(number))).then(Sum::s()))
            .await;
        if let (Ok(handle), Ok(flow)) = (handle, flow) {
            let one =
                timeout(FAILOVER, handle.result()).await.unwrap_or_else(|_| panic!("{what}: no result"));
            let all = timeout(FAILOVER, flow.result()).await.unwrap_or_else(|_| panic!("{what}: no result"));
            // what was acknowledged by a master that then failed may be gone
            if let (Ok(one), Ok(all)) = (one, all) {
                assert_eq!((one, all), (42, 20));
                return;
            }
        }
        assert!(start.elapsed() < FAILOVER, "{what}: nothing gets through");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How often a node has sent a caller to another one for a single call.
fn asks(node: &RedisServer) -> Option<String> {
    node.info("errorstat_ASK").expect("info")
}

/// How many connections clients hold to a server, beside the one that asks.
fn clients(node: &RedisServer) -> usize {
    let list = node.command(&["CLIENT", "LIST", "TYPE", "NORMAL"]).expect("clients");
    let normal = list.text().unwrap_or_default().lines().filter(|line| !line.contains("cmd=client|list"));
    let list = node.command(&["CLIENT", "LIST", "TYPE", "PUBSUB"]).expect("clients");
    normal.count() + list.text().unwrap_or_default().lines().count()
}

/// Waits until a server has so many clients: one that has left is seen a moment later.
async fn has_clients(node: &RedisServer, expected: usize) {
    let deadline = Instant::now() + PATIENCE;
    while clients(node) != expected {
        let list = node.command(&["CLIENT", "LIST"]);
        assert!(Instant::now() < deadline, "not {expected} clients: {list:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_end_at_the_node_that_has_the_namespace() {
    let (cluster, _, owner) = start();
    for (number, node) in cluster.nodes().iter().enumerate() {
        let app = app(patient(node.url())).await;
        let worker = worker(&app).await;
        work(&app, &format!("by way of node {number}")).await;
        for (number, node) in cluster.nodes().iter().enumerate() {
            // for commands, for renewals and pushes, and to wait for work
            has_clients(node, if number == owner { 3 } else { 0 }).await;
        }
        worker.shutdown().await.expect("a shutdown");
    }
    // whose first connection is the one that waits for work
    let stranger = &cluster.nodes()[(owner + 1) % 3];
    let adapter = RedisAdapter::lazy(patient(stranger.url())).expect("valid");
    let listener = adapter.work();
    let waiting = tokio::spawn(async move {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match crate::kit::wait(&*listener, Duration::from_secs(1)).await {
                Ok(1) => return true,
                Ok(_) => {}
                // the stranger says where to go, and the next wait is there
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
        false
    });
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    assert!(waiting.await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_address_may_be_down() {
    let (mut cluster, _, owner) = start();
    let urls: Vec<String> = cluster.nodes().iter().map(RedisServer::url).collect();
    let (down, other) = ((owner + 1) % 3, (owner + 2) % 3);
    cluster.kill(down);
    let adapter = RedisAdapter::connect(patient(&urls[down]).node(&urls[other])).await.expect("connect");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    assert!(format!("{adapter:?}").contains("cluster: true"), "{adapter:?}");
    assert_eq!(drain(&adapter, "w").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_takes_its_workers_along() {
    let (cluster, _, owner) = start();
    let app = app(patient(cluster.nodes()[0].url())).await;
    let worker = worker(&app).await;
    work(&app, "before").await;
    let adapter = RedisAdapter::connect(patient(cluster.nodes()[owner].url())).await.expect("connect");
    adapter.enqueue((0..50).map(|number| job(&number.to_string())).collect()).await.expect("enqueue");
    let mut to = owner;
    for round in 0..3 {
        let from = to;
        to = (to + 1) % 3;
        let handle = app.dispatch(Double { number: round }).await.expect("dispatch");
        let mut halfway = None;
        let between = || {
            // while each node has a part of the keys, nothing happens on either: the one that is asked says `ASK`
            let (app, before) = (app.clone(), asks(&cluster.nodes()[from]));
            let late = tokio::spawn(async move { app.dispatch(Double { number: 100 }).await });
            while asks(&cluster.nodes()[from]) == before {
                std::thread::yield_now();
            }
            assert!(!late.is_finished(), "what had been done on one part?");
            halfway = Some(late);
        };
        // in place, so that the tasks of this thread go on elsewhere
        tokio::task::block_in_place(|| cluster.migrate("taskora", to, between)).expect("migrate");
        let late = halfway.expect("keys were moved").await.expect("no panic").expect("dispatch");
        assert_eq!(timeout(FAILOVER, handle.result()).await.expect("in time").expect("a result"), 2 * round);
        assert_eq!(timeout(FAILOVER, late.result()).await.expect("in time").expect("a result"), 200);
        work(&app, &format!("after move {round}")).await;
    }
    assert_eq!(drain(&adapter, "w").await, 50, "no job was lost or doubled on the way");
    let left = adapter.counts("double").await.expect("counts");
    assert_eq!((left.waiting, left.delayed, left.active), (0, 0, 0));
    worker.shutdown().await.expect("a shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_owner_dies_its_replica_goes_on() {
    let (mut cluster, slot, owner) = start();
    let replica = cluster.add_replica(owner).unwrap_or_else(|error| panic!("{error}"));
    let config = cluster
        .nodes()
        .iter()
        .fold(patient(cluster.nodes()[owner].url()), |config, node| config.node(node.url()));
    let app = app(config).await;
    let worker = worker(&app).await;
    work(&app, "before").await;
    cluster.kill(owner);
    work(&app, "after the failover").await;
    assert_eq!(cluster.owner(slot).expect("an owner"), replica);
    has_clients(&cluster.nodes()[replica], 3).await;
    worker.shutdown().await.expect("a shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_and_one_back_lose_nothing() {
    let (mut cluster, slot, owner) = start();
    let replica = cluster.add_replica(owner).unwrap_or_else(|error| panic!("{error}"));
    let app = app(patient(cluster.nodes()[(owner + 1) % 3].url())).await;
    let worker = worker(&app).await;
    for (to, what) in [(replica, "there"), (owner, "and back")] {
        let handles = app.dispatch_many((0..50).map(|number| Double { number })).await.expect("dispatch");
        let node = &cluster.nodes()[to];
        let deadline = Instant::now() + FAILOVER;
        // it refuses while it is not yet in step with its master
        while cluster.owner(slot).ok() != Some(to) {
            assert!(Instant::now() < deadline, "{what}: {:?}", node.command(&["CLUSTER", "FAILOVER"]));
            let _ = node.command(&["CLUSTER", "FAILOVER"]);
            sleep(Duration::from_millis(100)).await;
        }
        for (number, handle) in (0..).zip(handles) {
            let result = timeout(FAILOVER, handle.result()).await.expect("in time");
            assert_eq!(result.expect("a planned failover loses nothing"), 2 * number, "{what}");
        }
        work(&app, what).await;
    }
    worker.shutdown().await.expect("a shutdown");
}

/// Makes a replica of a server that is none of a cluster, in step with it.
fn follow(replica: &RedisServer, master: &RedisServer) {
    let port = master.port().to_string();
    assert_eq!(
        replica.command(&["REPLICAOF", "127.0.0.1", &port]).expect("an answer"),
        Reply::Text("OK".into())
    );
    let deadline = std::time::Instant::now() + PATIENCE;
    while replica.info("master_link_status").expect("info").as_deref() != Some("up") {
        assert!(std::time::Instant::now() < deadline, "the replica is not in step");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_promoted_by_hand_is_found() {
    let (first, second) = (RedisServer::start().expect("a server"), RedisServer::start().expect("a server"));
    follow(&second, &first);
    // named first, and passed over while it is a replica
    let app = app(patient(second.url()).node(first.url())).await;
    let worker = worker(&app).await;
    work(&app, "before").await;
    has_clients(&first, 3).await;
    has_clients(&second, 0).await;
    for (master, replica, what) in [(&second, &first, "promoted"), (&first, &second, "and back")] {
        let handles = app.dispatch_many((0..50).map(|number| Double { number })).await.expect("dispatch");
        master.command(&["REPLICAOF", "NO", "ONE"]).expect("an answer");
        follow(replica, master);
        // jobs of the last moment may be gone with what had not been replicated; those that are there come to an end
        work(&app, what).await;
        for handle in handles {
            let result = timeout(FAILOVER, handle.result()).await;
            assert!(result.is_ok(), "{what}: a wait is over, whatever became of the job");
        }
    }
    worker.shutdown().await.expect("a shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_address_is_left_and_found_again_when_its_server_changes_sides() {
    let (server, other) = (RedisServer::start().expect("a server"), RedisServer::start().expect("a server"));
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    follow(&other, &server);
    other.command(&["REPLICAOF", "NO", "ONE"]).expect("an answer");
    follow(&server, &other);
    let error = adapter.enqueue(vec![job("b")]).await.expect_err("a replica takes no jobs");
    assert!(error.is_retryable(), "{error:?}");
    server.command(&["REPLICAOF", "NO", "ONE"]).expect("an answer");
    let deadline = Instant::now() + PATIENCE;
    while adapter.enqueue(vec![job("b")]).await.is_err() {
        assert!(Instant::now() < deadline, "it is a master again");
    }
    adapter.sweep(&[crate::kit::TASK.into()], Retention::default()).await.expect("sweep");
    assert_eq!(drain(&adapter, "w").await, 2);
}
