//! The ends of attempts.

use std::time::Duration;

use super::Fixture;
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, TASK, claim, complete, delayed, ended, fail, forged, ids, info, job,
    prioritised, put, retry, state, sweep,
};
use crate::adapter::{AttemptEnd, Ended, Ending, JobCounts, NewJob, Settled};
use crate::job::JobState;
use crate::policy::Retention;

pub(super) async fn s287_a_completed_job_keeps_its_result(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    f.advance(MOMENT).await;
    assert_eq!(worker.settle(&claimed, complete("{\"n\":1}")).await, Settled::Now(JobState::Completed));

    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts, info.error), (JobState::Completed, 1, None));
    assert_eq!((info.started_at, info.due_at), (Some(claimed.claimed_at), None));
    let took = info.finished_at.expect("it has ended").since(claimed.claimed_at);
    assert!(took >= MOMENT, "it took a moment by the store's clock, not {took:?}");
    let expected =
        Ended { task: TASK.to_owned(), attempts: 1, ending: Ending::Completed(b"{\"n\":1}".to_vec()) };
    assert_eq!(ended(&adapter, "a").await, Some(expected));
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { completed: 1, ..JobCounts::default() }
    );
}

pub(super) async fn s287_a_failed_job_keeps_its_error(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).run_one(fail("bad address: größe")).await;

    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts), (JobState::Failed, 1));
    assert_eq!(
        (info.error.as_deref(), info.started_at),
        (Some("bad address: größe"), Some(claimed.claimed_at))
    );
    let expected =
        Ended { task: TASK.to_owned(), attempts: 1, ending: Ending::Failed("bad address: größe".into()) };
    assert_eq!(ended(&adapter, "a").await, Some(expected));
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { failed: 1, ..JobCounts::default() }
    );
}

pub(super) async fn s287_a_retried_job_waits_for_its_backoff(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    let end = retry("rate limited", Duration::from_secs(10));
    assert_eq!(worker.settle(&claimed, end).await, Settled::Now(JobState::Retrying));

    let retrying = info(&adapter, "a").await;
    assert_eq!((retrying.state, retrying.attempts), (JobState::Retrying, 1));
    assert_eq!((retrying.error.as_deref(), retrying.finished_at), (Some("rate limited"), None));
    let rests = retrying.due_at.expect("a retrying job is due").since(claimed.claimed_at);
    assert!(rests >= Duration::from_secs(10), "the backoff counts from the settlement: {rests:?}");
    let counts = JobCounts { waiting: 1, delayed: 1, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), counts, "retrying counts as delayed");

    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"], "not before the backoff has passed");
    f.advance(Duration::from_secs(11)).await;
    let again = worker.claim_one().await;
    assert_eq!((again.lease.id.as_str(), again.attempt), ("a", 2));
    assert!(again.lease.token > claimed.lease.token);
    assert_eq!((again.payload, again.created_at), (claimed.payload, claimed.created_at));
    let active = info(&adapter, "a").await;
    assert_eq!((active.state, active.attempts, active.due_at), (JobState::Active, 2, None));
    assert_eq!(
        active.error.as_deref(),
        Some("rate limited"),
        "the last error is shown until the job has ended"
    );
}

pub(super) async fn s287_a_released_job_waits_again_and_no_attempt_is_used_up(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    assert_eq!(worker.settle(&claimed, AttemptEnd::release()).await, Settled::Now(JobState::Waiting));

    let released = info(&adapter, "a").await;
    assert_eq!((released.state, released.attempts, released.stalls), (JobState::Waiting, 0, 0));
    assert_eq!((released.started_at, released.error), (None, None));
    let again = worker.claim_one().await;
    assert_eq!((again.lease.id.as_str(), again.attempt), ("a", 1));
    assert!(again.lease.token > claimed.lease.token);
}

