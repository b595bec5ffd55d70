//! Who uses a namespace, and the level that all of them must understand.

use std::time::Duration;

use redis::Commands;
use serde_json::json;
use taskora::adapter::{
    Control, DeclaredLimit, GatedTask, Inspection, Jobs, LimitKey, NewPause, PerKey, Rate,
};
use taskora::prelude::*;
use taskora::{AdapterError, Retention, WorkerError};
use taskora_redis::{LevelError, ProcessInfo, RedisAdapter};
use tokio::time::timeout;

use crate::kit::{PATIENCE, TASK, job, patient};
use crate::server::Server;
use crate::server_warnings::Lines;

const PROCS: &str = "{taskora}:procs";

async fn connect(server: &Server) -> RedisAdapter {
    RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect")
}

async fn only(adapter: &RedisAdapter) -> ProcessInfo {
    let mut found = adapter.processes().await.expect("processes");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn sweep(adapter: &RedisAdapter, tasks: &[&str]) -> Result<(), AdapterError> {
    let tasks: Vec<_> = tasks.iter().map(|task| (*task).into()).collect();
    adapter.sweep(&tasks, Retention::default()).await.map(drop)
}

/// Another process, as it would describe itself, with a sign of life `age` seconds ago.
fn write_process(server: &Server, name: &str, level: u16, age: u64, about: &serde_json::Value) {
    let time = server.cli(&["TIME"]);
    let seconds: u64 = time.lines().next().and_then(|line| line.parse().ok()).expect("seconds");
    let [_, _, at @ ..] = ((seconds - age) * 1000).to_be_bytes();
    let entry = [&at[..], &level.to_be_bytes(), about.to_string().as_bytes()].concat();
    let mut redis = redis::Client::open(server.url()).expect("a URL").get_connection().expect("connect");
    redis.hset::<_, _, _, ()>(PROCS, name, entry).expect("hset");
}

#[tokio::test]
async fn a_process_appears_with_its_handshake_and_names_its_tasks_with_its_sweeps() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let first = only(&adapter).await;
    assert_eq!((first.level, first.pid), (4, std::process::id()));
    assert_eq!(
        (first.version.as_str(), &first.roles[..]),
        (env!("CARGO_PKG_VERSION"), &["producer".to_owned()][..])
    );
    assert!(!first.build.is_empty() && !first.program.is_empty() && first.since > 1_700_000_000, "{first:?}");

    adapter.shift_clock(Duration::from_secs(60)).await.expect("shift");
    sweep(&adapter, &["a", "b"]).await.expect("sweep");
    sweep(&adapter, &["c"]).await.expect("another worker of the process");
    let second = only(&adapter).await;
    assert_eq!(second.name, first.name);
    assert!(second.last_sign.as_millis() >= first.last_sign.as_millis() + 60_000, "{second:?}");
    assert_eq!(
        (&second.roles[..], &second.tasks[..]),
        (&["worker".to_owned()][..], &["a", "b", "c"].map(str::to_owned)[..])
    );

    // another connection of this process says the same of it
    adapter.enqueue(vec![job("x")]).await.expect("enqueue");
    adapter.cancel(&"x".into(), "why").await.expect("cancel");
    timeout(PATIENCE, taskora::adapter::Signals::ended(&adapter, &"x".into()))
        .await
        .expect("in time")
        .expect("an end");
    assert_eq!(only(&adapter).await.tasks, second.tasks);
}

#[tokio::test]
async fn a_process_that_only_dispatches_signs_once_a_minute() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let signs = || {
        let calls = server.cli(&["INFO", "commandstats"]);
        let line =
            calls.lines().find_map(|line| line.strip_prefix("cmdstat_hrandfield:calls=")).unwrap_or("0,");
        line.split(',').next().and_then(|calls| calls.parse::<u32>().ok()).expect("calls")
    };
    let handshakes = signs();
    for number in 0..50 {
        adapter.enqueue(vec![job(&number.to_string())]).await.expect("enqueue");
    }
    let signed = async {
        while signs() == handshakes {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, signed).await.expect("the first call gives a sign");
    for number in 50..100 {
        adapter.enqueue(vec![job(&number.to_string())]).await.expect("enqueue");
    }
    assert_eq!(signs(), handshakes + 1);
}

