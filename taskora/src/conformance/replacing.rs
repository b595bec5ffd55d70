//! Jobs that replace one that has failed.

use std::time::Duration;

use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PROMPT, TASK, complete, delayed, ended, fail, ids, info, job, prioritised,
    progress, put, renew, retry, state, sweep, within,
};
use super::{Fixture, assert_sound};
use crate::adapter::{
    AttemptEnd, CancelOutcome, ClaimedJob, Ending, Enqueued, JobCounts, JobReport, NewJob, Renewal, Settled,
};
use crate::job::{JobState, LogEntry, LogLevel, Timestamp};
use crate::policy::{Retention, RetentionLimit};

/// A caller's own id, and one that taskora could have generated.
const IDS: [&str; 2] = ["order-7", "0192f3a4-5b6c-7d8e-9f00-112233445566"];

fn replacing(new: NewJob) -> NewJob {
    NewJob { replace_failed: true, ..new }
}

pub(super) async fn a_job_that_has_failed_is_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for id in IDS {
        let meta = vec![("k".to_owned(), "v".to_owned())];
        put(&adapter, [NewJob { meta, payload: vec![b'1'; 10_000], ..job(id, TASK) }]).await;
        worker.run_one(retry("not yet", Duration::ZERO)).await;
        let claimed = worker.claim_one().await;
        let at = Timestamp::from_millis(1);
        let line = LogEntry::new(LogLevel::Info, "hello", at, 2);
        let notes =
            JobReport { lease: claimed.lease.clone(), progress: Some(b"1".to_vec()), logs: vec![line] };
        assert_eq!(adapter.jobs().note(vec![notes]).await.unwrap(), [true]);
        worker.settle(&claimed, fail("declined")).await;
        f.advance(MOMENT).await;

        let new = NewJob { payload: b"2".to_vec(), max_attempts: 9, ..prioritised(id, TASK, 3) };
        assert_eq!(adapter.jobs().enqueue(vec![replacing(new)]).await.unwrap(), [Enqueued::New], "{id}");
        let info = info(&adapter, id).await;
        assert_eq!((info.state, info.attempts, info.stalls), (JobState::Waiting, 0, 0));
        assert_eq!((info.max_attempts, info.priority), (9, 3), "all of it is the new one's");
        assert!(info.created_at.since(claimed.created_at) >= MOMENT);
        assert_eq!((info.error, info.progress, info.meta), (None, None, Vec::new()));
        assert_eq!((info.started_at, info.finished_at), (None, None));
        assert_eq!(adapter.inspection().logs(&id.into()).await.unwrap(), [], "the log is a new one");
        assert_eq!(
            adapter.inspection().counts(TASK).await.unwrap(),
            JobCounts { waiting: 1, ..JobCounts::default() }
        );

        let claimed = worker.claim_one().await;
        assert_eq!((claimed.attempt, &*claimed.payload, claimed.meta.len()), (1, &b"2"[..], 0));
        worker.settle(&claimed, complete("\"paid\"")).await;
        assert_eq!(ended(&adapter, id).await.unwrap().ending, Ending::Completed(b"\"paid\"".to_vec()));
        assert_eq!(
            adapter.inspection().counts(TASK).await.unwrap(),
            JobCounts { completed: 1, ..JobCounts::default() }
        );
        f.advance(MOMENT).await;
        let nothing = RetentionLimit { age: Duration::ZERO, count: 0 };
        sweep(&adapter, &[TASK], Retention { completed: nothing, ..Retention::default() }).await;
    }
}

pub(super) async fn each_end_in_vain_can_be_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, [job("failed", TASK)]).await;
    worker.run_one(fail("no")).await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("stalled", TASK) }]).await;
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    put(&adapter, [delayed("delayed", TASK, 60_000), job("active", TASK)]).await;
    adapter.jobs().cancel(&"delayed".into(), "why").await.unwrap();
    let active = worker.claim_one().await;
    adapter.jobs().cancel(&"active".into(), "why").await.unwrap();
    worker.settle(&active, AttemptEnd::Cancel).await;
    let counts = JobCounts { failed: 2, cancelled: 2, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), counts);

    let ends = ["failed", "stalled", "delayed", "active"];
    let new =
        ends.map(|id| replacing(if id == "delayed" { delayed(id, TASK, 60_000) } else { job(id, TASK) }));
    assert_eq!(adapter.jobs().enqueue(new.to_vec()).await.unwrap(), [const { Enqueued::New }; 4]);
    let counts = JobCounts { waiting: 3, delayed: 1, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), counts, "no old end is left");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["failed", "stalled", "active"]);
}

