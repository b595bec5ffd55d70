//! Jobs that are not started in time.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{flow, node, record, start};
use super::kit::{
    Caller, LEASE, MARGIN, MOMENT, OTHER, PATIENCE, QUIET, TASK, complete, delayed, ended, ending, fail, ids,
    info, job, prioritised, put, renew, retry, state, sweep, within,
};
use crate::adapter::{
    Adapter, AttemptEnd, CancelOutcome, Due, Ending, Enqueued, JobCounts, NewJob, NewNode, Renewal, Settled,
    Swept,
};
use crate::job::JobState;
use crate::policy::{OnExpire, Retention, Ttl};
use crate::workflow::WorkflowState;

const TTL: Duration = Duration::from_secs(60);

/// A job that expires a minute after it became ready.
fn brief(id: &str) -> NewJob {
    NewJob { ttl: Some(Ttl::new(TTL)), ..job(id, TASK) }
}

fn discarded(job: NewJob) -> NewJob {
    NewJob { ttl: Some(Ttl::new(TTL).on_expire(OnExpire::Discard)), ..job }
}

/// Asserts that this many jobs have expired, and that none is in another place.
async fn only_expired(adapter: &Arc<dyn Adapter>, expired: usize) {
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { expired, ..JobCounts::default() });
}

pub(super) async fn s071_a_job_that_is_not_started_in_time_expires(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [brief("a"), job("b", TASK), NewJob { priority: 3, ..brief("c") }]).await;
    f.advance(TTL).await;
    assert_eq!(
        ids(&Caller::new(&adapter).claim(9, &[TASK]).await),
        ["b"],
        "its deadline is too late to start"
    );
    for id in ["a", "c"] {
        let info = info(&adapter, id).await;
        assert_eq!((info.state, info.attempts, info.error), (JobState::Expired, 0, None));
        assert!(info.started_at.is_none() && info.finished_at.is_some(), "it has ended and never started");
        assert_eq!(info.expires_at, None, "it has");
        assert_eq!(ending(&adapter, id).await, Ending::Expired);
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { active: 1, expired: 2, ..JobCounts::default() });
}

pub(super) async fn s073_a_job_that_is_started_in_time_does_not_expire(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [brief("a"), brief("b")]).await;
    let (a, b) = (info(&adapter, "a").await, info(&adapter, "b").await);
    for info in [&a, &b] {
        let ttl = info.expires_at.expect("a deadline").as_millis() - info.created_at.as_millis();
        assert_eq!(u128::from(ttl), TTL.as_millis());
    }
    f.advance(TTL - MARGIN).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let mut worker = Caller::new(&adapter);
    let (a, b) = (worker.claim_one().await, worker.claim_one().await);
    f.advance(TTL).await;
    assert_eq!(sweep(&adapter, &[OTHER], Retention::default()).await, Swept::default());
    assert_eq!(renew(&adapter, &a, LEASE).await, Renewal::Extended, "a running attempt is left alone");
    assert_eq!(worker.settle(&a, complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(worker.settle(&b, fail("no")).await, Settled::Now(JobState::Failed));
}

pub(super) async fn a_sweep_expires_what_nobody_claims(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let late = NewJob { ttl: Some(Ttl::new(TTL)), ..delayed("later", TASK, 30_000) };
    put(&adapter, [brief("a"), prioritised("plain", TASK, 1), NewJob { priority: -2, ..brief("b") }, late])
        .await;
    let waiting = tokio::spawn({
        let adapter = Arc::clone(&adapter);
        async move { adapter.signals().ended(&"a".into()).await }
    });
    f.advance(TTL).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    for (id, expected) in [
        ("a", JobState::Expired),
        ("b", JobState::Expired),
        ("plain", JobState::Waiting),
        ("later", JobState::Waiting),
    ] {
        assert_eq!(state(&adapter, id).await, Some(expected), "{id}");
    }
    let told = within(PATIENCE, "whoever waits is told", waiting).await.unwrap().unwrap();
    assert_eq!(told.expect("a known job").ending, Ending::Expired);
    f.advance(Duration::from_secs(30)).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "later").await, Some(JobState::Expired), "its time ran from when it was due");
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["plain"]);
}

