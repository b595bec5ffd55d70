//! Lists of jobs by state.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::Fixture;
use super::admission_kit::{admit, deduplicated};
use super::flow_kit::{chain, start};
use super::gate_kit::{pause, resume};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, TASK, claim, complete, delayed, fail, ids, info, job, prioritised,
    progress, put, retry, sweep,
};
use super::lane_kit::{claim_all, key, keyed, per_key};
use super::list_kit::{generated, jobs, listed, names, page, query};
use crate::adapter::{
    AttemptEnd, Collect, Due, JobQuery, Lease, NewJob, Otherwise, PerKey, Place, RenewLease, TaskClaim,
    TaskName,
};
use crate::job::{JobId, JobState, Timestamp};
use crate::policy::{Retention, Ttl};

pub(super) async fn what_waits_comes_in_the_order_of_claims(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["back", "gone", "first"].map(|id| job(id, TASK))).await;
    put(&adapter, [prioritised("high", TASK, 7), prioritised("low", TASK, -7), delayed("due", TASK, 1)])
        .await;
    put(&adapter, [job("last", TASK), prioritised("high too", TASK, 7), job("other", OTHER)]).await;
    let claimed = worker.claim(3, &[TASK]).await;
    assert_eq!(ids(&claimed), ["high", "high too", "back"]);
    for job in &claimed[1..] {
        worker.settle(job, AttemptEnd::release()).await;
    }
    adapter.jobs().cancel(&"gone".into(), "").await.unwrap();
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let expected = ["high too", "back", "first", "last", "due", "low"];
    assert_eq!(listed(&adapter, JobState::Waiting).await, expected);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), expected);
    assert!(listed(&adapter, JobState::Waiting).await.is_empty());
}

pub(super) async fn what_waits_under_keys_comes_after_the_line(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("z", TASK), job("y", TASK)]).await;
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, ["a1", "b1", "a2", "b2", "a3"].map(keyed)).await;
    let items = ["c1", "c2"].map(|id| NewJob { collect: Some(Collect::new(9, MOMENT)), ..keyed(id) });
    put(&adapter, items).await;
    let follow = || Otherwise::Follow { cancel_running: false };
    admit(&adapter, deduplicated(job("x", OTHER), follow())).await;
    let own = deduplicated(NewJob { priority: 9, ..job("front", TASK) }, follow());
    admit(&adapter, own).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(1, &[TASK]).await), ["front"]);
    admit(&adapter, deduplicated(job("behind", TASK), follow())).await;
    let all = listed(&adapter, JobState::Waiting).await;
    assert_eq!(all, ["z", "y", "a1", "a2", "a3", "b1", "b2", "c1", "c2", "behind"]);
    adapter.jobs().cancel(&"a2".into(), "").await.unwrap();
    assert_eq!(ids(&claim_all(&adapter).await), ["z", "y", "a1", "b1"]);
    assert_eq!(listed(&adapter, JobState::Waiting).await, ["a3", "b2", "c1", "c2", "behind"]);
    assert_eq!(listed(&adapter, JobState::Active).await.len(), 5);
}

/// Ten thousand jobs in pages, while workers claim and callers cancel.
pub(super) async fn pages_neither_double_nor_skip_what_stays(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for start in (0..10_000).step_by(1_000) {
        let one = |number: i32| {
            let number = start + number;
            prioritised(&format!("{number:05}"), TASK, if number % 10 == 9 { -1 } else { 0 })
        };
        put(&adapter, (0..1_000).map(one)).await;
    }
    let (mut worker, mut query) = (Caller::new(&adapter), query(JobState::Waiting));
    query.limit = 450;
    let (mut seen, mut round) = (Vec::new(), 0);
    loop {
        let page = page(&adapter, &query).await;
        seen.extend(names(&page.jobs));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        // one that the page before ended with, some that are to come, and some of those at the front
        round += 1;
        adapter.jobs().cancel(&page.jobs.last().expect("a job").id, "").await.unwrap();
        for number in [round * 300 + 1, round * 460 + 200] {
            adapter.jobs().cancel(&JobId::from(format!("{number:05}")), "").await.unwrap();
        }
        for job in worker.claim(90, &[TASK]).await.iter().rev().take(5) {
            worker.settle(job, AttemptEnd::release()).await;
        }
        put(&adapter, [prioritised(&format!("new {round}"), TASK, 5)]).await;
    }
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "none comes twice");
    let mut stayed = jobs(&adapter, super::list_kit::query(JobState::Waiting), 500).await;
    stayed.retain(|job| job.id.as_str().len() == 5);
    assert!(stayed.len() > 7_000, "{} stayed, {round} pages, {} seen", stayed.len(), seen.len());
    for job in &stayed {
        assert!(once.contains(&job.id.to_string()), "`{}` was skipped", job.id);
    }
}

