//! What is kept of what happened to a job.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chain, start};
use super::kit::{Caller, LEASE, MOMENT, TASK, complete, fail, info, job, put, retry, sweep};
use crate::adapter::{Acted, Adapter, AttemptEnd, ClaimedJob, Happened, NewJob, PastStep, Revival};
use crate::policy::{Retention, RetentionLimit};

async fn past(adapter: &Arc<dyn Adapter>, id: &str) -> Vec<PastStep> {
    adapter.inspection().details(&id.into()).await.expect("details").expect("it is known").past
}

/// What happened, with the numbers of the attempts and the errors.
fn told(past: &[PastStep]) -> Vec<(Happened, u32, Option<&str>)> {
    past.iter().map(|step| (step.what, step.attempt, step.error.as_deref())).collect()
}

async fn revive(adapter: &Arc<dyn Adapter>, id: &str) {
    let ended_at = info(adapter, id).await.finished_at.expect("it has ended");
    let revival = Revival { id: id.into(), ended_at, delay: Duration::ZERO };
    assert_eq!(adapter.actions().revive(vec![revival]).await.unwrap(), [Acted::Done]);
}

pub(super) async fn attempts_after_which_another_one_followed_are_kept(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [NewJob { max_stalls: 9, ..job("a", TASK) }]).await;
    let mut worker = Caller::new(&adapter);
    let mut claims: Vec<ClaimedJob> = Vec::new();
    for end in [
        retry("größe", Duration::ZERO),
        AttemptEnd::release(),
        AttemptEnd::Release { delay: MOMENT },
        AttemptEnd::Cancel,
        retry("no", MOMENT),
    ] {
        let claimed = worker.claim_one().await;
        f.advance(MOMENT).await;
        worker.settle(&claimed, end).await;
        claims.push(claimed);
        f.advance(MOMENT).await;
    }
    claims.push(worker.claim_one().await);
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let steps = past(&second, "a").await;
    use Happened::{Released, Rescued, Retried};
    let expected = [
        (Retried, 1, Some("größe")),
        (Released, 2, None),
        (Released, 2, None),
        (Released, 2, None),
        (Retried, 2, Some("no")),
        (Rescued, 3, None),
    ];
    assert_eq!(told(&steps), expected);
    for (step, claimed) in steps.iter().zip(&claims).take(5) {
        assert_eq!(step.started_at, Some(claimed.claimed_at));
        assert!(step.at.since(claimed.claimed_at) >= MOMENT, "{step:?}");
    }
    assert_eq!(steps[5].started_at, None, "nobody knows when it began");

    // the end is not among them, and changes nothing
    worker.run_one(complete("1")).await;
    assert_eq!(past(&second, "a").await, steps);
}

pub(super) async fn nothing_is_kept_of_a_first_attempt(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["done", "failed", "waits"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    adapter.jobs().cancel(&"waits".into(), "why").await.unwrap();
    for id in ["done", "failed", "waits"] {
        assert_eq!(past(&adapter, id).await, [], "{id}");
    }
}

pub(super) async fn an_earlier_life_and_its_end_are_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("a", TASK) }]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.run_one(retry("once", Duration::ZERO)).await;
    let second = worker.run_one(fail("twice")).await;
    let failed_at = info(&adapter, "a").await.finished_at;
    f.advance(MOMENT).await;
    revive(&adapter, "a").await;
    worker.claim_one().await;
    f.advance(LEASE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    revive(&adapter, "a").await;
    adapter.jobs().cancel(&"a".into(), "why").await.unwrap();
    f.advance(MOMENT).await;
    revive(&adapter, "a").await;
    let steps = past(&adapter, "a").await;
    use Happened::{Cancelled, Failed, Retried, Revived, Stalled};
    let expected = [
        (Retried, 1, Some("once")),
        (Failed, 2, Some("twice")),
        (Revived, 0, None),
        (Stalled, 0, Some("stalled: rescued once from workers that stopped renewing its lease")),
        (Revived, 0, None),
        (Cancelled, 0, Some("why")),
        (Revived, 0, None),
    ];
    assert_eq!(told(&steps), expected);
    let started = [Some(claimed.claimed_at), Some(second.claimed_at), None];
    assert_eq!(steps[..3].iter().map(|step| step.started_at).collect::<Vec<_>>(), started);
    assert_eq!(Some(steps[1].at), failed_at);
    assert!(steps.is_sorted_by_key(|step| step.at), "{steps:?}");
}

pub(super) async fn the_newest_steps_are_kept_and_the_beginnings_of_errors(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    for number in 1..=20 {
        // a letter of two bytes is at the limit
        let error = format!("{number:>3}{}", "ü".repeat(400));
        worker.run_one(retry(&error, Duration::ZERO)).await;
    }
    let steps = past(&adapter, "a").await;
    assert_eq!(steps.iter().map(|step| step.attempt).collect::<Vec<_>>(), (5..=20).collect::<Vec<_>>());
    let longest = format!(" 20{}", "ü".repeat(254));
    assert_eq!((longest.len(), steps[15].error.as_deref()), (511, Some(longest.as_str())));
    // an error is empty, not absent
    worker.run_one(retry("", Duration::ZERO)).await;
    assert_eq!(past(&adapter, "a").await[15].error.as_deref(), Some(""));
}

pub(super) async fn the_past_goes_with_its_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["trimmed", "replaced"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    for claimed in jobs {
        worker.settle(&claimed, retry("no", Duration::ZERO)).await;
        worker.run_one(fail("no")).await;
    }
    assert_eq!(past(&adapter, "replaced").await.len(), 1);
    put(&adapter, [NewJob { replace_failed: true, ..job("replaced", TASK) }]).await;
    assert_eq!(past(&adapter, "replaced").await, []);
    worker.run_one(complete("1")).await;
    f.advance(MOMENT * 10).await;
    let none = RetentionLimit::new(MOMENT, 0);
    sweep(&adapter, &[TASK], Retention::default().completed(none).failed(none)).await;
    put(&adapter, [job("trimmed", TASK)]).await;
    assert_eq!(past(&adapter, "trimmed").await, [], "it is another job");
}

pub(super) async fn nothing_is_kept_of_a_step_of_a_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    start(&adapter, chain("flow", 1)).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(retry("no", Duration::ZERO)).await;
    assert_eq!(past(&adapter, "flow#0").await, []);
    worker.run_one(complete("1")).await;
    assert_eq!(past(&adapter, "flow#0").await, []);
}
