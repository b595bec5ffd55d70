//! What happens to jobs whose lease has expired.

use std::collections::HashSet;
use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, TASK, complete, delayed, ended, fail, ids, info, job, names, prioritised,
    put, retry, state, sweep,
};
use crate::adapter::{AttemptEnd, Ending, JobCounts, NewJob, Settled, Swept};
use crate::job::{JobId, JobState};
use crate::policy::Retention;

const KEEP: fn() -> Retention = Retention::default;

pub(super) async fn a_job_whose_lease_has_passed_is_taken_back(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    let swept = sweep(&second, &[TASK], KEEP()).await;
    assert_eq!((swept.rescued, swept.stalled), (1, 0), "any worker takes it back");

    let rescued = info(&adapter, "a").await;
    assert_eq!(
        (rescued.state, rescued.stalls, rescued.attempts),
        (JobState::Waiting, 1, 0),
        "no attempt is used up"
    );
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await, Swept::default(), "once");
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["a", "b"], "before all others");
    assert_eq!(claimed[0].attempt, 1);
    assert!(claimed[0].lease.token > lost.lease.token);
    assert_eq!(worker.settle(&claimed[0], complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(info(&adapter, "a").await.stalls, 1, "and is remembered");
}

pub(super) async fn s063_a_job_that_is_taken_back_too_often_fails(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { max_stalls: 2, ..job("a", TASK) }]).await;
    let mut worker = Caller::new(&adapter);
    for stalls in 1..=2 {
        worker.claim_one().await;
        f.advance(LEASE + MOMENT).await;
        let swept = sweep(&adapter, &[TASK], KEEP()).await;
        assert_eq!((swept.rescued, swept.stalled, info(&adapter, "a").await.stalls), (1, 0, stalls));
    }
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    let swept = sweep(&adapter, &[TASK], KEEP()).await;
    assert_eq!((swept.rescued, swept.stalled), (0, 1));

    let message = Ending::stalled_message(3);
    let failed = info(&adapter, "a").await;
    assert_eq!((failed.state, failed.stalls, failed.error.as_ref()), (JobState::Failed, 3, Some(&message)));
    assert!(failed.finished_at.is_some(), "it has ended");
    assert_eq!((failed.attempts, failed.started_at), (0, None), "no attempt was settled");
    let ended = ended(&adapter, "a").await.unwrap();
    assert_eq!((ended.attempts, ended.ending), (0, Ending::Stalled(message)));
    assert_eq!(worker.settle(&lost, complete("1")).await, Settled::Stale);
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "it does not run again");
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { failed: 1, ..JobCounts::default() }
    );
}

pub(super) async fn s063_none_allowed_is_none(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("a", TASK) }]).await;
    Caller::new(&adapter).claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.stalled, 1);
    assert_eq!(ended(&adapter, "a").await.unwrap().ending, Ending::Stalled(Ending::stalled_message(1)));
}

pub(super) async fn rescues_and_attempts_are_counted_apart(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", Duration::ZERO)).await;
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], KEEP()).await;
    let waiting = info(&adapter, "a").await;
    assert_eq!((waiting.attempts, waiting.stalls, waiting.error.as_deref()), (1, 1, Some("no")));
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.attempt, 2);
    let active = info(&adapter, "a").await;
    assert_eq!((active.state, active.attempts, active.stalls), (JobState::Active, 2, 1));
    assert_eq!(active.started_at, None, "a claim writes the lease's deadline and no more");
    worker.settle(&claimed, complete("1")).await;
    let ended = info(&adapter, "a").await;
    assert_eq!((ended.attempts, ended.stalls), (2, 1));
}

pub(super) async fn x01_a_job_that_has_ended_is_never_taken_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK), job("c", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(3, &[TASK]).await;
    sweep(&adapter, &[TASK], KEEP()).await;
    worker.settle(&jobs[0], complete("1")).await;
    worker.settle(&jobs[1], fail("no")).await;
    adapter.jobs().cancel(&"c".into(), "why").await.unwrap();
    worker.settle(&jobs[2], AttemptEnd::Cancel).await;
    for _ in 0..2 {
        f.advance(LEASE + MOMENT).await;
        assert_eq!(sweep(&adapter, &[TASK], KEEP()).await, Swept::default());
    }
    let states = [state(&adapter, "a").await, state(&adapter, "b").await, state(&adapter, "c").await];
    assert_eq!(states, [JobState::Completed, JobState::Failed, JobState::Cancelled].map(Some));
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "nothing runs again");
}

pub(super) async fn x02_a_retrying_job_is_never_taken_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    sweep(&adapter, &[TASK], KEEP()).await;
    worker.settle(&jobs[0], retry("no", LEASE * 9)).await;
    worker.settle(&jobs[1], AttemptEnd::release()).await;
    f.advance(LEASE * 2).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await, Swept::default());
    let (a, b) = (info(&adapter, "a").await, info(&adapter, "b").await);
    assert_eq!((a.state, a.stalls), (JobState::Retrying, 0));
    assert_eq!((b.state, b.stalls), (JobState::Waiting, 0), "nor one that was released");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"]);
}

