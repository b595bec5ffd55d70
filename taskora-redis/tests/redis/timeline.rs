//! What happened to a job, when commands fail or answers are lost.

use std::time::Duration;

use taskora::adapter::{Acted, Actions, AttemptEnd, Happened, Inspection, Jobs, Revival};
use taskora::{JobId, JobState};
use taskora_redis::RedisAdapter;

use crate::kit::{exchange, job, patient};
use crate::server::Server;

async fn past(adapter: &RedisAdapter, id: &JobId) -> Vec<Happened> {
    let data = adapter.details(id).await.expect("details").expect("it is known");
    data.past.iter().map(|step| step.what).collect()
}

#[tokio::test]
async fn a_revival_that_fails_at_any_write_is_kept_once() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    for write in 1..=8_u64 {
        let id = JobId::from(format!("a{write}"));
        adapter.enqueue(vec![job(id.as_str())]).await.expect("enqueue");
        let mut jobs = adapter.exchange(exchange("w", 2 * write, Vec::new(), 1)).await.expect("claim").jobs;
        let failed = jobs.remove(0).settlement(AttemptEnd::Fail("no".into()));
        adapter.exchange(exchange("w", 2 * write + 1, vec![failed], 0)).await.expect("settle");
        let info = adapter.job(&id).await.expect("job").expect("it is known");
        let ended_at = info.finished_at.expect("it has ended");
        let revival = Revival { id: id.clone(), ended_at, delay: Duration::from_secs(3600) };
        server.cli(&["SET", "{taskora}:failpoint", &format!("revive {write}")]);
        // it may be repeated by itself, or not
        let _ = adapter.revive(vec![revival.clone()]).await;
        server.cli(&["DEL", "{taskora}:failpoint"]);
        let acted = adapter.revive(vec![revival]).await.expect("revive");
        assert!(matches!(acted[..], [Acted::Done | Acted::Is(JobState::Delayed)]), "{write}: {acted:?}");
        assert_eq!(past(&adapter, &id).await, [Happened::Failed, Happened::Revived], "at write {write}");
    }
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_alone() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    server.cli(&["HSET", "{taskora}:past", "=a", "\u{2}later"]);
    let mut jobs = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let retried = jobs.remove(0).settlement(AttemptEnd::Retry { error: "no".into(), delay: Duration::ZERO });
    adapter.exchange(exchange("w", 2, vec![retried], 0)).await.expect("settle");
    assert_eq!(server.cli(&["HGET", "{taskora}:past", "=a"]), "\u{2}later");
    assert_eq!(past(&adapter, &"a".into()).await, []);
}
