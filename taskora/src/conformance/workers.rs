//! What workers say of themselves with their sweeps, and what they are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::kit::{Caller, LEASE, MARGIN, MOMENT, OTHER, TASK, job, names, put};
use crate::adapter::{
    Adapter, AdapterError, Program, Swept, WorkerEntry, WorkerInfo, WorkerReport, WorkerState,
};
use crate::job::JobId;
use crate::policy::Retention;

/// What a worker says that serves [`TASK`].
fn entry(id: &str) -> WorkerEntry {
    WorkerEntry { tasks: names(&[TASK]), ..WorkerEntry::new(id) }
}

async fn report(adapter: &Arc<dyn Adapter>, entry: WorkerEntry) -> Swept {
    let tasks = entry.tasks.clone();
    adapter.jobs().sweep_for(&WorkerReport::new(entry), &tasks, Retention::default()).await.expect("sweep")
}

async fn workers(adapter: &Arc<dyn Adapter>) -> Vec<WorkerInfo> {
    adapter.inspection().workers().await.expect("workers")
}

async fn ids(adapter: &Arc<dyn Adapter>) -> Vec<String> {
    workers(adapter).await.into_iter().map(|worker| worker.id).collect()
}

async fn quiet(adapter: &Arc<dyn Adapter>, worker: &str, is_quiet: bool) -> bool {
    adapter.control().quiet(worker, is_quiet).await.expect("quiet")
}

pub(super) async fn a_worker_is_shown_as_it_describes_itself(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(workers(&adapter).await.is_empty());
    let program = Program {
        host: "größe".to_owned(),
        pid: 7,
        name: "mailer".to_owned(),
        build: "0123456789abcdef".to_owned(),
    };
    let described = WorkerEntry {
        program,
        tasks: names(&[TASK, OTHER]),
        concurrency: 9,
        running: 2,
        jobs: vec![JobId::from("a \"b\""), JobId::from(uuid::Uuid::now_v7().simple().to_string())],
        state: WorkerState::Paused,
        up: Duration::from_secs(3),
        ..WorkerEntry::new("one")
    };
    let before = adapter.inspection().now().await.unwrap();
    report(&adapter, described.clone()).await;
    let shown = workers(&second).await.remove(0);
    assert!(before <= shown.heard && shown.heard <= adapter.inspection().now().await.unwrap());
    assert_eq!(shown.heard.as_millis() - shown.since.as_millis(), 3_000);
    assert_eq!(shown, WorkerInfo::new(described.clone(), shown.heard, false));
    assert!(shown.serves(OTHER) && !shown.serves("other"));

    // what it says next takes the place of that
    f.advance(MOMENT).await;
    report(&second, WorkerEntry { running: 0, state: WorkerState::Stopping, ..described }).await;
    report(&second, entry("two")).await;
    let next = workers(&adapter).await;
    assert_eq!((next.len(), next[0].running, next[0].state), (2, 0, WorkerState::Stopping));
    assert!(next[0].heard > shown.heard);
    assert_eq!((&*next[1].id, next[1].pid), ("two", std::process::id()));
}

pub(super) async fn a_sweep_for_a_worker_sweeps(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    Caller::new(&adapter).claim(1, &[TASK]).await;
    f.advance(LEASE + MOMENT).await;
    let swept = report(&adapter, entry("one")).await;
    assert_eq!((swept.rescued, swept.rescued_ids, swept.quiet), (1, vec!["a".into()], false));
}

pub(super) async fn a_silent_worker_is_gone(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    report(&adapter, entry("one")).await;
    report(&adapter, WorkerEntry { silence: WorkerEntry::SILENCE * 2, ..entry("slow") }).await;
    report(&adapter, WorkerEntry { silence: Duration::MAX, ..entry("slowest") }).await;
    assert!(quiet(&second, "one", true).await);
    f.advance(WorkerEntry::SILENCE - MARGIN).await;
    assert_eq!(ids(&second).await, ["one", "slow", "slowest"]);
    f.advance(MARGIN).await;
    assert_eq!(ids(&second).await, ["slow", "slowest"]);
    assert!(!quiet(&second, "one", true).await, "it is gone");
    assert!(!report(&adapter, entry("one")).await.quiet, "it was forgotten");
    assert_eq!(ids(&second).await, ["one", "slow", "slowest"]);
    f.advance(WorkerEntry::SILENCE).await;
    assert_eq!(ids(&second).await, ["slowest"]);
    f.advance(WorkerEntry::LONGEST_SILENCE).await;
    assert!(ids(&second).await.is_empty());
}

