//! Checks of what cannot be read, of very much, and of what moves meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskora::adapter::{AttemptEnd, Due, Inspection, Jobs, NewJob, Upkeep, Workflows};
use taskora::{Retention, RetentionLimit};
use tokio::task::JoinSet;

use crate::flows::{chain, chord};
use crate::kit::{TASK, drain, exchange, job};

use super::assert_clean;
use super::bench::Bench;

#[tokio::test]
async fn what_cannot_be_read_is_named_and_left() {
    let mut bench = Bench::full().await;
    let commands = [
        "HSET @jobs =garbage \\x00\\x00\\x01",
        "HSET @jobs =short \\x01\\x00",
        "HSET @jobs odd \\x01\\x00",
        "HSET @done =failed ?",
        "HSET @life =released 7",
        "HSET @wf:=garbage m \\x00nonsense",
        "HSET @wf:=cut m \\x01short",
        "HSET @wf:=first n1 \\xff",
        "ZADD @active:send-email 9999999999999 nonsense",
        "RPUSH @wait:send-email abc",
        "RPUSH @completed:send-email abc",
        "SET @mine 1",
        "HDEL @blobs =large",
    ];
    for command in commands {
        bench.run(command);
    }
    let mut found = bench.found().await;
    found.sort();
    let expected = [
        "`active`: the entry `nonsense` names no job; a repair removes it",
        "`completed`: the entry `abc` names no job; a repair removes it",
        "`wait`: the entry `abc` names no job; a repair removes it",
        "`{taskora}:mine`: this version of taskora does not know it; it is left as it is",
        "job `large` of `send-email`: its payload is missing; cancel the job",
        "node 1 of workflow `first`: it cannot be read; look at it by hand",
        "the end of job `failed`: it cannot be read; look at it by hand",
        "the head of workflow `cut`: it cannot be read; look at it by hand",
        "the head of workflow `garbage`: it cannot be read; look at it by hand",
        "the history of job `released`: it cannot be read; look at it by hand",
        "the record of job `garbage`: it cannot be read; look at it by hand",
        "the record of job `odd`: it cannot be read; look at it by hand",
        "the record of job `short`: it cannot be read; look at it by hand",
    ];
    assert_eq!(found, expected);
    let report = bench.app.repair().await.expect("repair");
    // entries that name no job are removed, all else is left
    assert_eq!((report.repaired, report.left), (3, expected.len() - 3), "{report}");
    let mut again = bench.found().await;
    again.sort();
    assert_eq!(again, expected.into_iter().filter(|text| !text.contains(": the entry")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_key_of_another_type_stops_the_check() {
    let mut bench = Bench::full().await;
    bench.run("DEL @jobs");
    bench.run("SET @jobs 7");
    let expected = "`{taskora}:jobs`: it must be a hash, but is a string; a repair moves it aside";
    assert_eq!(bench.found().await, [expected]);
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (1, 0), "{report}");
}

#[tokio::test]
async fn a_report_counts_more_than_it_holds() {
    let mut bench = Bench::start().await;
    for number in 0..1_500 {
        bench.run(&format!("HSET @cancel =gone-{number} why"));
    }
    let report = bench.app.check().await.expect("check");
    assert_eq!((report.found, report.violations.len(), report.is_truncated()), (1_500, 1_000, true));
    assert!(report.to_string().ends_with("… and 500 more\n1500 violations in 0 jobs and 0 workflows"));
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (1_500, 0));
    assert_eq!(bench.found().await, [""; 0]);
}

/// Claimed after one page, and back in line after a later one: whichever these are, nobody sees damage.
#[tokio::test]
async fn a_job_that_moves_between_two_pages_is_no_damage() {
    let bench = Bench::start().await;
    let adapter = &bench.adapter;
    adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let mut number = 0;
    let mut pages = 20;
    let mut leave = 1;
    while leave < pages {
        let last = pages;
        for back in leave..last {
            let (mut audit, mut page, mut held) = (adapter.audit(), 0, Vec::new());
            while let Some(found) = audit.page().await.expect("page") {
                let texts: Vec<String> =
                    found.findings.iter().map(|finding| finding.violation.to_string()).collect();
                assert_eq!(
                    texts, [""; 0],
                    "left after page {leave}, back after page {back}, seen in page {page}"
                );
                page += 1;
                number += 1;
                if page == leave {
                    held = adapter.exchange(exchange("w", number, Vec::new(), 1)).await.expect("claim").jobs;
                    assert_eq!(held.len(), 1);
                    number += 1;
                }
                if page == back {
                    let settle = held.drain(..).map(|job| job.settlement(AttemptEnd::release())).collect();
                    adapter.exchange(exchange("w", number, settle, 0)).await.expect("settle");
                }
            }
            pages = page;
            // the audit may have ended before it was to come back
            let settle = held.drain(..).map(|job| job.settlement(AttemptEnd::release())).collect();
            number += 1;
            adapter.exchange(exchange("w", number, settle, 0)).await.expect("settle");
        }
        leave += 1;
    }
    assert!(pages > 10, "{pages} pages");
}

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Whatever is on its way while a check looks: dispatched, claimed, renewed, retried, released, cancelled, trimmed, of
/// workflows and of large ones. Nothing of it is damage, and a repair finds nothing to repair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_queue_shows_no_violation() {
    let bench = Bench::start().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut busy = JoinSet::new();
    for worker in 0..3_u64 {
        let (adapter, done) = (bench.adapter.clone(), Arc::clone(&done));
        busy.spawn(async move {
            let mut random = Random(worker + 1);
            let mut number = 0;
            let mut settle = Vec::new();
            let few = RetentionLimit::new(Duration::from_secs(60), 50);
            while !done.load(Ordering::Relaxed) || !settle.is_empty() {
                number += 1;
                let mut call = exchange(&format!("w{worker}"), number, std::mem::take(&mut settle), 20);
                call.retention = Retention::all(few);
                for job in adapter.exchange(call).await.expect("exchange").jobs {
                    let delay = Duration::from_millis(random.pick(&[0, 1, 20]));
                    let end = match random.below(12) {
                        0 => AttemptEnd::Fail("no".into()),
                        1 | 2 => AttemptEnd::Retry { error: "again".into(), delay },
                        3 => AttemptEnd::release(),
                        4 => {
                            adapter.cancel(&job.lease.id, "why").await.expect("cancel");
                            AttemptEnd::Cancel
                        }
                        _ => AttemptEnd::Complete(b"1".to_vec()),
                    };
                    settle.push(job.settlement(end));
                }
                if number % 50 == 0 {
                    adapter.sweep(&[TASK.into()], Retention::default()).await.expect("sweep");
                }
            }
        });
    }
    let (adapter, stop) = (bench.adapter.clone(), Arc::clone(&done));
    busy.spawn(async move {
        let mut random = Random(99);
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let jobs = (0..random.below(60)).map(|place| NewJob {
                priority: random.pick(&[0, 0, 0, 3]),
                due: Due::After(Duration::from_millis(random.pick(&[0, 0, 0, 10]))),
                payload: vec![b'7'; random.pick(&[1, 1, 1, 5_000])],
                ..job(&format!("{number}-{place}"))
            });
            adapter.enqueue(jobs.collect()).await.expect("enqueue");
            let id = format!("flow-{number}");
            let len = random.below(4) as u32 + 1;
            let mut flow = if random.below(2) == 0 { chain(&id, len) } else { chord(&id, len) };
            flow.ttl = (random.below(4) == 0).then(|| Duration::from_millis(random.pick(&[5, 60_000])));
            adapter.start(flow).await.expect("start");
            if number % 10 == 0 {
                adapter.start(chord(&format!("large-{number}"), 1_200)).await.expect("start");
            }
            match random.below(4) {
                0 => drop(adapter.cancel_workflow(&id.as_str().into(), "why").await),
                1 => drop(adapter.cancel(&format!("{number}-3").into(), "why").await),
                _ => {}
            }
            // so that the line does not only grow
            while adapter.counts(TASK).await.expect("counts").waiting > 3_000 && !stop.load(Ordering::Relaxed)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let (mut rounds, mut scanned) = (0, 0);
    while rounds < 5 || scanned < 8_000 {
        rounds += 1;
        scanned += assert_clean(&bench.adapter, &format!("round {rounds}")).await.scanned;
        let repaired = bench.app.repair().await.expect("repair");
        assert!(repaired.violations.is_empty(), "round {rounds}: {repaired}");
    }
    done.store(true, Ordering::Relaxed);
    busy.join_all().await;
    drain(&bench.adapter, "last").await;
    bench.drains().await;
}

/// By numbers of entries, not by time, which says little on a busy machine.
#[tokio::test]
async fn no_page_grows_with_the_backlog() {
    let bench = Bench::start().await;
    for chunk in 0..20 {
        let jobs = (0..500).map(|number| job(&format!("{chunk}-{number}")));
        bench.adapter.enqueue(jobs.collect()).await.expect("enqueue");
    }
    bench.adapter.start(chord("large", 3_000)).await.expect("start");
    let (mut audit, mut jobs, mut largest) = (bench.adapter.audit(), 0, 0);
    while let Some(page) = audit.page().await.expect("page") {
        assert!(page.findings.is_empty(), "{:?}", page.findings);
        jobs += page.jobs;
        largest = largest.max(page.scanned);
    }
    assert_eq!(jobs, 10_000);
    assert!((100..=500).contains(&largest), "{largest}");
}
