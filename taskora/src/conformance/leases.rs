//! Leases: how long they last, and what they allow.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{group, start};
use super::kit::{
    Caller, LEASE, MARGIN, MOMENT, OTHER, TASK, complete, fail, forged, info, job, progress, put, renew,
    retry, state, sweep,
};
use crate::adapter::{Adapter, AttemptEnd, ClaimedJob, RenewLease, Renewal, Settled, Swept};
use crate::job::JobState;
use crate::policy::{Retention, RetentionLimit};

const KEEP: fn() -> Retention = Retention::default;

pub(super) async fn a_lease_holds_until_it_has_passed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    f.advance(LEASE / 2).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await, Swept::default());
    assert_eq!(state(&adapter, "a").await, Some(JobState::Active));
    assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Now(JobState::Completed));
}

pub(super) async fn a_lost_lease_is_a_lost_right(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], KEEP()).await;
    for claimed_again in [false, true] {
        if claimed_again {
            worker.claim_one().await;
        }
        let before = info(&adapter, "a").await;
        for end in [complete("1"), fail("no"), retry("no", MOMENT), AttemptEnd::release(), AttemptEnd::Cancel]
        {
            assert_eq!(worker.settle(&lost, end.clone()).await, Settled::Stale, "{end:?}");
        }
        assert_eq!(renew(&adapter, &lost, LEASE).await, Renewal::Lost);
        assert!(!progress(&adapter, &lost, "1").await, "a note of a lost lease is refused");
        assert_eq!(info(&adapter, "a").await, before, "nothing has changed");
    }
}

pub(super) async fn a_lease_is_never_one_of_a_later_job_with_its_id(f: &impl Fixture) {
    let adapter = f.adapter().await;
    // the second one is a UUID, but not a generated one
    for id in ["a", "3f0e2f7c-9d1b-4a52-8c39-5f1d1f0c7a11"] {
        put(&adapter, [job(id, TASK)]).await;
        let old = leases_of_one_that_is_gone(f, &adapter).await;
        assert_eq!(state(&adapter, id).await, None, "it was trimmed");
        put(&adapter, [job(id, TASK)]).await;
        assert_refused_by_the_next(&adapter, &old).await;
    }
}

pub(super) async fn a_lease_of_a_node_is_never_one_of_a_later_workflow_with_its_id(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for id in ["w", "3f0e2f7c-9d1b-4a52-8c39-5f1d1f0c7a11"] {
        start(&adapter, group(id, 1)).await;
        let old = leases_of_one_that_is_gone(f, &adapter).await;
        assert!(adapter.workflows().workflow(&id.into(), false).await.unwrap().is_none(), "it was trimmed");
        start(&adapter, group(id, 1)).await;
        assert_refused_by_the_next(&adapter, &old).await;
    }
}

/// All leases of the one waiting job until it is trimmed: a lost one, a released one, and its last.
async fn leases_of_one_that_is_gone(f: &impl Fixture, adapter: &Arc<dyn Adapter>) -> [ClaimedJob; 3] {
    let mut worker = Caller::new(adapter);
    let lost = worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(adapter, &[TASK], KEEP()).await.rescued, 1);
    let released = worker.run_one(AttemptEnd::release()).await;
    let last = worker.run_one(complete("1")).await;
    f.advance(MOMENT).await;
    let nothing = RetentionLimit { age: Duration::ZERO, count: 0 };
    sweep(adapter, &[TASK], Retention { completed: nothing, failed: nothing, workflows: nothing }).await;
    [lost, released, last]
}

/// Claims the one waiting job three times; each time, everything is tried with these leases.
async fn assert_refused_by_the_next(adapter: &Arc<dyn Adapter>, old: &[ClaimedJob]) {
    let mut worker = Caller::new(adapter);
    for end in [AttemptEnd::release(), retry("no", Duration::ZERO), complete("\"new\"")] {
        let held = worker.claim_one().await;
        let before = info(adapter, held.lease.id.as_str()).await;
        assert_eq!(before.state, JobState::Active);
        for lease in old {
            assert_eq!(lease.lease.id, held.lease.id);
            for end in
                [complete("1"), fail("no"), retry("no", MOMENT), AttemptEnd::release(), AttemptEnd::Cancel]
            {
                assert_eq!(worker.settle(lease, end.clone()).await, Settled::Stale, "{end:?} by {lease:?}");
            }
            assert_eq!(renew(adapter, lease, LEASE).await, Renewal::Lost, "{lease:?}");
            assert!(!progress(adapter, lease, "1").await, "{lease:?}");
        }
        assert_eq!(info(adapter, held.lease.id.as_str()).await, before, "nothing has changed");
        assert_ne!(worker.settle(&held, end).await, Settled::Stale);
    }
}

pub(super) async fn a_lease_that_has_passed_is_valid_until_it_is_taken_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    f.advance(LEASE * 3).await;
    assert_eq!(worker.settle(&jobs[0], complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(renew(&adapter, &jobs[1], LEASE).await, Renewal::Extended);
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await, Swept::default());
}

pub(super) async fn renewing_extends_from_now(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    for _ in 0..3 {
        f.advance(LEASE - MARGIN).await;
        assert_eq!(renew(&adapter, &jobs[0], LEASE).await, Renewal::Extended);
    }
    let swept = sweep(&adapter, &[TASK], KEEP()).await;
    assert_eq!(swept.rescued, 1, "only the one that was not renewed");
    assert_eq!(state(&adapter, "a").await, Some(JobState::Active));
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 1, "and the other one when nobody renews it");
}

pub(super) async fn a_renewal_may_shorten_or_lengthen_a_lease(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let jobs = Caller::new(&adapter).claim(2, &[TASK]).await;
    renew(&adapter, &jobs[0], LEASE / 3).await;
    renew(&adapter, &jobs[1], LEASE * 3).await;
    f.advance(LEASE / 3 + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 1);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Waiting));
    f.advance(LEASE * 2).await;
    assert_eq!(sweep(&adapter, &[TASK], KEEP()).await.rescued, 0);
    assert_eq!(state(&adapter, "b").await, Some(JobState::Active));
}

pub(super) async fn s289_renewals_say_what_became_of_each_lease(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("held", TASK), job("flagged", OTHER), job("settled", TASK), job("released", TASK)])
        .await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(4, &[TASK, OTHER]).await;
    adapter.jobs().cancel(&"flagged".into(), "why").await.unwrap();
    worker.settle(&jobs[2], complete("1")).await;
    worker.settle(&jobs[3], AttemptEnd::release()).await;
    let mut leases: Vec<_> = jobs.iter().map(|job| job.lease.clone()).collect();
    leases.push(forged(&jobs[0], jobs[0].lease.token + 1).lease);
    let renewals = adapter
        .jobs()
        .renew(leases.into_iter().map(|lease| RenewLease { lease, length: LEASE * 2 }).collect())
        .await
        .unwrap();
    use Renewal::{Cancelled, Extended, Lost};
    assert_eq!(renewals, [Extended, Cancelled, Lost, Lost, Lost]);
    assert_eq!(adapter.jobs().renew(Vec::new()).await.unwrap(), []);

    f.advance(LEASE + MOMENT).await;
    assert_eq!(
        sweep(&adapter, &[TASK, OTHER], KEEP()).await,
        Swept::default(),
        "the flagged one was extended too"
    );
}
