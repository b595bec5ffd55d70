//! Damage to what is stored of schedules.

use redis::Commands;
use taskora::Overlap;
use taskora::adapter::{NewJob, NewTick, Schedules, StoredSchedule, Ticked, Triggered};

use super::assert_clean;
use super::bench::Bench;
use crate::garbage::world::{PERIOD, schedule, tick_of};

/// `s1` ticks, `s2` ticks and is declared by code, `s3` is paused.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    let now = bench.adapter.schedule("s1").await.expect("the time").0;
    let put = ["s1", "s2", "s3"].map(|name| schedule(name, now));
    assert_eq!(bench.adapter.put_schedules(put.to_vec()).await.expect("put"), [true; 3]);
    assert!(bench.adapter.pause_schedule("s3", "why").await.expect("pause"));
    assert_clean(&bench.adapter, "undamaged").await;
    bench
}

/// Those that are due after a period.
async fn due(bench: &Bench) -> Vec<StoredSchedule> {
    bench.adapter.shift_clock(PERIOD).await.expect("shift the clock");
    let mut due = bench.adapter.due_schedules("w").await.expect("due").schedules;
    due.sort_by(|a, b| a.name.cmp(&b.name));
    due
}

const LATE: [&str; 2] = [
    "schedule `s1`: no worker looks at it when it is due",
    "schedule `s2`: no worker looks at it when it is due",
];

#[tokio::test]
async fn schedules_that_nobody_looks_at() {
    let mut bench = bench().await;
    bench.heals(&["ZREM @schednext s1"], &LATE[..1]).await;
    // a repair has it looked at at once, which finds that it is not due
    assert_eq!(bench.adapter.due_schedules("w").await.expect("due").schedules, []);
    bench.run("DEL @due");
    let _: () = bench.redis.zadd("{taskora}:due", "@", 9_999_999_999_999_u64).expect("zadd");
    bench.heals(&["ZADD @schednext 9999999999999 s1", "ZADD @schednext +inf s2"], &LATE).await;
    bench.heals(&["DEL @due"], &["task `@`: its due time is not the earliest of its delayed jobs"]).await;
    bench.heals(&["DEL @schednext", "DEL @wake:@", "DEL @due", "DEL @timer"], &LATE).await;
    let names: Vec<_> = due(&bench).await.into_iter().map(|schedule| schedule.name).collect();
    assert_eq!(names, ["s1", "s2"]);
    assert_clean(&bench.adapter, "one that was handed out is looked at a little later").await;
    let run = NewJob::new("run", "send-email", "{}");
    let triggered = bench.adapter.trigger("s1", run, Overlap::Skip).await.expect("trigger");
    assert!(matches!(triggered, Triggered::Stored), "{triggered:?}");
    assert_clean(&bench.adapter, "it is looked at again at its time").await;
}

#[tokio::test]
async fn what_is_kept_of_no_schedule() {
    let mut bench = bench().await;
    let gone = "schedule `gone`: the store has its times, but not the schedule";
    bench.heals(&["ZADD @schednext 9999999999999 gone"], &[gone]).await;
    bench.heals(&["HSET @schedrun gone x"], &[gone]).await;
    let paused = "schedule `s3`: the store has its times, but not the schedule";
    bench.heals(&["ZADD @schednext 9999999999999 s3"], &[paused]).await;
    let unreadable = "`sched`: the entry `s1` names no job";
    let damage = ["HDEL @schedrun s1", "ZREM @schednext s1", "HSET @sched s1 \\x01"];
    bench.heals(&damage, &[unreadable]).await;
    assert_eq!(bench.adapter.list_schedules().await.expect("list").len(), 2);
    let names: Vec<_> = due(&bench).await.into_iter().map(|schedule| schedule.name).collect();
    assert_eq!(names, ["s2"]);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_costs_counts_and_no_tick() {
    let mut bench = bench().await;
    let next = bench.adapter.schedule("s1").await.expect("a schedule").1.expect("it is known").next;
    for value in ["", "\\x00", "\\x01\\x07"] {
        bench.run(&format!("HSET @schedrun s1 {value}"));
        assert_clean(&bench.adapter, "it is looked at all the same").await;
        let (_, known) = bench.adapter.schedule("s1").await.expect("a schedule");
        assert_eq!(known.expect("it is known").next, next, "{value}");
    }
    let due = due(&bench).await;
    assert_eq!((due[0].name.as_str(), due[0].next), ("s1", next));
    let ticks = due.iter().map(|schedule| tick_of(schedule, schedule.next.expect("it ticks"))).collect();
    let done = Ticked::Done { ran: 1, skipped: 0 };
    assert_eq!(bench.adapter.tick(ticks).await.expect("tick"), [done, done]);
    // of one that is paused, nothing says any more whether it ticks
    let _: () = bench.redis.hset("{taskora}:schedrun", "s3", b"\x01").expect("hset");
    let report = bench.app.repair().await.expect("repair");
    let left: Vec<_> = report.violations.iter().map(|(violation, _)| violation.to_string()).collect();
    assert_eq!(left, ["the state of schedule `s3`: it cannot be read; look at it by hand"]);
    assert_eq!(report.left, 1);
}

#[tokio::test]
async fn a_run_that_nobody_lets_in_stays_the_last_one() {
    let mut bench = bench().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        bench.adapter.shift_clock(PERIOD).await.expect("shift the clock");
        let (now, known) = bench.adapter.schedule("s1").await.expect("schedule");
        let tick = NewTick { overlap: Overlap::Queue, ..tick_of(&known.expect("s1"), now) };
        runs.push(tick.jobs[0].id.clone());
        let ticked = bench.adapter.tick(vec![tick]).await.expect("tick");
        assert_eq!(ticked, [Ticked::Done { ran: 1, skipped: 0 }]);
    }
    bench.run(&format!("HDEL @keyed ={}", runs[0]));
    assert!(!bench.found().await.is_empty());
    let report = bench.app.repair().await.expect("repair");
    assert!(report.repaired > 0 && report.left == 0, "{report}");
    assert_eq!(bench.found().await, [""; 0]);
    let known = bench.adapter.schedule("s1").await.expect("schedule").1.expect("s1");
    assert_eq!(known.last_job.as_ref(), runs.last());
}
