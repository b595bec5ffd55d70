//! What the adapter says about a server whose settings would lose jobs.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskora::adapter::Inspection;
use taskora_redis::{RedisAdapter, ServerWarning};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::kit::{TASK, patient};
use crate::server::Server;

/// Everything that is logged, one line each.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// The lines with these words.
    pub(crate) fn saying(&self, words: &str) -> Vec<String> {
        let lines = self.0.lock().expect("the lines");
        lines.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    pub(crate) fn about(&self, code: &str) -> Vec<String> {
        let lines = self.0.lock().expect("the lines");
        lines.iter().filter(|line| line.contains(&format!("warning=\"{code}\""))).cloned().collect()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("write to a string");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("the lines").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_server_that_may_lose_jobs_is_named_with_what_to_set() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru", "--appendonly", "no"]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let evicts = ServerWarning::Evicts { policy: "allkeys-lru".into() };
    assert_eq!(adapter.warnings(), [evicts, ServerWarning::NoAppendOnlyFile]);
    for (code, setting) in [("evicts", "noeviction"), ("no-append-only-file", "appendonly yes")] {
        let [line] = &lines.about(code)[..] else { panic!("{code}: {lines:?}", lines = lines.0) };
        assert!(line.starts_with("WARN") && line.contains(setting), "{line}");
        assert!(line.contains(&format!("127.0.0.1:{}", server.port())), "{line}");
    }
}

#[tokio::test]
async fn a_server_that_is_set_up_for_a_queue_is_not_talked_about() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = Server::with(&["--maxmemory-policy", "noeviction", "--appendonly", "yes"]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    assert_eq!(adapter.warnings(), []);
    assert!(lines.0.lock().expect("the lines").is_empty(), "{:?}", lines.0);
}

#[tokio::test]
async fn a_reconnect_says_what_is_new_and_repeats_nothing() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = Server::with(&["--appendonly", "no"]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // the first call may still meet the killed connection; a call is repeated on the next one
    adapter.counts(TASK).await.expect("a call after the reconnect");
    let evicts = ServerWarning::Evicts { policy: "volatile-ttl".into() };
    let known = tokio::time::timeout(Duration::from_secs(10), async {
        while !adapter.warnings().contains(&evicts) {
            adapter.counts(TASK).await.expect("a call");
            tokio::task::yield_now().await;
        }
    });
    known.await.expect("the new setting is seen");
    assert_eq!((lines.about("evicts").len(), lines.about("no-append-only-file").len()), (1, 1));
}