pub(super) async fn a_worker_that_signs_off_is_gone(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    for id in ["one", "two"] {
        report(&adapter, entry(id)).await;
    }
    quiet(&adapter, "one", true).await;
    for _ in 0..2 {
        adapter.jobs().sign_off(&WorkerReport::new(entry("one"))).await.unwrap();
        assert_eq!(ids(&second).await, ["two"]);
    }
    assert!(!quiet(&second, "one", false).await);
    assert!(!report(&adapter, entry("one")).await.quiet, "the mark has gone with it");
}

pub(super) async fn a_worker_is_told_to_claim_nothing(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(!quiet(&second, "one", true).await);
    assert!(!quiet(&second, "", true).await);
    assert!(workers(&adapter).await.is_empty());
    for id in ["one", "two"] {
        assert!(!report(&adapter, entry(id)).await.quiet);
    }
    for _ in 0..2 {
        assert!(quiet(&second, "one", true).await);
        assert!(report(&adapter, entry("one")).await.quiet);
        assert!(!report(&adapter, entry("two")).await.quiet);
    }
    let known = workers(&second).await;
    assert_eq!((known[0].is_quiet, known[1].is_quiet), (true, false));
    let mut expected = known[0].clone();
    assert!(quiet(&second, "one", false).await);
    expected.is_quiet = false;
    assert_eq!(workers(&second).await[0], expected, "nothing else has changed");
    assert!(!report(&adapter, entry("one")).await.quiet);
}

pub(super) async fn a_worker_without_a_proper_id_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for id in [String::new(), "a\nb".to_owned(), "x".repeat(201)] {
        let report = WorkerReport::new(entry(&id));
        let swept = adapter.jobs().sweep_for(&report, &names(&[TASK]), Retention::default()).await;
        assert!(matches!(swept, Err(AdapterError::Config(_))), "{id:?}");
        assert!(matches!(adapter.jobs().sign_off(&report).await, Err(AdapterError::Config(_))), "{id:?}");
    }
    report(&adapter, entry(&"x".repeat(200))).await;
    assert_eq!(ids(&adapter).await, ["x".repeat(200)]);
}

pub(super) async fn there_may_be_hundreds_of_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let all: BTreeSet<String> = (0..300).map(|number| format!("{number:03}")).collect();
    let jobs: Vec<JobId> = (0..20).map(|_| JobId::from(uuid::Uuid::now_v7().simple().to_string())).collect();
    for id in &all {
        report(&adapter, WorkerEntry { jobs: jobs.clone(), ..entry(id) }).await;
    }
    assert!(ids(&second).await.iter().eq(&all));
    assert!(workers(&second).await.iter().all(|worker| worker.jobs == jobs));
}

pub(super) async fn what_is_too_much_of_a_worker_is_left_out(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs: Vec<JobId> = (0..WorkerEntry::MAX_JOBS + 1).map(|n| format!("{n:04}").into()).collect();
    let tasks: Vec<String> = (0..WorkerEntry::MAX_TASKS + 1).map(|n| format!("task-{n:04}")).collect();
    let tasks: Vec<_> = tasks.iter().map(|task| Arc::from(&**task)).collect();
    let entry = WorkerEntry { jobs: jobs.clone(), tasks: tasks.clone(), ..entry("one") };
    let swept = adapter.jobs().sweep_for(&WorkerReport::new(entry), &tasks, Retention::default()).await;
    assert!(swept.is_ok());
    let shown = workers(&adapter).await.remove(0);
    assert_eq!(shown.jobs, jobs[..WorkerEntry::MAX_JOBS]);
    assert_eq!((shown.tasks.len(), &*shown.tasks[999]), (WorkerEntry::MAX_TASKS, "task-0999"));
}

pub(super) async fn an_overview_counts_the_workers_of_each_task(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK), job("b", OTHER), job("c", "nobody's")]).await;
    report(&adapter, entry("one")).await;
    report(&second, WorkerEntry { tasks: names(&[TASK, OTHER]), ..entry("two") }).await;
    let counted = async || {
        let overview = adapter.inspection().overview().await.unwrap();
        let tasks: Vec<usize> = overview.tasks.iter().map(|task| task.workers).collect();
        (overview.workers, tasks)
    };
    // by name
    assert_eq!(counted().await, (2, vec![0, 1, 2]));
    adapter.jobs().sign_off(&WorkerReport::new(entry("one"))).await.unwrap();
    assert_eq!(counted().await, (1, vec![0, 1, 1]));
    f.advance(WorkerEntry::SILENCE).await;
    assert_eq!(counted().await, (0, vec![0, 0, 0]));
}
