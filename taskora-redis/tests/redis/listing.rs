//! What a page of jobs costs, and what holds none up.

use std::collections::BTreeSet;

use redis::Commands;
use taskora::adapter::{
    Control, DeclaredLimit, Due, GatedTask, Inspection, JobQuery, Jobs, LimitKey, NewJob, PerKey, Place,
};
use taskora::{JobId, JobState};
use taskora_redis::RedisAdapter;

use crate::costs::commands;
use crate::kit::{TASK, complete, exchange, job, patient};
use crate::server::Server;

fn key(name: &str) -> String {
    format!("{{taskora}}:{name}:{TASK}")
}

async fn put(adapter: &RedisAdapter, numbers: std::ops::Range<u32>, one: impl Fn(u32) -> NewJob) {
    let all: Vec<u32> = numbers.collect();
    for some in all.chunks(500) {
        adapter.enqueue(some.iter().copied().map(&one).collect()).await.expect("enqueue");
    }
}

/// What the first page of 50 and the one after it cost, and where the latter ends.
async fn two_pages(server: &Server, adapter: &RedisAdapter, state: JobState) -> ([u64; 2], Place) {
    let mut query = JobQuery { limit: 50, ..JobQuery::new(TASK, state) };
    let mut costs = [0; 2];
    for cost in &mut costs {
        let before = commands(server);
        let page = adapter.list(&query).await.expect("list");
        *cost = commands(server) - before;
        assert_eq!(page.jobs.len(), 50, "{state}");
        query.after = page.next;
    }
    (costs, query.after.expect("more"))
}

#[tokio::test]
async fn a_page_costs_the_same_for_any_backlog() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let due = Due::At(std::time::UNIX_EPOCH + std::time::Duration::from_secs(9_000_000_000));
    let waiting = |number| job(&format!("w{number}"));
    let delayed = |number| NewJob { due, ..job(&format!("d{number}")) };
    put(&adapter, 0..1_000, waiting).await;
    put(&adapter, 0..1_000, delayed).await;
    two_pages(&server, &adapter, JobState::Waiting).await;
    let (few_waiting, _) = two_pages(&server, &adapter, JobState::Waiting).await;
    let (few_delayed, _) = two_pages(&server, &adapter, JobState::Delayed).await;
    put(&adapter, 1_000..100_000, waiting).await;
    put(&adapter, 1_000..20_000, delayed).await;
    let (many_waiting, _) = two_pages(&server, &adapter, JobState::Waiting).await;
    let (many_delayed, _) = two_pages(&server, &adapter, JobState::Delayed).await;
    // a place is found by bisection: a hundred times as many take seven steps more
    assert_eq!(few_waiting[0], many_waiting[0]);
    assert_eq!(few_delayed[0], many_delayed[0]);
    assert!(many_waiting[1] <= few_waiting[1] + 8, "{few_waiting:?} and {many_waiting:?}");
    assert!(many_delayed[1] <= few_delayed[1] + 8, "{few_delayed:?} and {many_delayed:?}");
    assert!(many_waiting[1] < 60 && many_delayed[1] < 60, "{many_waiting:?} and {many_delayed:?}");
}

#[tokio::test]
async fn a_search_looks_at_a_page() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    put(&adapter, 0..5_000, |number| job(&format!("{number}"))).await;
    let mut query =
        JobQuery { most: usize::MAX, limit: usize::MAX, ..JobQuery::new(TASK, JobState::Waiting) };
    query.filter.payload = Some("nowhere".to_owned());
    let before = commands(&server);
    let page = adapter.list(&query).await.expect("list");
    assert_eq!((page.jobs.len(), page.scanned), (0, JobQuery::PAGE));
    assert!(commands(&server) - before < 60, "records are read together");
    // long payloads and results end a page earlier
    let long = || vec![b'7'; 200_000];
    put(&adapter, 0..20, |number| NewJob { payload: long(), priority: 9, ..job(&format!("long {number}")) })
        .await;
    let page = adapter.list(&query).await.expect("list");
    assert!(page.scanned < 10 && page.next.is_some(), "{} were looked at", page.scanned);
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 20)).await.expect("claim").jobs;
    let ends = claimed.iter().map(|job| job.settlement(taskora::adapter::AttemptEnd::Complete(long())));
    adapter.exchange(exchange("w", 2, ends.collect(), 0)).await.expect("settle");
    let page = adapter.list(&JobQuery::new(TASK, JobState::Completed)).await.expect("list");
    assert!(page.scanned < 10 && page.next.is_some(), "{} were looked at", page.scanned);
}

