//! Progress and log lines.

use std::time::Duration;

use serde_json::{Value, json};

use super::Fixture;
use super::kit::{Caller, LEASE, MOMENT, TASK, complete, forged, info, job, progress, put, retry, sweep};
use crate::adapter::{AttemptEnd, ClaimedJob, JobReport};
use crate::job::{LogEntry, LogLevel, Timestamp};
use crate::policy::Retention;

fn line(n: usize) -> LogEntry {
    LogEntry {
        level: [LogLevel::Info, LogLevel::Warn, LogLevel::Error][n % 3],
        message: format!("line {n}: größe \"🦀\"\n"),
        fields: if n.is_multiple_of(2) {
            Value::Null
        } else {
            json!({ "n": n, "deep": [1.5, null, { "k": "v" }] })
        },
        at: Timestamp::from_millis(1_700_000_000_000 + n as u64),
        attempt: 1,
    }
}

fn lines(job: &ClaimedJob, numbers: impl IntoIterator<Item = usize>) -> JobReport {
    JobReport { lease: job.lease.clone(), progress: None, logs: numbers.into_iter().map(line).collect() }
}

pub(super) async fn s293_progress_and_logs_are_kept(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("größe", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    let notes =
        JobReport { progress: Some(b"{\"done\":50,\"of\":\"\xc3\xbc\"}".to_vec()), ..lines(&claimed, 0..3) };
    assert_eq!(adapter.jobs().note(vec![notes]).await.unwrap(), [true]);
    assert_eq!(info(&second, "größe").await.progress, Some(json!({ "done": 50, "of": "ü" })));
    assert_eq!(second.inspection().logs(&"größe".into()).await.unwrap(), [line(0), line(1), line(2)]);
}

pub(super) async fn s045_nothing_reported_is_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    assert_eq!(adapter.jobs().note(vec![lines(&claimed, [])]).await.unwrap(), [true]);
    assert!(adapter.jobs().note(Vec::new()).await.unwrap().is_empty());
    assert_eq!(info(&adapter, "a").await.progress, None);
    assert_eq!(adapter.inspection().logs(&"a".into()).await.unwrap(), []);
}

pub(super) async fn progress_replaces_and_lines_are_appended(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let jobs = Caller::new(&adapter).claim(2, &[TASK]).await;
    for n in 0..3 {
        let notes =
            JobReport { progress: Some(n.to_string().into_bytes()), ..lines(&jobs[0], [2 * n, 2 * n + 1]) };
        let other = JobReport { progress: Some(b"null".to_vec()), ..lines(&jobs[1], [n]) };
        assert_eq!(adapter.jobs().note(vec![notes, other]).await.unwrap(), [true, true]);
    }
    assert_eq!(adapter.jobs().note(vec![lines(&jobs[0], [6])]).await.unwrap(), [true]);
    assert_eq!(info(&adapter, "a").await.progress, Some(json!(2)), "the newest; none given changes nothing");
    assert_eq!(adapter.inspection().logs(&"a".into()).await.unwrap(), (0..7).map(line).collect::<Vec<_>>());
    assert_eq!(adapter.inspection().logs(&"b".into()).await.unwrap(), (0..3).map(line).collect::<Vec<_>>());
    assert_eq!(info(&adapter, "b").await.progress, Some(Value::Null), "null is a progress");
}

pub(super) async fn several_notes_of_one_job_in_one_call_keep_their_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    let notes =
        [1, 2].map(|n| JobReport { progress: Some(n.to_string().into_bytes()), ..lines(&claimed, [n]) });
    assert_eq!(adapter.jobs().note(notes.to_vec()).await.unwrap(), [true, true]);
    assert_eq!(info(&adapter, "a").await.progress, Some(json!(2)));
    assert_eq!(adapter.inspection().logs(&"a".into()).await.unwrap(), [line(1), line(2)]);
}

pub(super) async fn the_newest_thousand_lines_are_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    for numbers in [0..998, 998..1_005, 1_005..2_500, 2_500..2_510] {
        assert_eq!(adapter.jobs().note(vec![lines(&claimed, numbers.clone())]).await.unwrap(), [true]);
        let first = numbers.end.saturating_sub(LogEntry::MAX_PER_JOB);
        let logs = adapter.inspection().logs(&"a".into()).await.unwrap();
        assert_eq!(logs.len(), numbers.end - first, "after line {}", numbers.end);
        assert!(
            logs == (first..numbers.end).map(line).collect::<Vec<_>>(),
            "lines {first} to {}",
            numbers.end
        );
    }
}

pub(super) async fn x40_notes_without_a_valid_lease_are_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["lost", "settled", "retried", "held"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(4, &[TASK]).await;
    worker.settle(&jobs[1], complete("1")).await;
    worker.settle(&jobs[2], retry("no", MOMENT * 600)).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let again = worker.claim(2, &[TASK]).await;
    let held = again.iter().find(|job| job.lease.id.as_str() == "held").unwrap();

    let note = |job: &ClaimedJob| JobReport { progress: Some(b"1".to_vec()), ..lines(job, [1]) };
    let mut unknown = jobs[0].clone();
    unknown.lease.id = "nobody".into();
    let notes =
        vec![note(&jobs[0]), note(&jobs[1]), note(held), note(&jobs[2]), note(&unknown), note(&jobs[3])];
    assert_eq!(adapter.jobs().note(notes).await.unwrap(), [false, false, true, false, false, false]);
    assert_eq!(adapter.jobs().note(vec![note(&forged(held, held.lease.token + 1))]).await.unwrap(), [false]);
    for id in ["lost", "settled", "retried"] {
        assert_eq!(info(&adapter, id).await.progress, None, "{id}");
        assert_eq!(adapter.inspection().logs(&id.into()).await.unwrap(), [], "{id}");
    }
    assert_eq!(adapter.inspection().logs(&"held".into()).await.unwrap(), [line(1)]);
    assert_eq!(adapter.inspection().logs(&"nobody".into()).await.unwrap(), []);
}

pub(super) async fn notes_stay_over_attempts_and_after_the_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    for (n, end) in
        [retry("no", Duration::ZERO), AttemptEnd::release(), complete("1")].into_iter().enumerate()
    {
        let claimed = worker.claim_one().await;
        assert_eq!(adapter.jobs().note(vec![lines(&claimed, [n])]).await.unwrap(), [true]);
        if n == 0 {
            assert!(progress(&adapter, &claimed, "0.5").await);
        }
        worker.settle(&claimed, end).await;
    }
    assert_eq!(info(&adapter, "a").await.progress, Some(json!(0.5)));
    assert_eq!(adapter.inspection().logs(&"a".into()).await.unwrap(), [line(0), line(1), line(2)]);
}
