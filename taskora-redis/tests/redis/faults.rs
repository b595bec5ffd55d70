//! What happens when Redis, or the way to it, fails.

use std::time::{Duration, Instant};

use crate::kit::{PATIENCE, complete, drain, exchange, job, patient, wait};
use crate::proxy::{Fate, Proxy};
use crate::server::Server;
use taskora::adapter::{
    Acted, Actions, Cancellation, Ending, Enqueued, Happened, Inspection, JobNews, JobReport, Jobs,
    RenewLease, Renewal, Revival, Settled, Signals,
};
use taskora::{AdapterError, CancelOutcome, JobId, JobState, LogEntry, LogLevel, Timestamp};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::sync::Notify;
use tokio::time::timeout;

async fn connect(server: &Server) -> RedisAdapter {
    RedisAdapter::connect(patient(server.url())).await.expect("connect")
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_within_a_second_that_names_it() {
    let mut server = Server::start();
    let adapter = RedisAdapter::connect(RedisConfig::new(server.url())).await.expect("connect");
    server.kill();
    let started = Instant::now();
    let error = adapter.enqueue(vec![job("a")]).await.expect_err("nobody is there");
    // with what a busy machine adds
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(matches!(error, AdapterError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains(&server.port().to_string()), "{error}");
    assert!(RedisAdapter::connect(patient(server.url())).await.is_err(), "and connecting fails too");

    server.restart();
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("it is back"), [Enqueued::New]);
}

/// In a namespace of its own: what is lost of a script that the server does not know yet is only its refusal.
async fn load_scripts(server: &Server) {
    let adapter = RedisAdapter::connect(patient(server.url()).namespace("other")).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    assert_eq!(drain(&adapter, "w").await, 1);
    adapter.cancel(&"a".into(), "why").await.expect("cancel");
}

#[tokio::test]
async fn a_lost_answer_changes_nothing() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    load_scripts(&server).await;
    let adapter = RedisAdapter::connect(patient(proxy.url())).await.expect("connect");
    let cut = || proxy.set(Fate::CutNext);

    cut();
    let answer = adapter.enqueue(vec![job("a"), job("b")]).await.expect("repeated by itself");
    assert_eq!(answer, [Enqueued::New, Enqueued::New], "our own jobs are no duplicates");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::Duplicate]);

    cut();
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(claimed.len(), 1);
    assert_eq!(adapter.counts(crate::kit::TASK).await.expect("counts").active, 1, "one claim, not two");

    cut();
    let settled =
        adapter.exchange(exchange("w", 2, vec![complete(&claimed[0])], 0)).await.expect("settle").settled;
    assert_eq!(settled, [Settled::Now(JobState::Completed)]);
    assert_eq!(adapter.counts(crate::kit::TASK).await.expect("counts").completed, 1);

    cut();
    let outcome = adapter.cancel(&"b".into(), "why").await.expect("cancel");
    assert_eq!(outcome, CancelOutcome::Cancelled, "our own end is no earlier one");
    let outcome = adapter.cancel(&"b".into(), "why").await.expect("cancel");
    assert_eq!(outcome, CancelOutcome::AlreadyEnded(JobState::Cancelled));

    let ended = adapter.job(&"b".into()).await.expect("job").and_then(|info| info.finished_at);
    let revival =
        Revival { id: "b".into(), ended_at: ended.expect("it has"), delay: Duration::from_secs(60) };
    cut();
    assert_eq!(adapter.revive(vec![revival.clone()]).await.expect("revive"), [Acted::Done]);
    assert_eq!(adapter.revive(vec![revival]).await.expect("revive"), [Acted::Is(JobState::Delayed)]);
    let data = adapter.details(&"b".into()).await.expect("details").expect("it is known");
    let what: Vec<_> = data.past.iter().map(|step| step.what).collect();
    assert_eq!(what, [Happened::Cancelled, Happened::Revived], "once");
    cut();
    assert_eq!(adapter.promote(&"b".into()).await.expect("promote"), Acted::Done);
    assert_eq!(adapter.promote(&"b".into()).await.expect("promote"), Acted::Is(JobState::Waiting));
    cut();
    assert_eq!(adapter.reprioritise(&"b".into(), 7).await.expect("reprioritise"), Acted::Done);
    let other = job("c");
    for _ in 0..2 {
        cut();
        let acted = adapter.replace(&"b".into(), other.clone(), "replaced by c").await.expect("replace");
        assert_eq!(acted, Acted::Done);
    }
    assert_eq!(adapter.replace(&"c".into(), job("b"), "no").await.expect("replace"), Acted::Taken);
    let ended = adapter.job(&"b".into()).await.expect("job").and_then(|info| info.finished_at);
    let revival = Revival { id: "b".into(), ended_at: ended.expect("it has"), delay: Duration::ZERO };
    assert_eq!(adapter.revive(vec![revival]).await.expect("revive"), [Acted::Done]);
    cut();
    assert_eq!(adapter.withdraw(&["b".into()], "why").await.expect("withdraw"), [Acted::Done]);
    assert_eq!(
        adapter.withdraw(&["b".into()], "why").await.expect("withdraw"),
        [Acted::Is(JobState::Cancelled)]
    );
    cut();
    assert_eq!(adapter.delete(&["a".into()], "gone").await.expect("delete"), [Acted::Done]);
    assert_eq!(adapter.delete(&["a".into()], "gone").await.expect("delete"), [Acted::NotFound]);
}

