//! Storing jobs.

use std::time::{Duration, SystemTime};

use super::Fixture;
use super::kit::{Caller, OTHER, TASK, complete, delayed, fail, ids, info, job, prioritised, put, state};
use crate::adapter::{
    AttemptEnd, CancelOutcome, Due, Ending, Enqueued, JobCounts, MAX_PRIORITY, MIN_PRIORITY, NewJob,
};
use crate::job::{JobId, JobState, Timestamp};

pub(super) async fn s285_a_new_job_waits(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { priority: 7, max_attempts: 5, ..job("a", TASK) }]).await;

    let info = info(&adapter, "a").await;
    assert_eq!((info.id.as_str(), info.task.as_str(), info.state), ("a", TASK, JobState::Waiting));
    assert_eq!((info.attempts, info.max_attempts, info.stalls, info.priority), (0, 5, 0, 7));
    assert_eq!((info.due_at, info.started_at, info.finished_at), (None, None, None));
    assert_eq!((info.error, info.progress), (None, None));
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { waiting: 1, ..JobCounts::default() }
    );
}

pub(super) async fn created_at_is_the_stores_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    f.advance(Duration::from_secs(100)).await;
    put(&adapter, [job("b", TASK)]).await;

    let (a, b) = (info(&adapter, "a").await.created_at, info(&adapter, "b").await.created_at);
    let apart = b.since(a);
    assert!((100..160).contains(&apart.as_secs()), "100 s passed between the two, not {apart:?}");
}

pub(super) async fn the_second_connection_sees_the_same_jobs(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK)]).await;
    assert_eq!(info(&second, "a").await, info(&adapter, "a").await);
    assert_eq!(second.jobs().enqueue(vec![job("a", TASK)]).await.unwrap(), [Enqueued::Duplicate]);
}

pub(super) async fn a_job_that_is_known_already_is_left_as_it_is(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), prioritised("b", TASK, 2)]).await;
    let before = info(&adapter, "a").await;

    let other = NewJob { payload: b"2".to_vec(), max_attempts: 9, ..delayed("a", TASK, 60_000) };
    assert_eq!(adapter.jobs().enqueue(vec![other]).await.unwrap(), [Enqueued::Duplicate]);

    assert_eq!(info(&adapter, "a").await, before);
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["b", "a"], "each is handed out once");
    assert_eq!(claimed[1].payload, b"\"a\"", "the first payload stays");
}

pub(super) async fn answers_come_in_the_order_of_the_jobs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("b", TASK)]).await;
    let jobs =
        vec![job("a", TASK), job("b", TASK), delayed("c", OTHER, 60_000), job("a", OTHER), job("d", TASK)];
    let enqueued = adapter.jobs().enqueue(jobs).await.unwrap();
    use Enqueued::{Duplicate, New};
    let taken = Enqueued::Taken { task: TASK.into() };
    assert_eq!(enqueued, [New, Duplicate, New, taken, New], "also twice in one call is once");
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK, OTHER]).await), ["b", "a", "d"]);
}

pub(super) async fn an_id_belongs_to_one_task(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, [job("waiting", TASK), delayed("delayed", TASK, 60_000)]).await;
    put(&adapter, [prioritised("completed", TASK, 2)]).await;
    worker.run_one(complete("1")).await;
    put(&adapter, [prioritised("failed", TASK, 2)]).await;
    worker.run_one(fail("no")).await;
    put(&adapter, [prioritised("active", TASK, 2)]).await;
    worker.claim_one().await;
    for id in ["waiting", "delayed", "completed", "failed", "active"] {
        let before = info(&adapter, id).await;
        for replace_failed in [false, true] {
            let other = NewJob { replace_failed, ..job(id, OTHER) };
            let taken = Enqueued::Taken { task: TASK.into() };
            assert_eq!(adapter.jobs().enqueue(vec![other]).await.unwrap(), [taken], "{id}");
        }
        assert_eq!(info(&adapter, id).await, before, "{id}");
    }
    assert_eq!(
        adapter.inspection().counts(OTHER).await.unwrap(),
        JobCounts::default(),
        "nothing was stored for the other task"
    );
    let jobs = vec![job("new", OTHER), job("waiting", OTHER), job("newer", OTHER)];
    let answers = adapter.jobs().enqueue(jobs).await.unwrap();
    let expected = [Enqueued::New, Enqueued::Taken { task: TASK.into() }, Enqueued::New];
    assert_eq!(answers, expected, "the others of a call are stored");
    assert_eq!(ids(&worker.claim(9, &[OTHER, TASK]).await), ["waiting", "new", "newer"]);
}

