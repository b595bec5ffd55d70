//! Ticks of schedules: due, made once, and told to workers.

use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, MOMENT, PATIENCE, QUIET, TASK, claim, complete, fail, ids, info, job, names, retry, state, within,
};
use super::schedule_kit::{
    MINUTE, ONE, SKIPPED, create, due, due_names, get, new, now, put, run, tick, tick_of,
};
use crate::adapter::{
    AttemptEnd, Due, Exchanged, HELD, MAX_SCHEDULES, NewTick, PutSchedule, RemoveOutcome, SCHEDULES,
    TickStamp, Ticked,
};
use crate::job::JobState;
use crate::policy::Retention;
use crate::schedules::Overlap;

pub(super) async fn a_schedule_is_due_at_its_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    let early = due(&adapter).await;
    assert_eq!(early.schedules, []);
    let wait = early.next.expect("nobody else was told");
    assert!(wait <= MINUTE && wait > MINUTE - PATIENCE, "{wait:?}");
    f.advance(MINUTE).await;
    let due = due(&adapter).await;
    assert_eq!(due.schedules, [schedule]);
    assert!(due.now >= due.schedules[0].next.unwrap());
}

pub(super) async fn what_is_due_is_handed_out_to_one_at_a_time(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    create(&adapter, "a").await;
    f.advance(MINUTE).await;
    assert_eq!(due_names(&adapter).await, ["a"]);
    assert_eq!(second.schedules().due_schedules("other").await.unwrap().schedules, []);
    // the first one has died
    f.advance(HELD).await;
    let again = second.schedules().due_schedules("other").await.unwrap().schedules;
    assert_eq!(again.len(), 1);
    assert_eq!(tick(&second, tick_of(&again[0])).await, ONE);
    f.advance(HELD).await;
    assert_eq!(due_names(&adapter).await, [""; 0], "its next tick is later");
}

pub(super) async fn many_that_are_due_go_page_by_page(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut all: Vec<String> = (0..2 * MAX_SCHEDULES + 50).map(|n| format!("schedule {n}")).collect();
    let first = new(&adapter, "").await;
    for page in all.chunks(MAX_SCHEDULES) {
        let put = page.iter().map(|name| PutSchedule { name: name.clone(), ..first.clone() }).collect();
        assert!(adapter.schedules().put_schedules(put).await.unwrap().iter().all(|put| *put));
    }
    f.advance(MINUTE).await;
    let mut ticked = Vec::new();
    loop {
        let page = due(&adapter).await.schedules;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= MAX_SCHEDULES);
        let outcomes = adapter.schedules().tick(page.iter().map(tick_of).collect()).await.unwrap();
        assert_eq!(outcomes, vec![ONE; page.len()]);
        ticked.extend(page.into_iter().map(|schedule| schedule.name));
    }
    ticked.sort_unstable();
    all.sort_unstable();
    assert_eq!(ticked, all, "each once");
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, all.len());
}

pub(super) async fn a_tick_happens_once(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let schedule = create(&adapter, "a").await;
    f.advance(MINUTE).await;
    let once = tick_of(&schedule);
    assert_eq!(tick(&adapter, once.clone()).await, ONE);
    assert_eq!(tick(&second, once.clone()).await, Ticked::Stale, "somebody else was faster");
    assert_eq!(tick(&adapter, once.clone()).await, Ticked::Stale, "also if it is the same call");
    let known = get(&adapter, "a").await;
    assert_eq!((known.ran, known.skipped, known.missed), (1, 0, 0));
    assert_eq!((known.last, known.since, known.next), (schedule.next, once.since, once.next));
    assert_eq!(known.last_job, Some(once.jobs[0].id.clone()));
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 1);
    // two in one call: the first one counts
    let next = tick_of(&known);
    let allow = NewTick { overlap: Overlap::Allow, ..next };
    let both = adapter.schedules().tick(vec![allow.clone(), allow]).await.unwrap();
    assert_eq!(both, [ONE, Ticked::Stale]);
}

pub(super) async fn a_tick_of_something_else_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    f.advance(MINUTE).await;
    let late = tick_of(&schedule);
    assert_eq!(tick(&adapter, NewTick { name: "unknown".to_owned(), ..late.clone() }).await, Ticked::Stale);
    let expected = Some(schedule.version());
    let updated = PutSchedule { expected, definition: b"other".to_vec(), ..new(&adapter, "a").await };
    assert!(put(&adapter, updated).await);
    assert_eq!(tick(&adapter, late.clone()).await, Ticked::Stale, "it was updated");
    assert_eq!(adapter.schedules().remove_schedule("a").await.unwrap(), RemoveOutcome::Removed);
    assert_eq!(tick(&adapter, late).await, Ticked::Stale, "it was removed");
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 0);
}

