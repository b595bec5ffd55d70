//! What the checks of schedules share.

use std::sync::Arc;
use std::time::Duration;

use super::kit::{TASK, job};
use crate::adapter::{
    Adapter, Declaration, DueSchedules, Fingerprint, NewJob, NewTick, Origin, PutSchedule, StoredSchedule,
    TickStamp, Ticked,
};
use crate::job::Timestamp;
use crate::schedules::Overlap;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const WORKER: &str = "worker";

/// The store's time.
pub(super) async fn now(adapter: &Arc<dyn Adapter>) -> Timestamp {
    adapter.schedules().schedule("none").await.unwrap().0
}

pub(super) async fn get(adapter: &Arc<dyn Adapter>, name: &str) -> StoredSchedule {
    adapter.schedules().schedule(name).await.unwrap().1.unwrap_or_else(|| panic!("`{name}` is not known"))
}

pub(super) async fn is_known(adapter: &Arc<dyn Adapter>, name: &str) -> bool {
    adapter.schedules().schedule(name).await.unwrap().1.is_some()
}

/// A new schedule whose first tick comes in a minute.
pub(super) async fn new(adapter: &Arc<dyn Adapter>, name: &str) -> PutSchedule {
    let now = now(adapter).await;
    PutSchedule {
        name: name.to_owned(),
        expected: None,
        definition: format!("definition of {name}").into_bytes(),
        origin: Origin::Api,
        since: now,
        next: Some(now.plus(MINUTE)),
        resumes: false,
        declares: false,
    }
}

/// The same, of a worker's code.
pub(super) async fn coded(adapter: &Arc<dyn Adapter>, name: &str) -> PutSchedule {
    let put = new(adapter, name).await;
    PutSchedule { origin: Origin::Code { declared: Fingerprint::of(&put.definition) }, declares: true, ..put }
}

pub(super) async fn put(adapter: &Arc<dyn Adapter>, schedule: PutSchedule) -> bool {
    adapter.schedules().put_schedules(vec![schedule]).await.unwrap()[0]
}

/// Creates a schedule whose first tick comes in a minute.
pub(super) async fn create(adapter: &Arc<dyn Adapter>, name: &str) -> StoredSchedule {
    assert!(put(adapter, new(adapter, name).await).await, "`{name}` is new");
    get(adapter, name).await
}

/// Declares a schedule; what was known of it.
pub(super) async fn declare(adapter: &Arc<dyn Adapter>, schedule: &PutSchedule) -> Option<StoredSchedule> {
    let declared = Fingerprint::of(&schedule.definition);
    let declaration = Declaration { name: schedule.name.clone(), declared };
    adapter.schedules().declare(vec![declaration]).await.unwrap().known.remove(0)
}

pub(super) async fn due(adapter: &Arc<dyn Adapter>) -> DueSchedules {
    adapter.schedules().due_schedules(WORKER).await.unwrap()
}

/// The names of what is due.
pub(super) async fn due_names(adapter: &Arc<dyn Adapter>) -> Vec<String> {
    due(adapter).await.schedules.into_iter().map(|schedule| schedule.name).collect()
}

/// The job of a tick.
pub(super) fn run(name: &str, at: Timestamp) -> NewJob {
    let stamp = TickStamp { schedule: name.to_owned(), at: Some(at) };
    NewJob { tick: Some(stamp), ..job(&format!("{name}@{}", at.as_millis()), TASK) }
}

/// The tick that is due by what is known, followed by one a minute later.
pub(super) fn tick_of(schedule: &StoredSchedule) -> NewTick {
    let next = schedule.next.expect("it ticks");
    NewTick {
        name: schedule.name.clone(),
        expected: schedule.version(),
        since: next,
        next: Some(next.plus(MINUTE)),
        missed: 0,
        overlap: Overlap::Skip,
        jobs: vec![run(&schedule.name, next)],
        caught_up: 0,
    }
}

pub(super) async fn tick(adapter: &Arc<dyn Adapter>, tick: NewTick) -> Ticked {
    adapter.schedules().tick(vec![tick]).await.unwrap().remove(0)
}

pub(super) const ONE: Ticked = Ticked::Done { ran: 1, skipped: 0 };
pub(super) const SKIPPED: Ticked = Ticked::Done { ran: 0, skipped: 1 };
