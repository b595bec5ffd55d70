//! The layout of a namespace, against a file: what another version of this crate would find.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use redis::{Commands, Connection};
use taskora::adapter::{
    Admissions, AttemptEnd, Collect, Control, DeclaredLimit, Due, GatedTask, JobReport, Jobs, LimitKey,
    NewJob, NewNode, NewPause, NewWorkflow, PerKey, Rate, Schedules, Signals, WorkerEntry, WorkerReport,
    Workflows,
};
use taskora::{LogEntry, LogLevel, OnExpire, Retention, RetentionLimit, Timestamp, Ttl};
use taskora_redis::{RedisAdapter, WIRE_VERSION};

use crate::flows::{chain, flow, node};
use crate::garbage::world::{debounced, following, schedule, throttled, tick_of};
use crate::kit::{PATIENCE, TASK, complete, drain, exchange, job, patient};
use crate::server::Server;

#[tokio::test]
async fn the_layout_is_what_the_wire_version_says() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
    one_job_in_each_state(&adapter, &server).await;
    workflows(&adapter).await;
    schedules(&adapter).await;
    gates(&adapter).await;
    lanes(&adapter).await;
    gathers(&adapter).await;
    let mut found = format!("wire version {WIRE_VERSION}\n\n");
    writeln!(found, "library {}", taskora_redis::library_hash()).expect("write");
    found.push_str(&dump(&server));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/layout.txt");
    if std::env::var_os("TASKORA_BLESS").is_some() {
        std::fs::write(&path, &found).expect("write the expected layout");
    }
    let expected = std::fs::read_to_string(&path).expect("the expected layout");
    let line = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "the layout of the namespace has changed: {line:?}\nif processes of the old and the new version cannot share \
         a namespace any more, raise WIRE_VERSION (and MIN_WIRE_VERSION) and say so in docs/wire-format.md and the \
         changelog; then run this test with TASKORA_BLESS=1"
    );
}

#[tokio::test]
async fn a_drained_namespace_is_empty() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
    one_job_in_each_state(&adapter, &server).await;
    adapter.shift_clock(Duration::from_secs(3600)).await.expect("shift the clock");
    adapter.sign_off(&report()).await.expect("sign off");
    let none = RetentionLimit::new(Duration::from_secs(1), 0);
    // what is active is rescued, what is delayed is due; the second round takes what stalled or was flagged
    for worker in ["x", "y", "z"] {
        while adapter
            .sweep(&[TASK.into()], Retention::default().completed(none).failed(none))
            .await
            .expect("sweep")
            .more
        {}
        drain(&adapter, worker).await;
        adapter.shift_clock(Duration::from_secs(60)).await.expect("shift the clock");
    }
    while adapter
        .sweep(&[TASK.into()], Retention::default().completed(none).failed(none))
        .await
        .expect("sweep")
        .more
    {}
    let mut keys: Vec<String> = server.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    // answers for repeats go by themselves after a minute, and what throttled keys have let through after their window
    keys.retain(|key| !key.starts_with("{taskora}:call:") && !key.starts_with("{taskora}:throttle:"));
    keys.sort();
    assert_eq!(
        keys,
        ["clock", "front", "meta", "procs", "registry", "seq", "tasks"]
            .map(|key| format!("{{taskora}}:{key}"))
    );
}

/// What a worker says that runs a job.
fn report() -> WorkerReport {
    let mut entry = WorkerEntry::new("w");
    entry.program.host = "host".to_owned();
    entry.program.pid = 7;
    entry.program.name = "mailer".to_owned();
    entry.program.build = "0123456789abcdef".to_owned();
    entry.tasks = vec![TASK.into()];
    entry.running = 1;
    entry.jobs = vec!["active".into()];
    entry.up = Duration::from_secs(60);
    WorkerReport::new(entry)
}

