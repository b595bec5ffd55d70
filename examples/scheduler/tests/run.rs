//! Runs the example as a stranger would: in memory, and as three replicas on Redis.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use taskora::App;
use taskora_redis::RedisAdapter;
use taskora_test_server::RedisServer;

/// How long anything may take that should happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes before the time in the id of a heartbeat's job.
const BEAT: &str = "heartbeat: heartbeat@";

/// A running example; killed at the end of the test, even if the test fails.
struct Replica(Child);

/// What the replicas of a test say.
struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

fn example(folder: &Path, redis: Option<&str>) -> Command {
    let mut example = Command::new(env!("CARGO_BIN_EXE_scheduler"));
    for variable in [
        "REDIS_URL",
        "REDIS_HOST",
        "REDIS_ENABLED",
        "HEARTBEAT_ENABLED",
        "TASKORA_SCHEDULES",
        "TASKORA_TIMEZONE",
    ] {
        example.env_remove(variable);
    }
    example.env("SCHEDULER_FOLDER", folder);
    if let Some(url) = redis {
        example.env("REDIS_URL", url);
    }
    example
}

/// An empty folder for this test.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Starts as many of this example.
fn start(replicas: usize, example: impl Fn() -> Command) -> (Vec<Replica>, Lines) {
    let (sender, lines) = mpsc::channel();
    let start = |_| {
        let mut process = example().stderr(Stdio::piped()).spawn().expect("the example should start");
        let output = BufReader::new(process.stderr.take().expect("its output"));
        let sender = sender.clone();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Replica(process)
    };
    ((0..replicas).map(start).collect(), Lines { lines, seen: Vec::new() })
}

impl Lines {
    /// The next line with this text, which is left out of those that were seen.
    fn with(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.iter().position(|line| line.contains(text)) {
                return self.seen.remove(at);
            }
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no `{text}` ({error}) after {:#?}", self.seen),
            }
        }
    }

    /// All others with this text, once the replicas have ended.
    fn rest_with(self, text: &str) -> Vec<String> {
        self.seen.into_iter().chain(self.lines).filter(|line| line.contains(text)).collect()
    }
}

impl Replica {
    /// Ends it as an orchestrator does.
    fn stop(mut self) {
        let told = Command::new("kill").arg(self.0.id().to_string()).status().expect("`kill`");
        assert!(told.success());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command prints, its errors, and its exit code.
fn run(mut example: Command, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = example.args(arguments).output().expect("the example should start");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn in_memory_it_needs_nothing() {
    let folder = folder("in-memory");
    File::create(folder.join("a file")).unwrap();
    let (replicas, mut lines) = start(1, || example(&folder, None));
    let line = lines.with("schedule heartbeat:");
    assert!(line.contains("every 30s, next 20") && line.ends_with("overlap skip"), "{line}");
    lines.with("schedule nightly: cron 0 3 * * * Europe/Berlin, next 20");
    lines.with("schedule export: manual");
    lines.with("survey: 1 files");
    replicas.into_iter().for_each(Replica::stop);

    let (_, errors, code) = run(example(&folder, None), &["trigger", "export"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("no Redis configured: jobs and schedules live in this process only"), "{errors}");
    assert!(errors.contains("error: there is no schedule `export`"), "{errors}");
}

#[test]
fn the_environment_turns_the_heartbeat_off() {
    let folder = folder("quiet");
    let (replicas, mut lines) = start(1, || {
        let mut quiet = example(&folder, None);
        quiet.env("HEARTBEAT_ENABLED", "false");
        quiet
    });
    lines.with("schedule heartbeat is turned off by HEARTBEAT_ENABLED");
    lines.with("survey: 0 files");
    replicas.into_iter().for_each(Replica::stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_make_each_tick_once() {
    let redis = RedisServer::start().unwrap();
    let (url, folder) = (redis.url(), folder("replicas"));
    let example = || example(&folder, Some(&url));
    let (replicas, mut lines) = start(3, example);
    for _ in &replicas {
        lines.with("the worker has started");
    }
    // whoever asks for this has declared the schedules before
    lines.with("survey: ");

    let old = File::create(folder.join("old")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(31 * 24 * 60 * 60)).unwrap();
    File::create(folder.join("new")).unwrap();
    let (removed, errors, code) = run(example(), &["trigger", "nightly"]);
    assert_eq!((removed.as_str(), code), ("1\n", Some(0)), "{errors}");
    assert!(!folder.join("old").exists() && folder.join("new").exists());
    let (count, errors, code) = run(example(), &["trigger", "export"]);
    let names = fs::read_to_string(folder.join("export.txt")).unwrap();
    assert_eq!((count.trim().parse(), code), (Ok(names.lines().count()), Some(0)), "{errors}");
    assert!(names.contains("new\n"), "{names}");

    // a faster heart, for this test
    let app = App::new(RedisAdapter::connect(url.as_str()).await.unwrap());
    let second = Duration::from_secs(1);
    app.schedules().update("heartbeat", |schedule| schedule.every(second)).await.unwrap();
    let mut beats: Vec<_> = (0..5).map(|_| lines.with(BEAT)).collect();
    let (table, errors, code) = run(example(), &["list"]);
    assert_eq!((table.lines().count(), code), (4, Some(0)), "{table}{errors}");
    assert!(
        table.contains("nightly    cron 0 3 * * * Europe/Berlin") && table.contains("every 1s"),
        "{table}"
    );

    assert!(table.contains(":00:00Z"), "the next night, in UTC: {table}");

    replicas.into_iter().for_each(Replica::stop);
    beats.extend(lines.rest_with(BEAT));
    let beats: Vec<&str> = beats.iter().filter_map(|line| Some(line.split_once(BEAT)?.1)).collect();
    let once: HashSet<&&str> = beats.iter().collect();
    assert_eq!(once.len(), beats.len(), "each beat ran once: {beats:?}");
}

#[test]
fn without_a_redis_it_says_so() {
    // port 1 is reserved, and nobody listens there
    let (_, errors, code) = run(example(&folder("none"), Some("redis://:secret@127.0.0.1:1")), &[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("127.0.0.1:1") && !errors.contains("secret"), "{errors}");
}
