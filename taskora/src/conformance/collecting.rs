//! Items that gather under keys, and are claimed in batches.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::admission_kit::deduplicated;
use super::flow_kit::{flow, node, start};
use super::gate_kit::{got, idle_worker, limit, pause, resume, task};
use super::kit::{
    Caller, LEASE, MARGIN, MOMENT, QUIET, TASK, claim, complete, fail, ids, info, job, put, retry, state,
    sweep,
};
use super::lane_kit::{key, keyed, waiting};
use crate::adapter::{
    Adapter, AdapterError, AttemptEnd, ClaimedJob, Collect, Collected, Due, NewJob, NewNode, Otherwise,
};
use crate::job::{Blocked, JobState};
use crate::policy::{Retention, Ttl};

const LONG: Duration = Duration::from_secs(20);

/// An item whose key is its name without digits.
fn item(id: &str, collect: Collect) -> NewJob {
    NewJob { collect: Some(collect), ..keyed(id) }
}

async fn put_items(adapter: &Arc<dyn Adapter>, collect: Collect, ids: &[&str]) {
    put(adapter, ids.iter().map(|id| item(id, collect))).await;
}

/// Claims up to `limit` batches and single jobs, with as many calls as the store asks for.
async fn take(worker: &mut Caller, limit: usize) -> Vec<ClaimedJob> {
    let (mut jobs, mut taken) = (Vec::new(), 0);
    loop {
        let room = limit - taken;
        let answer = worker.exchange(Vec::new(), Some(claim(room, &[(TASK, room)]))).await;
        let (before, mut known) = (taken, None);
        for mut job in answer.jobs {
            if job.batch.is_none() || job.batch != known {
                (known, taken) = (job.batch, taken + 1);
            }
            job.batch = job.batch.map(|number| number + u32::try_from(before).expect("few batches"));
            jobs.push(job);
        }
        assert!(taken <= limit, "{taken} batches were handed out, at most {limit} were asked for");
        if !answer.more || taken == limit {
            return jobs;
        }
    }
}

/// The batches of a claim, each with the ids of its items.
fn batches(jobs: &[ClaimedJob]) -> Vec<Vec<&str>> {
    let mut batches: Vec<(u32, Vec<&str>)> = Vec::new();
    for job in jobs {
        let number = job.batch.expect("an item of a batch");
        match batches.last_mut().filter(|(last, _)| *last == number) {
            Some((_, ids)) => ids.push(job.lease.id.as_str()),
            None => batches.push((number, vec![job.lease.id.as_str()])),
        }
    }
    batches.into_iter().map(|(_, ids)| ids).collect()
}

async fn collected(adapter: &Arc<dyn Adapter>, of: &str) -> Option<Collected> {
    adapter.control().collected(&task(), &key(of), 100).await.expect("collected")
}

async fn flush(adapter: &Arc<dyn Adapter>, of: &str) -> bool {
    adapter.control().flush(&task(), &key(of)).await.expect("flush")
}

pub(super) async fn s102_items_go_when_no_other_has_come_for_a_while(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(100, MOMENT * 2);
    put_items(&adapter, rule, &["a1", "a2"]).await;
    f.advance(MOMENT).await;
    put_items(&adapter, rule, &["a3", "a4", "a5"]).await;
    f.advance(MOMENT + MOMENT / 2).await;
    assert!(take(&mut worker, 9).await.is_empty(), "the last one came 1.5 s ago");
    let waits = info(&adapter, "a1").await;
    assert_eq!((waits.state, waits.blocked), (JobState::Waiting, Some(Blocked::Gathering)));
    f.advance(MOMENT).await;
    let jobs = take(&mut worker, 1).await;
    assert_eq!(batches(&jobs), [["a1", "a2", "a3", "a4", "a5"]], "a batch takes one place");
    assert!(jobs.iter().all(|job| job.attempt == 1));
    assert_eq!(waiting(&adapter).await, 0);
}