#[tokio::test]
async fn processes_that_are_gone_are_not_listed_and_are_forgotten() {
    let server = Server::start();
    let adapter = connect(&server).await;
    for number in 0..30 {
        write_process(&server, &format!("gone-{number}"), 1, 181, &json!({}));
    }
    write_process(&server, "lives", 1, 170, &json!({ "from the future": [1] }));
    let listed: Vec<_> =
        adapter.processes().await.expect("processes").into_iter().map(|other| other.name).collect();
    assert!(listed.len() == 2 && listed.contains(&"lives".to_owned()), "{listed:?}");
    // each sign looks at some
    let forgotten = async {
        while server.cli(&["HLEN", PROCS]) != "2" {
            sweep(&adapter, &["a"]).await.expect("sweep");
        }
    };
    timeout(PATIENCE, forgotten).await.expect("in time");
}

#[tokio::test]
async fn more_processes_than_a_page_are_all_seen() {
    let server = Server::start();
    let adapter = connect(&server).await;
    for number in 0..1_200 {
        write_process(&server, &format!("p{number}"), 5, 0, &json!({ "host": "x".repeat(100) }));
    }
    assert_eq!(adapter.processes().await.expect("processes").len(), 1_201);
    let Err(LevelError::NeedsLevel { level: 5, held_back_by }) = adapter.raise_level(5, false).await else {
        panic!("this process understands level 4")
    };
    assert_eq!(held_back_by.len(), 1);
}

#[tokio::test]
async fn a_level_is_raised_when_all_live_processes_understand_it() {
    let server = Server::start();
    let adapter = connect(&server).await;
    // the one that is connected understands 4, an older one that lives less; one that is gone does not matter
    write_process(
        &server,
        "older",
        1,
        170,
        &json!({ "program": "mailer", "host": "ten", "pid": 7, "version": "0.1.0" }),
    );
    write_process(&server, "gone", 1, 181, &json!({}));
    write_process(&server, "newer", 5, 0, &json!({}));
    let error = adapter.raise_level(5, false).await.expect_err("two are below");
    let LevelError::NeedsLevel { level: 5, held_back_by } = &error else { panic!("{error:?}") };
    let mut names: Vec<_> = held_back_by.iter().map(|other| other.name.clone()).collect();
    names.retain(|name| *name != "older");
    assert!(held_back_by.len() == 2 && names == [only_own(&adapter).await], "{held_back_by:?}");
    assert!(
        error.to_string().contains("`mailer` (process 7 on `ten`, taskora 0.1.0) understands level 1"),
        "{error}"
    );
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "level"]), "1");

    // both have gone; a newer process asks
    server.cli(&["HDEL", PROCS, "older", &names[0]]);
    adapter.raise_level(5, false).await.expect("nobody is below");
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "level"]), "5");
    adapter.raise_level(1, false).await.expect("it is above already");
    assert_eq!(server.cli(&["HGET", "{taskora}:meta", "level"]), "5", "a level never falls");
}

async fn only_own(adapter: &RedisAdapter) -> String {
    let found = adapter.processes().await.expect("processes");
    found.into_iter().find(|other| other.pid == std::process::id()).expect("this process").name
}

#[task(retry(attempts = 1))]
async fn echo(n: u64) -> u64 {
    n
}

#[task(singleton)]
async fn sole(n: u64) -> u64 {
    n
}

