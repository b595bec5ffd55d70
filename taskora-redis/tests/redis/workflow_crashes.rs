//! Workflows whose starter or worker dies, or whose answers are lost, between any two calls.

use std::time::Duration;

use taskora::adapter::{CancelOutcome, Enqueued, Inspection, Jobs, Settled, Workflows};
use taskora::workflow::WorkflowState;
use taskora::{JobState, Retention};
use taskora_redis::RedisAdapter;

use crate::flows::{chain, chord, run};
use crate::kit::{PATIENCE, TASK, complete, exchange, job, patient};
use crate::proxy::{Fate, Proxy};
use crate::server::Server;
use crate::upkeep::assert_clean;

#[tokio::test]
async fn what_a_dead_starter_has_put_aside_hinders_nobody() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.start(chord("w", 2_000)).await.expect("start");
    assert_eq!(adapter.start(chord("w", 3_000)).await.expect("start"), Enqueued::Duplicate);
    assert_eq!(server.cli(&["KEYS", "*stage*"]), "", "a duplicate leaves nothing behind");
    assert_eq!(server.cli(&["TTL", "{taskora}:wf:=w"]), "-1", "what was aside had a time to live");
    assert_eq!(run(&adapter, "w", 500).await, (0..=2_000).collect::<Vec<_>>());
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_starter_that_dies_between_any_two_calls_has_started_all_or_nothing() {
    const HEADERS: u32 = 2_400;
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.start(chord("first", HEADERS)).await.expect("start, which loads the scripts");
    run(&adapter, "first", 500).await;
    let (mut nothing, mut all) = (0, 0);
    for answers in 0.. {
        assert!(answers < 100, "a start takes no hundred calls");
        let id = format!("w{answers}");
        let proxy = Proxy::start(server.port()).await;
        let config = patient(proxy.url());
        let mortal = RedisAdapter::connect(config).await.expect("connect");
        // the call that is not answered is done, and the ones after it are never made
        proxy.let_through(answers);
        let done =
            tokio::time::timeout(Duration::from_millis(500), mortal.start(chord(&id, HEADERS))).await.is_ok();
        drop(mortal);
        match adapter.workflow(&id.as_str().into(), false).await.expect("read") {
            Some(_) => all += 1,
            None => {
                nothing += 1;
                assert_eq!(adapter.start(chord(&id, HEADERS)).await.expect("start"), Enqueued::New);
            }
        }
        assert_eq!(run(&adapter, &id, 500).await, (0..=HEADERS).collect::<Vec<_>>(), "{answers} answers");
        let ended = adapter.workflow_ended(&id.as_str().into()).await.expect("ended").expect("known");
        assert_eq!(ended.state, WorkflowState::Completed);
        if done {
            break;
        }
    }
    assert!(nothing > 2 && all > 2, "died {nothing} times before the commit, {all} times after it");
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_workflow_whose_rest_nobody_has_released_is_released_by_the_workers() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.start(chord("w", 2_000)).await.expect("start");
    // as if its starter had died after the last call of the start: nothing is released
    server.cli(&["DEL", "{taskora}:wait:send-email", "{taskora}:wake:send-email", "{taskora}:ready"]);
    server.cli(&["HSET", "{taskora}:wf:=w", "jr", "-0 0"]);
    server.cli(&["RPUSH", "{taskora}:deferred", "Rr:0 =w"]);
    let listener = taskora::adapter::Signals::work(&adapter);
    assert!(adapter.sweep(&["other".into()], Retention::default()).await.expect("sweep").more);
    let mut none = exchange("full", 1, Vec::new(), 1);
    none.claim.as_mut().expect("a claim").limit = 0;
    let (wait, wake_early) = (Duration::from_secs(60), tokio::sync::Notify::new());
    let woken = tokio::time::timeout(PATIENCE, listener.wait(&none, wait, &wake_early)).await;
    woken.expect("whoever sweeps wakes a worker").expect("wait");
    assert_eq!(run(&adapter, "w", 32).await, (0..=2_000).collect::<Vec<_>>());
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_worker_that_dies_at_any_point_around_settle_leaves_a_workflow_that_ends() {
    let server = Server::start();
    let clocked = || patient(server.url()).test_clock();
    let adapter = RedisAdapter::connect(clocked()).await.expect("connect");
    adapter.start(chain("first", 3)).await.expect("start");
    run(&adapter, "first", 1).await;
    let mut died = 0;
    for answers in 0.. {
        let id = format!("w{answers}");
        assert!(answers < 20, "a chain of three takes no twenty calls");
        assert_eq!(adapter.start(chain(&id, 3)).await.expect("start"), Enqueued::New);
        let proxy = Proxy::start(server.port()).await;
        let config = patient(proxy.url()).test_clock();
        let mortal = RedisAdapter::connect(config).await.expect("connect");
        // the call that is not answered is done, and the ones after it are never made
        proxy.let_through(answers);
        let finished = tokio::time::timeout(Duration::from_millis(500), run(&mortal, &id, 1)).await;
        drop(mortal);
        if finished.is_ok() {
            break;
        }
        died += 1;
        adapter.shift_clock(Duration::from_secs(31)).await.expect("shift the clock");
        while adapter.sweep(&[TASK.into()], Retention::default()).await.expect("sweep").more {}
        run(&adapter, &format!("{id}-other"), 1).await;
        let ended = adapter.workflow_ended(&id.as_str().into()).await.expect("ended").expect("known");
        assert_eq!(ended.state, WorkflowState::Completed, "{answers} answers");
        let record = adapter.workflow(&id.as_str().into(), true).await.expect("read").expect("known");
        let ends: Vec<_> = record.nodes.iter().map(|node| (node.state, node.attempts)).collect();
        assert_eq!(
            ends,
            vec![(Some(JobState::Completed), 1); 3],
            "each node completed once, {answers} answers"
        );
        assert_eq!(adapter.counts(TASK).await.expect("counts").active, 0);
    }
    assert!(died >= 4, "it died {died} times, and makes at least four calls");
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn an_entry_that_outlived_its_workflow_does_nothing_to_the_next_one_of_that_id() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.start(chain("w", 3)).await.expect("start");
    // to cancel its nodes, and to release those that wait for its second one
    server.cli(&["RPUSH", "{taskora}:deferred", "Xx:0 =w", "R1:0 =w"]);
    assert_eq!(run(&adapter, "w", 1).await, [0, 1, 2], "each in its turn");
    assert_eq!(server.cli(&["EXISTS", "{taskora}:deferred"]), "0");
    let ended = adapter.workflow_ended(&"w".into()).await.expect("ended").expect("known");
    assert_eq!(ended.state, WorkflowState::Completed);
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_cancelled_workflow_somebody_elses() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    for id in ["first", "w"] {
        adapter.start(chain(id, 3)).await.expect("start");
    }
    // which loads the script, so that it is its own answer that is lost
    adapter.cancel_workflow(&"first".into(), "done").await.expect("cancel");
    let proxy = Proxy::start(server.port()).await;
    let through = RedisAdapter::connect(patient(proxy.url())).await.expect("connect");
    proxy.set(Fate::CutNext);
    let outcome = through.cancel_workflow(&"w".into(), "enough").await.expect("cancel");
    assert_eq!(outcome, CancelOutcome::Cancelled);
    let again = through.cancel_workflow(&"w".into(), "enough").await.expect("cancel");
    assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Cancelled));
    assert_clean(&adapter, "at the end").await;
}

