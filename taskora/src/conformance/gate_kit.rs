//! Helpers for the checks of gates.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::kit::{Caller, OTHER, PROMPT, QUIET, TASK, job, put, within};
use crate::adapter::{Adapter, AttemptEnd, ClaimedJob, DeclaredLimit, Gate, GatedTask, NewPause, Rate};

pub(super) fn task() -> GatedTask {
    GatedTask::new(TASK)
}

/// Declares limits, and returns those that were declared before.
pub(super) async fn declare(adapter: &Arc<dyn Adapter>, task: GatedTask, max: Option<u32>) -> Option<u32> {
    let limits = vec![DeclaredLimit::none(task).max(max)];
    adapter.control().declare_limits(limits).await.expect("declare_limits").pop().expect("one answer").max
}

/// Declares a limit of [`TASK`], of which none was known.
pub(super) async fn limit(adapter: &Arc<dyn Adapter>, max: u32) {
    assert_eq!(declare(adapter, task(), Some(max)).await, None);
}

pub(super) async fn set(adapter: &Arc<dyn Adapter>, max: Option<u32>) {
    adapter.control().set_limit(&task(), None, max).await.expect("set_limit");
}

pub(super) async fn gate(adapter: &Arc<dyn Adapter>) -> Gate {
    adapter.control().gate(&task(), None).await.expect("gate")
}

pub(super) async fn pause(adapter: &Arc<dyn Adapter>, reason: &str) -> bool {
    adapter.control().pause(&task(), None, reason.into()).await.expect("pause")
}

/// Pauses it for this time.
pub(super) async fn pause_for(adapter: &Arc<dyn Adapter>, time: Duration) -> bool {
    let pause = NewPause::from("provider down").lasting(time);
    adapter.control().pause(&task(), None, pause).await.expect("pause")
}

pub(super) async fn resume(adapter: &Arc<dyn Adapter>) -> bool {
    adapter.control().resume(&task(), None).await.expect("resume")
}

/// Stores jobs of [`TASK`] named by numbers.
pub(super) async fn put_numbered(adapter: &Arc<dyn Adapter>, numbers: std::ops::Range<usize>) {
    put(adapter, numbers.map(|number| job(&number.to_string(), TASK))).await;
}

/// How many jobs of [`TASK`] another worker gets now; it gives them back.
pub(super) async fn room(adapter: &Arc<dyn Adapter>) -> usize {
    let mut worker = Caller::new(adapter);
    let jobs = worker.claim(50, &[TASK]).await;
    for job in jobs.iter().rev() {
        worker.settle(job, AttemptEnd::release()).await;
    }
    jobs.len()
}

/// A worker that sleeps until it gets a job of [`TASK`] or [`OTHER`]; it sleeps when this returns.
pub(super) async fn idle_worker(adapter: &Arc<dyn Adapter>) -> JoinHandle<ClaimedJob> {
    let adapter = Arc::clone(adapter);
    let mut parked = tokio::spawn(async move {
        Caller::new(&adapter).next_job(&*adapter.signals().work(), &[TASK, OTHER]).await
    });
    assert!(timeout(QUIET, &mut parked).await.is_err(), "nothing to do, so the worker sleeps");
    parked
}

pub(super) async fn got(worker: JoinHandle<ClaimedJob>) -> String {
    within(PROMPT, "waking up and claiming", worker).await.unwrap().lease.id.to_string()
}

/// Declares a rate, and returns the one that was declared before.
pub(super) async fn declare_rate(
    adapter: &Arc<dyn Adapter>,
    task: GatedTask,
    rate: Option<Rate>,
) -> Option<Rate> {
    let limits = vec![DeclaredLimit::none(task).rate(rate)];
    adapter.control().declare_limits(limits).await.expect("declare_limits").pop().expect("one answer").rate
}

/// Declares a rate of [`TASK`], of which none was known.
pub(super) async fn rate(adapter: &Arc<dyn Adapter>, rate: Rate) {
    assert_eq!(declare_rate(adapter, task(), Some(rate)).await, None);
}

pub(super) async fn set_rate(adapter: &Arc<dyn Adapter>, rate: Option<Rate>) {
    adapter.control().set_rate(&task(), None, rate).await.expect("set_rate");
}
