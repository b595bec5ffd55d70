//! From a stored schedule to its ticks: what a worker asks the store to do.

use std::time::Duration;

use super::definition::{Definition, Start};
use super::plan::{ON_TIME, Rules};
use super::{OnMissed, ScheduleError};
use crate::adapter::{Due, Fingerprint, NewJob, NewTick, Origin, PutSchedule, StoredSchedule, TickStamp};
use crate::job::{JobId, Timestamp, compact, millis};

/// What is stored, as it was written.
pub(crate) fn definition(schedule: &StoredSchedule) -> Result<Definition, ScheduleError> {
    Definition::decode(&schedule.definition)
        .map_err(|message| ScheduleError::Unreadable { name: schedule.name.clone(), message })
}

/// The tick that is due now; `None` if none is.
pub(crate) fn due_tick(schedule: &StoredSchedule, now: Timestamp) -> Result<Option<NewTick>, ScheduleError> {
    let Some(next) = schedule.next else { return Ok(None) };
    let definition = definition(schedule)?;
    let times = definition.times.times()?;
    let rules =
        Rules { times: times.as_ref(), on_missed: definition.on_missed, max_late: definition.max_late };
    let Some(plan) = rules.plan(next.as_millis(), now.as_millis()) else { return Ok(None) };
    let is_late = |at: &&u64| **at + ON_TIME < now.as_millis();
    let caught_up = match definition.on_missed {
        OnMissed::Skip => 0,
        OnMissed::CatchUp | OnMissed::CatchUpNewest(_) => plan.run.iter().take_while(is_late).count(),
    };
    Ok(Some(NewTick {
        name: schedule.name.clone(),
        expected: schedule.version(),
        since: Timestamp::from_millis(plan.since),
        next: plan.next.map(Timestamp::from_millis),
        missed: plan.missed,
        overlap: definition.overlap,
        jobs: plan.run.into_iter().map(|at| tick_job(&schedule.name, &definition, at)).collect(),
        caught_up,
    }))
}

/// The job of a tick. Its id is the same whoever makes it, and when.
fn tick_job(name: &str, definition: &Definition, at: u64) -> NewJob {
    let id = format!("{name}@{}", compact(at));
    let jitter = jitter(name, at, definition.jitter);
    let due = if jitter.is_zero() {
        Due::Now
    } else {
        Due::At(Timestamp::from_millis(at).plus(jitter).to_system_time())
    };
    NewJob { due, ..job(id, name, definition, Some(Timestamp::from_millis(at))) }
}

/// The job of a trigger.
pub(crate) fn triggered_job(id: JobId, name: &str, definition: &Definition) -> NewJob {
    job(id, name, definition, None)
}

fn job(id: impl Into<JobId>, name: &str, definition: &Definition, at: Option<Timestamp>) -> NewJob {
    let target = &definition.target;
    NewJob {
        priority: target.priority,
        max_attempts: target.max_attempts,
        max_stalls: target.max_stalls,
        meta: target.meta.clone(),
        ttl: target.ttl,
        limit_key: target.limit_key.clone(),
        collect: target.collect,
        cost: target.cost,
        tick: Some(TickStamp { schedule: name.to_owned(), at }),
        ..NewJob::new(id, target.task.as_str(), target.payload.clone())
    }
}

/// How much later than its tick a run becomes ready: less than `most`.
fn jitter(name: &str, at: u64, most: Duration) -> Duration {
    let Fingerprint(hash) = Fingerprint::of(format!("{name}@{at}").as_bytes());
    // the low digits of such a hash follow those of the text
    let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    Duration::from_millis(spread.checked_rem(millis(most)).unwrap_or(0))
}

/// A change of a schedule, or a new one. Its next tick follows from now on if its times are others than before. Otherwise it is computed
/// again from the last one, so that new rules of its time zone take hold.
pub(crate) fn put(
    name: &str,
    known: Option<&StoredSchedule>,
    new: &Definition,
    origin: Origin,
    now: Timestamp,
) -> Result<PutSchedule, ScheduleError> {
    let bytes = new.encode();
    let before = known.and_then(|known| Some((known, definition(known).ok()?)));
    let (since, next) = match before {
        // the run at the start has not come yet
        Some((known, old)) if old.times == new.times && known.next == Some(known.since) => {
            (known.since, known.next)
        }
        Some((known, old))
            if old.times == new.times && (known.definition == bytes || new.start != Start::Once) =>
        {
            (known.since, next_tick(new, known.since)?)
        }
        _ if new.start == Start::Once => (now, Some(now)),
        _ => (now, next_tick(new, now)?),
    };
    Ok(PutSchedule {
        name: name.to_owned(),
        expected: known.map(StoredSchedule::version),
        definition: bytes,
        origin,
        since,
        // one that is paused has none
        next: next.filter(|_| known.is_none_or(|known| known.paused.is_none())),
        resumes: false,
        declares: false,
    })
}

/// The end of a pause: what would have ticked meanwhile is not missed.
pub(crate) fn resume(known: &StoredSchedule, now: Timestamp) -> Result<PutSchedule, ScheduleError> {
    let next = next_tick(&definition(known)?, now)?;
    Ok(PutSchedule {
        name: known.name.clone(),
        expected: Some(known.version()),
        definition: known.definition.clone(),
        origin: known.origin,
        since: now,
        next,
        resumes: true,
        declares: false,
    })
}

fn next_tick(definition: &Definition, after: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
    let times = definition.times.times()?;
    Ok(times.and_then(|times| times.next(after.as_millis())).map(Timestamp::from_millis))
}

/// How many ticks of a stored schedule are due.
pub(crate) fn missed_ticks(known: Option<&StoredSchedule>, now: Timestamp) -> u64 {
    let due = known.and_then(|known| {
        let (next, times) = (known.next?.as_millis(), definition(known).ok()?.times.times().ok()??);
        (next <= now.as_millis()).then(|| 1 + times.count(next, now.as_millis()))
    });
    due.unwrap_or(0)
}