pub(super) async fn the_deadline_of_a_delayed_job_runs_from_when_it_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ttl = Some(Ttl::new(TTL));
    let past = Due::At(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    put(
        &adapter,
        [
            NewJob { ttl, ..delayed("a", TASK, 60_000) },
            NewJob { ttl, ..delayed("b", TASK, 60_000) },
            NewJob { ttl, due: past, ..job("c", TASK) },
        ],
    )
    .await;
    f.advance(Duration::from_secs(59)).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"], "a time that is past is now");
    f.advance(Duration::from_secs(60)).await;
    assert_eq!(worker.claim_one().await.lease.id, "a".into());
    f.advance(MOMENT).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(state(&adapter, "b").await, Some(JobState::Expired));
}

pub(super) async fn a_retry_that_would_be_too_late_fails_the_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [brief("a"), brief("b"), brief("c")]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(3, &[TASK]).await;
    assert_eq!(worker.settle(&jobs[0], retry("broken", TTL)).await, Settled::Now(JobState::Failed));
    assert_eq!(ending(&adapter, "a").await, Ending::Failed("broken".into()), "with its own error");
    assert_eq!(ended(&adapter, "a").await.unwrap().attempts, 1);
    assert_eq!(info(&adapter, "a").await.started_at, Some(jobs[0].claimed_at));
    assert_eq!(worker.settle(&jobs[1], retry("no", TTL - MARGIN)).await, Settled::Now(JobState::Retrying));
    assert!(info(&adapter, "b").await.expires_at.is_some());
    f.advance(TTL).await;
    // a retry without a delay counts as one, too
    assert_eq!(worker.settle(&jobs[2], retry("late", Duration::ZERO)).await, Settled::Now(JobState::Failed));
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "the retry was due, and nobody came");
    let info = info(&adapter, "b").await;
    assert_eq!((info.state, info.attempts), (JobState::Expired, 1));
}

pub(super) async fn what_comes_back_too_late_expires(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [brief("released"), brief("resting"), brief("rescued"), brief("flagged")]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(4, &[TASK]).await;
    f.advance(TTL).await;
    assert_eq!(worker.settle(&jobs[0], AttemptEnd::release()).await, Settled::Now(JobState::Waiting));
    let rest = AttemptEnd::Release { delay: MOMENT };
    assert_eq!(worker.settle(&jobs[1], rest).await, Settled::Now(JobState::Delayed));
    let outcome = adapter.jobs().cancel(&"flagged".into(), "why").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    assert_eq!(worker.settle(&jobs[3], AttemptEnd::release()).await, Settled::Now(JobState::Cancelled));
    sweep(&adapter, &[TASK], Retention::default()).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    for id in ["released", "resting", "rescued"] {
        assert_eq!(state(&adapter, id).await, Some(JobState::Expired), "{id}");
    }
    assert_eq!(info(&adapter, "rescued").await.stalls, 1);
}

pub(super) async fn s074_nothing_is_kept_of_a_discarded_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(
        &adapter,
        [discarded(job("a", TASK)), discarded(delayed("b", TASK, 1_000)), discarded(job("c", TASK))],
    )
    .await;
    let waiting = ["a", "b"].map(|id| {
        let adapter = Arc::clone(&adapter);
        tokio::spawn(async move { adapter.signals().ended(&id.into()).await })
    });
    // the waits have begun
    f.advance(MOMENT).await;
    tokio::time::sleep(QUIET).await;
    f.advance(TTL).await;
    assert!(Caller::new(&adapter).claim(9, &[TASK]).await.is_empty());
    for told in waiting {
        let told = within(PATIENCE, "whoever waits is told", told).await.unwrap().unwrap();
        assert_eq!(told.expect("a known job").ending, Ending::Expired);
    }
    sweep(&adapter, &[TASK], Retention::default()).await;
    for id in ["a", "b", "c"] {
        assert_eq!(state(&adapter, id).await, None, "{id}");
    }
    only_expired(&adapter, 0).await;
    put(&adapter, [job("a", TASK)]).await;
    assert_eq!(Caller::new(&adapter).claim_one().await.lease.id, "a".into());
}

