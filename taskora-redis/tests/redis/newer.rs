//! Values "from the future": what a later version of taskora may write into the namespace. This version neither runs it, ends it,
//! loses it nor moves it out of reach, and everything else goes on. When a worker comes that understands it, it runs: here, the
//! value becomes one of today.

mod recipes;
mod records;
mod schedules;
mod workflows;

use std::future::Future;
use std::time::Duration;

use redis::Commands;
use taskora::adapter::{Enqueued, Jobs, NewJob, Signals, Workflows};
use taskora::{AdapterError, App, Retention};
use taskora_redis::RedisAdapter;
use tokio::time::timeout;

use crate::kit::{PATIENCE, TASK, drain, job, patient};
use crate::server::Server;

/// What begins a value that is not plain JSON.
const ENVELOPE: &[u8] = b"\xC1\x01future";

/// A server, the adapter, and a connection to write by hand.
struct Stage {
    server: Server,
    adapter: RedisAdapter,
    redis: redis::Connection,
}

fn key(name: &str) -> String {
    format!("{{taskora}}:{name}")
}

impl Stage {
    async fn set() -> Self {
        let server = Server::start();
        let config = patient(server.url()).test_clock();
        let adapter = RedisAdapter::connect(config).await.expect("connect");
        let redis = redis::Client::open(server.url()).expect("a URL").get_connection().expect("connect");
        Self { server, adapter, redis }
    }

    fn field(&mut self, name: &str, field: &[u8]) -> Vec<u8> {
        let value: Option<Vec<u8>> = self.redis.hget(key(name), field).expect("hget");
        value.unwrap_or_else(|| panic!("{name} has no field {}", field.escape_ascii()))
    }

    fn set_field(&mut self, name: &str, field: &[u8], value: &[u8]) {
        self.redis.hset::<_, _, _, ()>(key(name), field, value).expect("hset");
    }

    fn has_ended(&mut self, id: &[u8]) -> bool {
        self.redis.hexists(key("done"), id).expect("hexists")
    }

    fn is_delayed(&mut self, id: &[u8]) -> bool {
        self.redis.zscore::<_, _, Option<f64>>(key(&format!("delayed:{TASK}")), id).expect("zscore").is_some()
    }

    async fn shift(&self, seconds: u64) {
        self.adapter.shift_clock(Duration::from_secs(seconds)).await.expect("shift");
    }

    async fn sweep(&self) {
        let tasks = [TASK.into()];
        while self.adapter.sweep(&tasks, Retention::default()).await.expect("sweep").more {}
    }

    /// What a worker runs now, beside a job that anybody can run and that must be among it.
    async fn others(&mut self) -> usize {
        let id = taskora::JobId::new();
        self.adapter.enqueue(vec![job(id.as_str())]).await.expect("enqueue");
        let mut count = 0;
        // a claim may come to a page of jobs that have ended
        for _ in 0..20 {
            count += drain(&self.adapter, taskora::JobId::new().as_str()).await;
            if count > 0 {
                break;
            }
        }
        let ended =
            timeout(PATIENCE, self.adapter.ended(&id)).await.expect("others go on").expect("an answer");
        assert!(ended.is_some(), "others go on");
        count - 1
    }

    /// So many values are a later version's, and nothing is damaged.
    async fn is_checked_as(&self, newer: usize, what: &str) {
        let app = App::new(self.adapter.clone());
        let report = app.check().await.expect("check");
        assert!(report.is_clean(), "{what}: {report}");
        assert_eq!(report.newer, newer, "{what}: {report}");
        // a repair leaves it alone, too
        assert_eq!(app.repair().await.expect("repair").repaired, 0, "{what}");
    }
}

/// This call says that a later version wrote what it is about.
async fn is_refused<T: std::fmt::Debug>(call: impl Future<Output = Result<T, AdapterError>>, what: &str) {
    let error = timeout(PATIENCE, call).await.expect("an answer").expect_err(what);
    assert!(matches!(error, AdapterError::Incompatible(_)), "{what}: {error:?}");
    assert!(error.to_string().contains("later version"), "{what}: {error}");
}

/// A dispatch may take the place of a job that has failed, but not of one that is not understood.
async fn is_kept(stage: &Stage, what: &str) {
    let again = NewJob { replace_failed: true, ..job("a") };
    let answer = stage.adapter.enqueue(vec![again]).await.expect("enqueue");
    assert_eq!(answer, [Enqueued::Duplicate], "{what}");
    stage.is_checked_as(1, what).await;
}

/// Postponed work that nobody knows here stays, and what stands behind it is done.
#[tokio::test]
async fn postponed_work_of_a_later_version_stays_and_other_work_goes_on() {
    let mut stage = Stage::set().await;
    stage.redis.rpush::<_, _, ()>(key("deferred"), b"Zn:0 =x").expect("rpush");
    stage.redis.rpush::<_, _, ()>(key("deferred"), b"S in another form").expect("rpush");
    stage.adapter.start(crate::flows::chord("c", 300)).await.expect("start");
    stage.adapter.cancel_workflow(&"c".into(), "why").await.expect("cancel");
    for _ in 0..12 {
        stage.sweep().await;
        assert_eq!(stage.others().await, 0);
    }
    let left = stage.field("wf:=c", b"l");
    assert!(left.starts_with(b"0 X"), "all nodes have ended: {}", left.escape_ascii());
    let mut rest: Vec<String> = stage.redis.lrange(key("deferred"), 0, -1).expect("lrange");
    rest.sort();
    assert_eq!(rest, ["S in another form", "Zn:0 =x"]);
    assert_eq!(stage.server.cli(&["LLEN", &key("deferred")]), "2");
}
