//! Damage to what gathers.

use std::time::Duration;

use taskora::JobState;
use taskora::adapter::{Collect, Inspection, Jobs, LimitKey, NewJob};

use super::bench::Bench;
use crate::kit::{TASK, drain, exchange, job};

const LANE: &str = "@lane:send-email\\x00\\xff";
const CAME: &str = "@came:send-email\\x00\\xff";
const RULES: &str = "@rules:send-email";
const MISPLACED: &str = "task `send-email`: the lane of a key is not where workers look for it";

/// `a1` and `a2` run in a serial batch, `a3` waits for that, `b1` and `b2` gather, and `c1` may go.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    let item =
        |id: &str, collect| NewJob { limit_key: LimitKey::new(&id[..1]), collect: Some(collect), ..job(id) };
    let serial = Collect::new(2, Duration::from_secs(60)).serial();
    let jobs = ["a1", "a2", "a3"].map(|id| item(id, serial));
    bench.adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let claimed = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(claimed.len(), 2);
    let long = Collect::new(9, Duration::from_secs(60));
    let jobs = [item("b1", long), item("b2", long), item("c1", Collect::new(1, Duration::ZERO))];
    bench.adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    assert_eq!(bench.found().await, [""; 0]);
    bench
}

/// All jobs run, and nothing is left.
async fn runs(bench: &Bench) {
    let keep = taskora::Retention::default();
    for _ in 0..2 {
        bench.adapter.shift_clock(Duration::from_secs(600)).await.expect("shift the clock");
        while bench.adapter.sweep(&[TASK.into()], keep).await.expect("sweep").more {}
        drain(&bench.adapter, "x").await;
    }
    for id in ["a1", "a2", "a3", "b1", "b2", "c1"] {
        let info = bench.adapter.job(&id.into()).await.expect("job").expect(id);
        assert_eq!(info.state, JobState::Completed, "{id}");
    }
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
async fn lanes_of_items_that_nobody_looks_at() {
    let mut bench = bench().await;
    mends(&mut bench, &["ZREM @opening:send-email \\xffb"], MISPLACED).await;
    mends(&mut bench, &["ZADD @opening:send-email 7777777777777 \\xffb"], MISPLACED).await;
    mends(&mut bench, &["ZREM @parked:send-email \\xffb", "ZREM @opening:send-email \\xffb"], MISPLACED)
        .await;
    mends(&mut bench, &["ZREM @parked:send-email \\xffa"], MISPLACED).await;
    mends(&mut bench, &["ZREM @turns:send-email \\xffc"], MISPLACED).await;
    mends(&mut bench, &["ZADD @turns:send-email 7 \\xfegone"], MISPLACED).await;
    runs(&bench).await;
}

#[tokio::test]
async fn rules_that_are_lost_or_left() {
    let mut bench = bench().await;
    mends(&mut bench, &[&format!("HDEL {RULES} \\xffb")], MISPLACED).await;
    mends(&mut bench, &[&format!("HSET {RULES} \\xffb x")], MISPLACED).await;
    mends(&mut bench, &[&format!("HSET {RULES} \\xffgone x")], MISPLACED).await;
    mends(&mut bench, &[&format!("HSET {RULES} !\\xffgone x")], MISPLACED).await;
    let garbage = "`rules`: the entry `gone` names no job";
    mends(&mut bench, &[&format!("HSET {RULES} gone x")], garbage).await;
    runs(&bench).await;
}

#[tokio::test]
async fn entries_of_items_that_are_none() {
    let mut bench = bench().await;
    bench.heals(&[&format!("ZADD {CAME}b 7 =gone")], &[&does_not_belong("gone")]).await;
    bench.heals(&[&format!("ZADD {LANE}b 7 =gone")], &[&does_not_belong("gone")]).await;
    // in the lane of another key
    mends(&mut bench, &[&format!("ZADD {CAME}b 7 =a3")], &does_not_belong("a3")).await;
    mends(&mut bench, &[&format!("ZADD {CAME}c 7 =a1")], &does_not_belong("a1")).await;
    bench.heals(&["ZADD @came:send-email\\x00b 7 =b1"], &[&does_not_belong("b1")]).await;
    let leftover = "job `b1`: a held limit key is left over";
    bench.heals(&["HSET @held =b1 \\xffb"], &[leftover]).await;
    runs(&bench).await;
}

#[tokio::test]
async fn items_that_their_lane_has_lost() {
    let lost = "job `b1` of `send-email`: it is missing from the waiting jobs";
    for damage in [
        vec![format!("ZREM {LANE}b =b1")],
        vec![format!("ZREM {CAME}b =b1")],
        vec![format!("ZREM {CAME}b =b1"), format!("ZREM {LANE}b =b1")],
        vec!["HDEL @laned:send-email =b1".to_owned()],
    ] {
        let mut bench = bench().await;
        let damage: Vec<&str> = damage.iter().map(String::as_str).collect();
        mends(&mut bench, &damage, lost).await;
        runs(&bench).await;
    }
    // whoever runs no longer holds the key
    let mut bench = bench().await;
    mends(&mut bench, &["HDEL @held =a1"], &does_not_belong("a1")).await;
    mends(&mut bench, &[&format!("ZREM {LANE}a =a2")], "job `a2`: a held limit key is left over").await;
    runs(&bench).await;
}