pub(super) async fn s104_a_full_batch_goes_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(3, LONG);
    put_items(&adapter, rule, &["a1", "a2"]).await;
    assert!(take(&mut worker, 9).await.is_empty());
    put_items(&adapter, rule, &["a3", "a4"]).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a2", "a3"]]);
    f.advance(LONG - MARGIN).await;
    assert!(take(&mut worker, 9).await.is_empty(), "what is left gathers anew");
    f.advance(MARGIN * 2).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a4"]]);
}

pub(super) async fn s105_no_item_waits_for_longer_than_max_wait(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(100, LONG).max_wait(MOMENT * 2);
    put_items(&adapter, rule, &["a1"]).await;
    f.advance(MOMENT).await;
    put_items(&adapter, rule, &["a2"]).await;
    assert!(take(&mut worker, 9).await.is_empty());
    f.advance(MOMENT + MOMENT / 2).await;
    put_items(&adapter, rule, &["a3"]).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a2", "a3"]]);
}

pub(super) async fn batches_are_never_mixed_nor_too_large(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(2, MOMENT);
    put_items(&adapter, rule, &["b1", "a1", "b2", "a2", "b3", "a3", "b4", "c1"]).await;
    put(&adapter, [job("1", TASK)]).await;
    let jobs = take(&mut worker, 2).await;
    assert_eq!(batches(&jobs), [["b1", "b2"], ["a1", "a2"]]);
    let jobs = take(&mut worker, 9).await;
    assert_eq!(ids(&jobs), ["b3", "b4", "1"]);
    assert_eq!(jobs[2].batch, None);
    f.advance(MOMENT * 2).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a3"], ["c1"]]);
}

pub(super) async fn each_item_ends_for_itself(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put_items(&adapter, Collect::new(4, LONG), &["a1", "a2", "a3", "a4"]).await;
    let jobs = take(&mut worker, 1).await;
    adapter.jobs().cancel(&"a4".into(), "why").await.unwrap();
    let ends = [complete("1"), fail("bad row"), retry("again", LONG), complete("1")];
    let settle = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    worker.exchange(settle, None).await;
    let states = [JobState::Completed, JobState::Failed, JobState::Retrying, JobState::Cancelled];
    for (id, expected) in ["a1", "a2", "a3", "a4"].into_iter().zip(states) {
        assert_eq!(state(&adapter, id).await, Some(expected), "{id}");
    }
}

pub(super) async fn items_that_come_back_go_at_once_and_apart(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(4, LONG);
    put_items(&adapter, rule, &["a1", "a2", "a3", "a4"]).await;
    let jobs = take(&mut worker, 1).await;
    put_items(&adapter, rule, &["a5", "a6", "a7"]).await;
    let ends = [retry("again", Duration::ZERO), retry("again", MOMENT), AttemptEnd::release(), complete("1")];
    let settle = jobs.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
    worker.exchange(settle, None).await;
    let again = take(&mut worker, 9).await;
    assert_eq!(batches(&again), [["a3", "a1"]]);
    assert_eq!(again.iter().map(|job| job.attempt).collect::<Vec<_>>(), [1, 2]);
    f.advance(MOMENT * 2).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a2"]]);
    f.advance(LEASE).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.rescued, 3);
    let jobs = take(&mut worker, 9).await;
    let mut sizes: Vec<usize> = batches(&jobs).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, 3], "three that were rescued, and three new ones");
}

pub(super) async fn a_serial_key_has_one_batch_at_a_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(2, LONG).serial();
    put_items(&adapter, rule, &["a1", "a2", "a3", "a4", "b1", "b2"]).await;
    let jobs = take(&mut worker, 9).await;
    assert_eq!(batches(&jobs), [["a1", "a2"], ["b1", "b2"]]);
    let answer = worker.exchange(vec![jobs[0].settlement(retry("again", MOMENT))], None).await;
    assert_eq!(answer.settled.len(), 1);
    assert!(take(&mut worker, 9).await.is_empty(), "one item of the batch still runs");
    f.advance(MOMENT * 2).await;
    assert!(take(&mut worker, 9).await.is_empty(), "also for those that come back");
    for id in ["a1", "a3"] {
        assert_eq!(info(&adapter, id).await.blocked, Some(Blocked::LimitKey("a".to_owned())), "{id}");
    }
    worker.settle(&jobs[1], complete("1")).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a3", "a4"]]);
}

