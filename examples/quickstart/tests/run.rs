//! Runs the example as a stranger would, in memory and on Redis.

use std::path::Path;
use std::process::{Command, Output};

use taskora_test_server::RedisServer;

fn run(files: &[&Path], redis: Option<&str>) -> (String, Option<i32>) {
    let mut quickstart = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    quickstart.args(files).env_remove("REDIS_URL");
    if let Some(url) = redis {
        quickstart.env("REDIS_URL", url);
    }
    let Output { status, stdout, stderr } = quickstart.output().expect("the example should start");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (text, status.code())
}

/// The cells of the row of this file.
fn row<'a>(table: &'a str, file: &str) -> Vec<&'a str> {
    let row =
        table.lines().find(|line| line.starts_with(file)).unwrap_or_else(|| panic!("no {file} in\n{table}"));
    row.split_whitespace().collect()
}

fn summarises_and_explains(redis: Option<&str>) {
    let note = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/note.txt");
    let (table, code) = run(&[&note, Path::new("gone.txt")], redis);
    assert_eq!(code, Some(1), "a failed job must show in the exit code\n{table}");

    let readable = row(&table, note.to_str().expect("a path that is text"));
    assert_eq!(readable[1], "1", "one attempt\n{table}");
    assert_eq!(readable[3..], ["ms", "2", "13", "worker", "(2)"], "{table}");
    let missing = row(&table, "gone.txt");
    assert_eq!((missing[1], missing[3]), ("3", "ms"), "three attempts and a time\n{table}");
    assert!(table.contains("failed: No such file or directory"), "the reason\n{table}");
    assert!(table.ends_with("2 jobs: 1 completed, 1 failed\n"), "{table}");
}

#[test]
fn in_memory() {
    summarises_and_explains(None);
}

#[test]
fn on_redis() {
    let redis = RedisServer::start().unwrap();
    summarises_and_explains(Some(&redis.url()));
}

#[test]
fn without_arguments_it_reads_the_repository() {
    let (table, code) = run(&[], None);
    assert_eq!(code, Some(0), "{table}");
    assert_eq!(row(&table, "README.md")[1], "1", "{table}");
}

#[test]
fn without_a_redis_it_says_so() {
    // port 1 is reserved, and nobody listens there
    let (text, code) = run(&[], Some("redis://:secret@127.0.0.1:1"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("127.0.0.1:1") && !text.contains("secret"), "{text}");
}