/// Older processes would ignore a limit. Until they have stopped, nothing claims from a task with one.
#[tokio::test]
async fn a_limit_waits_until_no_process_is_below_its_level() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let app = App::new(adapter.clone());
    let level = || server.cli(&["HGET", "{taskora}:meta", "level"]);
    write_process(&server, "older", 1, 0, &json!({ "program": "mailer", "host": "ten", "pid": 7 }));
    let refused = app.queues().pause::<Echo>().await;
    let Err(AdapterError::NeedsLevel(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("`mailer` (process 7 on `ten`"), "{why}");
    app.queues().limit::<Echo>().reset().await.expect("there is nothing to reset");
    let worker = Worker::builder(&app).register_all(tasks![Sole, Echo]).start().await.expect("start");
    let sole = app.dispatch(Sole { n: 1 }).await.expect("dispatch");
    let echo = app.dispatch(Echo { n: 2 }).await.expect("dispatch");
    assert_eq!(timeout(PATIENCE, echo.result()).await.expect("in time").expect("a result"), 2);
    assert_eq!(sole.state().await.expect("state"), Some(JobState::Waiting));
    assert_eq!((level().as_str(), server.cli(&["EXISTS", "{taskora}:gate:sole"]).as_str()), ("1", "0"));
    server.cli(&["HDEL", PROCS, "older"]);
    assert_eq!(timeout(PATIENCE, sole.result()).await.expect("in time").expect("a result"), 1);
    let declared = || server.cli(&["HGET", "{taskora}:gate:sole", "d"]);
    assert_eq!((level().as_str(), declared().as_str()), ("2", "1"));
    // another process has limits of its own
    let other = connect(&server).await;
    let limit = DeclaredLimit::none(GatedTask::new("other")).max(Some(2));
    other.declare_limits(vec![limit]).await.expect("declare");
    // the server is emptied: the next sweep of each of them declares its limits again
    server.cli(&["FLUSHALL"]);
    sweep(&adapter, &["sole"]).await.expect("sweep");
    assert_eq!((level().as_str(), declared().as_str()), ("2", "1"));
    sweep(&other, &["other"]).await.expect("sweep");
    assert_eq!(server.cli(&["HGET", "{taskora}:gate:other", "d"]), "2");
    RedisAdapter::connect(server.url()).await.expect("the namespace is signed");
    worker.shutdown().await.expect("shutdown");
}

#[task(fair(key = |t| t.n), rate(key, max = 5, per = "1m"))]
async fn serve(n: u64) -> u64 {
    n
}

/// Processes that know limits, but no keys, would ignore whatever holds for a key.
#[tokio::test]
async fn what_holds_for_keys_waits_until_no_process_is_below_its_level() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let app = App::new(adapter.clone());
    let level = || server.cli(&["HGET", "{taskora}:meta", "level"]);
    write_process(&server, "older", 2, 0, &json!({ "program": "mailer", "host": "ten", "pid": 7 }));
    let (task, key, rate) =
        (GatedTask::new("echo"), LimitKey::new("k"), Rate::new(1, Duration::from_secs(60)));
    let key = key.as_ref();
    adapter.set_limit(&task, None, Some(5)).await.expect("it understands limits");
    let declare = async |per_key: PerKey| {
        let limit = DeclaredLimit::none(task.clone()).per_key(Some(per_key));
        adapter.declare_limits(vec![limit]).await.map(drop)
    };
    let changes = async || {
        [
            ("limit", adapter.set_limit(&task, key, Some(1)).await),
            ("rate", adapter.set_rate(&task, key, Some(rate)).await),
            ("pause", adapter.pause(&task, key, "why".into()).await.map(drop)),
            ("turns", declare(PerKey::fair()).await),
            ("limit of each key", declare(PerKey::at_most(2)).await),
            ("order", declare(PerKey::ordered()).await),
            ("rate of each key", declare(PerKey::fair().rate(Some(rate))).await),
        ]
    };
    for (what, refused) in changes().await {
        let Err(AdapterError::NeedsLevel(why)) = &refused else { panic!("{what}: {refused:?}") };
        assert!(why.contains("`mailer` (process 7 on `ten`"), "{what}: {why}");
    }
    assert_eq!((level().as_str(), server.cli(&["HKEYS", "{taskora}:gate:echo"]).as_str()), ("2", "o"));

    // a worker goes on with its other tasks
    let worker = Worker::builder(&app).register_all(tasks![Serve, Echo]).start().await.expect("start");
    let served = app.dispatch(Serve { n: 1 }).await.expect("dispatch");
    let echo = app.dispatch(Echo { n: 2 }).await.expect("dispatch");
    assert_eq!(timeout(PATIENCE, echo.result()).await.expect("in time").expect("a result"), 2);
    assert_eq!(served.state().await.expect("state"), Some(JobState::Waiting));
    assert_eq!((level().as_str(), server.cli(&["EXISTS", "{taskora}:gate:serve"]).as_str()), ("2", "0"));
    server.cli(&["HDEL", PROCS, "older"]);
    assert_eq!(timeout(PATIENCE, served.result()).await.expect("in time").expect("a result"), 1);
    assert_eq!((level().as_str(), server.cli(&["EXISTS", "{taskora}:gate:serve"]).as_str()), ("3", "1"));
    for (what, done) in changes().await {
        assert!(done.is_ok(), "{what}: {done:?}");
    }
    worker.shutdown().await.expect("shutdown");
}