fn line(message: &str) -> LogEntry {
    LogEntry::new(LogLevel::Info, message, Timestamp::from_millis(1), 1)
}

#[tokio::test]
async fn a_lost_answer_doubles_no_log_line() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let adapter = RedisAdapter::connect(patient(proxy.url())).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let notes = |lines: &[&str]| JobReport {
        lease: claimed[0].lease.clone(),
        progress: None,
        logs: lines.iter().map(|message| line(message)).collect(),
    };
    let logged = async || {
        let logs = adapter.logs(&"a".into()).await.expect("logs");
        logs.into_iter().map(|line| line.message).collect::<Vec<_>>()
    };
    let call = vec![notes(&["one", "two"]), notes(&["three"])];
    assert_eq!(adapter.note(call).await.expect("note"), [true, true]);
    proxy.set(Fate::CutNext);
    // the same job twice in one call, and a line that was there before
    let call = vec![notes(&["two", "four"]), notes(&["five"])];
    assert_eq!(adapter.note(call).await.expect("repeated by itself"), [true, true]);
    assert_eq!(logged().await, ["one", "two", "three", "two", "four", "five"]);
    // what is said again is no repeat
    adapter.note(vec![notes(&["five"])]).await.expect("note");
    assert_eq!(logged().await.len(), 7);

    let many: Vec<String> = (0..LogEntry::MAX_PER_JOB + 100).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    proxy.set(Fate::CutNext);
    adapter.note(vec![notes(&many)]).await.expect("repeated by itself");
    assert_eq!(logged().await, many[100..]);
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let adapter = RedisAdapter::connect(patient(proxy.url())).await.expect("connect");
    proxy.set(Fate::Swallow);
    assert!(matches!(adapter.enqueue(vec![job("a")]).await, Err(AdapterError::Unavailable { .. })));
    proxy.set(Fate::Pass);
    let answer = adapter.enqueue(vec![job("b")]).await.expect("a new connection");
    assert_eq!(answer, [Enqueued::New]);
    assert_eq!(proxy.connections(), 2, "the silent one was dropped");
}

#[tokio::test]
async fn s281_a_flushed_script_cache_is_not_noticed() {
    let server = Server::start();
    let adapter = connect(&server).await;
    for number in 0..10 {
        server.cli(&["SCRIPT", "FLUSH"]);
        let id = number.to_string();
        assert_eq!(adapter.enqueue(vec![job(&id)]).await.expect("enqueue"), [Enqueued::New]);
        server.cli(&["SCRIPT", "FLUSH"]);
        assert_eq!(drain(&adapter, &id).await, 1);
    }
}

#[tokio::test]
async fn a_wait_survives_a_restart_and_lost_connections() {
    let mut server = Server::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    let (adapter, other) = (connect(&server).await, connect(&server).await);
    adapter.enqueue(vec![job("a"), job("b")]).await.expect("enqueue");
    let waits = ["a", "b"].map(|id| {
        let adapter = adapter.clone();
        tokio::spawn(async move { adapter.ended(&JobId::from(id)).await })
    });
    while server.cli(&["HLEN", "{taskora}:waiters"]) != "2" {
        tokio::task::yield_now().await;
    }
    let claimed = other.exchange(exchange("w", 1, Vec::new(), 2)).await.expect("claim").jobs;
    server.kill();
    server.restart();
    // this one ends while nobody may be subscribed, the other one after its connections were cut
    other.exchange(exchange("w", 2, vec![complete(&claimed[0])], 0)).await.expect("settle");
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    other.exchange(exchange("w", 3, vec![complete(&claimed[1])], 0)).await.expect("settle");
    for wait in waits {
        let ended = timeout(PATIENCE, wait).await.expect("in time").expect("no panic").expect("no error");
        assert_eq!(ended.expect("known").ending, Ending::Completed(b"null".to_vec()));
    }
}

