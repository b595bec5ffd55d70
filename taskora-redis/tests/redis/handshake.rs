//! Whose a namespace is.

use crate::kit::{PATIENCE, TASK, job, patient, wait};
use crate::server::Server;
use taskora::AdapterError;
use taskora::adapter::{Enqueued, Inspection, Jobs, Signals};
use taskora_redis::{MIN_WIRE_VERSION, RedisAdapter, WIRE_VERSION};

#[tokio::test]
async fn s253_an_empty_namespace_is_signed_and_s254_once() {
    let server = Server::start();
    RedisAdapter::connect(patient(server.url())).await.expect("connect");
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "version"]), WIRE_VERSION.to_string());
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "min"]), MIN_WIRE_VERSION.to_string());
    let created = server.cli(&["HGET", "{taskora}:meta", "created"]);
    assert!(created.parse::<u64>().is_ok(), "{created}");
    RedisAdapter::connect(patient(server.url())).await.expect("connect again");
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "created"]), created);
}

#[tokio::test]
async fn s255_namespaces_are_apart() {
    let server = Server::start();
    for namespace in ["one", "two"] {
        let config = patient(server.url()).namespace(namespace);
        let adapter = RedisAdapter::connect(config).await.expect("connect");
        assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    }
    let keys = server.cli(&["KEYS", "*"]);
    assert!(keys.lines().all(|key| key.starts_with("{one}:") || key.starts_with("{two}:")), "{keys}");
}

#[tokio::test]
async fn s256_a_version_from_the_future_is_refused_and_nothing_touched() {
    let server = Server::start();
    server.cli(&["HSET", "{taskora}:meta", "version", "99", "min", "99", "writer", "taskora 9.9"]);
    let error = RedisAdapter::connect(patient(server.url())).await.expect_err("it dropped us");
    assert!(matches!(error, AdapterError::Incompatible(_)), "{error:?}");
    for part in ["99", "taskora 9.9", &format!("wire version {WIRE_VERSION}")] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(server.cli(&["DBSIZE"]), "1");
    // s258: once it is gone, everything works
    server.cli(&["DEL", "{taskora}:meta"]);
    RedisAdapter::connect(patient(server.url())).await.expect("connect");
}

#[tokio::test]
async fn a_connection_that_waits_for_work_reads_the_signature_too() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    server.cli(&["HSET", "{taskora}:meta", "version", "99", "min", "99"]);

    let error = wait(&*adapter.work(), PATIENCE).await.expect_err("it dropped us");
    assert!(matches!(error, AdapterError::Incompatible(_)), "{error:?}");
    assert_eq!(adapter.counts(TASK).await.expect("counts").waiting, 1, "nothing was claimed");
}

#[tokio::test]
async fn s271_somebody_elses_data_is_refused() {
    let server = Server::start();
    server.cli(&["HSET", "{taskora}:meta", "colour", "red"]);
    let error = RedisAdapter::connect(patient(server.url())).await.expect_err("no signature");
    assert!(matches!(error, AdapterError::Incompatible(_)), "{error:?}");
}

#[tokio::test]
async fn a_password_opens_the_door_and_is_in_no_error() {
    let server = Server::with_password("hush-hush");
    let error = RedisAdapter::connect(patient(server.url()).password("wrong-hush")).await.expect_err("wrong");
    assert!(matches!(error, AdapterError::Config(_)), "{error:?}");
    assert!(!error.to_string().contains("hush"), "{error}");
    let adapter = RedisAdapter::connect(patient(server.url()).password("hush-hush")).await.expect("right");
    assert!(!format!("{adapter:?}").contains("hush"));
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
}
