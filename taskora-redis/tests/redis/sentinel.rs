//! Redis Sentinel: the adapter asks where the master is, and goes to the next one after a failover.

use std::time::Duration;

use taskora::AdapterError;
use taskora::adapter::{Enqueued, Jobs};
use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{RedisServer, Reply, Sentinels};
use tokio::time::{Instant, sleep, timeout};

use crate::announcer::Announcer;
use crate::kit::{PATIENCE, job};

/// Sentinels take a second to notice, then elect one of them, who then promotes.
const FAILOVER: Duration = Duration::from_secs(30);

#[task]
async fn triple(number: u32) -> u32 {
    3 * number
}

fn start() -> Sentinels {
    Sentinels::start().unwrap_or_else(|error| panic!("{error}"))
}

async fn worker(app: &App) -> Worker {
    let builder = Worker::builder(app).lease(Duration::from_secs(5)).sweep(Duration::from_millis(200));
    builder.register::<Triple>().start().await.expect("a worker")
}

/// One job to its result. A call that fails meanwhile is made again.
async fn work(app: &App, what: &str) {
    let start = Instant::now();
    loop {
        if let Ok(handle) = app.dispatch(Triple { number: 14 }).await {
            let result = timeout(FAILOVER, handle.result()).await;
            // what was acknowledged by a master that then failed may be gone
            if let Ok(result) = result.unwrap_or_else(|_| panic!("{what}: no result")) {
                assert_eq!(result, 42);
                return;
            }
        }
        assert!(start.elapsed() < FAILOVER, "{what}: nothing gets through");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_master_dies_dispatch_and_worker_go_on_at_the_one_that_sentinels_name() {
    let mut all = start();
    let config = RedisConfig::sentinel(all.urls(), Sentinels::MASTER);
    let app = App::new(RedisAdapter::connect(config).await.expect("connect"));
    let worker = worker(&app).await;
    work(&app, "before").await;
    // one sentinel may be gone, too, and it is the one that is asked first
    all.kill_sentinel(0);
    all.kill(0);
    work(&app, "after the failover").await;
    assert_eq!(all.master().expect("a master"), 1);
    worker.shutdown().await.expect("a shutdown");
}

/// How many connections the user `app` has at a server.
fn connections(server: &RedisServer) -> usize {
    let clients = server.command(&["CLIENT", "LIST"]).expect("clients");
    clients.text().unwrap_or_default().lines().filter(|line| line.contains("user=app")).count()
}

async fn until_at(master: &RedisServer, old: &RedisServer) {
    let deadline = Instant::now() + FAILOVER;
    while (connections(master), connections(old)) != (3, 0) {
        assert!(
            Instant::now() < deadline,
            "{} at the master, {} at the old",
            connections(master),
            connections(old)
        );
        sleep(Duration::from_millis(10)).await;
    }
}

fn with_user(server: &RedisServer) {
    let rights = ["ACL", "SETUSER", "app", "on", "nopass", "~*", "&*", "+@all"];
    assert_eq!(server.command(&rights).expect("an answer"), Reply::Text("OK".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_is_followed_with_all_connections() {
    let all = start();
    all.servers().iter().for_each(with_user);
    let config = RedisConfig::sentinel(all.urls(), Sentinels::MASTER).username("app").password("any");
    let app = App::new(RedisAdapter::connect(config.command_timeout(PATIENCE)).await.expect("connect"));
    let worker = worker(&app).await;
    work(&app, "before").await;
    until_at(&all.servers()[0], &all.servers()[1]).await;
    let deadline = Instant::now() + FAILOVER;
    while all.master().expect("a master") != 1 {
        let asked = all.fail_over();
        assert!(Instant::now() < deadline, "{asked:?}");
        sleep(Duration::from_millis(100)).await;
    }
    until_at(&all.servers()[1], &all.servers()[0]).await;
    work(&app, "after").await;
    worker.shutdown().await.expect("a shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_answers_as_before_is_left_when_another_one_is_announced() {
    let servers = [RedisServer::start().expect("a server"), RedisServer::start().expect("a server")];
    servers.iter().for_each(with_user);
    let sentinel = Announcer::start(servers[0].port()).await;
    let config = RedisConfig::sentinel([sentinel.url()], Sentinels::MASTER).username("app").password("any");
    let app = App::new(RedisAdapter::connect(config).await.expect("connect"));
    let worker = worker(&app).await;
    work(&app, "before").await;
    until_at(&servers[0], &servers[1]).await;
    for (to, old) in [(1, 0), (0, 1)] {
        let announced = Instant::now();
        sentinel.switch(servers[to].port());
        until_at(&servers[to], &servers[old]).await;
        assert!(announced.elapsed() < PATIENCE, "it was not the announcement");
        work(&app, "after").await;
    }
    worker.shutdown().await.expect("a shutdown");
}

/// A master that was cut off refuses to write, if it is set up so.
#[tokio::test]
async fn a_master_that_lacks_its_replicas_is_left_if_there_is_another() {
    let servers = [RedisServer::start().expect("a server"), RedisServer::start().expect("a server")];
    let sentinel = Announcer::start(servers[0].port()).await;
    let config = RedisConfig::sentinel([sentinel.url()], Sentinels::MASTER).command_timeout(PATIENCE);
    let adapter = RedisAdapter::connect(config).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    servers[0].configure("min-replicas-to-write", "1").expect("a setting");
    sentinel.name(servers[1].port());
    assert_eq!(adapter.enqueue(vec![job("b")]).await.expect("enqueue"), [Enqueued::New]);
    let written = servers[1].command(&["HEXISTS", "{taskora}:jobs", "=b"]).expect("an answer");
    assert_eq!(written, Reply::Number(1));
}

#[tokio::test]
async fn without_sentinels_the_last_master_is_used() {
    let server = RedisServer::start().expect("a server");
    let sentinel = Announcer::start(server.port()).await;
    let config = RedisConfig::sentinel([sentinel.url()], Sentinels::MASTER).command_timeout(PATIENCE);
    let adapter = RedisAdapter::connect(config).await.expect("connect");
    sentinel.end().await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]).expect("an answer");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_of_servers_and_of_sentinels_are_apart() {
    let all =
        Sentinels::with_passwords(Some("theirs"), Some("watch")).unwrap_or_else(|error| panic!("{error}"));
    let urls: Vec<_> = all.urls().iter().map(|url| url.replace("redis://", "redis://:watch@")).collect();
    let connect = |urls: &[String], password: &str, master: &str| {
        RedisAdapter::connect(RedisConfig::sentinel(urls, master).password(password))
    };
    let adapter = connect(&urls, "theirs", Sentinels::MASTER).await.expect("connect");
    let shown = format!("{adapter:?}");
    assert!(shown.contains("main (sentinels 127.0.0.1:") && !shown.contains("watch"), "{shown}");
    // a user with the documented rights, and one without
    let rights = ["&+switch-master", "+sentinel|get-master-addr-by-name", "+subscribe"];
    for (name, rights) in [("guide", &rights[..]), ("nobody", &[])] {
        all.command(&[&["ACL", "SETUSER", name, "reset", "on", ">hush"], rights].concat()).expect("a user");
    }
    let guided = |name: &str| {
        all.urls()
            .iter()
            .map(|url| url.replace("redis://", &format!("redis://{name}:hush@")))
            .collect::<Vec<_>>()
    };
    connect(&guided("guide"), "theirs", Sentinels::MASTER).await.expect("connect");
    for (urls, password, master, said) in [
        (&guided("nobody"), "theirs", Sentinels::MASTER, "+sentinel|get-master-addr-by-name"),
        (&urls, "wrong", Sentinels::MASTER, "refuses access"),
        (&all.urls(), "theirs", Sentinels::MASTER, "the sentinel 127.0.0.1:"),
        (&urls, "theirs", "other", "knows no master `other`"),
    ] {
        let error = connect(urls, password, master).await.expect_err(said);
        assert!(
            matches!(error, AdapterError::Config(_)) && error.to_string().contains(said),
            "{said}: {error:?}"
        );
    }
}

#[tokio::test]
async fn sentinels_that_are_all_away_are_named() {
    let port = RedisServer::start().expect("a server").port();
    let error = RedisAdapter::connect(RedisConfig::sentinel([format!("redis://127.0.0.1:{port}")], "main"));
    let error = error.await.expect_err("nobody is there");
    let AdapterError::Unavailable { address, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*address, format!("the sentinel 127.0.0.1:{port}"));
}
