//! Connections, and a server that goes away.

use std::time::Duration;

use taskora::prelude::*;
use taskora_fault_tests::process::KEEP_ALL;
use taskora_fault_tests::scenarios::{crowd, network, replies};
use taskora_fault_tests::tasks::{Act, Follow, Work};
use taskora_fault_tests::{Record, Stage, WorkerPart, seed};
use taskora_redis::failpoint::{self, Action};
use taskora_redis::{RedisAdapter, RedisConfig};

#[tokio::test]
async fn fault_07_answers_are_lost_after_each_script() {
    replies::lost_replies(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_08_redis_is_restarted() {
    network::restarts(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_09_connections_are_half_open() {
    network::half_open(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_10_connections_are_killed_each_second() {
    network::killed_connections(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_11_scripts_are_flushed_ten_times_a_second() {
    network::flushed_scripts(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_22_a_thousand_workers_idle_and_reconnect() {
    crowd::crowd(seed(), 1).await.assert();
}

/// The connection is lost between the news that a workflow has ended and the reading of how, again and again.
#[tokio::test]
async fn a_wait_for_a_workflow_outlasts_calls_that_fail() {
    let stage = Stage::set("awaited workflow", seed());
    let workers = vec![stage.worker(WorkerPart::default())];
    let config = RedisConfig::new(stage.server.url()).command_timeout(Duration::from_millis(100));
    let adapter = RedisAdapter::connect(config).await.expect("a connection");
    let app = App::builder(adapter).retention(KEEP_ALL).build();
    let (job, workflow) = ("w".to_owned(), true);
    stage.ledger.write(Record::Trying { job: job.clone(), workflow });
    let chain = Work { act: Act::returns(1) }.then(Follow::s().act(Act::returns(1)));
    let handle = app.dispatch(chain).id("w").await.expect("a store");
    stage.ledger.write(Record::Accepted { job: job.clone(), workflow, duplicate: false });
    let before = failpoint::hits("hmget.before");
    for hit in 1..=20 {
        failpoint::set("hmget.before", Action::Cut, hit).expect("a point");
    }
    let done = handle.result().await.expect("a result, in the end");
    assert!(failpoint::hits("hmget.before") > before + 20);
    let nonce = Some(done.nonce);
    stage.ledger.write(Record::Seen { job, workflow, state: "completed".to_owned(), nonce });
    stage.finish(workers).await.assert();
}