/// Jobs called after where they are.
async fn one_job_in_each_state(adapter: &RedisAdapter, server: &Server) {
    let ended =
        ["completed", "failed", "retrying", "stalled", "cancelled-active", "active", "flagged", "released"];
    let jobs = ended.map(|id| NewJob { max_stalls: 0, ..job(id) });
    adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 8)).await.expect("claim").jobs;
    adapter.cancel(&"cancelled-active".into(), "user asked").await.expect("cancel");
    let retry = AttemptEnd::Retry { error: "again".into(), delay: Duration::from_secs(600) };
    let settle = vec![
        complete(&claimed[0]),
        claimed[1].settlement(AttemptEnd::Fail("no".into())),
        claimed[2].settlement(retry),
        claimed[4].settlement(AttemptEnd::Cancel),
        claimed[7].settlement(AttemptEnd::release()),
    ];
    adapter.exchange(exchange("w", 2, settle, 0)).await.expect("settle");
    let renewed = [5, 6].map(|place: usize| taskora::adapter::RenewLease {
        lease: claimed[place].lease.clone(),
        length: Duration::from_secs(300),
    });
    adapter.renew(renewed.to_vec()).await.expect("renew");
    adapter.shift_clock(Duration::from_secs(60)).await.expect("shift the clock");
    adapter.sweep_for(&report(), &[TASK.into()], Retention::default()).await.expect("sweep");
    adapter.quiet("w", true).await.expect("quiet");
    adapter.cancel(&"flagged".into(), "user asked").await.expect("cancel");
    let line = LogEntry::new(LogLevel::Info, "sending", Timestamp::from_millis(1), 1);
    let notes =
        JobReport { lease: claimed[5].lease.clone(), progress: Some(b"50".to_vec()), logs: vec![line] };
    assert_eq!(adapter.note(vec![notes]).await.expect("note"), [true]);

    let delayed = NewJob { due: Due::After(Duration::from_secs(200)), ..job("delayed") };
    let urgent = NewJob { priority: 5, ..job("urgent") };
    let large =
        NewJob { payload: vec![b'x'; 5000], meta: vec![("tenant".into(), "7".into())], ..job("large") };
    let uuid = job("01890a5d-ac96-774b-bcce-b302099a8057");
    let ttl = Some(Ttl::new(Duration::from_secs(300)).on_expire(OnExpire::Discard));
    let brief = NewJob { ttl, ..job("brief") };
    let jobs = vec![job("waiting"), job("cancelled"), urgent, large, delayed, uuid, brief];
    adapter.enqueue(jobs).await.expect("enqueue");
    adapter.cancel(&"cancelled".into(), "user asked").await.expect("cancel");
    let first = NewJob { priority: 9, ..job("owner") };
    adapter.admit(vec![following(first, "k")]).await.expect("admit");
    adapter.exchange(exchange("w", 3, Vec::new(), 1)).await.expect("claim");
    let jobs = vec![
        following(job("behind"), "k"),
        debounced(job("debounced"), "k"),
        throttled(job("throttled"), "k"),
    ];
    adapter.admit(jobs).await.expect("admit");
    let adapter = adapter.clone();
    tokio::spawn(async move { adapter.ended(&"waiting".into()).await });
    tokio::time::timeout(PATIENCE, async {
        while server.cli(&["HLEN", "{taskora}:waiters"]) != "1" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a waiter is registered");
}

/// One that runs, one that was cancelled.
async fn workflows(adapter: &RedisAdapter) {
    let large = NewNode { payload: vec![b'x'; 5000], delay: Duration::from_secs(5), ..node(Some(0)) };
    let brief = NewNode { ttl: Some(Ttl::new(Duration::from_secs(300))), ..node(None) };
    let running = NewWorkflow {
        ttl: Some(Duration::from_secs(300)),
        meta: vec![("tenant".into(), "7".into())],
        ..flow("running", vec![node(None), brief, large], vec![vec![0, 1]])
    };
    adapter.start(running).await.expect("start");
    adapter.start(chain("cancelled", 2)).await.expect("start");
    adapter.cancel_workflow(&"cancelled".into(), "user asked").await.expect("cancel");
}

/// One that has ticked and is triggered, one that code declares, one that is paused.
async fn schedules(adapter: &RedisAdapter) {
    let now = adapter.schedule("s1").await.expect("the time").0;
    let put = ["s1", "s2", "s3"].map(|name| schedule(name, now));
    assert_eq!(adapter.put_schedules(put.to_vec()).await.expect("put"), [true; 3]);
    adapter.pause_schedule("s3", "why").await.expect("pause");
    let first = adapter.schedule("s1").await.expect("a schedule").1.expect("it is known");
    let mut tick = tick_of(&first, now);
    // its id would have the time in it
    tick.jobs[0].id = "tick".into();
    tick.missed = 2;
    adapter.tick(vec![tick]).await.expect("tick");
    let stamp = taskora::adapter::TickStamp { schedule: "s1".to_owned(), at: None };
    let ttl = Some(Ttl::new(Duration::from_secs(300)));
    let triggered = NewJob { tick: Some(stamp), ttl, ..job("triggered") };
    adapter.trigger("s1", triggered, taskora::Overlap::Allow).await.expect("trigger");
}

/// One at its limit, with an alias and a job that waits; one that is paused.
async fn gates(adapter: &RedisAdapter) {
    let limited = GatedTask { aliases: vec!["old-report".into()], ..GatedTask::new("report") };
    let limit = DeclaredLimit::none(limited.clone()).max(Some(5));
    adapter.declare_limits(vec![limit]).await.expect("declare_limits");
    adapter.set_limit(&limited, None, Some(1)).await.expect("set_limit");
    let jobs = ["limited", "closed"].map(|id| NewJob { task: "report".into(), ..job(id) });
    adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let mut call = exchange("w", 4, Vec::new(), 2);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    let one = tasks[0].clone();
    *tasks = [taskora::adapter::TaskClaim { task: "report".into(), ..one }].into();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 1);
    let pause = NewPause::from("provider down").by("ada").lasting(Duration::from_secs(60));
    adapter.pause(&GatedTask::new("paused"), None, pause).await.expect("pause");

    // a window that is closed, and a bucket
    let minute = Duration::from_secs(60);
    let (window, bucket) = (GatedTask::new("import"), GatedTask::new("export"));
    let declared = DeclaredLimit::none(bucket).rate(Some(Rate::new(1, minute).burst(5)));
    adapter.declare_limits(vec![declared]).await.expect("declare_limits");
    adapter.set_rate(&window, None, Some(Rate::new(2, minute))).await.expect("set_rate");
    let jobs = [("i1", "import"), ("i2", "import"), ("i3", "import"), ("e1", "export")];
    adapter
        .enqueue(jobs.map(|(id, task)| NewJob { task: task.into(), ..job(id) }).to_vec())
        .await
        .expect("enqueue");
    let mut call = exchange("w", 5, Vec::new(), 4);
    let claim = call.claim.as_mut().expect("a claim");
    let one = claim.tasks[0].clone();
    claim.tasks = ["export", "import"]
        .map(|task| taskora::adapter::TaskClaim { task: task.into(), limit: 4, ..one.clone() })
        .into();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 3);
    costs(adapter).await;
}