#[tokio::test]
async fn a_watch_survives_a_restart_and_lost_connections() {
    let mut server = Server::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    let (adapter, other) = (connect(&server).await, connect(&server).await);
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let mut news = adapter.watch(&"a".into());
    let claimed = other.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs.remove(0);
    let note = async |progress: &str| {
        let progress = Some(progress.as_bytes().to_vec());
        let report = JobReport { lease: claimed.lease.clone(), progress, logs: Vec::new() };
        assert_eq!(other.note(vec![report]).await.expect("note"), [true]);
    };
    let mut until = async |progress: &str| {
        let is_it = |news: &Option<JobNews>| {
            news.as_ref().is_some_and(|news| news.progress.as_deref() == Some(progress.as_bytes()))
        };
        timeout(PATIENCE, news.wait_for(is_it)).await.expect("in time").expect("it is told");
    };
    note("1").await;
    until("1").await;
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    note("2").await;
    until("2").await;
    server.kill();
    server.restart();
    note("3").await;
    until("3").await;
    note("4").await;
    until("4").await;
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    other.exchange(exchange("w", 2, vec![complete(&claimed)], 0)).await.expect("settle");
    let ended = timeout(PATIENCE, adapter.ended(&"a".into())).await.expect("in time").expect("no error");
    assert_eq!(ended.expect("known").ending, Ending::Completed(b"null".to_vec()));
}

#[tokio::test]
async fn a_new_subscription_tells_that_cancellations_may_have_been_missed() {
    let server = Server::start();
    let (adapter, other) = (connect(&server).await, connect(&server).await);
    let mut cancellations = adapter.cancellations();
    let mut next = async || {
        let said = timeout(PATIENCE, cancellations.recv()).await;
        said.expect("in time").expect("not more than are kept")
    };
    assert_eq!(next().await, Cancellation::Missed, "it was asked for before it began");
    other.enqueue(vec![job("a"), job("b")]).await.expect("enqueue");
    other.exchange(exchange("w", 1, Vec::new(), 2)).await.expect("claim");
    other.cancel(&"a".into(), "why").await.expect("cancel");
    assert_eq!(next().await, Cancellation::Of("a".into()));
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(next().await, Cancellation::Missed);
    other.cancel(&"b".into(), "why").await.expect("cancel");
    assert_eq!(next().await, Cancellation::Of("b".into()), "and then it is heard again");
}

#[tokio::test]
async fn a_wait_for_work_survives_a_restart() {
    let mut server = Server::start();
    let adapter = connect(&server).await;
    let listener = adapter.work();
    assert_eq!(wait(&*listener, Duration::from_millis(50)).await.expect("nothing to do"), 0);
    server.kill();
    assert!(matches!(wait(&*listener, PATIENCE).await, Err(AdapterError::Unavailable { .. })));
    server.restart();
    let waiting = tokio::spawn(async move { wait(&*listener, PATIENCE).await });
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    assert_eq!(timeout(PATIENCE, waiting).await.expect("in time").expect("no panic").expect("no error"), 1);
}

#[tokio::test]
async fn an_emptied_server_is_used_as_a_new_one() {
    let server = Server::start();
    let adapter = connect(&server).await;
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    server.cli(&["FLUSHALL"]);
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    // the next connection signs the namespace again
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert_eq!(drain(&adapter, "w").await, 1);
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "version"]), "1");
}

#[tokio::test]
async fn a_full_server_refuses_new_jobs_and_finishes_the_old_ones() {
    let server = Server::start();
    let adapter = connect(&server).await;
    adapter.enqueue((0..50).map(|number| job(&number.to_string())).collect()).await.expect("enqueue");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = adapter.enqueue(vec![job("x")]).await.expect_err("it is full");
    assert!(matches!(error, AdapterError::Full { .. }), "{error:?}");
    // what can be done about it today
    assert!(
        error.to_string().contains("`maxmemory`") && error.to_string().contains("`Retention`"),
        "{error}"
    );
    assert_eq!(drain(&adapter, "w").await, 50, "settling and claiming go on");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(adapter.enqueue(vec![job("x")]).await.expect("room again"), [Enqueued::New]);
}