pub(super) async fn a_released_job_may_rest_and_no_attempt_is_used_up(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let rest = || AttemptEnd::Release { delay: Duration::from_secs(10) };
    let first = worker.claim_one().await;
    assert_eq!(worker.settle(&first, rest()).await, Settled::Now(JobState::Delayed));
    let delayed = info(&adapter, "a").await;
    assert_eq!((delayed.state, delayed.attempts, delayed.stalls), (JobState::Delayed, 0, 0));
    assert_eq!((delayed.error, delayed.started_at), (None, None));
    let rests = delayed.due_at.expect("a delayed job is due").since(first.claimed_at);
    assert!(rests >= Duration::from_secs(10), "the delay counts from the settlement: {rests:?}");
    let counts = JobCounts { waiting: 1, delayed: 1, ..JobCounts::default() };
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), counts);

    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"], "not before it is due");
    put(&adapter, [job("c", TASK)]).await;
    f.advance(Duration::from_secs(11)).await;
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["c", "a"], "it becomes ready as delayed jobs do");
    let again = &claimed[1];
    assert_eq!(again.attempt, 1);
    assert!(again.lease.token > first.lease.token);
    assert_eq!((&again.payload, again.created_at), (&first.payload, first.created_at));

    // a job with an attempt behind it is retrying
    worker.settle(again, retry("not yet", Duration::ZERO)).await;
    let second = worker.claim_one().await;
    assert_eq!(worker.settle(&second, rest()).await, Settled::Now(JobState::Retrying));
    let retrying = info(&adapter, "a").await;
    assert_eq!((retrying.state, retrying.attempts), (JobState::Retrying, 1));
    assert_eq!(retrying.error.as_deref(), Some("not yet"));
    f.advance(Duration::from_secs(11)).await;
    let third = worker.run_one(complete("1")).await;
    assert_eq!(third.attempt, 2);
    assert_eq!(ended(&adapter, "a").await.unwrap().attempts, 2);
}

pub(super) async fn attempts_count_and_the_end_forgets_older_errors(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let mut tokens = Vec::new();
    for attempt in 1..=3 {
        let claimed = worker.run_one(retry(&format!("error {attempt}"), Duration::ZERO)).await;
        assert_eq!(claimed.attempt, attempt);
        tokens.push(claimed.lease.token);
        assert_eq!(info(&adapter, "a").await.error, Some(format!("error {attempt}")));
    }
    let released = worker.run_one(AttemptEnd::release()).await;
    let last = worker.run_one(complete("1")).await;
    assert_eq!((released.attempt, last.attempt), (4, 4));
    tokens.extend([released.lease.token, last.lease.token]);
    assert!(tokens.is_sorted_by(|one, next| one < next), "each claim has a higher token: {tokens:?}");
    let info = info(&adapter, "a").await;
    assert_eq!((info.state, info.attempts, info.error), (JobState::Completed, 4, None));
    assert_eq!(info.started_at, Some(last.claimed_at), "the last attempt's");
    assert_eq!(ended(&adapter, "a").await.unwrap().attempts, 4);
}

pub(super) async fn a_retry_without_a_delay_goes_to_the_end(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    let a = worker.claim_one().await;
    assert_eq!(worker.settle(&a, retry("no", Duration::ZERO)).await, Settled::Now(JobState::Waiting));
    let waiting = info(&adapter, "a").await;
    assert_eq!((waiting.state, waiting.attempts, waiting.due_at), (JobState::Waiting, 1, None));
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["b", "c", "a"]);
    assert_eq!(claimed[2].attempt, 2);
}

pub(super) async fn released_jobs_go_before_others_the_last_one_first(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    let (a, b) = (worker.claim_one().await, worker.claim_one().await);
    worker.settle(&a, AttemptEnd::release()).await;
    worker.settle(&b, AttemptEnd::release()).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b", "a", "c"]);
}

pub(super) async fn released_jobs_stay_within_their_priority(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = [("z", 2), ("a", 2), ("b", 2), ("zero", 0), ("low", -1), ("low too", -1)];
    put(&adapter, jobs.map(|(id, priority)| prioritised(id, TASK, priority))).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim(6, &[TASK]).await;
    for id in ["low", "a", "z"] {
        let job = claimed.iter().find(|job| job.lease.id.as_str() == id).unwrap();
        worker.settle(job, AttemptEnd::release()).await;
    }
    put(&adapter, [prioritised("high too", TASK, 2), job("zero too", TASK), prioritised("lower", TASK, -1)])
        .await;
    let claimed = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["z", "a", "high too", "zero too", "low", "lower"]);
}

pub(super) async fn a_released_job_goes_before_those_of_other_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("b", OTHER), job("a", TASK), job("c", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(AttemptEnd::release()).await;
    assert_eq!(ids(&worker.claim(9, &[OTHER, TASK]).await), ["a", "b", "c"]);
}

pub(super) async fn winding_up_a_job_that_is_not_cancelled_is_a_release(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let a = worker.claim_one().await;
    assert_eq!(worker.settle(&a, AttemptEnd::Cancel).await, Settled::Now(JobState::Waiting));
    assert_eq!(info(&adapter, "a").await.attempts, 0);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a", "b"]);
}

pub(super) async fn a_lease_settles_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rest = AttemptEnd::Release { delay: MOMENT * 60 };
    let ends = [complete("1"), fail("no"), retry("no", MOMENT * 60), AttemptEnd::release(), rest];
    for (n, first) in ends.iter().enumerate() {
        let id = n.to_string();
        put(&adapter, [job(&id, &id)]).await;
        let claimed = worker.claim(1, &[&id]).await.pop().unwrap();
        worker.settle(&claimed, first.clone()).await;
        let before = info(&adapter, &id).await;
        for again in ends.iter().chain([&AttemptEnd::Cancel]) {
            assert_eq!(
                worker.settle(&claimed, again.clone()).await,
                Settled::Stale,
                "{again:?} after {first:?}"
            );
            assert_eq!(info(&adapter, &id).await, before, "{again:?} after {first:?}");
        }
    }
}

