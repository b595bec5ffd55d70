//! What a store keeps of the reports of workers.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::kit::{Caller, LEASE, MOMENT, OTHER, TASK, complete, delayed, job, names, put, retry};
use crate::adapter::{
    Adapter, AttemptEnd, Depth, ErrorSums, HistoryStep, NewJob, Revival, StoredSlot, Sums, TaskSums,
    WorkerEntry, WorkerReport,
};
use crate::policy::Retention;

const MINUTE: Duration = Duration::from_secs(60);

/// A report with these sums.
fn report(sums: Vec<TaskSums>) -> WorkerReport {
    let mut report = WorkerReport::new(WorkerEntry::new("w"));
    report.history = true;
    report.sums = sums;
    report
}

/// Sweeps [`TASK`], and reports these sums of it.
async fn sweep(adapter: &Arc<dyn Adapter>, sums: Option<Sums>) {
    let sums = sums.into_iter().map(|sums| TaskSums::new(TASK, sums)).collect();
    let swept = adapter.jobs().sweep_for(&report(sums), &names(&[TASK]), Retention::default()).await;
    swept.expect("a sweep");
}

fn completed(jobs: u64) -> Option<Sums> {
    Some(Sums { completed: jobs, ..Sums::default() })
}

async fn slots(adapter: &Arc<dyn Adapter>, step: HistoryStep, count: usize) -> Vec<StoredSlot> {
    adapter.inspection().history(TASK, step, count).await.expect("a history").slots
}

/// Goes to the begin of the next slot of this length.
async fn to_next(f: &impl Fixture, adapter: &Arc<dyn Adapter>, step: HistoryStep) {
    let now = adapter.inspection().now().await.expect("a time");
    f.advance(step.begin_of(step.slot_at(now) + 1).since(now)).await;
}

pub(super) async fn reports_are_added_up_in_slots(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(slots(&adapter, HistoryStep::Minute, 180).await.is_empty(), "nobody has reported");
    to_next(f, &adapter, HistoryStep::Hour).await;
    let mut sums = Sums { completed: 300, failed: 1, retried: 2, ..Sums::default() };
    sums.waits.count(MOMENT);
    sums.runs.count(MOMENT * 5_000);
    sums.runs.count(Duration::ZERO);
    sums.errors.add("no # left", "no 7 left", 2);
    sweep(&adapter, Some(sums.clone())).await;
    sweep(&second, Some(sums.clone())).await;
    let mut both = sums.clone();
    both.add(&sums);
    for step in HistoryStep::ALL {
        let history = second.inspection().history(TASK, *step, 1).await.unwrap();
        let [slot] = &*history.slots else { panic!("one slot: {:?}", history.slots) };
        assert_eq!(slot.sums, both, "{step:?}");
        assert_eq!(slot.at, step.begin_of(step.slot_at(history.now)));
    }
    // the next minute, and after a gap
    f.advance(MINUTE).await;
    sweep(&adapter, completed(5)).await;
    f.advance(MINUTE * 2).await;
    sweep(&adapter, completed(7)).await;
    let minutes = slots(&adapter, HistoryStep::Minute, 180).await;
    assert_eq!(minutes.iter().map(|slot| slot.sums.completed).collect::<Vec<_>>(), [600, 5, 7]);
    let apart: Vec<Duration> = minutes.iter().map(|slot| slot.at.since(minutes[0].at)).collect();
    assert_eq!(apart, [Duration::ZERO, MINUTE, MINUTE * 3]);
    assert_eq!(slots(&adapter, HistoryStep::Minute, 3).await.len(), 2, "no older ones than are asked for");
    for step in [HistoryStep::TenMinutes, HistoryStep::Hour] {
        let slots = slots(&adapter, step, 9).await;
        assert_eq!(slots.iter().map(|slot| slot.sums.completed).collect::<Vec<_>>(), [612]);
    }
    assert!(adapter.inspection().history(OTHER, HistoryStep::Minute, 9).await.unwrap().slots.is_empty());
}

pub(super) async fn old_slots_go(f: &impl Fixture) {
    let adapter = f.adapter().await;
    to_next(f, &adapter, HistoryStep::Hour).await;
    sweep(&adapter, completed(1)).await;
    for step in HistoryStep::ALL {
        let kept = step.length() * u32::try_from(step.kept()).unwrap();
        let last = slots(&adapter, *step, usize::MAX).await.pop().expect("one was reported");
        let now = adapter.inspection().now().await.unwrap();
        f.advance(kept - MINUTE - now.since(last.at)).await;
        assert_eq!(slots(&adapter, *step, usize::MAX).await.len(), 1, "{step:?} is kept");
        f.advance(MINUTE * 2).await;
        assert!(slots(&adapter, *step, usize::MAX).await.is_empty(), "{step:?} is too old");
        sweep(&adapter, completed(1)).await;
        assert_eq!(slots(&adapter, *step, usize::MAX).await.len(), 1, "a new one of {step:?}");
    }
}

