//! Claiming jobs: which jobs are handed out, in which order, and how many.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, MOMENT, OTHER, PATIENCE, TASK, claim, complete, delayed, ids, info, job, prioritised, put, retry,
    state, sweep, within,
};
use crate::adapter::{CallId, Due, JobCounts, NewJob, Settled};
use crate::job::JobState;
use crate::policy::Retention;

pub(super) async fn s286_a_claim_hands_over_the_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let meta = vec![("tenant".to_owned(), "größe".to_owned()), ("trace".to_owned(), String::new())];
    put(&adapter, [NewJob { meta: meta.clone(), ..job("a", TASK) }]).await;
    f.advance(MOMENT).await;

    let claimed = Caller::new(&adapter).claim_one().await;
    assert_eq!((claimed.lease.id.as_str(), &*claimed.lease.task), ("a", TASK));
    assert_eq!((claimed.payload.as_slice(), claimed.attempt, claimed.cancelled), (&b"\"a\""[..], 1, false));
    assert_eq!(claimed.meta, meta);
    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts, info.created_at), (JobState::Active, 1, claimed.created_at));
    assert_eq!(info.meta, meta);
    assert!(claimed.claimed_at.since(claimed.created_at) >= MOMENT, "claimed after it was created");
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { active: 1, ..JobCounts::default() }
    );
}

pub(super) async fn s101_first_come_first_served_within_a_task(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for id in ["c", "a", "b"] {
        put(&adapter, [job(id, TASK)]).await;
    }
    put(&adapter, [job("z", TASK), job("y", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    for id in ["c", "a", "b", "z", "y"] {
        assert_eq!(worker.claim_one().await.lease.id.as_str(), id);
    }
    assert!(worker.claim(1, &[TASK]).await.is_empty());
}

pub(super) async fn first_come_first_served_across_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("1", TASK), job("2", OTHER), job("3", OTHER), job("4", TASK)]).await;
    put(&adapter, [job("5", OTHER), job("6", TASK)]).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[OTHER, TASK]).await), ["1", "2", "3", "4", "5", "6"]);
}

pub(super) async fn s100_higher_priority_goes_first(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = [("zero", 0), ("ten", 10), ("five", 5), ("minus", -1), ("ten too", 10), ("zero too", 0)];
    put(&adapter, jobs.map(|(id, priority)| prioritised(id, TASK, priority))).await;
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["ten", "ten too", "five", "zero", "zero too", "minus"]);
}

pub(super) async fn s100_priority_goes_before_arrival_across_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("1", TASK), prioritised("2", OTHER, 3), prioritised("3", TASK, 3)]).await;
    put(&adapter, [prioritised("4", TASK, -3), job("5", OTHER), prioritised("6", OTHER, 4)]).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK, OTHER]).await), ["6", "2", "3", "1", "5", "4"]);
}

pub(super) async fn order_holds_over_many_small_claims(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let priority = |n: i16| [0, 3, 0, -2, 3][n.unsigned_abs() as usize % 5];
    let task = |n: i16| if n % 3 == 0 { OTHER } else { TASK };
    put(&adapter, (0..60).map(|n| prioritised(&n.to_string(), task(n), priority(n)))).await;
    let mut expected: Vec<i16> = (0..60).collect();
    expected.sort_by_key(|n| (-priority(*n), *n));

    let (mut worker, mut claimed) = (Caller::new(&adapter), Vec::new());
    loop {
        let jobs = worker.claim(7, &[TASK, OTHER]).await;
        claimed.extend(ids(&jobs).iter().map(|id| id.parse::<i16>().unwrap()));
        if jobs.is_empty() {
            break;
        }
    }
    assert_eq!(claimed, expected);
}

pub(super) async fn a_claim_takes_only_the_tasks_it_asks_for(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("1", TASK), job("2", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[OTHER]).await), ["2"]);
    assert!(worker.claim(9, &["unheard-of"]).await.is_empty());
    assert_eq!(ids(&worker.claim(9, &["unheard-of", TASK]).await), ["1"]);
}

