//! Which workers wake at a gate: none while it is closed, one when it opens.

use super::Fixture;
use super::flow_kit::{chord, start};
use super::gate_kit::{declare, got, idle_worker, limit, pause, put_numbered, resume, set, task};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PROMPT, QUIET, TASK, complete, delayed, fail, job, prioritised, put, retry,
    state, sweep, within,
};
use crate::adapter::AttemptEnd;
use crate::job::JobState;
use crate::policy::Retention;

pub(super) async fn a_closed_task_makes_no_noise(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..2).await;
    let mut busy = Caller::new(&adapter);
    let running = busy.claim_one().await;
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    put_numbered(&second, 2..40).await;
    put(&second, [prioritised("high", TASK, 3), delayed("soon", TASK, 20)]).await;
    start(&second, chord("flow", 3)).await;
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    tokio::time::sleep(QUIET).await;
    assert!(idle.iter().all(|worker| !worker.is_finished()));
    let listener = adapter.signals().work();
    let answer = Caller::new(&adapter).wait(&*listener, &[TASK], QUIET).await;
    assert!(answer.jobs.is_empty());
    // another task wakes them as ever
    put(&second, [job("x", OTHER), job("y", OTHER)]).await;
    let mut others = Vec::new();
    for worker in idle {
        others.push(got(worker).await);
    }
    others.sort();
    assert_eq!(others, ["x", "y"]);
    busy.settle(&running, complete("1")).await;
    assert_eq!(busy.claim_one().await.lease.id, "high".into());
}

pub(super) async fn a_lease_that_ends_wakes_a_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..9).await;
    let mut busy = Caller::new(&adapter);
    for (end, next) in [(complete("1"), "1"), (fail("no"), "2"), (retry("no", LEASE), "3")] {
        let running = busy.claim_one().await;
        let idle = idle_worker(&second).await;
        busy.settle(&running, end).await;
        let job = within(PROMPT, "the hand-over", idle).await.unwrap();
        assert_eq!(job.lease.id.as_str(), next);
        busy.settle(&job, AttemptEnd::release()).await;
    }
    // so does one that is rescued
    busy.claim_one().await;
    let idle = idle_worker(&second).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(got(idle).await, "3");
}

pub(super) async fn a_gate_that_opens_wakes_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..6).await;
    Caller::new(&adapter).claim_one().await;
    let idle = idle_worker(&second).await;
    set(&adapter, Some(2)).await;
    assert_eq!(got(idle).await, "1");
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    set(&adapter, Some(4)).await;
    let mut woken = Vec::new();
    for worker in idle {
        woken.push(got(worker).await);
    }
    woken.sort();
    assert_eq!(woken, ["2", "3"], "one wakes the next");
    let idle = idle_worker(&second).await;
    assert!(pause(&adapter, "").await);
    set(&adapter, None).await;
    assert_eq!(declare(&adapter, task(), None).await, Some(1));
    tokio::time::sleep(QUIET).await;
    assert!(!idle.is_finished(), "it is paused");
    assert!(resume(&adapter).await);
    assert_eq!(got(idle).await, "4");
}

pub(super) async fn a_gate_that_opened_while_nothing_waited_is_open(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..2).await;
    let mut busy = Caller::new(&adapter);
    let running = busy.claim_one().await;
    adapter.jobs().cancel(&"1".into(), "why").await.unwrap();
    let idle = idle_worker(&second).await;
    busy.settle(&running, complete("1")).await;
    tokio::time::sleep(QUIET).await;
    assert!(!idle.is_finished(), "there is no work");
    put_numbered(&adapter, 2..3).await;
    assert_eq!(got(idle).await, "2");
    // the same for a pause
    assert!(pause(&adapter, "").await);
    assert!(resume(&adapter).await);
    set(&adapter, Some(2)).await;
    let idle = idle_worker(&second).await;
    put_numbered(&adapter, 3..4).await;
    assert_eq!(got(idle).await, "3");
}

pub(super) async fn a_delayed_job_of_a_closed_task_is_claimed_when_it_may(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(pause(&adapter, "").await);
    put(&adapter, [delayed("due", TASK, 1_000), delayed("later", TASK, LEASE.as_millis() as u64)]).await;
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "due").await, Some(JobState::Waiting));
    let idle = idle_worker(&second).await;
    assert!(resume(&adapter).await);
    let job = within(PROMPT, "waking up", idle).await.unwrap();
    assert_eq!(job.lease.id, "due".into());
    // one that becomes due after the pause
    put(&adapter, [delayed("soon", TASK, 2 * QUIET.as_millis() as u64)]).await;
    assert!(pause(&adapter, "").await);
    assert!(resume(&adapter).await);
    assert_eq!(got(idle_worker(&second).await).await, "soon");
}
