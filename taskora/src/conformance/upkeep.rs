//! Checking and repairing the store. Each adapter tests damage itself; what counts as consistent, or in transit, is the same
//! for all.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chain, chord, group, start};
use super::kit::{
    Caller, MOMENT, TASK, complete, delayed, fail, job, prioritised, progress, put, retry, sweep,
};
use crate::adapter::{Adapter, AttemptEnd};
use crate::check::{self, CheckReport};
use crate::policy::{Retention, RetentionLimit};

/// Fails unless the store is consistent, see [`App::check`](crate::App::check). Runs after each check.
pub async fn assert_sound(fixture: &impl Fixture) {
    sound(&fixture.adapter().await, "after the check").await;
}

/// Fails if the store is inconsistent.
pub(super) async fn sound(adapter: &Arc<dyn Adapter>, what: &str) -> CheckReport {
    let report = check::check(&**adapter).await.expect("check");
    assert!(report.is_clean(), "{what}: {report}");
    report
}

pub(super) async fn an_empty_store_is_sound(fixture: &impl Fixture) {
    let report = sound(&fixture.adapter().await, "an empty store").await;
    assert_eq!((report.jobs, report.workflows, report.found), (0, 0, 0));
}

pub(super) async fn a_check_counts_jobs_and_workflows(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    put(&adapter, (0..700).map(|number| job(&number.to_string(), TASK))).await;
    put(&adapter, [delayed("d", TASK, 5_000), prioritised("p", "other", 7)]).await;
    start(&adapter, chord("w", 3)).await;
    let report = sound(&adapter, "waiting").await;
    assert_eq!((report.jobs, report.workflows), (702, 1), "nodes are no jobs of their own");
    assert!(report.scanned >= 703, "{}", report.scanned);
}

pub(super) async fn each_state_is_sound(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["a", "b", "c", "d", "e", "f"].map(|id| job(id, TASK))).await;
    put(&adapter, [delayed("later", TASK, 60_000), prioritised("urgent", TASK, 5)]).await;
    let claimed = worker.claim(5, &[TASK]).await;
    sound(&adapter, "claimed").await;
    assert!(progress(&adapter, &claimed[0], "1").await, "the lease is valid");
    let ends = [
        complete("1"),
        fail("no"),
        retry("again", Duration::from_secs(10)),
        retry("again", Duration::ZERO),
        AttemptEnd::release(),
    ];
    for (job, end) in claimed.iter().zip(ends) {
        worker.settle(job, end).await;
        sound(&adapter, &format!("`{}` is settled", job.lease.id)).await;
    }
    for id in ["d", "later", "a"] {
        adapter.jobs().cancel(&id.into(), "why").await.expect("cancel");
        sound(&adapter, &format!("`{id}` is cancelled")).await;
    }
    let lost = worker.claim_one().await;
    adapter.jobs().cancel(&lost.lease.id, "why").await.expect("cancel");
    sound(&adapter, "flagged").await;
    fixture.advance(super::kit::LEASE + MOMENT).await;
    sound(&adapter, "a lease has passed").await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    sound(&adapter, "swept").await;
}

pub(super) async fn each_step_of_a_workflow_is_sound(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    let mut worker = Caller::new(&adapter);
    for flow in [chain("chain", 3), chord("chord", 3), group("none", 0)] {
        start(&adapter, flow).await;
    }
    loop {
        sound(&adapter, "between two steps").await;
        let claimed = worker.claim(1, &[TASK]).await;
        let Some(job) = claimed.first() else { break };
        sound(&adapter, "claimed").await;
        worker.settle(job, complete("1")).await;
    }
    start(&adapter, chord("failing", 3)).await;
    worker.run_one(fail("no")).await;
    sound(&adapter, "failed").await;
}

/// Work beyond a page continues in later calls; until then it is not damage.
pub(super) async fn what_is_under_way_is_no_damage(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    let mut worker = Caller::new(&adapter);
    start(&adapter, chord("large", 1_500)).await;
    sound(&adapter, "started").await;
    let claimed = worker.claim(1, &[TASK]).await;
    worker.exchange(vec![claimed[0].settlement(fail("no"))], None).await;
    sound(&adapter, "most nodes are not cancelled yet").await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let report = sound(&adapter, "all are").await;
    assert_eq!(report.workflows, 1);
}

pub(super) async fn a_repair_of_what_is_sound_does_nothing(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    start(&adapter, chain("w", 3)).await;
    worker.run_one(complete("1")).await;
    adapter.jobs().cancel(&"c".into(), "why").await.expect("cancel");
    let report = check::repair(&*adapter).await.expect("repair");
    assert_eq!((report.repaired, report.left), (0, 0), "{report}");
    assert!(report.violations.is_empty(), "{report}");
    assert_eq!(worker.claim(10, &[TASK]).await.len(), 2, "`b` and the first step");
}

pub(super) async fn nothing_is_left_of_what_was_trimmed(fixture: &impl Fixture) {
    let adapter = fixture.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    start(&adapter, chord("w", 2)).await;
    adapter.jobs().cancel(&"b".into(), "why").await.expect("cancel");
    loop {
        let claimed = worker.claim(4, &[TASK]).await;
        if claimed.is_empty() {
            break;
        }
        for job in &claimed {
            assert!(progress(&adapter, job, "1").await, "the lease is valid");
            worker.settle(job, complete("1")).await;
        }
    }
    fixture.advance(Duration::from_secs(60)).await;
    let none = RetentionLimit { age: Duration::from_secs(1), count: 0 };
    let keep = Retention { completed: none, failed: none, workflows: none };
    sweep(&adapter, &[TASK], keep).await;
    let report = sound(&adapter, "trimmed").await;
    assert_eq!((report.jobs, report.workflows), (0, 0));
}
