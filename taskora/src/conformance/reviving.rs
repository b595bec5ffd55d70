//! Jobs that have ended without completing, and are to run again.

use std::sync::Arc;
use std::time::Duration;

use super::action_kit::{end_of, revive, revive_later};
use super::flow_kit::{flow, node, start};
use super::kit::{
    Caller, LEASE, MOMENT, PATIENCE, TASK, complete, delayed, ending, fail, ids, info, job, prioritised,
    progress, put, retry, state, sweep, within,
};
use super::{Fixture, assert_sound};
use crate::adapter::{
    Acted, Adapter, Admission, Admitted, AttemptEnd, BlockingStates, Ending, Enqueued, JobCounts, JobQuery,
    JobReport, NewJob, Otherwise, Revival, Rule, Settled,
};
use crate::job::{JobState, LogEntry, LogLevel};
use crate::policy::{Retention, Ttl};

/// Runs the next job, which fails.
async fn fail_one(adapter: &Arc<dyn Adapter>) {
    Caller::new(adapter).run_one(fail("no")).await;
}

async fn cancel(adapter: &Arc<dyn Adapter>, id: &str) {
    adapter.jobs().cancel(&id.into(), "why").await.expect("cancel");
}

pub(super) async fn a_failed_job_waits_again_as_if_it_were_new(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let before = info(&adapter, "a").await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("not yet", Duration::ZERO)).await;
    let claimed = worker.claim_one().await;
    progress(&adapter, &claimed, "99").await;
    let line = LogEntry::new(LogLevel::Info, "half way", claimed.claimed_at, 2);
    let report = JobReport { lease: claimed.lease.clone(), progress: None, logs: vec![line.clone()] };
    assert_eq!(adapter.jobs().note(vec![report]).await.unwrap(), [true]);
    worker.settle(&claimed, fail("no")).await;
    f.advance(MOMENT).await;

    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    assert_eq!(info(&adapter, "a").await, before, "nothing is left of what happened");
    assert_eq!(adapter.inspection().logs(&"a".into()).await.unwrap(), [line], "but what it has logged");
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { waiting: 1, ..JobCounts::default() });

    let claimed = worker.claim_one().await;
    assert_eq!(claimed.attempt, 1);
    assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(ending(&adapter, "a").await, Ending::Completed(b"1".to_vec()));
}

pub(super) async fn each_end_in_vain_is_revived(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let brief = NewJob { ttl: Some(Ttl::new(MOMENT)), ..job("expired", TASK) };
    put(&adapter, [brief]).await;
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("stalled", TASK) }, job("failed", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    worker.run_one(fail("no")).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    put(&adapter, [job("flagged", TASK)]).await;
    let flagged = worker.claim_one().await;
    cancel(&adapter, "flagged").await;
    worker.settle(&flagged, AttemptEnd::Cancel).await;
    put(&adapter, [delayed("delayed", TASK, 60_000), job("in line", TASK)]).await;
    for id in ["delayed", "in line"] {
        cancel(&adapter, id).await;
    }

    let all = ["expired", "stalled", "failed", "flagged", "delayed", "in line"];
    let mut revivals = Vec::new();
    for id in all {
        revivals.push(Revival { id: id.into(), ended_at: end_of(&adapter, id).await, delay: Duration::ZERO });
    }
    assert_eq!(adapter.actions().revive(revivals).await.unwrap(), vec![Acted::Done; all.len()]);
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { waiting: all.len(), ..JobCounts::default() });
    let claimed = worker.claim(9, &[TASK]).await;
    let mut claimed = ids(&claimed);
    claimed.sort_unstable();
    let mut expected = all.to_vec();
    expected.sort_unstable();
    assert_eq!(claimed, expected, "each of them once");
}

pub(super) async fn only_what_has_ended_in_vain_is_revived(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("completed", TASK), job("retrying", TASK), job("active", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(retry("no", MOMENT * 60)).await;
    worker.claim_one().await;
    put(&adapter, [job("waiting", TASK), delayed("delayed", TASK, 60_000)]).await;
    let ended_at = end_of(&adapter, "completed").await;
    let states = [
        ("completed", JobState::Completed),
        ("retrying", JobState::Retrying),
        ("active", JobState::Active),
        ("waiting", JobState::Waiting),
        ("delayed", JobState::Delayed),
    ];
    for (id, state) in states {
        let revival = Revival { id: id.into(), ended_at, delay: Duration::ZERO };
        assert_eq!(adapter.actions().revive(vec![revival]).await.unwrap(), [Acted::Is(state)], "{id}");
        assert_eq!(info(&adapter, id).await.state, state);
    }
    let nobody = Revival { id: "nobody".into(), ended_at, delay: Duration::ZERO };
    assert_eq!(adapter.actions().revive(vec![nobody]).await.unwrap(), [Acted::NotFound]);
}

pub(super) async fn a_node_is_not_revived(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, flow("w", vec![node(None)], &[&[0]])).await;
    let failed = Caller::new(&adapter).run_one(fail("no")).await;
    let id = failed.lease.id;
    let ended_at = end_of(&adapter, id.as_str()).await;
    let revival = Revival { id, ended_at, delay: Duration::ZERO };
    assert_eq!(adapter.actions().revive(vec![revival]).await.unwrap(), [Acted::PartOf("w".into())]);
}