pub(super) async fn an_expired_job_can_be_replaced_and_cancelled_no_more(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [brief("a"), brief("b")]).await;
    assert_eq!(adapter.jobs().cancel(&"b".into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    f.advance(TTL).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "b").await, Some(JobState::Cancelled), "it had ended before");
    let outcome = adapter.jobs().cancel(&"a".into(), "why").await.unwrap();
    assert_eq!(outcome, CancelOutcome::AlreadyEnded(JobState::Expired));
    assert_eq!(adapter.jobs().enqueue(vec![brief("a")]).await.unwrap(), [Enqueued::Duplicate]);
    let again = NewJob { replace_failed: true, ..brief("a") };
    assert_eq!(adapter.jobs().enqueue(vec![again]).await.unwrap(), [Enqueued::New]);
    f.advance(TTL - MARGIN).await;
    assert_eq!(Caller::new(&adapter).claim_one().await.lease.id, "a".into(), "its time runs anew");
}

pub(super) async fn many_expired_jobs_go_in_bounded_steps(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for page in 0..6 {
        put(&adapter, (0..400).map(|n| brief(&format!("late {page} {n}")))).await;
    }
    f.advance(TTL).await;
    put(&adapter, [brief("in time")]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(worker.run_one(complete("1")).await.lease.id, "in time".into());
    put(&adapter, (0..400).map(|n| brief(&format!("swept {n}")))).await;
    f.advance(TTL).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!((counts.waiting, counts.completed, counts.expired), (0, 1, 2_800));
}

pub(super) async fn x14_a_node_that_expires_ends_its_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for (id, on_expire) in [("kept", OnExpire::Fail), ("discarded", OnExpire::Discard)] {
        let ttl = Some(Ttl::new(TTL).on_expire(on_expire));
        let second = NewNode { ttl, delay: TTL, ..node(Some(0)) };
        start(&adapter, flow(id, vec![node(None), second, node(Some(1))], &[&[0], &[1]])).await;
        let mut worker = Caller::new(&adapter);
        f.advance(TTL * 2).await;
        worker.run_one(complete("1")).await;
        // its time begins when it could run and its delay is over
        f.advance(TTL * 2 - MARGIN).await;
        sweep(&adapter, &[TASK], Retention::default()).await;
        assert_eq!(record(&adapter, id).await.state, WorkflowState::Running);
        f.advance(MARGIN).await;
        assert!(worker.claim(9, &[TASK]).await.is_empty());
        let ended = super::flow_kit::ended(&adapter, id).await;
        assert_eq!(ended.state, WorkflowState::Expired);
        let cause = ended.cause.expect("a node ended it");
        assert_eq!((cause.node, cause.ending), (1, Ending::Expired));
        let (_, nodes) = super::flow_kit::states(&adapter, id).await;
        assert_eq!(nodes[..2], [Some(JobState::Completed), Some(JobState::Expired)]);
    }
}

pub(super) async fn a_node_comes_back_with_its_deadline(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let brief = NewNode { ttl: Some(Ttl::new(TTL)), ..node(None) };
    start(&adapter, flow("flow", vec![brief.clone(), brief], &[])).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    assert_eq!(worker.settle(&jobs[0], retry("no", MOMENT)).await, Settled::Now(JobState::Retrying));
    renew(&adapter, &jobs[1], TTL * 2).await;
    f.advance(TTL).await;
    // the retry was due, but no worker claimed it; the other node goes on running
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(record(&adapter, "flow").await.state, WorkflowState::Expired);
    assert_eq!(worker.settle(&jobs[1], retry("late", MOMENT)).await, Settled::Now(JobState::Cancelled));
}

pub(super) async fn each_state_with_a_deadline_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    put(
        &adapter,
        [
            brief("a"),
            discarded(job("b", TASK)),
            NewJob { ttl: Some(Ttl::new(TTL)), ..delayed("c", TASK, 9_000) },
        ],
    )
    .await;
    checked("stored").await;
    let mut worker = Caller::new(&adapter);
    let a = worker.claim_one().await;
    checked("claimed").await;
    worker.settle(&a, retry("no", MOMENT)).await;
    checked("retrying").await;
    f.advance(MOMENT * 10).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    checked("promoted").await;
    f.advance(TTL * 2).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    checked("expired").await;
}