pub(super) async fn the_total_limit_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["1", "2", "3", "4"].map(|id| job(id, if id == "2" { OTHER } else { TASK }))).await;
    let mut worker = Caller::new(&adapter);
    let answer = worker.exchange(Vec::new(), Some(claim(3, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!(ids(&answer.jobs), ["1", "2", "3"]);
    assert!(answer.more, "one is left");
    let answer = worker.exchange(Vec::new(), Some(claim(1, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!(ids(&answer.jobs), ["4"]);
    assert!(!answer.more, "as many as were asked for, and as many as there were");
}

pub(super) async fn there_is_more_only_of_what_may_be_claimed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["1", "2", "3", "4"].map(|id| job(id, if id < "3" { TASK } else { OTHER }))).await;
    let mut worker = Caller::new(&adapter);
    let answer = worker.exchange(Vec::new(), Some(claim(1, &[(TASK, 1), (OTHER, 0)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["1"], false), "both tasks are at their limits");
    let answer = worker.exchange(Vec::new(), Some(claim(1, &[(TASK, 1), (OTHER, 1)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["2"], true), "one of the other task may be claimed");
    let answer = worker.exchange(Vec::new(), Some(claim(1, &[(TASK, 9), (OTHER, 2)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["3"], true));
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 1)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["4"], false));
}

pub(super) async fn the_limit_of_each_task_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = ["1", "2", "3", "4", "5"].map(|id| job(id, if id < "4" { TASK } else { OTHER }));
    put(&adapter, jobs).await;
    let mut worker = Caller::new(&adapter);
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 2), (OTHER, 1)]))).await;
    assert_eq!(ids(&answer.jobs), ["1", "2", "4"], "two of the one, one of the other");
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 0), (OTHER, 9)]))).await;
    assert_eq!(ids(&answer.jobs), ["5"], "a task with the limit 0 is left alone");
    assert_eq!(state(&adapter, "3").await, Some(JobState::Waiting));
}

pub(super) async fn a_claim_of_none_takes_none(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("1", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    assert!(worker.exchange(Vec::new(), Some(claim(0, &[(TASK, 9)]))).await.jobs.is_empty());
    assert!(worker.exchange(Vec::new(), None).await.jobs.is_empty());
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["1"]);
}

pub(super) async fn s004_a_delayed_job_is_not_claimed_before_it_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("late", TASK, 60_000), job("now", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["now"]);
    f.advance(Duration::from_secs(50)).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "ten seconds are left");
    assert_eq!(state(&adapter, "late").await, Some(JobState::Delayed));
    f.advance(Duration::from_secs(11)).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["late"]);
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "once");
    assert_eq!(info(&adapter, "late").await.due_at, None, "it is not delayed any more");
}

pub(super) async fn x19_jobs_that_are_due_together_go_in_due_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(
        &adapter,
        [("3", 3_000), ("1", 1_000), ("4", 4_000), ("2", 2_000)].map(|(id, due)| delayed(id, TASK, due)),
    )
    .await;
    f.advance(Duration::from_secs(5)).await;
    put(&adapter, [job("0", TASK)]).await;
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["0", "1", "2", "3", "4"], "what was ready first, then by due time");
}

pub(super) async fn x19_due_order_holds_across_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("3", TASK, 3_000), delayed("2", OTHER, 2_000), delayed("1", TASK, 1_000)]).await;
    put(&adapter, [delayed("4", OTHER, 60_000)]).await;
    f.advance(Duration::from_secs(5)).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[OTHER, TASK]).await), ["1", "2", "3"]);
}

pub(super) async fn jobs_due_at_the_same_time_go_by_id(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("now", OTHER)]).await;
    let due = info(&adapter, "now").await.created_at.to_system_time() + Duration::from_secs(5);
    put(&adapter, ["c", "a", "b"].map(|id| NewJob { due: Due::At(due), ..job(id, TASK) })).await;
    f.advance(Duration::from_secs(6)).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["a", "b", "c"]);
}

pub(super) async fn a_delayed_job_keeps_its_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { priority: 1, ..delayed("high", TASK, 1_000) }, job("zero", TASK)]).await;
    put(&adapter, [NewJob { priority: -1, ..delayed("low", TASK, 500) }]).await;
    f.advance(Duration::from_secs(2)).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["high", "zero", "low"]);
}

