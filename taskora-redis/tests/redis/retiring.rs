//! How workflows go that have ended: what has to be gone before, and what must not come back.

use std::time::Duration;

use taskora::adapter::{Enqueued, Jobs, NewNode, Workflows};
use taskora::{Retention, RetentionLimit};
use taskora_redis::RedisAdapter;

use crate::flows::{chain, flow, node};
use crate::kit::{PATIENCE, TASK, complete, drain, exchange, job, patient};
use crate::proxy::{Fate, Proxy};
use crate::server::Server;

fn keep_nothing() -> Retention {
    let none = RetentionLimit::new(Duration::ZERO, 0);
    Retention::all(none)
}

async fn sweep(adapter: &RedisAdapter) {
    while adapter.sweep(&[TASK.into()], keep_nothing()).await.expect("sweep").more {}
}

#[tokio::test]
async fn a_start_that_is_repeated_after_its_workflow_has_come_and_gone_starts_nothing() {
    let server = Server::start();
    let direct = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    direct.start(chain("first", 2)).await.expect("start, which loads the script");
    drain(&direct, "w").await;
    let proxy = Proxy::start(server.port()).await;
    let config = patient(proxy.url());
    let through = RedisAdapter::connect(config).await.expect("connect");
    for (number, flow) in [chain("a", 3), flow("b", Vec::new(), Vec::new())].into_iter().enumerate() {
        let (id, nodes) = (flow.id.clone(), flow.nodes.len());
        proxy.set(Fate::CutAndHold);
        let through = through.clone();
        let starting = tokio::spawn(async move { through.start(flow).await });
        tokio::time::timeout(PATIENCE, async {
            while direct.workflow(&id, false).await.expect("read").is_none() {}
        })
        .await
        .expect("it is started, and its answer is lost");
        assert_eq!(drain(&direct, &format!("w{number}")).await, nodes, "it runs");
        sweep(&direct).await;
        assert!(direct.workflow(&id, false).await.expect("read").is_none(), "and is removed");
        proxy.set(Fate::Pass);
        assert_eq!(starting.await.expect("a task").expect("repeated by itself"), Enqueued::New);
        assert_eq!(drain(&direct, &format!("x{number}")).await, 0, "it does not run again");
        assert!(direct.workflow(&id, false).await.expect("read").is_none());
        assert_eq!(
            direct.start(chain(id.as_str(), 1)).await.expect("start"),
            Enqueued::New,
            "its id is free"
        );
        assert_eq!(drain(&direct, &format!("y{number}")).await, 1);
    }
    let ttl: u64 = server.cli(&["PTTL", "{taskora}:wfgone"]).parse().expect("it has a time to live");
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn workflows_wait_for_their_tombstones_and_hold_up_nobody_else() {
    const CANCELLED: usize = 300;
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
    let kept = || server.cli(&["ZCARD", "{taskora}:wfdone"]);
    // somebody who waits before them, so that their tombstones stay
    adapter.enqueue(vec![job("first")]).await.expect("enqueue");
    for number in 0..CANCELLED {
        let id = format!("w{number}");
        adapter.start(chain(&id, 1)).await.expect("start");
        adapter.cancel_workflow(&id.as_str().into(), "stop").await.expect("cancel");
    }
    assert_eq!(server.cli(&["SCARD", "{taskora}:tombstones:send-email"]), CANCELLED.to_string());
    adapter.shift_clock(Duration::from_millis(5)).await.expect("shift the clock");
    let other = NewNode { task: "other".into(), ..node(None) };
    adapter.start(flow("other", vec![other], Vec::new())).await.expect("start");
    adapter.cancel_workflow(&"other".into(), "stop").await.expect("cancel");
    adapter.shift_clock(Duration::from_millis(5)).await.expect("shift the clock");
    // a sweep looks at 128 of them
    for _ in 0..=CANCELLED / 128 {
        sweep(&adapter).await;
        adapter.shift_clock(Duration::from_millis(5)).await.expect("shift the clock");
    }
    assert!(adapter.workflow(&"other".into(), false).await.expect("read").is_none(), "it waits for nobody");
    assert_eq!(kept(), CANCELLED.to_string(), "their ids are not free while their tombstones are there");
    assert_eq!(adapter.start(chain("w0", 1)).await.expect("start"), Enqueued::Duplicate);

    let first = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(first[0].lease.id.as_str(), "first");
    adapter
        .exchange(exchange("w", 2, vec![complete(&first[0])], 1))
        .await
        .expect("settle, and step over them");
    assert_eq!(server.cli(&["EXISTS", "{taskora}:tombstones:send-email"]), "0");
    adapter.shift_clock(Duration::from_secs(61)).await.expect("shift the clock");
    sweep(&adapter).await;
    assert_eq!(kept(), "0");
    let mut keys: Vec<String> = server.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.retain(|key| !key.contains(":call:") && !key.ends_with(":wfgone"));
    keys.sort();
    assert_eq!(
        keys,
        ["clock", "meta", "procs", "registry", "seq", "tasks"].map(|key| format!("{{taskora}}:{key}"))
    );
}
