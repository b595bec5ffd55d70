//! Damage to lanes, and to what is stored of the jobs that hold keys.

use std::time::Duration;

use taskora::JobState;
use taskora::adapter::{Control, DeclaredLimit, GatedTask, Inspection, Jobs, LimitKey, NewJob, PerKey, Rate};

use super::bench::Bench;
use crate::kit::{TASK, drain, exchange, job};

const LANE: &str = "@lane:send-email\\x00";
const MISPLACED: &str = "task `send-email`: the lane of a key is not where workers look for it";

async fn declare(bench: &Bench, per_key: Option<PerKey>) {
    let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(per_key);
    bench.adapter.declare_limits(vec![limit]).await.expect("declare_limits");
}

/// `a1` holds its key, `a2` and `a3` wait for it, and `b1` may go.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    declare(&bench, Some(PerKey::at_most(1))).await;
    let jobs = ["a1", "a2", "a3", "b1"].map(|id| NewJob { limit_key: LimitKey::new(&id[..1]), ..job(id) });
    bench.adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let claimed = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(claimed[0].lease.id.as_str(), "a1");
    assert_eq!(bench.found().await, [""; 0]);
    bench
}

/// All jobs run, and nothing is left.
async fn runs(bench: &Bench) {
    bench.adapter.shift_clock(std::time::Duration::from_secs(3600)).await.expect("shift the clock");
    let keep = taskora::Retention::default();
    while bench.adapter.sweep(&[TASK.into()], keep).await.expect("sweep").more {}
    drain(&bench.adapter, "x").await;
    for id in ["a1", "a2", "a3", "b1"] {
        let info = bench.adapter.job(&id.into()).await.expect("job").expect(id);
        assert_eq!(info.state, JobState::Completed, "{id}");
    }
    declare(bench, None).await;
    bench.drains().await;
}

/// As [`Bench::heals`], where several findings are about the same, and one repair puts all right.
async fn mends(bench: &mut Bench, damage: &[&str], expected: &str) {
    damage.iter().for_each(|command| drop(bench.run(command)));
    let found = bench.found().await;
    assert!(found.iter().any(|text| text.starts_with(expected)), "{damage:?}: {found:?}");
    let report = bench.app.repair().await.expect("repair");
    assert!(report.repaired > 0 && report.left == 0, "{damage:?}: {report}");
    assert_eq!(bench.found().await, [""; 0], "{damage:?}");
}

fn does_not_belong(id: &str) -> String {
    format!("job `{id}` of `send-email`: the waiting jobs have an entry for it, but it does not belong there")
}

#[tokio::test]
async fn lanes_that_nobody_looks_at() {
    let mut bench = bench().await;
    let empty = "task `send-email`: workers see it, but it has no waiting jobs";
    bench.heals(&["ZREM @turns:send-email b"], &[MISPLACED, empty]).await;
    bench.heals(&["ZREM @parked:send-email a"], &[MISPLACED]).await;
    // there is room
    mends(&mut bench, &["ZREM @turns:send-email b", "ZADD @parked:send-email 7 b"], MISPLACED).await;
    mends(&mut bench, &["ZADD @parked:send-email 7 b"], MISPLACED).await;
    bench.heals(&["ZADD @turns:send-email 7 gone"], &[MISPLACED]).await;
    bench.heals(&["ZADD @parked:send-email 7 gone"], &[MISPLACED]).await;
    // a lane without room may be among those that take turns
    bench.run("ZREM @parked:send-email a");
    bench.run("ZADD @turns:send-email 7 a");
    assert_eq!(bench.found().await, [""; 0]);
    runs(&bench).await;
}

#[tokio::test]
async fn lanes_that_open_at_a_wrong_time() {
    let mut bench = Bench::start().await;
    let hourly = Rate::new(1, Duration::from_secs(3600));
    declare(&bench, Some(PerKey::fair().rate(Some(hourly)))).await;
    let jobs = ["a1", "a2", "b1", "a3"].map(|id| NewJob { limit_key: LimitKey::new(&id[..1]), ..job(id) });
    bench.adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let claimed = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(claimed[0].lease.id.as_str(), "a1");
    assert_eq!(bench.found().await, [""; 0]);
    let wrongly = "task `send-email`: its gate is closed although there is room, or the other way round";
    mends(&mut bench, &["ZREM @opening:send-email a"], MISPLACED).await;
    mends(&mut bench, &["ZADD @opening:send-email 7777777777777 a"], MISPLACED).await;
    mends(&mut bench, &["ZADD @opening:send-email 7777777777777 b"], MISPLACED).await;
    mends(&mut bench, &["ZADD @opening:send-email 7777777777777 gone"], MISPLACED).await;
    mends(&mut bench, &["ZREM @opens send-email\\x00"], wrongly).await;
    mends(&mut bench, &["ZADD @opens 7777777777777 send-email\\x00"], wrongly).await;
    for _ in 0..3 {
        bench.adapter.shift_clock(Duration::from_secs(3600)).await.expect("shift the clock");
        drain(&bench.adapter, "x").await;
    }
    let keep = taskora::Retention::default();
    while bench.adapter.sweep(&[TASK.into()], keep).await.expect("sweep").more {}
    drain(&bench.adapter, "x").await;
    declare(&bench, None).await;
    bench.drains().await;
}

#[tokio::test]
async fn entries_of_lanes_that_name_no_job() {
    let mut bench = bench().await;
    for score in ["7", "+inf"] {
        bench.heals(&[&format!("ZADD {LANE}a {score} =gone")], &[&does_not_belong("gone")]).await;
    }
    bench.heals(&[&format!("ZADD {LANE}c +inf =gone")], &[&does_not_belong("gone")]).await;
    bench.heals(&[&format!("ZADD {LANE}c 7 =gone")], &[&does_not_belong("gone"), MISPLACED]).await;
    // in the lane of another key
    bench.heals(&[&format!("ZADD {LANE}b 9999999999999 =a2")], &[&does_not_belong("a2")]).await;
    let unknown = "job `gone` of `send-email`: the waiting jobs have an entry for it, but it is not known";
    bench.heals(&["HSET @laned:send-email =gone a"], &[unknown]).await;
    let leftover = |id: &str| format!("job `{id}`: a held limit key is left over");
    bench.heals(&["HSET @held =gone a"], &[&leftover("gone")]).await;
    bench.heals(&["HSET @held =a2 a"], &[&leftover("a2")]).await;
    runs(&bench).await;
}

#[tokio::test]
async fn jobs_that_their_lane_has_lost() {
    let lost = "job `a2` of `send-email`: it is missing from the waiting jobs";
    for (damage, expected) in [
        (vec![format!("ZREM {LANE}a =a2")], vec![lost.to_owned(), does_not_belong("a2")]),
        (vec!["HDEL @laned:send-email =a2".to_owned()], vec![lost.to_owned(), does_not_belong("a2")]),
        (vec!["HDEL @laned:send-email =a2".to_owned(), format!("ZREM {LANE}a =a2")], vec![lost.to_owned()]),
        // whoever runs no longer holds the key
        (vec!["HDEL @held =a1".to_owned()], vec![does_not_belong("a1")]),
    ] {
        let mut bench = bench().await;
        let damage: Vec<&str> = damage.iter().map(String::as_str).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        bench.heals(&damage, &expected).await;
        runs(&bench).await;
    }
    let mut bench = bench().await;
    mends(&mut bench, &[&format!("ZREM {LANE}a =a1")], "job `a1`: a held limit key is left over").await;
    runs(&bench).await;
}