pub(super) async fn priority_orders_a_batch(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let rule = Collect::new(2, MOMENT);
    put(&adapter, [item("a1", rule), NewJob { priority: 5, ..item("a2", rule) }, item("a3", rule)]).await;
    assert_eq!(batches(&take(&mut Caller::new(&adapter), 9).await), [["a2", "a1"]]);
}

pub(super) async fn items_leave_by_cancel_and_by_expiry(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(9, MOMENT * 4);
    let ttl = Some(Ttl::new(MOMENT));
    put_items(&adapter, rule, &["a1", "a2", "a3"]).await;
    put(&adapter, [NewJob { ttl, ..item("a4", rule) }, item("a5", rule), NewJob { ttl, ..item("b1", rule) }])
        .await;
    adapter.jobs().cancel(&"a2".into(), "why").await.unwrap();
    assert_eq!(state(&adapter, "a2").await, Some(JobState::Cancelled));
    f.advance(MOMENT * 5).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a3", "a5"]]);
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "a4").await, Some(JobState::Expired));
    assert_eq!(state(&adapter, "b1").await, Some(JobState::Expired));
    assert_eq!(waiting(&adapter).await, 0);
}

pub(super) async fn a_delayed_item_comes_when_it_is_due(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(9, MOMENT * 2);
    put(&adapter, [NewJob { due: Due::After(MOMENT), ..item("a2", rule) }]).await;
    put_items(&adapter, rule, &["a1"]).await;
    f.advance(MOMENT + MOMENT / 2).await;
    assert!(take(&mut worker, 9).await.is_empty());
    f.advance(MOMENT).await;
    assert!(take(&mut worker, 9).await.is_empty(), "the last one came 1.5 s ago");
    f.advance(MOMENT).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a2"]]);
    // nobody was there when it was due
    put(&adapter, [NewJob { due: Due::After(MOMENT), ..item("b1", rule) }]).await;
    f.advance(MOMENT * 4).await;
    assert_eq!(batches(&take(&mut worker, 9).await), [["b1"]]);
}

pub(super) async fn a_batch_that_goes_by_time_wakes_a_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let rule = Collect::new(2, MOMENT);
    let idle = idle_worker(&second).await;
    put_items(&adapter, rule, &["a1"]).await;
    tokio::time::sleep(QUIET).await;
    assert!(!idle.is_finished(), "it gathers");
    assert_eq!(got(idle).await, "a1");
    put_items(&adapter, Collect::new(2, LONG), &["b1"]).await;
    let idle = idle_worker(&second).await;
    put_items(&adapter, Collect::new(2, LONG), &["b2"]).await;
    assert_eq!(got(idle).await, "b2", "the last one of a full batch");
    put_items(&adapter, Collect::new(2, LONG), &["c1"]).await;
    let idle = idle_worker(&second).await;
    assert!(flush(&adapter, "c").await);
    assert_eq!(got(idle).await, "c1");
}

pub(super) async fn what_is_flushed_goes_at_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(9, LONG);
    assert!(!flush(&adapter, "a").await);
    put_items(&adapter, rule, &["a1", "a2", "b1"]).await;
    assert!(flush(&adapter, "a").await);
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a2"]]);
    put_items(&adapter, rule, &["a3"]).await;
    assert!(take(&mut worker, 9).await.is_empty(), "later ones gather anew");
}