pub(super) async fn twice_in_one_call_is_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(2, &[TASK]).await;
    let settle = [complete("1"), fail("no")].map(|end| jobs[0].settlement(end));
    let answer = worker.exchange(settle.to_vec(), None).await;
    assert_eq!(answer.settled, [Settled::Now(JobState::Completed), Settled::Stale]);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Completed));
}

pub(super) async fn a_token_that_is_not_the_newest_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.run_one(AttemptEnd::release()).await;
    let second = worker.claim_one().await;
    assert_eq!(worker.settle(&first, complete("\"old\"")).await, Settled::Stale);
    assert_eq!(
        worker.settle(&forged(&second, second.lease.token + 1), complete("\"forged\"")).await,
        Settled::Stale
    );
    assert_eq!(state(&adapter, "a").await, Some(JobState::Active), "nothing has changed");
    assert_eq!(worker.settle(&second, complete("\"new\"")).await, Settled::Now(JobState::Completed));
    assert_eq!(ended(&adapter, "a").await.unwrap().ending, Ending::Completed(b"\"new\"".to_vec()));
}

pub(super) async fn a_job_that_nobody_claimed_cannot_be_settled(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let mut claimed = worker.claim_one().await;
    for id in ["b", "nobody"] {
        claimed.lease.id = id.into();
        assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Stale, "{id}");
    }
    assert_eq!(state(&adapter, "b").await, Some(JobState::Waiting));
    assert_eq!(state(&adapter, "nobody").await, None);
}

pub(super) async fn a_batch_settles_each_for_itself(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = ["a", "b", "c", "d", "e"].map(|id| job(id, if id == "c" { OTHER } else { TASK }));
    put(&adapter, jobs).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(5, &[TASK, OTHER]).await;
    let ends = [complete("1"), fail("no"), retry("no", MOMENT * 60), AttemptEnd::release(), complete("5")];
    let mut settle: Vec<_> = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    settle.insert(1, forged(&jobs[1], jobs[1].lease.token + 1).settlement(complete("2")));
    let answer = worker.exchange(settle, None).await;
    use JobState::{Completed, Failed, Retrying, Waiting};
    let now = [Completed, Failed, Retrying, Waiting, Completed].map(Settled::Now);
    assert_eq!(answer.settled, [now[0], Settled::Stale, now[1], now[2], now[3], now[4]]);
    assert_eq!(ended(&adapter, "a").await.unwrap().ending, Ending::Completed(b"1".to_vec()));
    assert_eq!(ended(&adapter, "e").await.unwrap().ending, Ending::Completed(b"5".to_vec()));
}

pub(super) async fn a_call_settles_first_and_claims_then(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(3, &[TASK]).await;
    let ends = [complete("1"), retry("no", Duration::ZERO), AttemptEnd::release()];
    let settle = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    let answer = worker.exchange(settle, Some(claim(9, &[(TASK, 9)]))).await;
    assert_eq!(ids(&answer.jobs), ["c", "b"], "what the same call has given back is claimed by it");
    assert_eq!((answer.jobs[0].attempt, answer.jobs[1].attempt), (1, 2));
}

pub(super) async fn any_connection_may_settle(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    let settled = Caller::new(&second).settle(&claimed, complete("1")).await;
    assert_eq!(settled, Settled::Now(JobState::Completed));
    assert_eq!(state(&adapter, "a").await, Some(JobState::Completed));
}

pub(super) async fn counts_know_each_state(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["completed", "failed", "stalled", "cancelled"].map(|id| job(id, TASK))).await;
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    put(&adapter, [NewJob { max_stalls: 0, priority: 9, ..job("poison", TASK) }]).await;
    worker.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    adapter.jobs().cancel(&"cancelled".into(), "no").await.unwrap();
    worker.run_one(retry("no", MOMENT * 60)).await;
    put(&adapter, ["1", "2", "3", "4"].map(|id| job(id, TASK))).await;
    put(&adapter, [delayed("5", TASK, 60_000), prioritised("6", TASK, 1), job("7", OTHER)]).await;
    worker.claim_one().await;

    let mut expected = JobCounts { waiting: 4, delayed: 2, active: 1, ..JobCounts::default() };
    (expected.completed, expected.failed, expected.cancelled) = (1, 2, 1);
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap(), expected);
    assert_eq!(
        adapter.inspection().counts(OTHER).await.unwrap(),
        JobCounts { waiting: 1, ..JobCounts::default() }
    );
}