pub(super) async fn what_is_delayed_comes_by_its_due_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, [job("r2", TASK), job("r1", TASK)]).await;
    for wait in [2_500, 1_500] {
        worker.run_one(retry("no", Duration::from_millis(wait))).await;
    }
    put(
        &adapter,
        [delayed("d3", TASK, 3_000_000), delayed("d1", TASK, 1_000_000), delayed("d2", TASK, 2_000_000)],
    )
    .await;
    // many of one time
    let at = Due::At(SystemTime::UNIX_EPOCH + Duration::from_secs(9_000_000_000));
    put(&adapter, (0..40).map(|number| NewJob { due: at, ..job(&format!("same {number:02}"), TASK) })).await;
    let mut expected = vec!["d1".to_owned(), "d2".to_owned(), "d3".to_owned()];
    expected.extend((0..40).map(|number| format!("same {number:02}")));
    assert_eq!(listed(&adapter, JobState::Delayed).await, expected);
    assert_eq!(listed(&adapter, JobState::Retrying).await, ["r1", "r2"]);
    // the entry that a place names may be gone
    let mut ask = JobQuery { limit: 10, ..query(JobState::Delayed) };
    let first = page(&adapter, &ask).await;
    adapter.jobs().cancel(&first.jobs.last().unwrap().id, "").await.unwrap();
    ask.after = first.next;
    let rest = names(&jobs(&adapter, ask, 7).await);
    assert_eq!([names(&first.jobs), rest].concat(), expected);
}

pub(super) async fn what_runs_comes_by_the_deadline_of_its_lease(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    put(&adapter, ["a", "b", "c", "d"].map(|id| job(id, TASK))).await;
    let mut leases: Vec<Lease> = Vec::new();
    for lease in [4, 1, 3, 2] {
        let of = TaskClaim { task: TaskName::from(TASK), limit: 1, lease: LEASE * lease };
        let claim = crate::adapter::Claim { tasks: [of].into(), ..claim(1, &[]) };
        leases.extend(worker.exchange(Vec::new(), Some(claim)).await.jobs.into_iter().map(|job| job.lease));
    }
    assert_eq!(listed(&adapter, JobState::Active).await, ["b", "d", "c", "a"]);
    let renew = RenewLease { lease: leases[1].clone(), length: LEASE * 9 };
    adapter.jobs().renew(vec![renew]).await.unwrap();
    assert_eq!(listed(&adapter, JobState::Active).await, ["d", "c", "a", "b"]);
}