pub(super) async fn of_jobs_that_are_alike_the_first_of_an_id_is_stored(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let again = NewJob { payload: b"2".to_vec(), ..job("a", TASK) };
    let jobs = vec![job("a", TASK), job("b", TASK), again.clone()];
    use Enqueued::{Duplicate, New};
    assert_eq!(adapter.jobs().enqueue(jobs).await.unwrap(), [New, New, Duplicate]);
    assert_eq!(
        adapter.jobs().enqueue(vec![job("c", TASK), again]).await.unwrap(),
        [New, Duplicate],
        "one is new, one is not"
    );
    let claimed = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(ids(&claimed), ["a", "b", "c"], "each is handed out once, in order");
    assert_eq!(claimed[0].payload, b"\"a\"", "the first payload stays");
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { active: 3, ..JobCounts::default() }
    );
}

pub(super) async fn a_job_stays_known_after_it_has_ended(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for (id, end) in [("done", complete("1")), ("failed", AttemptEnd::Fail("no".into()))] {
        put(&adapter, [job(id, TASK)]).await;
        worker.run_one(end).await;
        let before = info(&adapter, id).await;
        assert_eq!(adapter.jobs().enqueue(vec![job(id, TASK)]).await.unwrap(), [Enqueued::Duplicate], "{id}");
        assert_eq!(info(&adapter, id).await, before, "{id}");
    }
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "nothing runs again");
}

pub(super) async fn a_job_that_is_active_is_known(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.claim_one().await;
    assert_eq!(adapter.jobs().enqueue(vec![job("a", TASK)]).await.unwrap(), [Enqueued::Duplicate]);
    assert!(worker.claim(9, &[TASK]).await.is_empty(), "it is not handed out twice");
}

pub(super) async fn s288_a_delayed_job_is_delayed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("a", TASK, 60_000)]).await;
    let info = info(&adapter, "a").await;
    assert_eq!(info.state, JobState::Delayed);
    let due_after = info.due_at.expect("a delayed job is due at some time").since(info.created_at);
    assert_eq!(due_after, Duration::from_secs(60));
    assert_eq!(
        adapter.inspection().counts(TASK).await.unwrap(),
        JobCounts { delayed: 1, ..JobCounts::default() }
    );
}

pub(super) async fn a_job_may_be_due_at_a_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("now", TASK)]).await;
    let now = info(&adapter, "now").await.created_at.to_system_time();
    let at = |id: &str, time: SystemTime| NewJob { due: Due::At(time), ..job(id, TASK) };
    let tomorrow = now + Duration::from_secs(86_400);
    put(&adapter, [at("tomorrow", tomorrow), at("yesterday", now - Duration::from_secs(86_400))]).await;

    let due_at = info(&adapter, "tomorrow").await.due_at.map(Timestamp::to_system_time);
    assert_eq!(due_at, Some(tomorrow));
    assert_eq!(state(&adapter, "yesterday").await, Some(JobState::Waiting), "a time that is past is now");
    assert_eq!(info(&adapter, "yesterday").await.due_at, None);
}

pub(super) async fn a_delay_of_nothing_is_no_delay(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let distant = NewJob { due: Due::At(SystemTime::UNIX_EPOCH), ..job("b", TASK) };
    put(&adapter, [delayed("a", TASK, 0), distant]).await;
    assert_eq!(state(&adapter, "a").await, Some(JobState::Waiting));
    assert_eq!(state(&adapter, "b").await, Some(JobState::Waiting));
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["a", "b"]);
}

