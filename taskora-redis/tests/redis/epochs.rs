//! Tokens after a server has come back with an older state of its data, and after everything that only looks like it.

use taskora::adapter::{AttemptEnd, ClaimedJob, Jobs, Settled};
use taskora::{CancelOutcome, JobId};
use taskora_redis::RedisAdapter;
use taskora_test_server::RedisServer;

use crate::kit::{complete, exchange, job, patient};
use crate::server::Server;

/// Tokens of an epoch begin at its time; those of the first epoch at 1.
const SHARE: u64 = 1024;
/// The server keeps everything that it has answered.
const ALL_KEPT: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

async fn connect(url: &str) -> RedisAdapter {
    RedisAdapter::connect(patient(url)).await.expect("connect")
}

/// Dispatches a job with an id that we make, whose tokens begin at 1 in the first epoch.
async fn dispatched(adapter: &RedisAdapter) -> JobId {
    let id = JobId::new();
    adapter.enqueue(vec![job(id.as_str())]).await.expect("enqueue");
    id
}

/// Claims one job as a new worker.
async fn claimed(adapter: &RedisAdapter) -> ClaimedJob {
    let call = exchange(JobId::new().as_str(), 1, Vec::new(), 1);
    let mut jobs = adapter.exchange(call).await.expect("claim").jobs;
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

async fn settled(adapter: &RedisAdapter, job: &ClaimedJob) -> Settled {
    let call = exchange(JobId::new().as_str(), 1, vec![complete(job)], 0);
    adapter.exchange(call).await.expect("settle").settled.remove(0)
}

/// The lease of a running job is found: to cancel the job flags it, and does not end it.
async fn is_seen(adapter: &RedisAdapter, job: &ClaimedJob) -> bool {
    let outcome = adapter.cancel(&job.lease.id, "why").await.expect("cancel");
    matches!(outcome, CancelOutcome::Requested)
}

fn epoch(server: &Server) -> u64 {
    server.cli(&["HGET", "{taskora}:meta", "epoch"]).parse().expect("an epoch")
}

/// Makes the namespace one that was met with another history of its data.
fn come_from_elsewhere(server: &Server, database: &str) {
    let client = redis::Client::open(format!("{}/{database}", server.url())).expect("a URL");
    let mut redis = client.get_connection().expect("connect");
    let set: redis::RedisResult<()> =
        redis::cmd("HSET").arg("{taskora}:meta").arg("incarnation").arg("another").query(&mut redis);
    set.expect("set");
}

/// With functions, with scripts, and without `INFO` (no replication id is known, so the library's state stands for it).
#[tokio::test]
async fn after_a_restart_tokens_lie_above_all_earlier_ones_and_earlier_leases_hold() {
    for renamed in ["OBJECT", "FCALL", "INFO"] {
        let options = [&ALL_KEPT[..], &["--rename-command", renamed, ""]].concat();
        let mut server = Server::with(&options);
        let adapter = connect(&server.url()).await;
        let ids = [dispatched(&adapter).await, dispatched(&adapter).await];
        let before = claimed(&adapter).await;
        assert_eq!((before.lease.token, epoch(&server)), (1, 0), "{renamed}");
        server.kill();
        server.restart();

        let after = claimed(&connect(&server.url()).await).await;
        assert!(epoch(&server) > 0, "{renamed}");
        assert_eq!(after.lease.token, epoch(&server) * SHARE + 1, "{renamed}");
        assert_eq!([&before, &after].map(|job| job.lease.id.clone()), ids, "{renamed}");
        assert!(is_seen(&adapter, &before).await && is_seen(&adapter, &after).await, "{renamed}");
        // each epoch's leases end as they were made
        let [cancelled, settled] = [&before, &after].map(|job| job.settlement(AttemptEnd::Cancel));
        let call = exchange("w", 1, vec![cancelled, settled], 0);
        let ends = adapter.exchange(call).await.expect("settle").settled;
        assert!(!ends.contains(&Settled::Stale), "{renamed}: {ends:?}");
    }
}

#[tokio::test]
async fn connections_and_a_library_that_was_flushed_raise_no_epoch() {
    for renamed in ["OBJECT", "FCALL"] {
        let server = Server::with(&["--rename-command", renamed, ""]);
        let adapter = connect(&server.url()).await;
        dispatched(&adapter).await;
        dispatched(&adapter).await;
        let first = claimed(&adapter).await;
        for _ in 0..40 {
            connect(&server.url()).await;
            server.cli(&["FUNCTION", "FLUSH"]);
            server.cli(&["SCRIPT", "FLUSH"]);
        }
        let second = claimed(&adapter).await;
        assert_eq!((first.lease.token, second.lease.token, epoch(&server)), (1, 1, 0), "{renamed}");
        assert!(is_seen(&adapter, &first).await && is_seen(&adapter, &second).await, "{renamed}");
    }
}

/// Without `INFO` nobody can tell a new library from a new server, so each is an epoch; a connection is none.
#[tokio::test]
async fn without_info_a_new_library_is_an_epoch_and_a_connection_is_none() {
    let server = Server::with(&["--rename-command", "INFO", ""]);
    let adapter = connect(&server.url()).await;
    for _ in 0..5 {
        connect(&server.url()).await;
    }
    assert_eq!(epoch(&server), 0);
    server.cli(&["FUNCTION", "FLUSH"]);
    connect(&server.url()).await;
    let raised = epoch(&server);
    assert!(raised > 0);
    for _ in 0..5 {
        connect(&server.url()).await;
    }
    dispatched(&adapter).await;
    assert_eq!(claimed(&adapter).await.lease.token, raised * SHARE + 1);
    assert_eq!(epoch(&server), raised);
}

/// A library keeps what it knows by namespace, and another database has another namespace of this name.
#[tokio::test]
async fn each_database_has_an_epoch_of_its_own() {
    let server = Server::start();
    let of = |database: i64| patient(server.url()).db(database);
    let [one, other] = [of(0), of(1)];
    RedisAdapter::connect(other.clone()).await.expect("connect");
    come_from_elsewhere(&server, "1");
    let other = RedisAdapter::connect(other).await.expect("connect");
    let one = RedisAdapter::connect(one).await.expect("connect");
    assert_eq!(epoch(&server), 0);
    for adapter in [&one, &other, &one, &other] {
        dispatched(adapter).await;
    }
    let ours = [claimed(&one).await, claimed(&one).await];
    let theirs = [claimed(&other).await, claimed(&other).await];
    assert_eq!(ours.each_ref().map(|job| job.lease.token), [1, 1]);
    let [first, second] = theirs.each_ref().map(|job| job.lease.token);
    assert!(first > SHARE && first == second, "{first} {second}");
    for (adapter, jobs) in [(&one, &ours), (&other, &theirs)] {
        for job in jobs {
            assert!(is_seen(adapter, job).await, "{job:?}");
        }
    }
}

#[tokio::test]
async fn namespaces_have_epochs_of_their_own() {
    let server = Server::start();
    connect(&server.url()).await;
    come_from_elsewhere(&server, "0");
    let one = connect(&server.url()).await;
    assert!(epoch(&server) > 0);
    let other = patient(server.url()).namespace("other");
    let other = RedisAdapter::connect(other).await.expect("connect");
    dispatched(&one).await;
    dispatched(&other).await;
    assert_eq!(claimed(&one).await.lease.token, epoch(&server) * SHARE + 1);
    assert_eq!(claimed(&other).await.lease.token, 1);
}

/// A server that has raised the epoch, and whose data are gone since; the epoch.
async fn flushed() -> (Server, RedisAdapter, u64) {
    let server = Server::start();
    connect(&server.url()).await;
    come_from_elsewhere(&server, "0");
    let adapter = connect(&server.url()).await;
    let raised = epoch(&server);
    assert!(raised > 0);
    server.cli(&["FLUSHALL"]);
    (server, adapter, raised)
}

/// The library keeps its epoch, and the namespace is signed with it.
#[tokio::test]
async fn after_everything_was_flushed_leases_are_seen_before_and_after_the_next_connection() {
    let (server, adapter, raised) = flushed().await;
    dispatched(&adapter).await;
    dispatched(&adapter).await;
    let (first, second) = (claimed(&adapter).await, claimed(&adapter).await);
    assert!(is_seen(&adapter, &first).await, "before anybody has signed");
    connect(&server.url()).await;
    assert_eq!(epoch(&server), raised);
    assert!(is_seen(&adapter, &second).await, "and after");
}

/// Somebody whose scripts keep no state signs it anew, from the beginning: leases of the library's epoch are seen all the same.
#[tokio::test]
async fn a_namespace_that_was_signed_anew_gets_the_epoch_that_the_library_knows() {
    let (server, adapter, raised) = flushed().await;
    dispatched(&adapter).await;
    let job = claimed(&adapter).await;
    let meta = ["version", "1", "min", "1", "writer", "a script", "level", "1", "epoch", "0"];
    server.cli(&[&["HSET", "{taskora}:meta"], &meta[..]].concat());
    connect(&server.url()).await;
    assert_eq!(epoch(&server), raised);
    assert!(is_seen(&adapter, &job).await);
}

/// A claim is lost although the namespace was met on no other server: the replica that took over was given back before
/// anybody has connected to it. What tells is the replication id, and not the server process.
#[tokio::test]
async fn a_failback_that_has_lost_a_claim_gives_no_token_twice() {
    let [main, replica] = [(); 2].map(|()| {
        let options = ["--repl-diskless-sync-delay", "0"];
        RedisServer::builder().args(options).start().unwrap_or_else(|error| panic!("{error}"))
    });
    let follow = |server: &RedisServer, port: u16| {
        server.command(&["REPLICAOF", "127.0.0.1", &port.to_string()]).expect("an answer");
        server.until_in_sync().expect("in sync");
    };
    for reconnects in [true, false] {
        let adapter = connect(&main.url()).await;
        let id = dispatched(&adapter).await;
        follow(&replica, main.port());
        replica.until_it_has(main.written().expect("a number")).expect("in time");
        replica.promote().expect("promoted");
        // the replica does not hear of this one
        let lost = claimed(&adapter).await;
        follow(&main, replica.port());
        main.promote().expect("promoted");

        let other = if reconnects { connect(&main.url()).await } else { adapter.clone() };
        let again = claimed(&other).await;
        assert_eq!((&lost.lease.id, &again.lease.id), (&id, &id));
        assert_ne!(lost.lease.token, again.lease.token);
        assert_eq!(settled(&adapter, &lost).await, Settled::Stale, "the right is lost");
        assert_ne!(settled(&other, &again).await, Settled::Stale);
    }
}
