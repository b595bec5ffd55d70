//! Cancelling jobs, in every state.

use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, TASK, cancelled, complete, delayed, ended, ending, fail, ids,
    info, job, prioritised, progress, put, renew, retry, state, sweep, within,
};
use crate::adapter::{
    AttemptEnd, CancelOutcome, Ending, Enqueued, JobCounts, NewJob, Renewal, Settled, Swept,
};
use crate::job::{JobId, JobState};
use crate::policy::Retention;

pub(super) async fn s289_a_waiting_job_is_cancelled_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), prioritised("b", TASK, 5)]).await;
    for id in ["a", "b"] {
        let outcome = adapter.jobs().cancel(&id.into(), "user asked").await.unwrap();
        assert_eq!(outcome, CancelOutcome::Cancelled, "{id}");
        let info = info(&adapter, id).await;
        assert_eq!(
            (info.state, info.attempts, info.error.as_deref()),
            (JobState::Cancelled, 0, Some("user asked"))
        );
        assert!(info.finished_at.is_some() && info.started_at.is_none(), "it has ended and never started");
        assert_eq!(ending(&adapter, id).await, Ending::Cancelled("user asked".into()));
    }
    assert!(Caller::new(&adapter).claim(9, &[TASK]).await.is_empty());
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { cancelled: 2, ..JobCounts::default() }
    );
}

pub(super) async fn s053_a_delayed_job_is_cancelled_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 60_000), delayed("b", TASK, 60_000)]).await;
    assert_eq!(adapter.jobs().cancel(&"a".into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { delayed: 1, cancelled: 1, ..JobCounts::default() }
    );
    assert_eq!(info(&adapter, "a").await.due_at, None);
    f.advance(Duration::from_secs(61)).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["b"], "it does not become ready");
}

pub(super) async fn a_retrying_job_is_cancelled_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", MOMENT * 60)).await;
    assert_eq!(adapter.jobs().cancel(&"a".into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts, info.error.as_deref()), (JobState::Cancelled, 1, Some("why")));
    assert_eq!((info.started_at, info.due_at), (None, None), "no attempt ended it");
    assert_eq!(ended(&adapter, "a").await.unwrap().attempts, 1, "the one before");
    f.advance(MOMENT * 61).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
}

pub(super) async fn s289_an_active_job_is_flagged_and_its_worker_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    assert_eq!(adapter.jobs().cancel(&"a".into(), "why").await.unwrap(), CancelOutcome::Requested);
    assert_eq!(
        state(&adapter, "a").await,
        Some(JobState::Active),
        "it runs until its worker has wound it up"
    );
    assert_eq!(renew(&adapter, &claimed, LEASE).await, Renewal::Cancelled);
    assert!(progress(&adapter, &claimed, "1").await, "its lease is valid still");

    assert_eq!(worker.settle(&claimed, AttemptEnd::Cancel).await, Settled::Now(JobState::Cancelled));
    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts, info.error.as_deref()), (JobState::Cancelled, 1, Some("why")));
    assert_eq!(info.started_at, Some(claimed.claimed_at));
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { cancelled: 1, ..JobCounts::default() }
    );
}

pub(super) async fn the_first_reason_stays(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    for reason in ["", "second"] {
        assert_eq!(adapter.jobs().cancel(&"a".into(), reason).await.unwrap(), CancelOutcome::Requested);
    }
    worker.settle(&claimed, AttemptEnd::Cancel).await;
    let third = adapter.jobs().cancel(&"a".into(), "third").await.unwrap();
    assert_eq!(third, CancelOutcome::AlreadyEnded(JobState::Cancelled));
    assert_eq!(ending(&adapter, "a").await, Ending::Cancelled(String::new()), "an empty reason is a reason");
}

pub(super) async fn x39_a_job_flagged_just_before_it_settles_ends_as_cancelled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let ends = [
        complete("1"),
        fail("no"),
        retry("no", MOMENT * 60),
        retry("no", Duration::ZERO),
        AttemptEnd::release(),
        AttemptEnd::Release { delay: MOMENT * 60 },
        AttemptEnd::Cancel,
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let id = n.to_string();
        put(&adapter, [job(&id, TASK)]).await;
        let claimed = worker.claim_one().await;
        assert_eq!(
            adapter.jobs().cancel(&claimed.lease.id, "why").await.unwrap(),
            CancelOutcome::Requested,
            "{end:?}"
        );
        assert_eq!(worker.settle(&claimed, end.clone()).await, Settled::Now(JobState::Cancelled), "{end:?}");
        assert_eq!(ending(&adapter, &id).await, Ending::Cancelled("why".into()), "{end:?}");
        assert_eq!(ended(&adapter, &id).await.unwrap().attempts, 1, "{end:?}");
    }
    f.advance(LEASE * 2 + MOMENT * 60).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await, Swept::default());
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "none of them runs again");
}