/// A job that has cost several starts, and one for which too few are left.
async fn costs(adapter: &RedisAdapter) {
    let rate = Rate::new(5, Duration::from_secs(60));
    adapter.set_rate(&GatedTask::new("copy"), None, Some(rate)).await.expect("set_rate");
    let of = |id: &str, cost| NewJob { task: "copy".into(), cost, ..job(id) };
    adapter.enqueue(vec![of("c1", 3), of("c2", 4)]).await.expect("enqueue");
    let mut call = exchange("c", 1, Vec::new(), 4);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    let one = tasks[0].clone();
    *tasks = [taskora::adapter::TaskClaim { task: "copy".into(), limit: 4, ..one }].into();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 1);
}

/// A key that is held, with a job that waits; another one that may go; and a key whose limit was set.
async fn lanes(adapter: &RedisAdapter) {
    let keyed = GatedTask::new("keyed");
    adapter
        .declare_limits(vec![DeclaredLimit::none(keyed.clone()).per_key(Some(PerKey::ordered()))])
        .await
        .expect("declare_limits");
    let key = |key: &str| LimitKey::new(key).expect("not too long");
    adapter.set_limit(&keyed, Some(&key("c")), Some(2)).await.expect("set_limit");
    adapter.pause(&keyed, Some(&key("d")), "".into()).await.expect("pause");
    let pause = NewPause::default().lasting(Duration::from_secs(60));
    adapter.pause(&keyed, Some(&key("e")), pause).await.expect("pause");
    let of = |id: &str, of: &str| NewJob { task: "keyed".into(), limit_key: Some(key(of)), ..job(id) };
    adapter.enqueue(vec![of("holds", "a"), of("parked", "a"), of("turn", "b")]).await.expect("enqueue");
    let mut call = exchange("w", 6, Vec::new(), 1);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    let one = tasks[0].clone();
    *tasks = [taskora::adapter::TaskClaim { task: "keyed".into(), ..one.clone() }].into();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 1);

    // a key whose rate is declared, and closed; and one whose rate was set
    let (rated, minute) = (GatedTask::new("rated"), Duration::from_secs(60));
    let per_key = PerKey::at_most(4).rate(Some(Rate::new(1, minute)));
    let declared = DeclaredLimit::none(rated.clone()).per_key(Some(per_key));
    adapter.declare_limits(vec![declared]).await.expect("declare_limits");
    adapter.set_rate(&rated, Some(&key("b")), Some(Rate::new(1, minute).burst(2))).await.expect("set_rate");
    let of = |id: &str, of: &str| NewJob { task: "rated".into(), ..self::keyed(id, of) };
    adapter.enqueue(vec![of("r1", "a"), of("r2", "a"), of("r3", "b")]).await.expect("enqueue");
    let mut call = exchange("w", 7, Vec::new(), 3);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    *tasks = [taskora::adapter::TaskClaim { task: "rated".into(), limit: 3, ..one }].into();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 2);
}