pub(super) async fn what_has_ended_comes_newest_first(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let ends = [
        (JobState::Completed, complete("1")),
        (JobState::Failed, fail("no")),
        (JobState::Cancelled, AttemptEnd::Cancel),
    ];
    for (number, (state, end)) in ends.into_iter().enumerate() {
        let first = u16::try_from(100 * number).unwrap();
        let mut expected: Vec<BTreeSet<String>> = Vec::new();
        // those of one call end at the same time, of both kinds of ids
        for round in 0..4 {
            let own = |n: u16| JobId::from(format!("{number} own {round} {n}"));
            let ids = (0..6).map(|n| if n % 2 == 0 { generated(first + 10 * round + n) } else { own(n) });
            let ids: Vec<JobId> = ids.collect();
            put(&adapter, ids.iter().map(|id| NewJob { id: id.clone(), ..job("", TASK) })).await;
            let claimed = worker.claim(6, &[TASK]).await;
            if state == JobState::Cancelled {
                for job in &claimed {
                    adapter.jobs().cancel(&job.lease.id, "enough").await.unwrap();
                }
            }
            let settle = claimed.iter().map(|job| job.settlement(end.clone())).collect();
            worker.exchange(settle, None).await;
            expected.push(ids.iter().map(JobId::to_string).collect());
            f.advance(MOMENT).await;
        }
        let all = listed(&adapter, state).await;
        let found: Vec<BTreeSet<String>> =
            all.chunks(6).map(|chunk| chunk.iter().cloned().collect()).collect();
        expected.reverse();
        assert_eq!(found, expected, "{state}");
    }
    put(&adapter, ["late", "too late"].map(|id| NewJob { ttl: Some(Ttl::new(MOMENT)), ..job(id, TASK) }))
        .await;
    f.advance(MOMENT + MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(listed(&adapter, JobState::Expired).await.len(), 2);
}

pub(super) async fn what_is_listed_is_what_is_known(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut worker = Caller::new(&adapter);
    let big = serde_json::to_vec(&"x".repeat(100_000)).unwrap();
    let meta = vec![("shop".to_owned(), "größe \"7\"".to_owned())];
    let named = |id: &str| NewJob { meta: meta.clone(), payload: big.clone(), ..job(id, TASK) };
    put(&adapter, ["completed", "failed", "retrying", "active", "waiting"].map(named)).await;
    start(&adapter, chain("flow", 2)).await;
    put(&adapter, [NewJob { due: Due::After(LEASE), ..named("delayed") }]).await;
    worker.run_one(AttemptEnd::Complete(big.clone())).await;
    worker.run_one(fail("größe")).await;
    worker.run_one(retry("no", LEASE)).await;
    let active = worker.claim_one().await;
    assert!(progress(&adapter, &active, "[1]").await);
    pause(&adapter, "tea").await;
    let mut all = Vec::new();
    for state in JobState::ALL {
        for listed in jobs(&second, query(*state), 3).await {
            assert_eq!(listed, info(&second, listed.id.as_str()).await);
            assert_eq!(listed.state, *state);
            all.push(listed.id.to_string());
        }
    }
    assert_eq!(all, ["waiting", "flow#0", "delayed", "active", "retrying", "completed", "failed"]);
    resume(&adapter).await;
}

pub(super) async fn of_an_unknown_task_nothing_is_listed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", OTHER)]).await;
    for state in JobState::ALL {
        let page = page(&adapter, &query(*state)).await;
        assert!(page.jobs.is_empty() && page.scanned == 0 && page.next.is_none(), "{state}");
    }
    put(&adapter, [job("b", TASK)]).await;
    // a place that no page has returned
    for part in [3, 9, 255] {
        for (number, entry) in [(f64::INFINITY, &b"\xff"[..]), (f64::NEG_INFINITY, b""), (7.5, b"x")] {
            for state in JobState::ALL {
                let after = Some(Place { part, number, entry: entry.to_vec() });
                let page = page(&adapter, &JobQuery { after, ..query(*state) }).await;
                assert!(page.jobs.is_empty(), "{state} after part {part}");
            }
        }
    }
}

pub(super) async fn only_what_is_asked_for_is_looked_at(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, (0..1_000).map(|number| job(&format!("{number:04}"), TASK))).await;
    let all = query(JobState::Waiting);
    let first = page(&adapter, &JobQuery { most: 7, ..all.clone() }).await;
    assert_eq!((first.jobs.len(), first.scanned), (7, 7));
    let mut ask = JobQuery { limit: 5, ..all.clone() };
    ask.filter.id_prefix = Some("07".to_owned());
    let none = page(&adapter, &JobQuery { most: usize::MAX, ..ask.clone() }).await;
    assert_eq!((none.jobs.len(), none.scanned), (0, JobQuery::PAGE));
    ask.after = none.next;
    let some = page(&adapter, &ask).await;
    assert_eq!(names(&some.jobs), ["0700", "0701", "0702", "0703", "0704"]);
    assert_eq!(some.scanned, 205);
    ask.after = some.next;
    assert_eq!(jobs(&adapter, ask, 50).await.len(), 95);
}