pub(super) async fn thousands_of_jobs_due_at_once_are_all_claimed_in_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ids: Vec<String> = (0..2_500).map(|n| format!("{n:04}")).collect();
    for chunk in ids.chunks(500) {
        // the gaps are larger than the time that storing a chunk takes
        put(&adapter, chunk.iter().map(|id| delayed(id, TASK, 60_000 * id.parse::<u64>().unwrap()))).await;
    }
    f.advance(Duration::from_secs(60 * 2_500)).await;
    let claimed = Caller::new(&adapter).claim(3_000, &[TASK]).await;
    assert_eq!(super::kit::ids(&claimed), ids, "the store says `more` until all were handed out");
}

pub(super) async fn two_workers_never_get_the_same_job(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, (0..300).map(|n| prioritised(&n.to_string(), TASK, n % 2))).await;
    let drain = |adapter| async move {
        let (mut worker, mut claimed) = (Caller::new(&adapter), Vec::new());
        loop {
            let jobs = worker.claim(7, &[TASK]).await;
            if jobs.is_empty() {
                return claimed;
            }
            claimed.extend(jobs.into_iter().map(|job| job.lease.id));
        }
    };
    let workers = [&adapter, &second, &adapter, &second].map(|adapter| tokio::spawn(drain(adapter.clone())));
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(within(PATIENCE, "claiming all jobs", worker).await.unwrap());
    }
    assert_eq!(claimed.len(), 300);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 300, "no job was handed out twice");
}

pub(super) async fn a_repeated_call_answers_what_the_first_one_did(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let meta = vec![("k".to_owned(), "v".to_owned())];
    put(&adapter, [job("a", TASK), NewJob { meta, ..job("b", TASK) }, job("c", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let a = worker.claim_one().await;

    let call = worker.call(vec![a.settlement(retry("no", MOMENT * 60))], Some(claim(1, &[(TASK, 1)])));
    let first = adapter.jobs().exchange(call.clone()).await.unwrap();
    let before = [info(&adapter, "a").await, info(&adapter, "b").await, info(&adapter, "c").await];
    assert_eq!(first.settled, [Settled::Now(JobState::Retrying)]);
    for _ in 0..2 {
        f.advance(MOMENT).await;
        sweep(&adapter, &[TASK], Retention::default()).await;
        let again = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(again.settled, first.settled);
        assert_eq!(ids(&again.jobs), ["b"], "the same job under the same lease, not the next one");
        assert_eq!(again.jobs[0].lease, first.jobs[0].lease);
        assert_eq!(again.jobs[0].payload, first.jobs[0].payload);
        assert_eq!(again.jobs[0].meta, first.jobs[0].meta);
        assert_eq!(again.jobs[0].attempt, first.jobs[0].attempt);
        assert_eq!(again.jobs[0].claimed_at, first.jobs[0].claimed_at);
        assert_eq!(again.jobs[0].created_at, first.jobs[0].created_at);
        assert_eq!(again.more, first.more);
    }
    let after = [info(&adapter, "a").await, info(&adapter, "b").await, info(&adapter, "c").await];
    assert_eq!(after, before, "nothing has changed");
    assert_eq!(worker.settle(&first.jobs[0], complete("1")).await, Settled::Now(JobState::Completed));
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"], "the next call is a new one");
}

pub(super) async fn calls_of_other_slots_and_workers_are_other_calls(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let call = Caller::new(&adapter).call(Vec::new(), Some(claim(1, &[(TASK, 1)])));
    let mut slot = call.clone();
    slot.call.slot = 1;
    let mut worker = call.clone();
    worker.call = CallId { worker: "somebody else".into(), ..worker.call };
    for (call, id) in [(&call, "a"), (&slot, "b"), (&worker, "c"), (&call, "a"), (&slot, "b")] {
        assert_eq!(ids(&adapter.jobs().exchange(call.clone()).await.unwrap().jobs), [id], "{:?}", call.call);
    }
}