/// A serial batch that runs, an item that waits for its end, one that came back, and items that gather and that were flushed.
async fn gathers(adapter: &RedisAdapter) {
    let full = Collect::new(2, Duration::from_secs(60)).max_wait(Duration::from_secs(300)).serial();
    let of = |id: &str, key: &str, collect| NewJob {
        task: "insert-row".into(),
        collect: Some(collect),
        ..keyed(id, key)
    };
    let jobs = ["t1", "t2", "t3"].map(|id| of(id, "t", full));
    adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    adapter.enqueue(vec![of("v1", "v", Collect::new(1, Duration::ZERO))]).await.expect("enqueue");
    let mut call = exchange("w", 8, Vec::new(), 2);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    let one = tasks[0].clone();
    *tasks = [taskora::adapter::TaskClaim { task: "insert-row".into(), limit: 2, ..one }].into();
    let claimed = adapter.exchange(call).await.expect("claim").jobs;
    assert_eq!(claimed.iter().filter_map(|job| job.batch).collect::<Vec<_>>(), [0, 0, 1]);
    let back = vec![claimed[2].settlement(AttemptEnd::release())];
    adapter.exchange(exchange("w", 9, back, 0)).await.expect("release");
    let long = Collect::new(100, Duration::from_secs(60));
    let jobs = ["u1", "u2", "f1"].map(|id| of(id, &id[..1], long));
    adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let key = LimitKey::new("f").expect("not too long");
    assert!(adapter.flush(&GatedTask::new("insert-row"), &key).await.expect("flush"));
}

fn keyed(id: &str, key: &str) -> NewJob {
    NewJob { limit_key: LimitKey::new(key), ..job(id) }
}

/// All keys and what they hold, with times and tags replaced.
fn dump(server: &Server) -> String {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut redis = client.get_connection().expect("connect");
    let mut keys: Vec<Vec<u8>> = redis.keys("*").expect("keys");
    keys.sort();
    let mut text = String::new();
    for stored in keys {
        let kind: String = redis::cmd("TYPE").arg(&stored).query(&mut redis).expect("type");
        let key =
            std::str::from_utf8(&stored).map_or_else(|_| stored.escape_ascii().to_string(), str::to_owned);
        // the sequence of answers is not worth showing: they live for a minute
        let lines = if key.contains(":call:") {
            vec!["…".to_owned()]
        } else {
            values(&mut redis, &key, &stored, &kind)
        };
        writeln!(text, "\n{kind} {key}").expect("write");
        for line in lines {
            writeln!(text, "  {line}").expect("write");
        }
    }
    text.replace(env!("CARGO_PKG_VERSION"), "<version>")
}