#[tokio::test(flavor = "current_thread")]
async fn leases_are_renewed_while_the_runtime_is_blocked() {
    let server = Server::start();
    let adapter = connect(&server).await;
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let lease = claimed[0].lease.clone();
    // this thread is the runtime's only one, and it waits for the other without letting the runtime run
    let renewal = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let renew = RenewLease { lease, length: Duration::from_secs(30) };
        runtime.block_on(adapter.renew(vec![renew])).expect("renew")
    });
    assert_eq!(renewal.join().expect("no panic"), [Renewal::Extended]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x35_a_hundred_first_calls_make_one_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let adapter = RedisAdapter::lazy(patient(proxy.url())).expect("a valid configuration");
    assert_eq!(proxy.connections(), 0);
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let adapter = adapter.clone();
            tokio::spawn(async move { adapter.enqueue(vec![job(&number.to_string())]).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("enqueue"), [Enqueued::New]);
    }
    assert_eq!(proxy.connections(), 1);

    // a worker has two more, however much it does
    let (_cancels, listener) = (adapter.cancellations(), adapter.work());
    assert_eq!(wait(&*listener, PATIENCE).await.expect("wait"), 1);
    // any of the hundred may have been the first; this one is not
    assert_eq!(adapter.enqueue(vec![job("last")]).await.expect("enqueue"), [Enqueued::New]);
    assert_eq!(drain(&adapter, "w").await, 100);
    assert!(adapter.ended(&"last".into()).await.expect("ended").is_some());
    assert_eq!(proxy.connections(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_dispatches_take_nobody_elses_jobs_with_them() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let calls: Vec<_> = (0..400)
        .map(|number: u32| {
            let adapter = adapter.clone();
            tokio::spawn(async move { adapter.enqueue(vec![job(&number.to_string())]).await })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        if number % 3 == 0 {
            call.abort();
        } else {
            let answer = timeout(PATIENCE, call).await.expect("nobody is forgotten");
            assert_eq!(answer.expect("no panic").expect("enqueue"), [Enqueued::New]);
        }
    }
    assert_eq!(adapter.enqueue(vec![job("last")]).await.expect("the way is free"), [Enqueued::New]);
}

pub(crate) fn clients(server: &Server, field: &str) -> u32 {
    let info = server.cli(&["INFO", "clients"]);
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).expect("a number")
}

#[tokio::test]
async fn waits_that_are_dropped_leave_no_connection_and_take_nothing_with_them() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let (listener, wake_early) = (adapter.work(), Notify::new());
    let before = clients(&server, "connected_clients");
    for round in 1..=50 {
        let call = exchange("w", round, Vec::new(), 1);
        let pause = Duration::from_millis(round % 5);
        assert!(
            timeout(pause, listener.wait(&call, PATIENCE, &wake_early)).await.is_err(),
            "there is nothing to do"
        );
    }
    // whoever gives a wait up makes the slot's next call
    adapter.exchange(exchange("w", 51, Vec::new(), 0)).await.expect("exchange");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let call = exchange("w", 52, Vec::new(), 1);
    let claimed = timeout(PATIENCE, listener.wait(&call, PATIENCE, &wake_early));
    assert_eq!(claimed.await.expect("in time").expect("no error").jobs.len(), 1);
    let after = clients(&server, "connected_clients");
    assert!(after <= before + 1, "{after} connections after {before}");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_repeated() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    load_scripts(&server).await;
    let (adapter, other) =
        (RedisAdapter::connect(patient(proxy.url())).await.expect("connect"), connect(&server).await);
    let (listener, call) = (adapter.work(), exchange("w", 1, Vec::new(), 1));
    let wake_early = Notify::new();
    // its connection is made
    assert!(
        listener.wait(&call, Duration::from_millis(1), &wake_early).await.expect("nothing").jobs.is_empty()
    );
    let call = exchange("w", 2, Vec::new(), 1);
    proxy.set(Fate::CutNext);
    let (cut, _) = tokio::join!(listener.wait(&call, PATIENCE, &wake_early), async {
        while clients(&server, "blocked_clients") != 1 {
            tokio::task::yield_now().await;
        }
        other.enqueue(vec![job("a")]).await.expect("enqueue")
    });
    assert!(matches!(cut, Err(AdapterError::Unavailable { .. })), "{cut:?}");
    assert_eq!(other.counts(crate::kit::TASK).await.expect("counts").active, 1, "it was claimed");
    let answer = adapter.exchange(call).await.expect("the same call");
    let claimed = answer.jobs.first().expect("its job");
    assert_eq!((claimed.lease.id.as_str(), claimed.attempt), ("a", 1));
}

#[tokio::test]
async fn a_wait_without_its_script_claims_all_the_same() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let listener = adapter.work();
    let waiting = tokio::spawn(async move { wait(&*listener, PATIENCE).await });
    while clients(&server, "blocked_clients") != 1 {
        tokio::task::yield_now().await;
    }
    server.cli(&["SCRIPT", "FLUSH"]);
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    assert_eq!(timeout(PATIENCE, waiting).await.expect("in time").expect("no panic").expect("no error"), 1);
}
