//! What a user of the server needs, and what is said if it lacks it.

use std::sync::Arc;
use std::time::Duration;

use taskora::AdapterError;
use taskora::adapter::{AttemptEnd, CancelOutcome, Enqueued, Jobs, Signals};
use taskora::prelude::*;
use taskora_redis::{ACL_COMMANDS, ACL_SCRIPT_COMMANDS, RedisAdapter, RedisConfig, ServerWarning};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::faults::clients;
use crate::kit::{PATIENCE, complete, drain, exchange, job, patient};
use crate::server::Server;
use crate::server_warnings::Lines;

/// The lines that the documentation gives: what they are for, and their commands.
const LINES: [(&str, &str); 2] = [("functions", ACL_COMMANDS), ("scripts", ACL_SCRIPT_COMMANDS)];

#[task(retry(attempts = 2, delay = "10ms"))]
async fn fails_once(ctx: &Context) -> Result<u32, String> {
    ctx.progress(1);
    ctx.info("a line");
    if ctx.attempt() == 1 { Err("not yet".into()) } else { Ok(7) }
}

#[task]
async fn length(text: String) -> usize {
    text.len()
}

#[task]
async fn total(numbers: Vec<usize>) -> usize {
    numbers.iter().sum()
}

#[task]
async fn until_cancelled(started: State<Arc<Notify>>, ctx: &Context) {
    started.notify_one();
    ctx.cancelled().await;
}

/// Everything that a queue does, with real workers. The first thing that fails ends it.
async fn use_it(
    server: &Server,
    config: RedisConfig,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let app = App::new(RedisAdapter::connect(config).await?);
    let started = Arc::new(Notify::new());
    let mut events = app.events().await?;
    let worker = Worker::builder(&app)
        .state(Arc::clone(&started))
        .lease(Duration::from_millis(500))
        .sweep(Duration::from_millis(50))
        .register::<FailsOnce>()
        .register::<Length>()
        .register::<Total>()
        .register::<UntilCancelled>()
        .start()
        .await?;
    // above 4 KiB a payload is stored apart
    let large = app.dispatch(Length { text: "x".repeat(10_000) }).await?;
    let urgent = app.dispatch(Length::s().text("ab")).priority(5).await?;
    let later = app.dispatch(Length::s().text("abc")).delay(Duration::from_millis(20)).await?;
    let retried = app.dispatch(FailsOnce {}).await?;
    let texts = ["a", "bc", "def"].map(|text| Length::s().text(text));
    let flow = app.dispatch(group(texts).then(Total::s())).await?;
    let results = (large.result().await?, urgent.result().await?, later.result().await?);
    assert_eq!((results, retried.result().await?, flow.result().await?), ((10_000, 2, 3), 7, 6));
    assert!(retried.info().await?.is_some() && !retried.logs().await?.is_empty());

    assert_eq!(events.next().await?.job.as_ref(), Some(large.id()));

    let running = app.dispatch(UntilCancelled {}).await?;
    started.notified().await;
    let waiting = app.dispatch(Length::s().text("x")).delay(Duration::from_secs(600)).await?;
    let stuck =
        app.dispatch(chain((UntilCancelled {}, UntilCancelled::s()))).delay(Duration::from_secs(600)).await?;
    running.cancel("why").await?;
    waiting.cancel("why").await?;
    stuck.cancel("why").await?;
    assert!(matches!(running.result().await, Err(JobError::Cancelled { .. })));
    app.counts("length").await?;
    assert_eq!(app.check().await?.found, 0);
    app.repair().await?;
    // the worker waits for work, and must be woken for its shutdown
    while clients(server, "blocked_clients") == 0 {
        tokio::task::yield_now().await;
    }
    worker.shutdown().await?;
    Ok(())
}

/// What the server has refused to this user: command, key or channel. `CLIENT SETINFO`, which only names the client library,
/// may be refused.
fn refused(server: &Server, user: &str) -> Vec<String> {
    let log = server.cli(&["ACL", "LOG", "1000"]);
    let lines: Vec<&str> = log.lines().collect();
    let after = |entry: &[&str], name: &str| {
        entry.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].to_owned()).unwrap_or_default()
    };
    // each entry begins with its count
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == "count").collect();
    let entries = starts.iter().map(|start| {
        let end = starts.iter().find(|end| *end > start).copied().unwrap_or(lines.len());
        &lines[*start..end]
    });
    entries
        .filter(|entry| after(entry, "username") == user)
        .map(|entry| after(entry, "object"))
        .filter(|object| !object.starts_with("client|setinfo"))
        .collect()
}