pub(super) async fn jobs_are_found_by_what_is_in_them(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let with = |id: &str, payload: &str, meta: &[(&str, &str)]| NewJob {
        meta: meta.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        payload: payload.into(),
        ..job(id, TASK)
    };
    let long = format!("{{\"to\":\"bob@c.com\",\"pad\":\"{}\"}}", "x".repeat(9_000));
    put(
        &adapter,
        [
            with("order-1", r#"{"to":"ann@b.com"}"#, &[("shop", "7")]),
            with("order-2", &long, &[("a", "b"), ("shop", "8")]),
            with("item-1", r#"{"to":"größe [[\"shop\",\"7\"]] %a+"}"#, &[]),
        ],
    )
    .await;
    let uuid = generated(7);
    put(&adapter, [NewJob { id: uuid.clone(), ..with("", "null", &[("shop", "77")]) }]).await;
    start(&adapter, chain("order-flow", 1)).await;
    let found = async |change: &dyn Fn(&mut JobQuery)| {
        let mut ask = query(JobState::Waiting);
        change(&mut ask);
        names(&jobs(&adapter, ask, 2).await)
    };
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(
        found(&|ask| ask.filter.id_prefix = of("order-")).await,
        ["order-1", "order-2", "order-flow#0"]
    );
    assert_eq!(found(&|ask| ask.filter.id_prefix = of("order-flow#")).await, ["order-flow#0"]);
    assert_eq!(found(&|ask| ask.filter.id_prefix = of("0199f0b2-0000-70")).await, [uuid.to_string()]);
    assert!(found(&|ask| ask.filter.id_prefix = of("0199f0b3")).await.is_empty());
    assert_eq!(found(&|ask| ask.filter.payload = of(r#""to":"#)).await, ["order-1", "order-2", "item-1"]);
    assert_eq!(found(&|ask| ask.filter.payload = of("bob@c.com")).await, ["order-2"]);
    assert_eq!(found(&|ask| ask.filter.payload = of("%a+")).await, ["item-1"], "no pattern");
    assert_eq!(found(&|ask| ask.filter.payload = of("ö")).await, ["item-1"]);
    let shop = |ask: &mut JobQuery, shop: &str| ask.filter.meta.push(("shop".to_owned(), shop.to_owned()));
    assert_eq!(found(&|ask| shop(ask, "7")).await, ["order-1"]);
    assert_eq!(found(&|ask| shop(ask, "8")).await, ["order-2"]);
    assert!(found(&|ask| ["7", "8"].iter().for_each(|one| shop(ask, one))).await.is_empty());
    assert!(found(&|ask| ask.filter.error = of("")).await.is_empty(), "none has an error");

    // by how they ended, and when
    let all = worker.claim(9, &[TASK]).await;
    let mut times = Vec::new();
    for (claimed, error) in all.iter().zip(["timeout: größe", "timeout: 7", "refused"]) {
        worker.settle(claimed, fail(error)).await;
        times.push(info(&adapter, claimed.lease.id.as_str()).await.finished_at.expect("it has ended"));
        f.advance(MOMENT).await;
    }
    let ended = async |change: &dyn Fn(&mut JobQuery)| {
        let mut ask = query(JobState::Failed);
        change(&mut ask);
        names(&jobs(&adapter, ask, 2).await)
    };
    assert_eq!(ended(&|ask| ask.filter.error = of("timeout")).await, ["order-2", "order-1"]);
    assert_eq!(ended(&|ask| ask.filter.error = of("größe")).await, ["order-1"]);
    assert_eq!(ended(&|ask| ask.filter.since = Some(times[1])).await, ["item-1", "order-2"]);
    assert_eq!(ended(&|ask| ask.filter.until = Some(times[1])).await, ["order-2", "order-1"]);
    let between =
        |ask: &mut JobQuery| (ask.filter.since, ask.filter.until) = (Some(times[1]), Some(times[1]));
    assert_eq!(ended(&|ask| between(ask)).await, ["order-2"]);
    let before = Timestamp::from_millis(times[0].as_millis() - 1);
    assert!(ended(&|ask| ask.filter.until = Some(before)).await.is_empty());
    assert_eq!(ended(&|ask| ask.filter.payload = of("bob")).await, ["order-2"]);
    let mut late = query(JobState::Failed);
    late.filter.since = Some(times[2]);
    let late = page(&adapter, &late).await;
    assert!(late.scanned <= 2 && late.next.is_none(), "what ended before is not looked at: {late:?}");
    // a job that died too often says so
    put(&adapter, [NewJob { max_stalls: 0, ..keyed("stalled") }]).await;
    assert_eq!(worker.claim(1, &[TASK]).await[0].limit_key, Some(key("stalled")));
    f.advance(LEASE * 2).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert!(ended(&|ask| ask.filter.error = of("stopped renewing")).await.contains(&"stalled".to_owned()));
}