pub(super) async fn a_tick_whose_job_is_known_stores_it_no_second_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    f.advance(MINUTE).await;
    assert_eq!(tick(&adapter, tick_of(&schedule)).await, ONE);
    Caller::new(&adapter).run_one(complete("1")).await;
    // somebody has set it back
    let known = get(&adapter, "a").await;
    let back = PutSchedule {
        expected: Some(known.version()),
        next: schedule.next,
        definition: known.definition,
        ..new(&adapter, "a").await
    };
    assert!(put(&adapter, back).await);
    let again = tick_of(&get(&adapter, "a").await);
    let next = again.next;
    assert_eq!(tick(&adapter, again).await, Ticked::Done { ran: 0, skipped: 0 });
    let known = get(&adapter, "a").await;
    assert_eq!((known.next, known.ran), (next, 1), "it goes on all the same");
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 0);
}

pub(super) async fn the_job_of_a_tick_says_what_it_is(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "größe").await;
    f.advance(MINUTE).await;
    let at = schedule.next.unwrap();
    let mut new = tick_of(&schedule);
    new.jobs[0].priority = 7;
    new.jobs[0].meta = vec![("a".to_owned(), "b".to_owned())];
    new.jobs[0].due = Due::At(now(&adapter).await.plus(MINUTE).to_system_time());
    assert_eq!(tick(&adapter, new).await, ONE);
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(1, &[TASK]).await), [""; 0], "its jitter has not passed");
    let info = info(&adapter, &format!("größe@{}", at.as_millis())).await;
    assert_eq!((info.state, info.priority), (JobState::Delayed, 7));
    f.advance(MINUTE).await;
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.tick, Some(TickStamp { schedule: "größe".to_owned(), at: Some(at) }));
    assert_eq!(claimed.meta, [("a".to_owned(), "b".to_owned())]);
    worker.settle(&claimed, AttemptEnd::release()).await;
    assert_eq!(worker.claim_one().await.tick, claimed.tick);
    // others are none
    adapter.jobs().enqueue(vec![job("plain", TASK)]).await.unwrap();
    assert_eq!(worker.claim_one().await.tick, None);
}

pub(super) async fn a_tick_wakes_a_worker(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    let (mut worker, listener) = (Caller::new(&adapter), adapter.signals().work());
    let waiting = worker.next_job(&*listener, &[TASK]);
    let ticking = async {
        tokio::time::sleep(QUIET).await;
        tick(&adapter, tick_of(&schedule)).await
    };
    let (claimed, ticked) = within(PATIENCE, "a claim", async { tokio::join!(waiting, ticking) }).await;
    assert_eq!(ticked, ONE);
    assert!(claimed.tick.is_some());
}

pub(super) async fn several_runs_of_one_tick_are_stored_in_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    f.advance(5 * MINUTE).await;
    let first = schedule.next.unwrap();
    let at = |n: u32| first.plus(n * MINUTE);
    let caught_up = NewTick {
        since: at(4),
        next: Some(at(5)),
        missed: 2,
        overlap: Overlap::Allow,
        jobs: (2..5).map(|n| run("a", at(n))).collect(),
        ..tick_of(&schedule)
    };
    assert_eq!(tick(&adapter, caught_up).await, Ticked::Done { ran: 3, skipped: 0 });
    let known = get(&adapter, "a").await;
    assert_eq!((known.ran, known.missed, known.last), (3, 2, Some(at(4))));
    assert_eq!(known.last_job, Some(run("a", at(4)).id));
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    let times: Vec<_> = claimed.iter().filter_map(|job| job.tick.as_ref()?.at).collect();
    assert_eq!(times, [at(2), at(3), at(4)]);
}

pub(super) async fn a_tick_may_run_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    f.advance(MINUTE).await;
    let nothing = NewTick { jobs: Vec::new(), missed: 9, next: None, ..tick_of(&schedule) };
    assert_eq!(tick(&adapter, nothing).await, Ticked::Done { ran: 0, skipped: 0 });
    let known = get(&adapter, "a").await;
    assert_eq!((known.next, known.missed, known.last, known.last_job), (None, 9, None, None));
    assert_eq!(due(&adapter).await.next, None, "there is nothing to come");
}