pub(super) async fn ids_may_be_any_text_of_up_to_200_bytes(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let long = "ü".repeat(100);
    let ids = [
        "order-4711",
        "größe/日本語/🦀",
        &long,
        "0192f3a4-5b6c-7d8e-9f00-112233445566",
        "0192F3A4-5B6C-7D8E-9F00-112233445567",
        "0192f3a45b6c7d8e9f00112233445568",
        "{0192f3a4-5b6c-7d8e-9f00-112233445569}",
        "=order",
        "a:b:1",
        "-inf",
        " space ",
        "7",
    ];
    put(&adapter, ids.map(|id| job(id, TASK))).await;
    let mut worker = Caller::new(&adapter);
    for id in ids {
        let claimed = worker.run_one(complete("1")).await;
        assert_eq!(claimed.lease.id.as_str(), id);
        assert_eq!(claimed.payload, serde_json::to_vec(id).unwrap());
        assert_eq!(info(&adapter, id).await.id, JobId::from(id));
        assert_eq!(state(&adapter, id).await, Some(JobState::Completed), "{id}");
    }
}

pub(super) async fn tasks_may_have_any_name(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let long = "é".repeat(100);
    let tasks =
        ["mail", "mail:slow", "mail slow", "ail", "mai", "größe", "a,b", "{x}", "*", "%s", "[a]", "7", &long];
    put(&adapter, tasks.iter().map(|task| job(&format!("of {task}"), task))).await;
    for task in tasks {
        assert_eq!(adapter.inspection().counts(task).await.unwrap().waiting, 1, "{task}");
        let claimed = Caller::new(&adapter).claim(99, &[task]).await;
        assert_eq!(ids(&claimed), [format!("of {task}")], "a claim of `{task}` takes jobs of this name only");
        assert_eq!(&*claimed[0].lease.task, task);
    }
}

pub(super) async fn a_payload_and_a_result_may_have_a_megabyte(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let json = |fill: &str| serde_json::to_vec(&fill.repeat((1 << 20) / fill.len())).unwrap();
    let (payload, result) = (json("p\\\"\u{e9}"), json("r\n"));
    put(&adapter, [NewJob { payload: payload.clone(), ..job("a", TASK) }, job("b", TASK)]).await;

    let mut worker = Caller::new(&second);
    let claimed = worker.run_one(AttemptEnd::Complete(result.clone())).await;
    assert!(claimed.payload == payload, "the payload is what was dispatched");
    let ended = adapter.signals().ended(&"a".into()).await.unwrap().unwrap();
    assert!(ended.ending == Ending::Completed(result), "the result is what was settled");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"]);
}

pub(super) async fn a_thousand_jobs_in_one_call_keep_their_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ids: Vec<String> = (0..1_000).map(|n| format!("job {n}")).collect();
    put(&adapter, ids.iter().map(|id| job(id, TASK))).await;
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 1_000);
    let claimed = Caller::new(&adapter).claim(1_000, &[TASK]).await;
    assert_eq!(super::kit::ids(&claimed), ids);
}

pub(super) async fn the_range_of_priorities_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = [("low", MIN_PRIORITY), ("middle", 0), ("high", MAX_PRIORITY)];
    put(&adapter, jobs.map(|(id, priority)| prioritised(id, TASK, priority))).await;
    for (id, priority) in jobs {
        assert_eq!(info(&adapter, id).await.priority, priority);
    }
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["high", "middle", "low"]);
}

pub(super) async fn nothing_to_store_is_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(adapter.jobs().enqueue(Vec::new()).await.unwrap(), []);
}

pub(super) async fn an_unknown_job_is_unknown_everywhere(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let id = JobId::from("nobody");
    assert_eq!(adapter.inspection().job(&id).await.unwrap(), None);
    assert_eq!(adapter.inspection().logs(&id).await.unwrap(), []);
    assert_eq!(adapter.signals().ended(&id).await.unwrap(), None);
    assert_eq!(adapter.jobs().cancel(&id, "why").await.unwrap(), CancelOutcome::NotFound);
    assert_eq!(adapter.inspection().counts("nothing").await.unwrap(), JobCounts::default());
}