/// A node that cannot be read holds up its own workflow, and nothing else.
#[tokio::test]
async fn a_damaged_node_holds_up_nobody_else() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let completed = [Settled::Now(JobState::Completed)];
    for damage in ["", "x", "twelve bytes"] {
        let name = format!("w{}", damage.len());
        let damaged = |node| server.cli(&["HSET", &format!("{{taskora}}:wf:={name}"), node, damage]);
        let mut number = 0;
        let mut claims = async |settle, limit| {
            number += 1;
            adapter.exchange(exchange(&name, number, settle, limit)).await.expect("exchange")
        };
        adapter.start(chain(&name, 3)).await.expect("start");
        let first = claims(Vec::new(), 9).await.jobs;
        // the second step is in line when it is damaged
        assert_eq!(claims(vec![complete(&first[0])], 0).await.settled, completed);
        damaged("n1");
        adapter.enqueue(vec![job(&format!("plain of {name}"))]).await.expect("enqueue");
        let claimed = claims(Vec::new(), 9).await.jobs;
        assert_eq!(claimed.iter().map(|job| job.node.is_none()).collect::<Vec<_>>(), [true], "{claimed:?}");
        assert_eq!(claims(vec![complete(&claimed[0])], 0).await.settled, completed);
        adapter.cancel_workflow(&name.as_str().into(), "it is damaged").await.expect("cancelled");
        adapter.sweep(&[TASK.into()], Retention::default()).await.expect("swept");

        // one that runs, and what comes after it
        let name = format!("r{}", damage.len());
        adapter.start(chain(&name, 3)).await.expect("start");
        let running = adapter.exchange(exchange(&name, 1, Vec::new(), 9)).await.expect("claim").jobs;
        for node in ["n0", "n1"] {
            server.cli(&["HSET", &format!("{{taskora}}:wf:={name}"), node, damage]);
        }
        let end = vec![complete(&running[0])];
        assert_eq!(adapter.exchange(exchange(&name, 2, end, 9)).await.expect("settle").settled, completed);

        // one of whose node something was put off, as after the end of a node that is in very many joins
        server.cli(&["RPUSH", "{taskora}:deferred", &format!("J1:0 ={name}")]);
        adapter
            .exchange(exchange(&format!("any {name}"), 1, Vec::new(), 0))
            .await
            .expect("what was put off holds up nobody");
        assert_eq!(server.cli(&["EXISTS", "{taskora}:deferred"]), "0");

        // a record of a job that was handed out, and whose call is repeated
        adapter.enqueue(vec![job(&format!("lost of {name}"))]).await.expect("enqueue");
        let call = exchange(&format!("repeats {name}"), 1, Vec::new(), 1);
        assert_eq!(adapter.exchange(call.clone()).await.expect("claim").jobs.len(), 1);
        server.cli(&["HSET", "{taskora}:jobs", &format!("=lost of {name}"), "x"]);
        assert!(adapter.exchange(call).await.expect("the same answer, without it").jobs.is_empty());
    }
}
