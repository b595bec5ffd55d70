//! What only Redis can show: connections, a script cache that is emptied, a clock that is not ours.

use std::time::{Duration, SystemTime};

use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::RedisServer;

use crate::support::{Held, LEASE, Probe, SWEEP, info, patient, quick, result, soon, until, until_state};

const HOUR: Duration = Duration::from_secs(3_600);

#[task]
async fn echo(text: String, probe: State<Probe>) -> String {
    probe.saw(&text);
    text
}

/// Blocks the thread it runs on, as no handler should.
#[task]
async fn hogs(probe: State<Probe>) {
    probe.saw("started");
    std::thread::sleep(4 * LEASE);
}

fn text(text: &str) -> Echo {
    Echo { text: text.to_owned() }
}

async fn works(app: &App) {
    let probe = Probe::new();
    let worker = quick(app).state(probe.clone()).register::<Echo>().start().await.unwrap();
    assert_eq!(result(&app.dispatch(text("hello")).await.unwrap()).await.unwrap(), "hello");
    worker.shutdown().await.unwrap();
    assert_eq!(probe.seen(), ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s010_an_adapter_is_made_of_a_url() {
    let server = RedisServer::start().unwrap();
    works(&App::new(RedisAdapter::connect(patient(server.url())).await.unwrap())).await;
    // a database of its own
    let other = RedisAdapter::connect(patient(format!("{}/3", server.url()))).await.unwrap();
    works(&App::new(other)).await;
    assert!(server.info("db0").unwrap().is_some() && server.info("db3").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s011_an_adapter_is_made_of_settings() {
    let server = RedisServer::builder().password("s3cret").start().unwrap();
    let config = patient(format!("redis://{}", server.address())).password("s3cret").namespace("shop").db(2);
    works(&App::new(RedisAdapter::connect(config).await.unwrap())).await;
    assert!(server.info("db2").unwrap().is_some() && server.info("db0").unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s012_an_adapter_takes_a_callers_own_connection_options_and_leaves_its_client_alone() {
    let server = RedisServer::builder().password("s3cret").start().unwrap();
    let info = redis::IntoConnectionInfo::into_connection_info(server.url()).unwrap();
    let client = redis::Client::open(info.clone()).unwrap();
    let mut own = client.get_multiplexed_async_connection().await.unwrap();
    let app = App::new(RedisAdapter::connect(RedisConfig::from_connection_info(info)).await.unwrap());
    works(&app).await;
    drop(app);
    let pong: String = redis::cmd("PING").query_async(&mut own).await.unwrap();
    assert_eq!(pong, "PONG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_wrong_is_an_error_that_does_not_show_it() {
    let server = RedisServer::builder().password("s3cret").start().unwrap();
    let error = RedisAdapter::connect(format!("redis://:gue55@{}", server.address())).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("WRONGPASS") || text.contains("password"), "{text}");
    assert!(!text.contains("gue55"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x35_a_hundred_first_dispatches_share_one_connection() {
    let server = RedisServer::start().unwrap();
    let clients = || server.info("total_connections_received").unwrap().unwrap().parse::<u64>().unwrap();
    let before = clients();
    let app = App::new(RedisAdapter::lazy(patient(server.url())).unwrap());
    let first: Vec<_> = (0..100)
        .map(|n| {
            let app = app.clone();
            tokio::spawn(async move { app.dispatch(text(&n.to_string())).await.unwrap() })
        })
        .collect();
    for dispatch in first {
        soon("a dispatch", dispatch).await.unwrap();
    }
    assert_eq!(app.counts("echo").await.unwrap().waiting, 100);
    // one for the commands, and the one that asks
    assert_eq!(clients() - before, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_keeps_three_connections_however_many_jobs_it_runs_and_awaits() {
    let server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
    let worker = quick(&app).state(probe.clone()).register_all(tasks![Echo, Held]).start().await.unwrap();
    let handles = app.dispatch_many((0..50).map(|_| Held {})).await.unwrap();
    let waits: Vec<_> = handles
        .into_iter()
        .map(|handle| tokio::spawn(async move { result(&handle).await.unwrap() }))
        .collect();
    probe.until(50).await;
    // with the one that asks
    let clients = server.info("connected_clients").unwrap().unwrap().parse::<u32>().unwrap();
    assert!(clients <= 4, "{clients}");
    probe.open(50);
    for wait in waits {
        assert_eq!(wait.await.unwrap(), 7);
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x07_waiting_costs_the_server_nothing() {
    let server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
    let worker = Worker::builder(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
    let handle = app.dispatch(Held {}).await.unwrap();
    probe.until(1).await;
    for _ in 0..10 {
        handle.result_within(Duration::from_millis(2)).await.unwrap_err();
    }
    let calls = || {
        let stats = server.info("cmdstat_fcall").unwrap().unwrap();
        let calls = stats.split(',').next().and_then(|calls| calls.strip_prefix("calls="));
        calls.unwrap().parse::<u64>().unwrap()
    };
    let before = calls();
    // an idle worker and a waiter that gives up: time itself is what this is about
    let begun = std::time::Instant::now();
    handle.result_within(Duration::from_millis(300)).await.unwrap_err();
    // the wait and the question what the job does, and a sweep, a wait for work and a renewal for each second
    let most = 2 + 3 * (begun.elapsed().as_secs() + 1);
    let cost = calls() - before;
    assert!(cost <= most, "{cost} calls");
    probe.open(1);
    assert_eq!(result(&handle).await.unwrap(), 7);
    worker.shutdown().await.unwrap();
}

/// With the settings that a worker has by default. At fewer calls a dead connection would be noticed later than is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_makes_no_call_but_the_few_that_keep_its_promises() {
    let server = RedisServer::start().unwrap();
    let number = |field: &str| server.info(field).unwrap().unwrap_or_default();
    let count = |field: &str| number(field).parse::<u64>().unwrap();
    let calls = |command: &str| {
        let stats = number(&format!("cmdstat_{command}"));
        let calls = stats.split(',').next().and_then(|calls| calls.strip_prefix("calls="));
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
    let start = Worker::builder(&app).state(Probe::new()).register_all(tasks![Echo, Held, Hogs]).start();
    let worker = start.await.unwrap();
    until(1, || async { count("blocked_clients") }).await;
    until(2, || async { count("pubsub_channels") }).await;

    let begun = std::time::Instant::now();
    let named = [calls("ping"), calls("blpop"), calls("fcall")];
    let all = count("total_reads_processed");
    tokio::time::sleep(Duration::from_secs(20)).await;
    // without the end of one connection of ours, and the question of the next
    let all = count("total_reads_processed") - all - 2;
    let [pings, waits, scripts] = [calls("ping"), calls("blpop"), calls("fcall")];
    let [pings, waits, scripts] = [pings - named[0], waits - named[1], scripts - named[2]];
    let most = |interval: f64| (begun.elapsed().as_secs_f64() / interval) as u64 + 1;
    // a sign of life, a wait for a quarter of the lease with a claim, and a sweep
    let (life, wait, sweep) = (most(8.0), most(7.5), most(4.75));
    assert!(pings <= life && waits <= wait && scripts <= wait + sweep, "{pings} {waits} {scripts}");
    assert!(all <= life + wait + sweep, "{all} calls, of which {pings} pings and {waits} waits");
    assert!(all >= 3, "{all} calls are those of a worker that is gone");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s281_forgotten_functions_are_no_matter() {
    let server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
    let worker = quick(&app).state(probe.clone()).register::<Echo>().start().await.unwrap();
    for n in 0..20 {
        server.command(&["FUNCTION", "FLUSH"]).unwrap();
        let handle = app.dispatch(text(&n.to_string())).await.unwrap();
        server.command(&["FUNCTION", "FLUSH"]).unwrap();
        assert_eq!(result(&handle).await.unwrap(), n.to_string());
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
    }
    worker.shutdown().await.unwrap();
    assert_eq!(probe.seen().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s282_an_end_is_stored_though_the_functions_were_forgotten_meanwhile() {
    let server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
    let worker = quick(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
    let handle = app.dispatch(Held {}).await.unwrap();
    probe.until(1).await;
    server.command(&["FUNCTION", "FLUSH"]).unwrap();
    probe.open(1);
    assert_eq!(result(&handle).await.unwrap(), 7);
    let info = info(&handle).await;
    assert_eq!((info.state, info.stalls), (JobState::Completed, 0));
    worker.shutdown().await.unwrap();
}

#[test]
fn s284_after_a_crash_what_has_ended_is_not_run_again() {
    let server = RedisServer::start().unwrap();
    let probe = Probe::new();
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();

    // a process that runs five jobs, is in the middle of one more, and dies
    let doomed = runtime();
    let (ended, lost) = doomed.block_on(async {
        let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
        let worker = quick(&app).state(probe.clone()).register_all(tasks![Echo, Held]).start().await.unwrap();
        let mut ended = Vec::new();
        for n in 0..5 {
            let handle = app.dispatch(text(&n.to_string())).await.unwrap();
            result(&handle).await.unwrap();
            ended.push(handle.id().clone());
        }
        let lost = app.dispatch(Held {}).await.unwrap();
        probe.until(6).await;
        drop(worker);
        (ended, lost.id().clone())
    });
    doomed.shutdown_background();

    runtime().block_on(async {
        let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
        probe.open(1);
        let worker = quick(&app).state(probe.clone()).register_all(tasks![Echo, Held]).start().await.unwrap();
        let fresh = app.dispatch(text("fresh")).await.unwrap();
        assert_eq!(result(&fresh).await.unwrap(), "fresh");
        let lost = app.job::<Held>(lost);
        assert_eq!(result(&lost).await.unwrap(), 7);
        assert_eq!((info(&lost).await.stalls, info(&lost).await.attempts), (1, 1));
        for id in ended {
            let info = info(&app.job::<Echo>(id)).await;
            assert_eq!((info.state, info.stalls), (JobState::Completed, 0));
        }
        worker.shutdown().await.unwrap();
    });
    assert_eq!(probe.sorted(), ["0", "1", "2", "3", "4", "fresh", "started", "started"]);
}

/// A handler that blocks every thread of its worker for four leases, while somebody else looks for lost jobs.
#[test]
fn a_worker_whose_threads_are_blocked_keeps_its_leases() {
    let server = RedisServer::start().unwrap();
    let (probe, watching) = (Probe::new(), Probe::new());
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (busy, other) = (runtime(), runtime());
    let worker = busy.block_on(async {
        let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
        quick(&app).state(probe.clone()).register::<Hogs>().start().await.unwrap()
    });
    other.block_on(async {
        let app = App::new(RedisAdapter::connect(patient(server.url())).await.unwrap());
        let handle = app.dispatch(Hogs {}).await.unwrap();
        probe.until(1).await;
        let sweeper = quick(&app).state(watching.clone()).register::<Hogs>().start().await.unwrap();
        result(&handle).await.unwrap();
        let info = info(&handle).await;
        assert_eq!((info.stalls, info.attempts), (0, 1));
        sweeper.shutdown().await.unwrap();
    });
    busy.block_on(worker.shutdown()).unwrap();
    assert!(watching.seen().is_empty());
}

/// The server's clock goes on by an hour while this process's does not, which is the same as one that lags behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x45_a_clock_that_lags_behind_the_servers_changes_nothing() {
    let server = RedisServer::start().unwrap();
    let config = || patient(server.url()).test_clock();
    let adapter = RedisAdapter::connect(config()).await.unwrap();
    adapter.shift_clock(HOUR).await.unwrap();
    let (app, other) = (App::new(adapter.clone()), App::new(RedisAdapter::connect(config()).await.unwrap()));
    let probe = Probe::new();
    // long enough for a busy machine to renew it
    let lease = 2 * LEASE;
    let start = |app| quick(app).lease(lease).state(probe.clone()).register_all(tasks![Echo, Held]).start();
    let (worker, sweeper) = (start(&app).await.unwrap(), start(&other).await.unwrap());

    // what a job tells of its times is the server's
    let handle = app.dispatch(text("now")).await.unwrap();
    result(&handle).await.unwrap();
    let ahead = info(&handle).await.created_at.to_system_time().duration_since(SystemTime::now()).unwrap();
    assert!(ahead > HOUR - Duration::from_secs(60), "{ahead:?}");

    // delays are neither shorter nor longer
    let delay = Duration::from_secs(2);
    let later = app.dispatch(text("later")).delay(delay).await.unwrap();
    assert_eq!(later.state().await.unwrap(), Some(JobState::Delayed));
    result(&later).await.unwrap();
    let seen = info(&later).await;
    let waited = seen.started_at.unwrap().since(seen.created_at);
    assert!(waited >= delay && waited < delay + Duration::from_secs(10), "{waited:?}");

    // leases hold for as long as they are renewed
    let held = app.dispatch(Held {}).await.unwrap();
    probe.until(3).await;
    tokio::time::sleep(lease + Duration::from_secs(1)).await;
    probe.open(1);
    assert_eq!(result(&held).await.unwrap(), 7);
    assert_eq!(info(&held).await.stalls, 0);

    // only a point in time is compared with the server's clock: this one is past there
    let past = app.dispatch(text("past")).at(SystemTime::now() + HOUR / 2).await.unwrap();
    assert_eq!(result(&past).await.unwrap(), "past");
    worker.shutdown().await.unwrap();
    sweeper.shutdown().await.unwrap();
}

/// What the server's clock says decides, and nothing else: when it has gone on, leases and dues are past at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x45_it_is_the_servers_clock_that_makes_jobs_due_and_leases_pass() {
    let server = RedisServer::start().unwrap();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.unwrap();
    let (app, probe) = (App::new(adapter.clone()), Probe::new());
    let ghost = crate::support::Ghost::new(std::sync::Arc::new(adapter.clone()));
    let due = app.dispatch(text("due")).delay(HOUR).await.unwrap();
    let lost = app.dispatch(Held {}).await.unwrap();
    ghost.claim_one::<Held>(HOUR).await;
    assert_eq!(due.state().await.unwrap(), Some(JobState::Delayed));
    adapter.shift_clock(HOUR + SWEEP).await.unwrap();
    probe.open(1);
    let worker = quick(&app).state(probe.clone()).register_all(tasks![Echo, Held]).start().await.unwrap();
    assert_eq!(result(&due).await.unwrap(), "due");
    assert_eq!(result(&lost).await.unwrap(), 7);
    assert_eq!(info(&lost).await.stalls, 1);
    until_state(&lost, JobState::Completed).await;
    until(0, || async { app.counts("held").await.unwrap().active }).await;
    worker.shutdown().await.unwrap();
}