/// A user with these rights, and a configuration with its namespace.
fn user(server: &Server, name: &str, rights: &[&str]) -> RedisConfig {
    let set = [&["ACL", "SETUSER", name, "reset", "on", ">secret"], rights].concat();
    assert_eq!(server.cli(&set), "OK", "{rights:?}");
    patient(server.url()).username(name).password("secret").namespace(name)
}

fn rights<'a>(keys: &'a str, channels: &'a str, commands: &'a str) -> Vec<&'a str> {
    [keys, channels].into_iter().chain(commands.split_whitespace()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_exactly_the_documented_rights_can_do_everything() {
    for (name, commands) in LINES {
        let server = Server::start();
        let config =
            user(&server, name, &rights(&format!("~{{{name}}}:*"), &format!("&{{{name}}}:*"), commands));
        let used = timeout(3 * PATIENCE, use_it(&server, config)).await.expect("in time");
        assert!(used.is_ok(), "{name}: {used:?}, refused: {:?}", refused(&server, name));
        let mut refused = refused(&server, name);
        // what is tried first, to find out
        refused.retain(|object| name == "functions" || object != "fcall");
        assert_eq!(refused, [""; 0], "{name}: asked for, and not documented");
        let stranger = format!("redis://{name}:secret@127.0.0.1:{}", server.port());
        let mut stranger = redis::Client::open(stranger).expect("a URL").get_connection().expect("connect");
        for command in ["KEYS *", "FLUSHALL", "CONFIG GET *", "HGET other field", "PUBLISH other 1"] {
            let mut cmd = redis::Cmd::new();
            cmd.arg(command.split(' ').collect::<Vec<_>>());
            let answer = cmd.query::<redis::Value>(&mut stranger);
            assert!(answer.is_err_and(|error| error.code() == Some("NOPERM")), "{name} may {command}");
        }
    }
}

/// Each right is asked for: without it, the server has refused something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_the_documented_rights_can_be_left_out() {
    for (line, commands) in LINES {
        let server = Arc::new(Server::start());
        let all: Vec<&str> = ["~", "&"].into_iter().chain(commands.split_whitespace()).collect();
        // `-@dangerous` takes rights away
        let given: Vec<&str> = all.iter().copied().filter(|right| !right.starts_with('-')).collect();
        // a library that another user has loaded need not be loaded
        let empty = Arc::new(Server::start());
        let server_without = |right: &str| if right == "+function|load" { &empty } else { &server };
        let mut tries = JoinSet::new();
        for (number, missing) in given.iter().enumerate() {
            let name = format!("{line}{number}");
            let (keys, channels) = (format!("~{{{name}}}:*"), format!("&{{{name}}}:*"));
            let rest: Vec<&str> = all
                .iter()
                .filter(|right| *right != missing)
                .map(|right| match *right {
                    "~" => keys.as_str(),
                    "&" => channels.as_str(),
                    other => other,
                })
                .collect();
            let server = Arc::clone(server_without(missing));
            let config = user(&server, &name, &rest);
            tries.spawn(async move { use_it(&server, config).await });
        }
        let left = || {
            let is_unused = |(number, missing): &(usize, &&str)| {
                let mut refused = refused(server_without(missing), &format!("{line}{number}"));
                refused.retain(|object| line == "functions" || object != "fcall");
                refused.is_empty()
            };
            given.iter().enumerate().filter(is_unused).map(|(_, missing)| *missing).collect::<Vec<_>>()
        };
        // some of them wait without end, for what is never pushed
        let all = async {
            while !left().is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let _ = timeout(6 * PATIENCE, all).await;
        tries.abort_all();
        assert_eq!(left(), [""; 0], "{line}: nothing is refused without these");
    }
}

#[test]
fn the_documentation_gives_the_rights_that_are_tested() {
    let page = include_str!("../../../docs/redis.md");
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (line, commands) in LINES {
        let expected = format!("~{{taskora}}:* &{{taskora}}:* {commands}");
        assert!(words.contains(&expected), "docs/redis.md does not give `{expected}` ({line})");
    }
}

/// Hardened and managed servers: nothing dangerous, and nothing for administrators.
#[tokio::test]
async fn a_user_without_info_is_let_in_and_one_warning_says_what_was_not_checked() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = Server::start();
    let config = user(&server, "app", &["~*", "&*", "+@all", "-@dangerous", "-@admin"]);
    let adapter = RedisAdapter::connect(config.clone()).await.expect("connect");
    let [ServerWarning::Unchecked { version: Some(version), refusal }] = &adapter.warnings()[..] else {
        panic!("{:?}", adapter.warnings())
    };
    let about = server.cli(&["INFO", "server"]);
    assert!(about.contains(&format!("_version:{version}")), "{version}: {about}");
    assert!(refusal.contains("info"), "{refusal}");
    let [line] = &lines.about("unchecked")[..] else { panic!("{:?}", lines.about("unchecked")) };
    for part in ["maxmemory-policy", "appendonly", "+info"] {
        assert!(line.starts_with("WARN") && line.contains(part), "{line}");
    }
}