pub(super) async fn an_end_is_revived_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    fail_one(&adapter).await;
    let first = Revival { id: "a".into(), ended_at: end_of(&adapter, "a").await, delay: Duration::ZERO };
    f.advance(MOMENT).await;
    assert_eq!(
        adapter.actions().revive(vec![first.clone(), first.clone()]).await.unwrap(),
        [Acted::Done, Acted::Is(JobState::Waiting)]
    );
    fail_one(&adapter).await;
    assert_eq!(adapter.actions().revive(vec![first]).await.unwrap(), [Acted::Is(JobState::Failed)]);
    assert_eq!(revive(&adapter, "a").await, Acted::Done, "its second end");
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["a"]);
}

pub(super) async fn a_lease_of_the_first_life_is_not_valid_in_the_second(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("a", TASK) }]).await;
    let mut frozen = Caller::new(&adapter);
    let first = frozen.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.stalled, 1);
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    assert_eq!(frozen.settle(&first, complete("1")).await, Settled::Stale, "it waits");
    let mut worker = Caller::new(&adapter);
    let second = worker.claim_one().await;
    assert!(second.lease.token > first.lease.token);
    assert_eq!(frozen.settle(&first, complete("1")).await, Settled::Stale, "another one runs it");
    assert_eq!(worker.settle(&second, complete("2")).await, Settled::Now(JobState::Completed));
    assert_eq!(ending(&adapter, "a").await, Ending::Completed(b"2".to_vec()));
}

pub(super) async fn a_revived_job_goes_behind_the_others_of_its_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("low", TASK), prioritised("high", TASK, 5)]).await;
    let mut worker = Caller::new(&adapter);
    for _ in 0..2 {
        worker.run_one(fail("no")).await;
    }
    put(&adapter, [job("a", TASK), prioritised("b", TASK, 5)]).await;
    for id in ["low", "high"] {
        assert_eq!(revive(&adapter, id).await, Acted::Done);
    }
    put(&adapter, [job("c", TASK)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b", "high", "a", "low", "c"]);
}

pub(super) async fn a_job_that_was_cancelled_in_the_line_is_revived(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    for _ in 0..2 {
        cancel(&adapter, "b").await;
        assert_eq!(revive(&adapter, "b").await, Acted::Done);
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { waiting: 3, ..JobCounts::default() });
    assert_sound(f).await;
    let listed = adapter.inspection().list(&JobQuery::new(TASK, JobState::Waiting)).await.unwrap().jobs;
    let mut listed: Vec<&str> = listed.iter().map(|job| job.id.as_str()).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["a", "b", "c"], "each is shown once");
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["a", "c", "b"]);
    for job in &claimed {
        assert_eq!(worker.settle(job, complete("1")).await, Settled::Now(JobState::Completed));
    }
}

pub(super) async fn a_job_may_be_revived_with_a_delay(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    fail_one(&adapter).await;
    assert_eq!(revive_later(&adapter, "a", MOMENT * 60).await, Acted::Done);
    let known = info(&adapter, "a").await;
    assert_eq!((known.state, known.attempts), (JobState::Delayed, 0));
    assert!(known.due_at > Some(known.created_at));
    let mut worker = Caller::new(&adapter);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    f.advance(MOMENT * 60).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a"]);
}

pub(super) async fn a_ttl_begins_anew(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let brief = |id| NewJob { ttl: Some(Ttl::new(MOMENT * 60)), ..job(id, TASK) };
    put(&adapter, ["a", "b"].map(brief)).await;
    f.advance(MOMENT * 60).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    assert_eq!(revive_later(&adapter, "b", MOMENT * 10).await, Acted::Done);
    f.advance(MOMENT * 59).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(1, &[TASK]).await), ["a"], "a moment before");
    f.advance(MOMENT * 10).await;
    assert_eq!(state(&adapter, "b").await, Some(JobState::Waiting), "it was ready ten seconds later");
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "b").await, Some(JobState::Expired));
}

pub(super) async fn a_revived_job_takes_no_key_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let rule = || Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise: Otherwise::Drop };
    let admit = |id: &str| {
        adapter.admissions().admit(vec![Admission { job: job(id, TASK), key: "k".into(), rule: rule() }])
    };
    assert_eq!(admit("a").await.unwrap(), [Admitted::New]);
    fail_one(&adapter).await;
    assert_eq!(admit("b").await.unwrap(), [Admitted::New], "its key is free");
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    assert_eq!(admit("c").await.unwrap(), [Admitted::Duplicate("b".into())]);
    let mut worker = Caller::new(&adapter);
    for _ in 0..2 {
        worker.run_one(complete("1")).await;
    }
    assert_eq!(admit("c").await.unwrap(), [Admitted::New], "the owner has ended");
}

pub(super) async fn whoever_waits_is_told_of_the_second_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    fail_one(&adapter).await;
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    let waiting = Arc::clone(&adapter);
    let told = tokio::spawn(async move { waiting.signals().ended(&"a".into()).await });
    Caller::new(&adapter).run_one(complete("1")).await;
    let ended = within(PATIENCE, "the end", told).await.unwrap().unwrap().expect("it is known");
    assert_eq!((ended.attempts, ended.ending), (1, Ending::Completed(b"1".to_vec())));
}

pub(super) async fn a_revived_job_keeps_its_id(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    fail_one(&adapter).await;
    assert_eq!(revive(&adapter, "a").await, Acted::Done);
    let again = NewJob { replace_failed: true, ..job("a", TASK) };
    assert_eq!(adapter.jobs().enqueue(vec![again]).await.unwrap(), [Enqueued::Duplicate]);
    assert_eq!(info(&adapter, "a").await.attempts, 0);
}
