//! Runs of schedules that wait for the run before them.

use std::sync::Arc;

use super::Fixture;
use super::kit::{Caller, TASK, complete, fail, ids, info, job, state};
use super::schedule_kit::{MINUTE, ONE, SKIPPED, create, get, run, tick, tick_of};
use crate::adapter::{Adapter, CancelOutcome, NewJob, NewTick, TickStamp, Ticked, Triggered};
use crate::job::{Blocked, JobState};
use crate::schedules::Overlap;

/// The next tick of a schedule, which queues.
async fn queue(adapter: &Arc<dyn Adapter>) -> Ticked {
    tick(adapter, NewTick { overlap: Overlap::Queue, ..tick_of(&get(adapter, "a").await) }).await
}

/// Catches up this many ticks of a schedule that skips; the ids of their jobs.
async fn catch_up(adapter: &Arc<dyn Adapter>, count: u32) -> Vec<String> {
    let schedule = get(adapter, "a").await;
    let first = schedule.next.unwrap();
    let at = |n: u32| first.plus(n * MINUTE);
    let jobs: Vec<NewJob> = (0..count).map(|n| run("a", at(n))).collect();
    let ids = jobs.iter().map(|job| job.id.to_string()).collect();
    let caught_up = jobs.len();
    let late = NewTick { since: at(count - 1), next: Some(at(count)), jobs, caught_up, ..tick_of(&schedule) };
    assert_eq!(tick(adapter, late).await, Ticked::Done { ran: caught_up, skipped: 0 });
    ids
}

pub(super) async fn x31_a_tick_that_queues_runs_after_the_last_run(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    assert_eq!(queue(&adapter).await, ONE);
    let first = worker.claim_one().await;
    assert_eq!(queue(&adapter).await, ONE);
    let second = get(&adapter, "a").await;
    let id = second.last_job.clone().unwrap();
    let waits = info(&adapter, id.as_str()).await;
    assert_eq!(
        (waits.state, waits.blocked),
        (JobState::Waiting, Some(Blocked::Behind(first.lease.id.clone())))
    );
    assert_eq!(queue(&adapter).await, SKIPPED, "one waits already");
    let known = get(&adapter, "a").await;
    assert_eq!((known.ran, known.skipped, known.last, known.last_job), (2, 1, second.last, second.last_job));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0]);
    worker.settle(&first, fail("no")).await;
    assert_eq!(info(&adapter, id.as_str()).await.blocked, None);
    let next = worker.run_one(complete("1")).await;
    assert_eq!((&next.lease.id, next.tick.unwrap().at), (&id, second.last));
    assert_eq!(queue(&adapter).await, ONE);
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 1, "nothing runs: it need not wait");
}

pub(super) async fn s127_caught_up_runs_go_one_after_the_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    for _ in 0..2 {
        let mut waiting = catch_up(&adapter, 3).await;
        // as many as are caught up wait, whatever waits already
        waiting.extend(catch_up(&adapter, 2).await);
        assert_eq!(tick(&adapter, tick_of(&get(&adapter, "a").await)).await, SKIPPED, "this one is not late");
        for id in waiting {
            let claimed = worker.claim(9, &[TASK]).await;
            assert_eq!(ids(&claimed), [id]);
            worker.settle(&claimed[0], complete("1")).await;
        }
        assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0]);
    }
    assert_eq!(get(&adapter, "a").await.ran, 10);
}

pub(super) async fn caught_up_runs_wait_for_what_runs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    assert_eq!(tick(&adapter, tick_of(&get(&adapter, "a").await)).await, ONE);
    let running = worker.claim_one().await;
    let waiting = catch_up(&adapter, 2).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0]);
    worker.settle(&running, complete("1")).await;
    for id in waiting {
        assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), id);
    }
}

pub(super) async fn a_run_that_is_cancelled_while_it_waits_lets_nobody_pass(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    let waiting = catch_up(&adapter, 5).await;
    let first = worker.claim_one().await;
    for cancelled in [&waiting[2], &waiting[1], &waiting[4]] {
        assert_eq!(
            adapter.jobs().cancel(&cancelled.as_str().into(), "why").await.unwrap(),
            CancelOutcome::Cancelled
        );
    }
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0], "the first one still runs");
    let fourth = info(&adapter, &waiting[3]).await;
    assert_eq!(fourth.blocked, Some(Blocked::Behind(first.lease.id.clone())));
    worker.settle(&first, complete("1")).await;
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), waiting[3]);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0]);
    for cancelled in [&waiting[1], &waiting[2], &waiting[4]] {
        assert_eq!(state(&adapter, cancelled).await, Some(JobState::Cancelled));
    }
}

pub(super) async fn a_trigger_that_queues_waits_for_the_last_run(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    let trigger = async |id: &str, overlap| {
        let stamp = TickStamp { schedule: "a".to_owned(), at: None };
        let job = NewJob { tick: Some(stamp), ..job(id, TASK) };
        adapter.schedules().trigger("a", job, overlap).await.unwrap()
    };
    assert_eq!(trigger("1", Overlap::Queue).await, Triggered::Stored);
    assert_eq!(trigger("2", Overlap::Queue).await, Triggered::Stored);
    assert_eq!(trigger("2", Overlap::Queue).await, Triggered::Stored, "the same call");
    assert_eq!(trigger("3", Overlap::Queue).await, Triggered::Unfinished("2".into()));
    assert_eq!(trigger("4", Overlap::Allow).await, Triggered::Stored);
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["1", "4"]);
    worker.settle(&claimed[0], complete("1")).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["2"]);
    assert_eq!(state(&adapter, "3").await, None);
}