pub(super) async fn a_flagged_job_whose_lease_has_passed_ends_as_cancelled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let lost = worker.claim_one().await;
    adapter.jobs().cancel(&"a".into(), "user asked").await.unwrap();
    f.advance(LEASE + MOMENT).await;
    let swept = sweep(&adapter, &[TASK], KEEP()).await;
    assert_eq!((swept.rescued, swept.stalled), (0, 0));
    assert_eq!(state(&adapter, "a").await, Some(JobState::Cancelled));
    assert_eq!(ended(&adapter, "a").await.unwrap().ending, Ending::Cancelled("user asked".into()));
    assert_eq!(worker.settle(&lost, complete("1")).await, Settled::Stale);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
}

pub(super) async fn a_sweep_is_for_the_given_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", OTHER), delayed("c", OTHER, 1_000)]).await;
    Caller::new(&adapter).claim(2, &[TASK, OTHER]).await;
    sweep(&adapter, &[TASK, OTHER], KEEP()).await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &["unheard-of"], KEEP()).await, Swept::default());
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 1);
    assert_eq!(state(&adapter, "b").await, Some(JobState::Active));
    assert_eq!(state(&adapter, "c").await, Some(JobState::Delayed));
    assert_eq!(sweep(&adapter, &[TASK, OTHER], KEEP()).await.rescued, 1);
    assert_eq!(state(&adapter, "c").await, Some(JobState::Waiting), "a sweep makes ready what is due");
}

pub(super) async fn rescued_jobs_stay_within_their_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [prioritised("high", TASK, 1), job("a", TASK), prioritised("low", TASK, -1)]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim(3, &[TASK]).await;
    f.advance(LEASE + MOMENT).await;
    put(&adapter, [prioritised("high too", TASK, 1), job("b", TASK), prioritised("low too", TASK, -1)]).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 3);
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["high", "high too", "a", "b", "low", "low too"]);
}

pub(super) async fn jobs_that_one_sweep_takes_back_keep_their_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["c", "a", "b", "d"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    f.advance(MOMENT).await;
    worker.claim(2, &[TASK]).await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 3);
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["c", "a", "b", "d"], "by the end of their leases, then by id");
}

pub(super) async fn a_sweep_names_what_it_has_taken_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(
        &adapter,
        [job("rescued", TASK), NewJob { max_stalls: 0, ..job("stalled", TASK) }, job("flagged", TASK)],
    )
    .await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(worker.claim(3, &[TASK]).await.len(), 3);
    adapter.jobs().cancel(&"flagged".into(), "why").await.unwrap();
    f.advance(LEASE + MOMENT).await;
    let swept = sweep(&adapter, &[TASK], KEEP()).await;
    assert_eq!((swept.rescued, swept.rescued_ids), (1, vec!["rescued".into()]));
    assert_eq!((swept.stalled, swept.stalled_ids), (1, vec!["stalled".into()]));

    // some of many
    put(&adapter, (0..9).map(|n| NewJob { max_stalls: n % 2, ..job(&n.to_string(), TASK) })).await;
    assert_eq!(worker.claim(10, &[TASK]).await.len(), 10);
    f.advance(LEASE + MOMENT).await;
    let swept = adapter.jobs().sweep(&names(&[TASK]), KEEP()).await.unwrap();
    assert_eq!((swept.rescued, swept.stalled), (4, 6), "one of them was rescued before");
    assert_eq!(swept.rescued_ids.iter().collect::<HashSet<_>>().len(), 4);
    let stalled: HashSet<&str> = swept.stalled_ids.iter().map(JobId::as_str).collect();
    assert_eq!(stalled.len(), Swept::MAX_IDS);
    assert!(stalled.is_subset(&["0", "2", "4", "6", "8", "rescued"].into()), "{stalled:?}");
}

pub(super) async fn many_lost_leases_are_taken_back_in_bounded_steps(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for chunk in 0..5 {
        put(&adapter, (0..500).map(|n| job(&format!("{chunk}/{n}"), TASK))).await;
    }
    let mut worker = Caller::new(&adapter);
    for _ in 0..5 {
        assert_eq!(worker.claim(500, &[TASK]).await.len(), 500);
    }
    f.advance(LEASE + MOMENT).await;
    let first = adapter.jobs().sweep(&names(&[TASK]), KEEP()).await.unwrap();
    assert!(
        first.rescued <= 1_000 && first.more,
        "a page at most, and it says that there is more: {first:?}"
    );
    let rest = sweep(&adapter, &[TASK], KEEP()).await;
    assert_eq!(first.rescued + rest.rescued, 2_500);
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { waiting: 2_500, ..JobCounts::default() }
    );
}

pub(super) async fn a_sweep_makes_everything_ready_that_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for chunk in 0..5 {
        put(&adapter, (0..500).map(|n| delayed(&format!("{chunk}/{n}"), TASK, 1_000))).await;
    }
    f.advance(MOMENT * 60).await;
    sweep(&adapter, &[TASK], KEEP()).await;
    let expected = JobCounts { waiting: 2_500, ..JobCounts::default() };
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        expected,
        "it says that there is more until all are ready"
    );
}