/// Older processes would not see that a pause has ended.
#[tokio::test]
async fn a_pause_ends_by_itself_only_if_all_processes_understand_that() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let level = || server.cli(&["HGET", "{taskora}:meta", "level"]);
    write_process(&server, "older", 3, 0, &json!({ "program": "mailer", "host": "ten", "pid": 7 }));
    let (task, key) = (GatedTask::new("echo"), LimitKey::new("k"));
    let lasting = || NewPause::from("why").lasting(Duration::from_secs(60));
    for key in [None, key.as_ref()] {
        let refused = adapter.pause(&task, key, lasting()).await;
        let Err(AdapterError::NeedsLevel(why)) = &refused else { panic!("{refused:?}") };
        assert!(why.contains("`mailer` (process 7 on `ten`"), "{why}");
        assert_eq!(server.cli(&["EXISTS", "{taskora}:gate:echo"]), "0");
        // who pauses does not matter to them
        assert!(adapter.pause(&task, key, NewPause::from("why").by("ada")).await.expect("pause"));
        assert!(adapter.resume(&task, key).await.expect("resume"));
    }
    assert_eq!(level(), "3");
    server.cli(&["HDEL", PROCS, "older"]);
    assert!(adapter.pause(&task, None, lasting()).await.expect("pause"));
    assert_eq!(level(), "4");
}

/// What an older process leaves behind when it ends a pause, or begins one, says nothing about the next one.
#[tokio::test]
async fn who_has_paused_a_task_is_not_taken_for_who_pauses_it_next() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let (task, gate) = (GatedTask::new("echo"), "{taskora}:gate:echo");
    assert!(adapter.pause(&task, None, NewPause::from("why").by("ada")).await.expect("pause"));
    assert!(adapter.pause(&task, None, NewPause::from("why").by("bob")).await.is_ok_and(|is_new| !is_new));
    // as an older process resumes and pauses
    server.cli(&["HDEL", gate, "p"]);
    assert_eq!(adapter.gate(&task, None).await.expect("gate").paused, None);
    server.cli(&["HSET", gate, "p", "abcdefby nobody"]);
    let known = adapter.gate(&task, None).await.expect("gate").paused.expect("it is paused");
    assert_eq!((&*known.reason, &*known.by, known.until), ("by nobody", "", None));
    assert!(adapter.resume(&task, None).await.expect("resume"));
    assert_eq!(server.cli(&["EXISTS", gate]), "0", "nothing of either is left");
}