fn values(redis: &mut Connection, key: &str, stored: &[u8], kind: &str) -> Vec<String> {
    match kind {
        "string" => vec![shown(&redis.get::<_, Vec<u8>>(stored).expect("get"))],
        "list" => {
            let values: Vec<Vec<u8>> = redis.lrange(stored, 0, -1).expect("lrange");
            values.iter().map(|value| shown(value)).collect()
        }
        "set" => {
            let mut values: Vec<Vec<u8>> = redis.smembers(stored).expect("smembers");
            values.sort();
            values.iter().map(|value| shown(value)).collect()
        }
        "zset" => {
            let values: Vec<(Vec<u8>, f64)> = redis.zrange_withscores(stored, 0, -1).expect("zrange");
            let score = |score: f64| if is_time(score) { "<time>".to_owned() } else { score.to_string() };
            let line = |(value, number): &(Vec<u8>, f64)| format!("{} {}", score(*number), shown(value));
            let mut lines: Vec<String> = values.iter().map(line).collect();
            if values.iter().all(|(_, number)| is_time(*number)) {
                // which one came first depends on the machine
                lines.sort();
            }
            lines
        }
        _ => {
            let mut values: BTreeMap<Vec<u8>, Vec<u8>> = redis.hgetall(stored).expect("hgetall");
            if key.contains(":wf:") {
                // the nonce of a start is another one each time
                values.get_mut(&b"m"[..]).expect("a head")[27..43].fill(b'?');
            }
            if key.ends_with(":procs") {
                // what a process says of itself differs from machine to machine
                return values.values().map(|value| shown(&value[..9]) + "…").collect();
            }
            if let Some(run) = values.get_mut(&b"incarnation"[..]) {
                *run = b"<run>".to_vec();
            }
            values.iter().map(|(field, value)| format!("{} = {}", shown(field), shown(value))).collect()
        }
    }
}

fn is_time(number: f64) -> bool {
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1000.0;
    (number - now).abs() < 3_600_000.0
}

/// A token that counts from a time.
fn token(number: f64) -> Option<String> {
    is_time(number / 1024.0).then(|| format!("<time · 1024 + {}>", number % 1024.0))
}

/// Text as it is, other bytes in hexadecimal, times, tokens and tags by name.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    while let Some(byte) = rest.first() {
        let number = |bytes: &[u8]| bytes.iter().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte));
        let digits = |count: usize| rest.get(..count).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_tag = |tag: &str| tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(token) = rest.get(..8).and_then(|bytes| token(number(bytes))) {
            text.push_str(&token);
            rest = &rest[8..];
        } else if rest.get(..8).is_some_and(|full| is_time(number(full) / 1000.0)) {
            text.push_str("<time in µs>");
            rest = &rest[8..];
        } else if let Some(token) = digits(16).and_then(|digits| token(digits.parse().ok()?)) {
            text.push_str(&token);
            rest = &rest[16..];
        } else if rest.get(..6).is_some_and(|time| is_time(number(time))) {
            text.push_str("<time>");
            rest = &rest[6..];
        } else if digits(13).and_then(|digits| digits.parse().ok()).is_some_and(is_time) {
            text.push_str("<time>");
            rest = &rest[13..];
        } else if digits(10)
            .and_then(|digits| digits.parse().ok())
            .is_some_and(|second: f64| is_time(second * 1000.0))
        {
            text.push_str("<second>");
            rest = &rest[10..];
        } else if digits(32).is_some_and(is_tag) {
            text.push_str("<tag>");
            rest = &rest[32..];
        } else {
            if byte.is_ascii_graphic() || *byte == b' ' {
                text.push(char::from(*byte));
            } else {
                write!(text, "\\{byte:02x}").expect("write");
            }
            rest = &rest[1..];
        }
    }
    if text.len() > 200 { format!("{}… ({} bytes)", text.split_at(60).0, bytes.len()) } else { text }
}
