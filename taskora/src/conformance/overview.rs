//! What is in the whole namespace.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Fixture;
use super::admission_kit::{admit, deduplicated};
use super::flow_kit::{chain, start};
use super::gate_kit::{limit, pause, resume};
use super::kit::{Caller, MOMENT, OTHER, TASK, complete, delayed, fail, job, prioritised, put};
use super::lane_kit::{keyed, per_key};
use crate::adapter::{Adapter, GatedTask, JobCounts, Otherwise, Overview, PerKey, TaskOverview};
use crate::job::Blocked;

async fn overview(adapter: &dyn Adapter) -> Overview {
    adapter.inspection().overview().await.expect("overview")
}

async fn of(adapter: &dyn Adapter, task: &str) -> TaskOverview {
    let overview = overview(adapter).await;
    overview.tasks.into_iter().find(|known| known.task == task).expect("a known task")
}

pub(super) async fn an_overview_has_every_task(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(overview(&*adapter).await.tasks.is_empty());
    put(&adapter, ["a", "b", "c", "d"].map(|id| job(id, TASK))).await;
    put(&adapter, [delayed("later", OTHER, 99_000)]).await;
    start(&adapter, chain("flow", 1)).await;
    start(&adapter, chain("next flow", 1)).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    adapter.jobs().cancel(&"c".into(), "").await.unwrap();
    adapter.workflows().cancel_workflow(&"next flow".into(), "").await.unwrap();
    worker.claim_one().await;
    let overview = overview(&*second).await;
    let names: Vec<&str> = overview.tasks.iter().map(|task| &*task.task).collect();
    assert_eq!(names, [OTHER, TASK]);
    for task in &overview.tasks {
        assert_eq!(task.counts, adapter.inspection().counts(&task.task).await.unwrap(), "{}", task.task);
    }
    let expected =
        JobCounts { waiting: 1, active: 1, completed: 1, failed: 1, cancelled: 1, ..JobCounts::default() };
    assert_eq!(overview.tasks[1].counts, expected);
    assert_eq!((overview.running_workflows, overview.ended_workflows), (1, 1));
}

pub(super) async fn an_overview_says_what_is_held_back(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK), job("c", OTHER)]).await;
    assert_eq!((of(&*adapter, TASK).await.paused, of(&*adapter, TASK).await.blocked), (None, None));
    limit(&adapter, 1).await;
    assert_eq!(Caller::new(&adapter).claim(9, &[TASK]).await.len(), 1);
    assert_eq!(of(&*adapter, TASK).await.blocked, Some(Blocked::Limit));
    pause(&adapter, "tea").await;
    let paused = of(&*adapter, TASK).await;
    assert_eq!((paused.paused.unwrap().reason.as_str(), paused.blocked), ("tea", Some(Blocked::Paused)));
    let other = of(&*adapter, OTHER).await;
    assert_eq!((other.paused, other.blocked), (None, None));
    // an alias has the pause of its task
    let task = GatedTask { aliases: vec![OTHER.into()], ..GatedTask::new(TASK) };
    adapter.control().pause(&task, None, "more tea".into()).await.unwrap();
    assert_eq!(of(&*adapter, OTHER).await.paused.unwrap().reason, "tea");
    resume(&adapter).await;
    assert_eq!(of(&*adapter, OTHER).await.paused, None);
}

pub(super) async fn an_overview_says_how_long_the_first_jobs_wait(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [delayed("later", TASK, 99_000)]).await;
    assert_eq!(of(&*adapter, TASK).await.oldest_waiting, None);
    let mut old = Vec::new();
    let mut look = async || {
        f.advance(MOMENT * 10).await;
        let age = of(&*adapter, TASK).await.oldest_waiting.expect("a job waits");
        old.push(age.as_secs() / 10);
    };
    per_key(&adapter, PerKey::at_most(1)).await;
    put(&adapter, [keyed("k1")]).await;
    look().await;
    per_key(&adapter, None).await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    look().await;
    put(&adapter, [prioritised("high", TASK, 1)]).await;
    look().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(worker.claim_one().await.lease.id.as_str(), "high");
    adapter.jobs().cancel(&"k1".into(), "").await.unwrap();
    look().await;
    adapter.jobs().cancel(&"a".into(), "").await.unwrap();
    look().await;
    let follow = || Otherwise::Follow { cancel_running: false };
    assert_eq!(worker.claim_one().await.lease.id.as_str(), "b");
    admit(&adapter, deduplicated(prioritised("front", TASK, 5), follow())).await;
    assert_eq!(worker.claim_one().await.lease.id.as_str(), "front");
    admit(&adapter, deduplicated(job("behind", TASK), follow())).await;
    look().await;
    assert_eq!(old, [1, 2, 3, 3, 4, 1]);
    assert!(of(&*adapter, TASK).await.oldest_waiting.unwrap() >= Duration::from_secs(10));
}

pub(super) async fn an_overview_may_have_hundreds_of_tasks(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let names: BTreeSet<String> = (0..300).map(|number| format!("task {number}")).collect();
    put(&adapter, names.iter().map(|name| job(name, name))).await;
    let overview = overview(&*adapter).await;
    assert!(overview.tasks.iter().map(|task| &task.task).eq(&names), "each once, in order");
    assert!(overview.tasks.iter().all(|task| task.counts.waiting == 1 && task.oldest_waiting.is_some()));
}