/// A worker that runs while the level is raised by force claims nothing more, and ends with who has raised it.
#[tokio::test]
async fn who_is_below_the_level_stops_and_says_who_has_raised_it() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let app = App::new(adapter.clone());
    let worker = Worker::builder(&app)
        .sweep(Duration::from_millis(20))
        .register::<Echo>()
        .start()
        .await
        .expect("start");
    let echo = app.dispatch(Echo { n: 1 }).await.expect("dispatch");
    assert_eq!(timeout(PATIENCE, echo.result()).await.expect("in time").expect("a result"), 1);
    adapter.raise_level(5, true).await.expect("by force");
    timeout(PATIENCE, worker.stopped()).await.expect("it stops");
    let error = worker.shutdown().await.expect_err("it was stopped");
    let taskora::Error::Worker(WorkerError::Store(AdapterError::Incompatible(said))) = &error else {
        panic!("{error:?}")
    };
    for part in ["level 5", &format!("taskora {}", env!("CARGO_PKG_VERSION")), "understands level 4"] {
        assert!(said.contains(part), "{said}");
    }
    // so is everybody who comes
    let error = RedisAdapter::connect(patient(server.url())).await.expect_err("it is too old");
    assert!(matches!(&error, AdapterError::Incompatible(said) if said.contains("level 5")), "{error:?}");
    let late = app.dispatch(Echo { n: 2 }).await.expect("a connection that was there before");
    assert_eq!(adapter.counts("echo").await.expect("counts").waiting, 1, "{late:?} waits for a newer worker");
}

/// While workers are being replaced, the new build's payloads are left to the new build.
#[tokio::test]
async fn a_payload_that_another_live_build_may_read_uses_up_no_attempt() {
    let server = Server::start();
    let adapter = connect(&server).await;
    assert!(!adapter.is_served_by_another_build("echo").await.expect("answer"), "this process is none");
    let about =
        |build: &str, role: &str, task: &str| json!({ "build": build, "roles": [role], "tasks": [task] });
    let own = only(&adapter).await.build;
    for (name, age, about, is_other) in [
        ("same build", 0, about(&own, "worker", "echo"), false),
        ("unknown build", 0, about("", "worker", "echo"), false),
        ("producer", 0, about("other", "producer", "echo"), false),
        ("other task", 0, about("other", "worker", TASK), false),
        ("gone", 181, about("other", "worker", "echo"), false),
        ("other", 0, about("other", "worker", "echo"), true),
    ] {
        write_process(&server, name, 1, age, &about);
        assert_eq!(adapter.is_served_by_another_build("echo").await.expect("answer"), is_other, "{name}");
    }

    let app = App::new(adapter.clone());
    let worker = Worker::builder(&app).register::<Echo>().start().await.expect("start");
    let id = app.dispatch_raw("echo", json!({ "n": "one" })).id("a").await;
    let id = id.expect("dispatch").id().clone();
    until_delayed(&server).await;
    let info = adapter.job(&id).await.expect("job").expect("it is known");
    assert_eq!((info.attempts, info.state), (0, JobState::Delayed), "{info:?}");

    // the other build is gone: it is a failed attempt like others
    server.cli(&["HDEL", PROCS, "other"]);
    adapter.shift_clock(Duration::from_secs(5)).await.expect("shift");
    let ended = timeout(PATIENCE, taskora::adapter::Signals::ended(&adapter, &id)).await.expect("in time");
    let ended = ended.expect("an answer").expect("an end");
    assert!(ended.ending.state() == JobState::Failed && ended.attempts == 1, "{ended:?}");
    worker.shutdown().await.expect("shutdown");
}

async fn until_delayed(server: &Server) {
    let delayed = async {
        while server.cli(&["ZCARD", "{taskora}:delayed:echo"]) != "1" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, delayed).await.expect("it is put off");
}

#[tokio::test]
async fn a_program_that_serves_the_same_tasks_is_named_once() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = Server::start();
    let adapter = connect(&server).await;
    let own = only(&adapter).await.program;
    let about = |program: &str, tasks: &[&str]| json!({ "program": program, "host": "h", "pid": 7, "roles": ["worker"], "tasks": tasks });
    write_process(&server, "1", 1, 0, &about("billing", &["refresh", "other"]));
    write_process(&server, "2", 1, 0, &about("billing", &["refresh"]));
    write_process(&server, "3", 1, 0, &about(&own, &["refresh"]));
    write_process(&server, "4", 1, 0, &about("shop", &["order"]));
    for _ in 0..3 {
        sweep(&adapter, &["refresh", "charge"]).await.expect("sweep");
    }
    let [line] = &lines.saying("another program serves")[..] else {
        panic!("{:?}", lines.saying("another program serves"))
    };
    for part in ["WARN", "tasks=\"refresh\"", "other=billing", &own, "namespace=taskora"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
