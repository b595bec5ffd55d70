//! Damage to what is stored of jobs.

use std::time::Duration;

use taskora::JobState;
use taskora::adapter::{Due, Inspection, Jobs, NewJob, Settled, Signals};
use tokio::time::timeout;

use crate::kit::{PATIENCE, TASK, complete, drain, exchange, job};

use super::assert_clean;
use super::bench::Bench;

#[tokio::test]
async fn an_untouched_store_is_clean_and_drains() {
    let bench = Bench::start().await;
    let report = assert_clean(&bench.adapter, "empty").await;
    assert_eq!((report.jobs, report.workflows), (0, 0));
    let bench = Bench::full().await;
    let report = assert_clean(&bench.adapter, "full").await;
    assert_eq!((report.jobs, report.workflows), (14, 3));
    let repaired = bench.app.repair().await.expect("repair");
    assert_eq!((repaired.repaired, repaired.left), (0, 0), "{repaired}");
    bench.drains().await;
}

/// The number that begins the entries of a line; nobody else has it.
const NUMBER: &str = "\\x02\\x00\\x00\\x0f\\x00\\x00";

#[tokio::test]
async fn entries_without_a_job() {
    let mut bench = Bench::full().await;
    for (command, place) in [
        (format!("RPUSH @wait:send-email {NUMBER}=gone"), "the waiting jobs"),
        ("ZADD @prio:send-email 7 =gone".into(), "the waiting jobs"),
        ("ZADD @delayed:send-email 9999999999999 =gone".into(), "the delayed jobs"),
        ("ZADD @active:send-email 9999999999999 =gone:1".into(), "the leases"),
        (format!("RPUSH @owncompleted:send-email {NUMBER}=gone"), "the completed jobs"),
        ("ZADD @ownfailed:send-email 9999999999999 =gone".into(), "the failed jobs"),
        ("ZADD @ttls:send-email 9999999999999 =gone".into(), "the deadlines to start"),
        ("ZADD @owncancelled:send-email 9999999999999 =gone".into(), "the cancelled jobs"),
        ("ZADD @ownexpired:send-email 9999999999999 =gone".into(), "the expired jobs"),
    ] {
        let expected =
            format!("job `gone` of `send-email`: {place} have an entry for it, but it is not known");
        bench.heals(&[&command], &[&expected]).await;
    }
    let node = "job `gone#1` of `send-email`: the waiting jobs have an entry for it, but it is not known";
    bench.heals(&[&format!("RPUSH @wait:send-email {NUMBER}*=gone#1")], &[node]).await;
    bench.drains().await;
}

#[tokio::test]
async fn entries_of_jobs_that_are_elsewhere() {
    let mut bench = Bench::full().await;
    for (command, place, id) in [
        (format!("RPUSH @wait:send-email {NUMBER}=done"), "the waiting jobs", "done"),
        (format!("RPUSH @wait:send-email {NUMBER}=active"), "the waiting jobs", "active"),
        (format!("RPUSH @wait:send-email {NUMBER}=delayed"), "the waiting jobs", "delayed"),
        (format!("RPUSH @wait:send-email {NUMBER}=urgent"), "the waiting jobs", "urgent"),
        (format!("RPUSH @wait:send-email {NUMBER}*=first#1"), "the waiting jobs", "first#1"),
        ("ZADD @prio:send-email 7 =failed".into(), "the waiting jobs", "failed"),
        ("ZADD @prio:send-email 7 =waiting".into(), "the waiting jobs", "waiting"),
        ("ZADD @delayed:send-email 9999999999999 =cancelled".into(), "the delayed jobs", "cancelled"),
        ("ZADD @delayed:send-email 9999999999999 =active".into(), "the delayed jobs", "active"),
        ("ZADD @active:send-email 9999999999999 =done:1".into(), "the leases", "done"),
        ("ZADD @active:send-email 9999999999999 =active:7".into(), "the leases", "active"),
        ("ZADD @active:send-email 9999999999999 *=first#1:1".into(), "the leases", "first#1"),
        ("ZADD @ttls:send-email 9999999999999 =waiting".into(), "the deadlines to start", "waiting"),
        ("ZADD @ttls:send-email 9999999999999 =active".into(), "the deadlines to start", "active"),
        ("ZADD @ttls:send-email 9999999999999 =done".into(), "the deadlines to start", "done"),
        (format!("RPUSH @owncompleted:send-email {NUMBER}=waiting"), "the completed jobs", "waiting"),
        (format!("RPUSH @owncompleted:send-email {NUMBER}=failed"), "the completed jobs", "failed"),
        ("ZADD @ownfailed:send-email 9999999999999 =done".into(), "the failed jobs", "done"),
        ("ZADD @owncancelled:send-email 9999999999999 =waiting".into(), "the cancelled jobs", "waiting"),
    ] {
        let expected =
            format!("job `{id}` of `send-email`: {place} have an entry for it, but it does not belong there");
        bench.heals(&[&command], &[&expected]).await;
    }
    // of a task that has nothing else
    let expected =
        "job `failed` of `other`: the failed jobs have an entry for it, but it does not belong there";
    bench.heals(&["ZADD @ownfailed:other 9999999999999 =failed"], &[expected]).await;
    bench.drains().await;
}