pub(super) async fn the_first_sweep_of_a_minute_notes_how_many_jobs_there_are(f: &impl Fixture) {
    let adapter = f.adapter().await;
    to_next(f, &adapter, HistoryStep::Hour).await;
    sweep(&adapter, None).await;
    let depth = async || slots(&adapter, HistoryStep::Minute, 1).await.pop().and_then(|slot| slot.depth);
    assert_eq!(depth().await, Some(Depth::default()), "nothing waits, but somebody was there");
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    put(&adapter, [delayed("later", TASK, 90_000)]).await;
    Caller::new(&adapter).claim(1, &[TASK]).await;
    sweep(&adapter, None).await;
    assert_eq!(depth().await, Some(Depth::default()), "once a minute");
    f.advance(MINUTE).await;
    assert_eq!(depth().await, None, "not yet in this minute");
    adapter.jobs().sweep(&names(&[TASK]), Retention::default()).await.unwrap();
    assert_eq!(depth().await, None, "this one keeps no history");
    sweep(&adapter, None).await;
    // the lease of a running one has passed
    assert_eq!(depth().await, Some(Depth::new(3, 1, 0)));
    f.advance(MINUTE).await;
    sweep(&adapter, None).await;
    assert_eq!(depth().await, Some(Depth::new(4, 0, 0)));
    let hours = slots(&adapter, HistoryStep::Hour, 1).await;
    assert_eq!(hours[0].depth, Some(Depth::new(4, 1, 0)), "the most of each");
}

pub(super) async fn jobs_that_a_sweep_ends_are_counted(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [NewJob { max_stalls: 0, ..job("a", TASK) }, job("b", TASK)]).await;
    Caller::new(&adapter).claim(2, &[TASK]).await;
    f.advance(LEASE + MOMENT).await;
    sweep(&adapter, completed(1)).await;
    let hours = slots(&adapter, HistoryStep::Hour, 1).await;
    assert_eq!((hours[0].sums.completed, hours[0].sums.failed), (1, 1));
}

pub(super) async fn the_last_report_of_a_worker_counts(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let sums = vec![TaskSums::new(TASK, completed(3).unwrap()), TaskSums::new(OTHER, completed(4).unwrap())];
    adapter.jobs().sign_off(&report(sums)).await.unwrap();
    let hours = slots(&adapter, HistoryStep::Hour, 1).await;
    assert_eq!((hours[0].sums.completed, hours[0].depth), (3, None));
    let other = adapter.inspection().history(OTHER, HistoryStep::Hour, 1).await.unwrap();
    assert_eq!(other.slots[0].sums.completed, 4);
}

pub(super) async fn frequent_errors_are_kept_among_many(f: &impl Fixture) {
    let adapter = f.adapter().await;
    to_next(f, &adapter, HistoryStep::Hour).await;
    for page in 0..20 {
        let mut sums = Sums::default();
        sums.errors.add("frequent", "it is frequent", 10);
        for number in 1..ErrorSums::MAX {
            sums.errors.add(&format!("rare {page} {number}"), "", 1);
        }
        sweep(&adapter, Some(sums)).await;
    }
    let errors =
        slots(&adapter, HistoryStep::Minute, 1).await.pop().expect("a slot").sums.errors.into_sorted();
    assert_eq!(errors.len(), ErrorSums::MAX);
    assert_eq!((&*errors[0].pattern, &*errors[0].example), ("frequent", "it is frequent"));
    assert!(errors[0].count >= 200, "{}", errors[0].count);
}

pub(super) async fn a_first_claim_says_since_when_the_job_has_waited(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    f.advance(MOMENT).await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    assert_eq!(first.ready_at, Some(first.created_at));
    assert!(first.claimed_at.since(first.created_at) >= MOMENT);
    worker.settle(&first, AttemptEnd::release()).await;
    let again = worker.claim_one().await;
    assert_eq!(again.ready_at, None, "it was handed out before");
    worker.settle(&again, retry("no", Duration::ZERO)).await;
    let second = worker.run_one(AttemptEnd::Fail("no".into())).await;
    assert_eq!(second.ready_at, None, "of a second attempt");
    let ended_at = super::kit::info(&adapter, "a").await.finished_at.expect("it has ended");
    let revival = Revival { id: "a".into(), ended_at, delay: Duration::ZERO };
    adapter.actions().revive(vec![revival]).await.unwrap();
    assert_eq!(worker.run_one(complete("1")).await.ready_at, None, "of a second life");
    let generated = crate::job::JobId::new();
    put(&adapter, [job(generated.as_str(), TASK)]).await;
    assert!(worker.run_one(complete("1")).await.ready_at.is_some());
    put(&adapter, [delayed("later", TASK, 1_000)]).await;
    f.advance(MOMENT * 2).await;
    assert_eq!(worker.run_one(complete("1")).await.ready_at, None, "it was delayed");
}