pub(super) async fn s108_what_gathers_can_be_seen(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(3, MOMENT * 3);
    assert_eq!(collected(&adapter, "a").await, None);
    put_items(&adapter, rule, &["a1"]).await;
    f.advance(MOMENT).await;
    put_items(&adapter, rule, &["a2", "b1"]).await;
    let seen = collected(&adapter, "a").await.unwrap();
    assert_eq!(seen.count, 2);
    assert!(seen.oldest < seen.newest && seen.newest < seen.due);
    assert_eq!(seen.items, [("a1".into(), b"\"a1\"".to_vec()), ("a2".into(), b"\"a2\"".to_vec())]);
    let one = adapter.control().collected(&task(), &key("a"), 1).await.unwrap().unwrap();
    assert_eq!((one.count, one.items.len()), (2, 1));
    put_items(&adapter, rule, &["a3"]).await;
    let jobs = take(&mut worker, 9).await;
    assert_eq!(batches(&jobs), [["a1", "a2", "a3"]]);
    assert_eq!(collected(&adapter, "a").await, None, "an item is seen here or by the handler, never by both");
    worker.settle(&jobs[0], retry("again", Duration::ZERO)).await;
    assert_eq!(collected(&adapter, "a").await, None, "what was in a batch does not gather anew");
}

pub(super) async fn a_pause_and_a_limit_hold_for_items(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let rule = Collect::new(3, LONG);
    limit(&adapter, 2).await;
    assert!(pause(&adapter, "why").await);
    put_items(&adapter, rule, &["a1", "a2", "a3"]).await;
    assert!(take(&mut worker, 9).await.is_empty());
    assert!(resume(&adapter).await);
    assert_eq!(info(&adapter, "a1").await.blocked, None);
    assert!(adapter.control().pause(&task(), Some(&key("a")), "why".into()).await.unwrap());
    assert_eq!(info(&adapter, "a1").await.blocked, Some(Blocked::Paused));
    put_items(&adapter, Collect::new(1, LONG), &["b1"]).await;
    let jobs = take(&mut worker, 9).await;
    assert_eq!(batches(&jobs), [["b1"]], "another key");
    worker.settle(&jobs[0], complete("1")).await;
    assert!(adapter.control().resume(&task(), Some(&key("a"))).await.unwrap());
    assert_eq!(batches(&take(&mut worker, 9).await), [["a1", "a2"]]);
}

pub(super) async fn a_repeated_call_answers_with_the_same_batch(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put_items(&adapter, Collect::new(2, LONG), &["a1", "a2", "a3", "a4"]).await;
    let mut worker = Caller::new(&adapter);
    let call = worker.call(Vec::new(), Some(claim(1, &[(TASK, 1)])));
    for _ in 0..2 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(batches(&answer.jobs), [["a1", "a2"]]);
    }
}

pub(super) async fn jobs_without_a_key_and_nodes_do_not_gather(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let rule = Collect::new(9, LONG);
    put(&adapter, [NewJob { limit_key: None, ..item("a1", rule) }]).await;
    let nodes = vec![NewNode { limit_key: Some(key("a")), ..node(None) }];
    start(&adapter, flow("w", nodes, &[])).await;
    let jobs = take(&mut Caller::new(&adapter), 9).await;
    assert_eq!(ids(&jobs), ["a1", "w#0"]);
    assert!(jobs.iter().all(|job| job.batch.is_none()));
}

pub(super) async fn an_item_that_is_replaced_gathers_under_its_new_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let rule = Collect::new(9, LONG);
    let put_once = async |id: &str, rule: Collect| {
        adapter.admissions().admit(vec![deduplicated(item(id, rule), Otherwise::Replace)]).await.unwrap();
    };
    put_once("a1", rule).await;
    put_once("b1", Collect::new(9, MOMENT)).await;
    assert_eq!(collected(&adapter, "a").await, None);
    assert_eq!(collected(&adapter, "b").await.unwrap().count, 1);
    f.advance(MOMENT * 2).await;
    assert_eq!(batches(&take(&mut Caller::new(&adapter), 9).await), [["a1"]]);
}

pub(super) async fn a_rule_that_no_store_can_keep_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for max_size in [0, Collect::LARGEST + 1] {
        let refused = adapter.jobs().enqueue(vec![item("a1", Collect::new(max_size, MOMENT))]).await;
        assert!(matches!(refused, Err(AdapterError::Config(_))), "{max_size}");
    }
    put(&adapter, (0..Collect::LARGEST).map(|at| item(&format!("a{at}"), Collect::new(500, LONG)))).await;
    assert_eq!(take(&mut Caller::new(&adapter), 1).await.len(), 500);
}