#[tokio::test]
async fn lost_jobs_run_again() {
    let mut bench = Bench::full().await;
    for (commands, place, id) in [
        (vec!["LPOP @wait:send-email"], "the waiting jobs", "released"),
        (vec!["ZREM @prio:send-email =urgent"], "the waiting jobs", "urgent"),
        (vec!["ZPOPMIN @active:send-email"], "the waiting jobs", "active"),
        (vec!["RPOP @owncompleted:send-email"], "the completed jobs", "done"),
        (vec!["ZREM @ownfailed:send-email =failed"], "the failed jobs", "failed"),
        (vec!["ZREM @owncancelled:send-email =cancelled"], "the cancelled jobs", "cancelled"),
    ] {
        let expected = format!("job `{id}` of `send-email`: it is missing from {place}");
        bench.heals(&commands, &[&expected]).await;
    }
    // the last two, of which one is cancelled
    let lost = "job `chord#2` of `send-email`: it is missing from the waiting jobs";
    let mark = "job `stopped#0` of `send-email`: it is marked as cancelled, but is not in line";
    bench.heals(&["RPOP @wait:send-email", "RPOP @wait:send-email"], &[lost, mark]).await;
    let job = bench.adapter.exchange(exchange("first", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(job[0].lease.id.as_str(), "urgent", "it has its priority");
    bench.adapter.exchange(exchange("first", 2, vec![complete(&job[0])], 0)).await.expect("settle");
    // the attempt that the leases were lost of is refused
    let mut lost = job[0].clone();
    lost.lease.id = "active".into();
    let settled =
        bench.adapter.exchange(exchange("first", 3, vec![complete(&lost)], 0)).await.expect("settle");
    assert_eq!(settled.settled, [Settled::Stale]);
    bench.adapter.shift_clock(Duration::from_secs(3600)).await.expect("shift the clock");
    drain(&bench.adapter, "last").await;
    for id in ["released", "active", "urgent", "retrying", "behind", "large"] {
        let info = bench.adapter.job(&id.into()).await.expect("job").expect(id);
        assert_eq!(info.state, JobState::Completed, "{id}");
    }
    bench.drains().await;
}

#[tokio::test]
async fn lost_deadlines_come_back() {
    let mut bench = Bench::full().await;
    for (stored, id) in [("=brief", "brief"), ("=early", "early"), ("*=first#0", "first#0")] {
        let before = bench.run(&format!("ZSCORE @ttls:send-email {stored}"));
        let lost = format!("job `{id}` of `send-email`: it is missing from the deadlines to start");
        bench.heals(&[&format!("ZREM @ttls:send-email {stored}")], &[&lost]).await;
        let after = bench.run(&format!("ZSCORE @ttls:send-email {stored}"));
        assert_eq!(before, after, "{id}");
    }
    // its time runs anew
    let lost = "job `first#0` of `send-email`: it is missing from the deadlines to start";
    bench.heals(&["ZREM @ttls:send-email *=first#0", "HDEL @wf:=first x0"], &[lost]).await;
    bench.drains().await;
}

#[tokio::test]
async fn lost_delayed_jobs_come_back_and_so_does_their_time() {
    let mut bench = Bench::full().await;
    let lost = "job `delayed` of `send-email`: it is missing from the waiting jobs";
    let due = "task `send-email`: its due time is not the earliest of its delayed jobs";
    bench.heals(&["ZREM @delayed:send-email =delayed"], &[lost, due]).await;
    bench.drains().await;
}

#[tokio::test]
async fn a_job_that_is_twice_in_line_runs_once() {
    let mut bench = Bench::full().await;
    let double = "job `waiting` of `send-email`: it is twice in line";
    bench.heals(&[&format!("RPUSH @wait:send-email {NUMBER}=waiting")], &[double]).await;
    let mut ids = Vec::new();
    for number in 1.. {
        let jobs =
            bench.adapter.exchange(exchange("w", 100 + number, Vec::new(), 5)).await.expect("claim").jobs;
        if jobs.is_empty() {
            break;
        }
        ids.extend(jobs.into_iter().map(|job| job.lease.id.to_string()));
    }
    assert_eq!(ids.iter().filter(|id| *id == "waiting").count(), 1, "{ids:?}");
}

#[tokio::test]
async fn marks_of_cancelled_jobs() {
    let mut bench = Bench::full().await;
    let stray =
        |id: &str| format!("job `{id}` of `send-email`: it is marked as cancelled, but is not in line");
    for id in ["gone", "done"] {
        bench.heals(&[&format!("SADD @tombstones:send-email ={id}")], &[&stray(id)]).await;
    }
    let lie = "job `waiting` of `send-email`: it is marked as cancelled, but has not ended";
    // seen at the mark and in line
    for (command, count) in [("SADD @tombstones:send-email =waiting", 2)] {
        bench.run(command);
        assert_eq!(bench.found().await.len(), count);
        assert!(bench.found().await.iter().all(|text| text.starts_with(lie)));
        assert_eq!(bench.app.repair().await.expect("repair").repaired, 1);
        assert_eq!(bench.found().await, [""; 0]);
    }
    bench
        .heals(
            &["SREM @tombstones:send-email =cancelled"],
            &["job `cancelled` of `send-email`: the waiting jobs have an entry for it, but it does not belong there"],
        )
        .await;
    bench.drains().await;
}

#[tokio::test]
async fn parts_of_jobs_that_are_gone_or_have_ended() {
    let mut bench = Bench::full().await;
    let life = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x000";
    let end = "C\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x001";
    for (command, part, id) in [
        (format!("HSET @done =gone {end}"), "an end", "gone"),
        (format!("HSET @life =gone {life}"), "a history", "gone"),
        (format!("HSET @life =done {life}"), "a history", "done"),
        (format!("HSET @life *=first#1 {life}"), "a history", "first#1"),
        (format!("HSET @life *=gone#1 {life}"), "a history", "gone#1"),
        ("HSET @past =gone \\x01".into(), "a timeline", "gone"),
        ("HSET @past *=gone#1 \\x01".into(), "a timeline", "gone#1"),
        ("HSET @cancel =gone why".into(), "a cancel flag", "gone"),
        ("HSET @cancel =waiting why".into(), "a cancel flag", "waiting"),
        ("HSET @cancel =done why".into(), "a cancel flag", "done"),
        ("HSET @blobs =gone x".into(), "a payload", "gone"),
        ("HSET @blobs =waiting x".into(), "a payload", "waiting"),
        ("HSET @progress =gone 7".into(), "progress", "gone"),
        ("RPUSH @log:=gone {}".into(), "log lines", "gone"),
        ("RPUSH @log:*=gone#1 {}".into(), "log lines", "gone#1"),
        ("SADD @noted:=gone 1".into(), "log lines", "gone"),
        ("HSET @waiters =gone nobody".into(), "waiters", "gone"),
        ("HSET @waiters =done nobody".into(), "waiters", "done"),
        ("HSET @waiters *=stopped# nobody".into(), "waiters", "stopped"),
        ("HSET @waiters *=gone# nobody".into(), "waiters", "gone"),
    ] {
        bench.heals(&[&command], &[&format!("job `{id}`: {part} is left over")]).await;
    }
    for (commands, id) in [
        (vec!["HDEL @progress =active"], "active"),
        (vec!["RPUSH @log:=waiting {}"], "waiting"),
        (vec!["RPUSH @log:*=first#0 {}"], "first#0"),
    ] {
        bench.heals(&commands, &[&format!("job `{id}`: its log lines would outlive it")]).await;
    }
    bench.drains().await;
}

#[tokio::test]
async fn who_waits_for_what_has_ended_is_told() {
    let mut bench = Bench::full().await;
    let adapter = bench.adapter.clone();
    let waiting = tokio::spawn(async move { adapter.ended(&"waiting".into()).await });
    let told = async {
        while bench.run("HLEN @waiters") != redis::Value::Int(1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("a waiter is registered");
    // somebody removes the job by hand, and all that is known of it
    bench.run("HDEL @jobs =waiting");
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (2, 0), "{report}");
    let ended = timeout(PATIENCE, waiting).await.expect("in time").expect("no panic").expect("no error");
    assert!(ended.is_none(), "it is not known");
    bench.drains().await;
}

#[tokio::test]
async fn what_is_kept_about_a_task_as_a_whole() {
    let mut bench = Bench::full().await;
    for (commands, expected) in [
        (
            vec!["ZREM @ready send-email"],
            vec!["task `send-email`: it has waiting jobs, but workers do not see it"],
        ),
        (vec!["ZADD @ready 1 other"], vec!["task `other`: workers see it, but it has no waiting jobs"]),
        (
            vec!["ZADD @due 7 send-email"],
            vec!["task `send-email`: its due time is not the earliest of its delayed jobs"],
        ),
        (
            vec!["ZREM @due send-email"],
            vec!["task `send-email`: its due time is not the earliest of its delayed jobs"],
        ),
        (
            vec!["ZADD @due 7 other"],
            vec!["task `other`: its due time is not the earliest of its delayed jobs"],
        ),
        (vec!["HSET @timer other 7"], vec!["task `other`: a worker was told a time at which nothing is due"]),
        (vec!["LPUSH @wake:other 1"], vec!["task `other`: there is a wake-up without work"]),
        (
            vec!["SREM @tasks send-email"],
            vec!["task `send-email`: it has jobs, but is not among the known tasks"],
        ),
    ] {
        bench.heals(&commands, &expected).await;
    }
    let sentinel = format!("ZADD @active:other inf {}", "~".repeat(65));
    bench
        .heals(&[&sentinel], &["task `other`: the mark that guards its leases is left, without a lease"])
        .await;
    bench.drains().await;
}

#[tokio::test]
async fn stray_marks_cost_nobody_the_place_in_line() {
    let mut bench = Bench::start().await;
    bench.adapter.enqueue(["a", "b", "c", "d"].map(job).to_vec()).await.expect("enqueue");
    bench.run("SADD @tombstones:send-email =gone =gone-too =and-gone");
    for id in ["b", "a"] {
        bench.adapter.cancel(&id.into(), "why").await.expect("cancel");
    }
    // as many marks as entries, and more: those at the head have gone, the others have stayed
    assert_eq!(bench.run("LLEN @wait:send-email"), redis::Value::Int(2));
    assert_eq!(bench.run("SCARD @tombstones:send-email"), redis::Value::Int(3));
    assert_eq!(drain(&bench.adapter, "x").await, 2, "`c` and `d`");
    assert_eq!(bench.app.repair().await.expect("repair").repaired, 3);
    bench.drains().await;
}

/// Of a line that is cancelled as a whole, the last cancellation takes a page, and claims the rest.
#[tokio::test]
async fn a_long_line_of_tombstones_goes_page_by_page() {
    let mut bench = Bench::start().await;
    const JOBS: usize = 1_300;
    bench.adapter.enqueue((0..JOBS).map(|n| job(&n.to_string())).collect()).await.expect("enqueue");
    for number in 0..JOBS {
        bench.adapter.cancel(&number.to_string().as_str().into(), "why").await.expect("cancel");
    }
    assert_eq!(bench.run("LLEN @wait:send-email"), redis::Value::Int(800));
    assert_eq!(bench.adapter.counts(TASK).await.expect("counts").waiting, 0);
    assert_clean(&bench.adapter, "cancelled").await;
    assert_eq!(drain(&bench.adapter, "x").await, 0);
    assert_eq!(bench.run("EXISTS @wait:send-email @tombstones:send-email @ready"), redis::Value::Int(0));
    bench.drains().await;
}

#[tokio::test]
async fn a_delayed_job_that_is_cancelled_leaves_no_wake_up() {
    let bench = Bench::start().await;
    let delayed = NewJob { due: Due::After(Duration::from_secs(300)), ..job("a") };
    bench.adapter.enqueue(vec![delayed]).await.expect("enqueue");
    bench.adapter.cancel(&"a".into(), "why").await.expect("cancel");
    assert_clean(&bench.adapter, "cancelled").await;
    bench.drains().await;
}
