//! Runs of schedules that wait for the run before them.

use std::sync::Arc;

use super::Fixture;
use super::admission_kit::{admit, deduplicated, owner};
use super::kit::{Caller, TASK, complete, fail, ids, info, job, state, sweep};
use super::schedule_kit::{MINUTE, ONE, SKIPPED, create, get, run, tick, tick_of};
use crate::adapter::{
    Adapter, Admission, Admitted, CancelOutcome, NewJob, NewTick, Once, Otherwise, Rule, TickStamp, Ticked,
    Triggered,
};
use crate::job::{Blocked, JobState};
use crate::policy::{OnExpire, Retention, Ttl};
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

/// Cancels the schedule's last run, which waits.
async fn end_last(adapter: &Arc<dyn Adapter>) {
    let id = get(adapter, "a").await.last_job.unwrap();
    assert_eq!(adapter.jobs().cancel(&id, "why").await.unwrap(), CancelOutcome::Cancelled);
}

pub(super) async fn no_run_passes_when_the_last_one_is_cancelled_while_it_waits(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    assert_eq!(queue(&adapter).await, ONE);
    let first = worker.claim_one().await;
    assert_eq!(queue(&adapter).await, ONE);
    end_last(&adapter).await;
    assert_eq!(get(&adapter, "a").await.last_job.as_ref(), Some(&first.lease.id));
    assert_eq!(queue(&adapter).await, ONE);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0], "the first one still runs");
    assert_eq!(queue(&adapter).await, SKIPPED, "one waits");
    end_last(&adapter).await;
    assert_eq!(tick(&adapter, tick_of(&get(&adapter, "a").await)).await, SKIPPED);
    // and not only the last one
    let waiting = catch_up(&adapter, 3).await;
    end_last(&adapter).await;
    end_last(&adapter).await;
    assert_eq!(get(&adapter, "a").await.last_job.unwrap().as_str(), waiting[0]);
    assert_eq!(queue(&adapter).await, SKIPPED);
    worker.settle(&first, complete("1")).await;
    assert_eq!(worker.run_one(complete("1")).await.lease.id.as_str(), waiting[0]);
    assert_eq!(queue(&adapter).await, ONE);
    assert_eq!(worker.claim(9, &[TASK]).await.len(), 1);
}

pub(super) async fn no_run_passes_when_those_that_wait_expire(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    assert_eq!(queue(&adapter).await, ONE);
    let first = worker.claim_one().await.lease.id;
    let schedule = get(&adapter, "a").await;
    let (ttl, time) = (Ttl::new(MINUTE), schedule.next.unwrap());
    let run = |ttl, at| NewJob { ttl: Some(ttl), ..run("a", at) };
    let jobs = vec![
        run(ttl, time),
        run(ttl.on_expire(OnExpire::Discard), time.plus(MINUTE)),
        run(ttl, time.plus(2 * MINUTE)),
    ];
    let late = NewTick { next: Some(time.plus(3 * MINUTE)), jobs, caught_up: 3, ..tick_of(&schedule) };
    assert_eq!(tick(&adapter, late).await, Ticked::Done { ran: 3, skipped: 0 });
    f.advance(2 * MINUTE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, first.as_str()).await, Some(JobState::Waiting), "its lease has lapsed");
    assert_eq!(get(&adapter, "a").await.last_job, Some(first));
    assert_eq!(tick(&adapter, tick_of(&get(&adapter, "a").await)).await, SKIPPED);
}

pub(super) async fn no_run_waits_for_a_job_with_a_key_of_its_dispatch(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let follow = Otherwise::Follow { cancel_running: false };
    let once = Once { life: MINUTE, fingerprint: 1, keep_failures: false };
    let debounce = Rule::Debounce { delay: MINUTE, max_wait: None };
    for (name, rule) in [("a", None), ("b", Some(Rule::Once(once))), ("c", Some(debounce))] {
        // somebody has dispatched a job with the id of a tick
        let next = create(&adapter, name).await.next.unwrap();
        let taken = run(name, next).id;
        let admission = deduplicated(job(taken.as_str(), TASK), follow);
        let admission = Admission { rule: rule.unwrap_or(admission.rule), ..admission };
        assert_eq!(admit(&adapter, admission).await, Admitted::New);
        if name != "c" {
            assert_eq!(worker.claim_one().await.lease.id, taken);
        }
        if name == "a" {
            let behind = deduplicated(job("behind", TASK), follow);
            assert_eq!(admit(&adapter, behind).await, Admitted::New);
        }
        let nothing = Ticked::Done { ran: 0, skipped: 0 };
        let known = get(&adapter, name).await;
        assert_eq!(tick(&adapter, NewTick { overlap: Overlap::Queue, ..tick_of(&known) }).await, nothing);
        let known = get(&adapter, name).await;
        let queued = NewTick { overlap: Overlap::Queue, ..tick_of(&known) };
        let expected = if name == "a" { SKIPPED } else { ONE };
        assert_eq!(tick(&adapter, queued).await, expected, "{name}");
        let late = NewTick { overlap: Overlap::Queue, caught_up: 1, ..tick_of(&get(&adapter, name).await) };
        assert!(matches!(tick(&adapter, late).await, Ticked::Done { ran: 1, .. }), "{name}");
        let claimed = worker.claim_one().await;
        assert_eq!(claimed.tick.as_ref().unwrap().schedule, name, "it did not wait");
        worker.settle(&claimed, complete("1")).await;
        if name == "a" {
            assert_eq!(owner(&adapter, TASK).await, Some(taken.clone()));
            assert_eq!(state(&adapter, "behind").await, Some(JobState::Waiting));
        } else {
            worker.run_one(complete("1")).await;
        }
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

/// Somebody has removed the schedule and put it back, so that it names an earlier run as its last one.
pub(super) async fn a_run_of_a_schedule_that_was_put_back_leaves_nobody_waiting(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    create(&adapter, "a").await;
    let old = catch_up(&adapter, 3).await;
    let first = worker.claim_one().await;
    adapter.schedules().remove_schedule("a").await.unwrap();
    let schedule = create(&adapter, "a").await;
    let later = schedule.next.unwrap();
    let again = NewJob { id: first.lease.id.clone(), ..run("a", later) };
    let jobs = vec![again, run("a", later.plus(10 * MINUTE)), run("a", later.plus(11 * MINUTE))];
    let new = jobs[1..].iter().map(|job| job.id.to_string());
    let expected: Vec<String> = new.chain(old[1..].iter().cloned()).collect();
    let back = NewTick { caught_up: jobs.len(), jobs, ..tick_of(&schedule) };
    assert_eq!(tick(&adapter, back).await, Ticked::Done { ran: 2, skipped: 0 });
    worker.settle(&first, complete("1")).await;
    for id in expected {
        let claimed = worker.claim(9, &[TASK]).await;
        assert_eq!(ids(&claimed), [id]);
        worker.settle(&claimed[0], complete("1")).await;
    }
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), [""; 0]);
}