pub(super) async fn a_flag_goes_with_its_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    adapter.jobs().cancel(&"a".into(), "why").await.unwrap();
    assert_eq!(
        worker.settle(&jobs[1], complete("1")).await,
        Settled::Now(JobState::Completed),
        "b is not flagged"
    );
    assert_eq!(worker.settle(&jobs[0], complete("1")).await, Settled::Now(JobState::Cancelled));
}

pub(super) async fn s055_a_job_that_has_ended_cannot_be_cancelled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, [job("completed", TASK)]).await;
    worker.run_one(complete("1")).await;
    put(&adapter, [job("failed", TASK)]).await;
    worker.run_one(fail("no")).await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("stalled", TASK) }]).await;
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    put(&adapter, [job("cancelled", TASK)]).await;
    adapter.jobs().cancel(&"cancelled".into(), "first").await.unwrap();

    use JobState::{Cancelled, Completed, Failed};
    for (id, state) in
        [("completed", Completed), ("failed", Failed), ("stalled", Failed), ("cancelled", Cancelled)]
    {
        let before = info(&adapter, id).await;
        let outcome = adapter.jobs().cancel(&id.into(), "late").await.unwrap();
        assert_eq!(outcome, CancelOutcome::AlreadyEnded(state), "{id}");
        assert_eq!(info(&adapter, id).await, before, "{id}");
    }
}

pub(super) async fn s059_the_others_keep_their_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for priority in [0, 3] {
        put(&adapter, (0..6).map(|n| prioritised(&format!("{priority}/{n}"), TASK, priority))).await;
    }
    for id in ["0/0", "0/2", "0/5", "3/0", "3/3"] {
        assert_eq!(adapter.jobs().cancel(&id.into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    }
    let counts = JobCounts { waiting: 7, cancelled: 5, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), counts);
    put(&adapter, [job("new", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(4, &[TASK]).await), ["3/1", "3/2", "3/4", "3/5"]);
    assert_eq!(ids(&worker.claim(2, &[TASK]).await), ["0/1", "0/3"], "as many as were asked for");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["0/4", "new"]);
}

pub(super) async fn cancelling_all_that_waits_leaves_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    put(&adapter, [job("d", OTHER)]).await;
    for id in ["b", "a", "c"] {
        adapter.jobs().cancel(&id.into(), "why").await.unwrap();
    }
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { cancelled: 3, ..JobCounts::default() }
    );
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["d"]);
    put(&adapter, [job("e", TASK)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["e"]);
}

pub(super) async fn a_cancelled_id_stays_taken(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    adapter.jobs().cancel(&"a".into(), "why").await.unwrap();
    assert_eq!(adapter.jobs().enqueue(vec![job("a", TASK)]).await.unwrap(), [Enqueued::Duplicate]);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Cancelled));
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["b"]);
}

pub(super) async fn a_job_that_came_back_can_be_cancelled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(AttemptEnd::release()).await;
    assert_eq!(adapter.jobs().cancel(&"a".into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    let b = worker.run_one(retry("no", Duration::ZERO)).await;
    assert_eq!(adapter.jobs().cancel(&b.lease.id, "why").await.unwrap(), CancelOutcome::Cancelled);
    assert_eq!(info(&adapter, "b").await.attempts, 1);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
}

pub(super) async fn cancellations_reach_every_connection(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("größe", TASK), job("b", TASK)]).await;
    Caller::new(&adapter).claim(2, &[TASK]).await;
    let mut listeners = [
        adapter.signals().cancellations(),
        second.signals().cancellations(),
        second.signals().cancellations(),
    ];
    // a subscription to a remote store may take a moment: repeat the cancellation until every listener has received it
    for listener in &mut listeners {
        let heard = async {
            loop {
                second.jobs().cancel(&"größe".into(), "why").await.unwrap();
                if let Ok(id) = tokio::time::timeout(Duration::from_millis(100), cancelled(listener)).await {
                    return id;
                }
            }
        };
        assert_eq!(within(PATIENCE, "hearing of the cancellation", heard).await, JobId::from("größe"));
    }
    adapter.jobs().cancel(&"b".into(), "why").await.unwrap();
    for listener in &mut listeners {
        let heard = async { while cancelled(listener).await != JobId::from("b") {} };
        within(PATIENCE, "hearing of the second cancellation", heard).await;
    }
}