/// All ids, in pages of so many.
async fn all(adapter: &RedisAdapter, state: JobState, limit: usize) -> Vec<JobId> {
    let (mut query, mut ids) = (JobQuery { limit, ..JobQuery::new(TASK, state) }, Vec::new());
    for _ in 0..5_000 {
        let page = adapter.list(&query).await.expect("list");
        ids.extend(page.jobs.into_iter().map(|job| job.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return ids,
        }
    }
    panic!("the list of {state} jobs has no end");
}

#[tokio::test]
async fn many_jobs_in_lanes_come_once() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::at_most(1)));
    adapter.declare_limits(vec![limit]).await.expect("declare_limits");
    let keyed = |number: u32| NewJob {
        limit_key: LimitKey::new(format!("{}", number % 300)),
        ..job(&number.to_string())
    };
    put(&adapter, 0..450, keyed).await;
    let mut query = JobQuery { limit: 300, ..JobQuery::new(TASK, JobState::Waiting) };
    let first = adapter.list(&query).await.expect("list");
    let mut seen: Vec<JobId> = first.jobs.into_iter().map(|job| job.id).collect();
    // while a page is read they become many
    put(&adapter, 450..3_000, keyed).await;
    query.after = first.next;
    while query.after.is_some() {
        let before = commands(&server);
        let page = adapter.list(&query).await.expect("list");
        assert!(commands(&server) - before < 1_000, "a page is looked at");
        assert!(page.jobs.len() < 310, "a few more than are asked for");
        seen.extend(page.jobs.into_iter().map(|job| job.id));
        query.after = page.next;
    }
    let once: BTreeSet<&JobId> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "none comes twice");
    for number in 0..450 {
        assert!(once.contains(&JobId::from(number.to_string())), "`{number}` was skipped");
    }
    assert_eq!(all(&adapter, JobState::Waiting, 500).await.len(), 3_000);
}

#[tokio::test]
async fn damaged_entries_hold_up_nothing() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let mut redis = redis::Client::open(server.url()).expect("a URL").get_connection().expect("connect");
    let far = Due::At(std::time::UNIX_EPOCH + std::time::Duration::from_secs(9_000_000_000));
    put(&adapter, 0..60, |number| job(&format!("done {number:03}"))).await;
    let claimed = adapter.exchange(exchange("w", 1, Vec::new(), 60)).await.expect("claim").jobs;
    let fail =
        |job: &taskora::adapter::ClaimedJob| job.settlement(taskora::adapter::AttemptEnd::Fail("no".into()));
    let ends =
        claimed.iter().enumerate().map(|(at, job)| if at % 2 == 0 { complete(job) } else { fail(job) });
    adapter.exchange(exchange("w", 2, ends.collect(), 0)).await.expect("settle");
    put(&adapter, 0..9, |number| job(&format!("active {number:03}"))).await;
    assert_eq!(adapter.exchange(exchange("w", 3, Vec::new(), 9)).await.expect("claim").jobs.len(), 9);
    put(&adapter, 0..600, |number| job(&format!("w {number:03}"))).await;
    put(&adapter, 0..30, |number| NewJob { priority: 3, ..job(&format!("p {number:03}")) }).await;
    put(&adapter, 0..30, |number| NewJob { due: far, ..job(&format!("d {number:03}")) }).await;

    let garbage = ["", "x", "garbage", "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}no such job"];
    for list in ["wait", "completed", "owncompleted"] {
        for entry in garbage {
            redis.rpush::<_, _, ()>(key(list), entry).expect("rpush");
            redis.lpush::<_, _, ()>(key(list), entry).expect("lpush");
        }
    }
    for at in (100..230).step_by(2) {
        let entry: Vec<u8> = redis.lindex(key("wait"), at).expect("lindex");
        redis.linsert_before::<_, _, _, ()>(key("wait"), entry, "garbage in the middle").expect("linsert");
    }
    for set in ["prio", "delayed", "active", "failed", "ownfailed"] {
        for (at, score) in [f64::NEG_INFINITY, -1e300, 0.0, 1.5, 1e300, f64::INFINITY].into_iter().enumerate()
        {
            redis.zadd::<_, _, _, ()>(key(set), format!("garbage {at}:7"), score).expect("zadd");
        }
    }
    // records that are none
    for id in ["=w 300", "=p 010", "=d 010", "=active 003", "=done 020", "=done 021"] {
        redis.hset::<_, _, _, ()>("{taskora}:jobs", id, "\u{1}short").expect("hset");
    }
    redis.hdel::<_, _, ()>("{taskora}:done", &["=done 030", "=done 031"]).expect("hdel");
    let counts = [
        (JobState::Waiting, 628),
        (JobState::Delayed, 29),
        (JobState::Active, 8),
        (JobState::Completed, 28),
        (JobState::Failed, 28),
    ];
    for (state, count) in counts {
        for limit in [1, 7, 500] {
            let ids = all(&adapter, state, limit).await;
            let once: BTreeSet<&JobId> = ids.iter().collect();
            assert_eq!((ids.len(), once.len()), (count, count), "{state} in pages of {limit}");
        }
    }
    // more garbage than anybody reads
    for _ in 0..20 {
        redis.rpush::<_, _, ()>(key("wait"), vec!["garbage"; 500]).expect("rpush");
    }
    assert_eq!(all(&adapter, JobState::Waiting, 500).await.len(), 628);
}

#[tokio::test]
async fn an_overview_costs_a_few_commands_a_task() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let mut number = 0;
    let mut put_all = async |jobs: u32| {
        for task in 0..500 {
            number += 1;
            let one = |job_number| NewJob {
                task: format!("task {task}").into(),
                ..job(&format!("{number} {job_number}"))
            };
            put(&adapter, 0..jobs, one).await;
        }
    };
    put_all(1).await;
    let ask = async || {
        let before = commands(&server);
        assert_eq!(adapter.overview().await.expect("overview").tasks.len(), 500);
        commands(&server) - before
    };
    ask().await;
    let few = ask().await;
    put_all(40).await;
    let many = ask().await;
    assert!(few < 500 * 16 && many <= few + 9, "{few}, and {many} with a backlog");
}