pub(super) async fn x31_a_tick_is_skipped_while_the_last_run_has_not_ended(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut schedule = create(&adapter, "a").await;
    let mut worker = Caller::new(&adapter);
    let mut first = tick_of(&schedule);
    first.jobs[0].due = Due::After(MINUTE);
    assert_eq!(tick(&adapter, first).await, ONE);
    let last_job = get(&adapter, "a").await.last_job.unwrap();
    for (expected, skipped) in
        [JobState::Delayed, JobState::Waiting, JobState::Active, JobState::Retrying].into_iter().zip(1..)
    {
        match expected {
            JobState::Waiting => {
                f.advance(MINUTE).await;
                let job = worker.claim_one().await;
                worker.settle(&job, AttemptEnd::release()).await;
            }
            JobState::Active => drop(worker.claim_one().await),
            JobState::Retrying => {
                f.advance(MINUTE).await;
                adapter.jobs().sweep(&names(&[TASK]), Retention::default()).await.unwrap();
                let job = worker.claim_one().await;
                worker.settle(&job, retry("no", MINUTE)).await;
            }
            _ => {}
        }
        assert_eq!(state(&adapter, last_job.as_str()).await, Some(expected));
        schedule = get(&adapter, "a").await;
        let before = schedule.last;
        assert_eq!(tick(&adapter, tick_of(&schedule)).await, SKIPPED, "{expected}");
        schedule = get(&adapter, "a").await;
        assert_eq!((schedule.skipped, schedule.ran, schedule.last), (skipped, 1, before));
        assert_eq!(schedule.last_job.as_ref(), Some(&last_job));
    }
    // another one may run beside it
    let beside = NewTick { overlap: Overlap::Allow, ..tick_of(&schedule) };
    assert_eq!(tick(&adapter, beside).await, ONE);
    schedule = get(&adapter, "a").await;
    assert_eq!(tick(&adapter, tick_of(&schedule)).await, SKIPPED, "now that one is the last");
    let job = worker.claim_one().await;
    worker.settle(&job, fail("no")).await;
    schedule = get(&adapter, "a").await;
    assert_eq!(tick(&adapter, tick_of(&schedule)).await, ONE, "it has ended");
}

/// A worker's call that claims jobs and asks for ticks.
async fn exchange(worker: &mut Caller, limit: usize) -> Exchanged {
    let claim = claim(limit, &[(TASK, limit), (SCHEDULES, 1)]);
    worker.exchange(Vec::new(), Some(claim)).await
}

pub(super) async fn a_claim_is_told_when_the_next_tick_is(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(exchange(&mut worker, 1).await.ticks, None);
    create(&adapter, "a").await;
    let plain = worker.exchange(Vec::new(), Some(claim(1, &[(TASK, 1)]))).await;
    assert_eq!((plain.ticks, plain.next_due), (None, None), "it has not asked");
    let told = exchange(&mut worker, 1).await.ticks.expect("it is the only one");
    assert!(told <= MINUTE && told > MINUTE - PATIENCE, "{told:?}");
    f.advance(MINUTE).await;
    let call = worker.call(Vec::new(), Some(claim(1, &[(TASK, 1), (SCHEDULES, 1)])));
    for _ in 0..2 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(answer.ticks, Some(Duration::ZERO), "it is due now");
        assert!(answer.jobs.is_empty() && !answer.more);
    }
    assert_eq!(due_names(&adapter).await, ["a"]);
}

pub(super) async fn a_schedule_that_comes_earlier_wakes_a_worker(f: &impl Fixture) {
    let adapter = f.adapter().await;
    create(&adapter, "late").await;
    let mut worker = Caller::new(&adapter);
    exchange(&mut worker, 1).await;
    let listener = adapter.signals().work();
    let waiting = async {
        loop {
            let answer = worker.wait(&*listener, &[TASK, SCHEDULES], PATIENCE).await;
            assert!(answer.jobs.is_empty());
            if answer.ticks.is_some_and(|ticks| ticks <= MINUTE / 2) {
                return;
            }
        }
    };
    let coming = async {
        tokio::time::sleep(QUIET).await;
        let early = new(&adapter, "early").await;
        let next = early.since.plus(MINUTE / 2);
        put(&adapter, PutSchedule { next: Some(next), ..early }).await
    };
    let (_, put) = within(PATIENCE / 2, "the news", async { tokio::join!(waiting, coming) }).await;
    assert!(put);
}

pub(super) async fn a_sweep_says_that_a_tick_is_late(f: &impl Fixture) {
    let adapter = f.adapter().await;
    create(&adapter, "a").await;
    let sweep =
        async |tasks: &[&str]| adapter.jobs().sweep(&names(tasks), Retention::default()).await.unwrap().ticks;
    assert!(!sweep(&[TASK, SCHEDULES]).await);
    f.advance(MINUTE + 2 * MOMENT).await;
    assert!(!sweep(&[TASK]).await, "it has not asked");
    assert!(sweep(&[TASK, SCHEDULES]).await);
    let schedule = due(&adapter).await.schedules.remove(0);
    tick(&adapter, tick_of(&schedule)).await;
    assert!(!sweep(&[TASK, SCHEDULES]).await);
}

pub(super) async fn a_worker_that_leaves_passes_its_tick_on(f: &impl Fixture) {
    let adapter = f.adapter().await;
    create(&adapter, "a").await;
    let (mut first, mut second) = (Caller::new(&adapter), Caller::new(&adapter));
    assert!(exchange(&mut first, 1).await.ticks.is_some());
    // its last call
    assert_eq!(exchange(&mut first, 0).await.ticks, None);
    assert!(exchange(&mut second, 1).await.ticks.is_some());
}