pub(super) async fn a_job_that_was_cancelled_in_the_line_is_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for (priority, prefix) in [(0, ""), (5, "high ")] {
        let names = ["a", "b", "c"].map(|name| format!("{prefix}{name}"));
        put(&adapter, names.iter().map(|id| prioritised(id, TASK, priority))).await;
        let id = names[1].as_str();
        assert_eq!(adapter.jobs().cancel(&id.into(), "why").await.unwrap(), CancelOutcome::Cancelled);
        let new = replacing(prioritised(id, TASK, priority));
        assert_eq!(adapter.jobs().enqueue(vec![new]).await.unwrap(), [Enqueued::New]);
        let counts = adapter.inspection().counts(TASK).await.unwrap();
        assert_eq!((counts.waiting, counts.cancelled), (3, 0));
        assert_sound(f).await;
        let mut worker = Caller::new(&adapter);
        let claimed = worker.claim(9, &[TASK]).await;
        assert_eq!(
            ids(&claimed),
            [&names[0], &names[2], &names[1]],
            "it is the last one now, and there once"
        );
        for job in &claimed {
            assert_eq!(worker.settle(job, complete("1")).await, Settled::Now(JobState::Completed));
        }
    }
}

pub(super) async fn what_has_not_failed_is_not_replaced(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, [job("completed", TASK)]).await;
    worker.run_one(complete("1")).await;
    put(&adapter, [job("retrying", TASK)]).await;
    worker.run_one(retry("no", MOMENT * 60)).await;
    put(&adapter, [job("active", TASK)]).await;
    worker.claim_one().await;
    put(&adapter, [job("waiting", TASK), delayed("delayed", TASK, 60_000)]).await;
    for id in ["completed", "retrying", "active", "waiting", "delayed", "active"] {
        let before = info(&adapter, id).await;
        assert_eq!(
            adapter.jobs().enqueue(vec![replacing(job(id, TASK))]).await.unwrap(),
            [Enqueued::Duplicate],
            "{id}"
        );
        assert_eq!(info(&adapter, id).await, before, "{id}");
        // a job that is being cancelled has not ended yet
        if id == "active" {
            adapter.jobs().cancel(&id.into(), "why").await.unwrap();
        }
    }
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["waiting"]);
}

pub(super) async fn a_new_job_is_replaced_by_none_of_its_call(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    let again = NewJob { payload: b"2".to_vec(), ..job("a", TASK) };
    let jobs = [job("new", TASK), job("a", TASK), again, job("new", TASK), job("b", TASK), job("a", OTHER)];
    use Enqueued::{Duplicate, New};
    let answers = adapter.jobs().enqueue(jobs.map(replacing).to_vec()).await.unwrap();
    assert_eq!(answers, [New, New, Duplicate, Duplicate, Duplicate, Enqueued::Taken { task: TASK.into() }]);
    let claimed = worker.claim(9, &[TASK, OTHER]).await;
    assert_eq!(ids(&claimed), ["b", "new", "a"]);
    assert_eq!(claimed[2].payload, b"\"a\"", "the first one's payload");
}

pub(super) async fn a_lease_is_never_one_of_the_job_that_replaces_its_own(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for id in IDS {
        put(&adapter, [job(id, TASK)]).await;
        let mut old: Vec<ClaimedJob> = Vec::new();
        for _ in 0..3 {
            old.push(worker.run_one(AttemptEnd::release()).await);
            old.push(worker.run_one(fail("no")).await);
            // at once, and a moment later
            if old.len() > 2 {
                f.advance(MOMENT).await;
            }
            assert_eq!(
                adapter.jobs().enqueue(vec![replacing(job(id, TASK))]).await.unwrap(),
                [Enqueued::New]
            );
            let held = worker.claim_one().await;
            for lost in &old {
                assert!(lost.lease.token < held.lease.token, "{:?}, {:?}", lost.lease, held.lease);
                assert_eq!(worker.settle(lost, complete("1")).await, Settled::Stale);
                assert_eq!(renew(&adapter, lost, LEASE).await, Renewal::Lost);
                assert!(!progress(&adapter, lost, "1").await);
            }
            assert_eq!(state(&adapter, id).await, Some(JobState::Active));
            worker.settle(&held, AttemptEnd::release()).await;
            old.push(held);
        }
        worker.run_one(complete("1")).await;
    }
}

pub(super) async fn whoever_waits_for_the_new_job_is_told_of_its_end(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let wait = || {
        let adapter = second.clone();
        tokio::spawn(async move { adapter.signals().ended(&"a".into()).await.unwrap().unwrap().ending })
    };
    let first = wait();
    worker.run_one(fail("no")).await;
    assert_eq!(within(PROMPT, "the first end", first).await.unwrap(), Ending::Failed("no".into()));
    assert_eq!(adapter.jobs().enqueue(vec![replacing(job("a", TASK))]).await.unwrap(), [Enqueued::New]);
    let mut next = wait();
    let quiet = tokio::time::timeout(super::kit::QUIET, &mut next).await;
    assert!(quiet.is_err(), "the old end is not the new job's");
    worker.run_one(complete("1")).await;
    assert_eq!(within(PROMPT, "the new end", next).await.unwrap(), Ending::Completed(b"1".to_vec()));
}
