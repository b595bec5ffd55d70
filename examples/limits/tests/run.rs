//! Runs the example as a stranger would: in memory, and on Redis.

use std::process::Command;

use taskora_test_server::RedisServer;

/// The rows of the table: what, how, dispatches, runs, result.
fn rows(redis: Option<&str>) -> Vec<(String, String, usize, usize, String)> {
    let mut example = Command::new(env!("CARGO_BIN_EXE_limits"));
    for variable in ["REDIS_URL", "REDIS_HOST", "REDIS_ENABLED"] {
        example.env_remove(variable);
    }
    if let Some(url) = redis {
        example.env("REDIS_URL", url);
    }
    let output = example.output().expect("the example should start");
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let [what, how, dispatches, runs, result] = cells[..] else { panic!("no row: {line}") };
        let number = |text: &str| text.parse().expect("a number");
        (what.to_owned(), how.to_owned(), number(dispatches), number(runs), result.to_owned())
    };
    table.lines().skip(1).map(row).collect()
}

/// The number in a text.
fn number(text: &str) -> usize {
    let mut words = text.split(' ').filter_map(|word| word.parse().ok());
    words.next().unwrap_or_else(|| panic!("no number in `{text}`"))
}

fn shows_what_it_says(rows: &[(String, String, usize, usize, String)]) {
    let [line, turns, at_once, paced, documents @ ..] = rows else { panic!("{rows:#?}") };
    let others = |row: &str| number(row.rsplit("after").next().unwrap_or_default());
    assert_eq!(others(&line.4), 10_000, "{line:?}");
    // a turn each, and what was claimed at the same time
    assert!(others(&turns.4) < 100, "{turns:?}");
    for fetch in [at_once, paced] {
        assert_eq!(fetch.3, fetch.2 + number(&fetch.4), "each refused one asks again: {fetch:?}");
    }
    // a busy machine may delay some requests of the paced ones into the next ones; without a rate, as many are refused as before
    assert!(2 * number(&paced.4) <= number(&at_once.4), "{paced:?} {at_once:?}");
    assert_eq!(documents.len(), 3, "{rows:#?}");
    for (number, document) in documents.iter().enumerate() {
        assert!(document.3 < document.2, "{document:?}");
        assert_eq!(document.4, format!("revision 100 of document {number} is indexed"));
    }
}

#[test]
fn in_memory() {
    shows_what_it_says(&rows(None));
}

#[test]
fn on_redis() {
    let server = RedisServer::start().expect("a Redis server");
    shows_what_it_says(&rows(Some(&server.url())));
}