/// The wait for work of such a user may not be cut short; its worker leaves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_dangerous_commands_can_do_everything() {
    let server = Server::start();
    let config = user(&server, "app", &["~*", "&*", "+@all", "-@dangerous", "-@admin"]);
    timeout(3 * PATIENCE, use_it(&server, config)).await.expect("in time").expect("everything works");
}

#[tokio::test]
async fn a_wait_for_work_that_may_not_be_cut_short_is_left() {
    let server = Server::start();
    for (name, missing) in [("one", "-client|unblock"), ("two", "-client|id")] {
        let config = user(&server, name, &["~*", "&*", "+@all", missing]);
        let adapter = RedisAdapter::connect(config).await.expect("connect");
        let (listener, wake_early) = (adapter.work(), Notify::new());
        let waiting =
            || server.cli(&["CLIENT", "LIST"]).lines().filter(|line| line.contains("cmd=blpop")).count();
        let begun = async {
            while waiting() != 1 {
                tokio::task::yield_now().await;
            }
            wake_early.notify_one();
        };
        let call = exchange("w", 1, Vec::new(), 1);
        let both = async { tokio::join!(listener.wait(&call, 6 * PATIENCE, &wake_early), begun) };
        let (answer, ()) = timeout(PATIENCE, both).await.expect("it does not wait on");
        assert_eq!(answer.expect("an answer").jobs.len(), 0, "{missing}");
        let gone = async {
            while waiting() != 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("the connection is closed");
    }
}

#[tokio::test]
async fn a_server_that_has_renamed_info_is_used() {
    let server = Server::with(&["--rename-command", "INFO", ""]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    assert!(
        matches!(&adapter.warnings()[..], [ServerWarning::Unchecked { version: Some(_), .. }]),
        "{:?}",
        adapter.warnings()
    );
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    assert_eq!(drain(&adapter, "w").await, 1);
}

#[tokio::test]
async fn without_info_and_hello_the_version_is_assumed() {
    let server = Server::with(&["--rename-command", "INFO", "", "--rename-command", "HELLO", ""]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let [warning @ ServerWarning::Unchecked { version: None, .. }] = &adapter.warnings()[..] else {
        panic!("{:?}", adapter.warnings())
    };
    assert!(warning.to_string().contains("its version"), "{warning}");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
}

#[tokio::test]
async fn a_renamed_command_that_is_needed_is_no_server_that_is_away() {
    let server = Server::with(&["--rename-command", "EVAL", "", "--rename-command", "FCALL", ""]);
    let error =
        RedisAdapter::connect(patient(server.url())).await.expect_err("neither functions nor scripts");
    assert!(matches!(&error, AdapterError::Config(said) if said.contains("renamed")), "{error:?}");
    let server = Server::with(&["--rename-command", "HSET", ""]);
    let error = RedisAdapter::connect(patient(server.url())).await.expect_err("scripts need it");
    assert!(matches!(&error, AdapterError::Config(said) if said.contains("renamed")), "{error:?}");
}

#[tokio::test]
async fn a_script_that_may_not_run_a_command_names_the_user_and_its_line() {
    let server = Server::start();
    let expected = "ACL SETUSER app ~{app}:* &{app}:* +@hash";
    let error = RedisAdapter::connect(user(&server, "app", &["~*", "&*", "+@all", "-hget", "-hmget"]))
        .await
        .expect_err("the handshake is a script");
    assert!(matches!(&error, AdapterError::Config(said) if said.contains(expected)), "{error:?}");
    // and when the right is taken away while the queue runs
    let adapter = RedisAdapter::connect(user(&server, "app", &["~*", "&*", "+@all"])).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    server.cli(&["ACL", "SETUSER", "app", "-@list"]);
    let error = adapter.enqueue(vec![job("b")]).await.expect_err("a line is a list");
    assert!(matches!(&error, AdapterError::Config(said) if said.contains(expected)), "{error:?}");
    assert!(!error.is_retryable());
}

/// Four ways to refuse functions; each is found out with the first connection, and said once.
#[tokio::test]
async fn where_functions_are_refused_one_warning_says_so_and_commands_are_scripts() {
    let renamed = ["FCALL", "FUNCTION"].map(|command| (vec!["--rename-command", command, ""], "+@all"));
    let denied = ["+@all -fcall", "+@all -function|load"].map(|rights| (Vec::new(), rights));
    for (options, rights) in renamed.into_iter().chain(denied) {
        let lines = Lines::default();
        let _guard = tracing::subscriber::set_default(lines.clone());
        let server = Server::with(&options);
        let all: Vec<&str> = ["~*", "&*"].into_iter().chain(rights.split(' ')).collect();
        let adapter = RedisAdapter::connect(user(&server, "app", &all)).await.expect("connect");
        assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
        assert_eq!(drain(&adapter, "w").await, 1);
        // another connection of the same adapter
        timeout(PATIENCE, adapter.ended(&"a".into())).await.expect("in time").expect("an end");
        let [line] = &lines.saying("refuses functions")[..] else {
            panic!("{options:?} {rights}: {:?}", lines.saying("refuses functions"))
        };
        assert!(line.starts_with("WARN") && line.contains("+fcall +function|load"), "{line}");
        let calls = server.cli(&["INFO", "commandstats"]);
        assert!(calls.contains("cmdstat_evalsha"), "{calls}");
    }
}

/// A user who may call functions finds the library that others have loaded, and may not load it.
#[tokio::test]
async fn a_library_that_is_there_need_not_be_loaded() {
    let server = Server::start();
    RedisAdapter::connect(patient(server.url())).await.expect("it loads the library");
    let config = user(&server, "app", &["~*", "&*", "+@all", "-function|load", "-eval", "-evalsha"]);
    let adapter = RedisAdapter::connect(config).await.expect("connect");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    assert_eq!(drain(&adapter, "w").await, 1);
}

/// One process may use functions, the other may not: both see the same jobs, leases, ends and epoch.
#[tokio::test]
async fn processes_with_functions_and_with_scripts_share_a_namespace() {
    let server = Server::start();
    let functions = RedisAdapter::connect(patient(server.url()).namespace("app")).await.expect("connect");
    let scripts = user(&server, "app", &["~*", "&*", "+@all", "-fcall"]);
    let scripts = RedisAdapter::connect(scripts).await.expect("connect");
    for (number, [one, other]) in [[&functions, &scripts], [&scripts, &functions]].into_iter().enumerate() {
        let names = ["completed", "cancelled", "repeated"].map(|name| format!("{name}-{number}"));
        one.enqueue(names.iter().map(|name| job(name)).collect()).await.expect("enqueue");
        let again = one.enqueue(vec![job(&names[2])]).await.expect("enqueue");
        assert_eq!(again, [Enqueued::Duplicate]);
        let worker = format!("w{number}");
        let claimed = other.exchange(exchange(&worker, 1, Vec::new(), 3)).await.expect("claim").jobs;
        assert_eq!(claimed.len(), 3);
        let cancelled = one.cancel(&names[1].as_str().into(), "why").await.expect("cancel");
        assert_eq!(cancelled, CancelOutcome::Requested, "its lease is seen");
        // each settles what the other one has claimed
        let settle = vec![
            complete(&claimed[0]),
            claimed[1].settlement(AttemptEnd::Cancel),
            claimed[2].settlement(AttemptEnd::release()),
        ];
        one.exchange(exchange(&worker, 2, settle, 0)).await.expect("settle");
        let ended = timeout(PATIENCE, one.ended(&names[0].as_str().into())).await.expect("in time");
        assert!(matches!(ended, Ok(Some(_))), "{ended:?}");
        assert_eq!(drain(one, &format!("x{number}")).await, 1, "what was released");
    }
    for _ in 0..3 {
        RedisAdapter::connect(patient(server.url()).namespace("app")).await.expect("connect");
        let config = patient(server.url()).username("app").password("secret").namespace("app");
        RedisAdapter::connect(config).await.expect("connect");
    }
    assert_eq!(server.cli(&["HGET", "{app}:meta", "epoch"]), "0", "no epoch is raised in turn");
    let report = App::new(functions).check().await.expect("check");
    assert!(report.is_clean(), "{report}");
}
