//! Commands about schedules. Whichever write fails, each schedule goes on, and no tick runs twice.

use taskora::adapter::{Inspection, NewTick, PutSchedule, Schedules, Ticked};
use taskora::{Blocked, Overlap};

use super::*;
use crate::garbage::world::{later, run as run_of, schedule, tick_of};

/// A tick that is due, with three more runs: the last one has a delay and a long payload.
async fn tick_with_more(world: &World, name: &str) -> Outcome<NewTick> {
    let (now, known) = of("schedule", world.adapter.schedule(name).await)?;
    let Some(known) = known else { return Err(format!("{name} is gone")) };
    let mut tick = tick_of(&known, now);
    tick.jobs.push(NewJob { priority: 3, ..run_of(name, now) });
    tick.jobs.push(run_of(name, later(now, PERIOD)));
    let (due, payload) = (Due::After(Duration::from_secs(5)), vec![b'7'; 5_000]);
    tick.jobs.push(NewJob { due, payload, ..run_of(name, later(now, 2 * PERIOD)) });
    Ok(tick)
}

/// The same, but each run waits for the one before it.
async fn tick_of_waiting(world: &World) -> Outcome<NewTick> {
    let tick = tick_with_more(world, "s1").await?;
    Ok(NewTick { overlap: Overlap::Skip, caught_up: tick.jobs.len(), ..tick })
}

impl Act {
    pub(super) async fn prepare_schedules(self, world: &mut World) -> Outcome {
        match self {
            Self::HandOut | Self::Tick | Self::TickMany | Self::TickWaiting => {
                of("shift", world.adapter.shift_clock(PERIOD).await)
            }
            Self::TickQueued => {
                // so that the next tick is of another time
                of("shift", world.adapter.shift_clock(PERIOD).await)?;
                let (now, known) = of("schedule", world.adapter.schedule("s1").await)?;
                let first = known.map(|known| tick_of(&known, now)).ok_or("s1 is gone")?;
                of("tick", world.adapter.tick(vec![first]).await).map(drop)
            }
            Self::CancelRun => {
                let tick = tick_of_waiting(world).await?;
                of("tick", world.adapter.tick(vec![tick]).await).map(drop)
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn act_on_schedules(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::Declare | Self::HandOut | Self::Tick => world.tick().await,
            Self::PutNew => {
                let now = of("schedule", adapter.schedule("s4").await)?.0;
                of("put", adapter.put_schedules(vec![schedule("s4", now)]).await).map(drop)
            }
            Self::PutOther | Self::PutLater => {
                let (now, known) = of("schedule", adapter.schedule("s1").await)?;
                let wait = if self == Self::PutLater { 2 * PERIOD } else { PERIOD / 2 };
                let other = PutSchedule {
                    expected: known.map(|known| known.version()),
                    definition: b"other".to_vec(),
                    next: Some(later(now, wait)),
                    ..schedule("s1", now)
                };
                of("put", adapter.put_schedules(vec![other]).await).map(drop)
            }
            Self::Resume => {
                let (now, known) = of("schedule", adapter.schedule("s3").await)?;
                let expected = known.map(|known| known.version());
                let resumed = PutSchedule { expected, resumes: true, ..schedule("s3", now) };
                of("put", adapter.put_schedules(vec![resumed]).await).map(drop)
            }
            Self::TickMany => {
                let ticks = vec![tick_with_more(world, "s1").await?, tick_with_more(world, "s2").await?];
                of("tick", adapter.tick(ticks).await).map(drop)
            }
            Self::TickQueued => {
                let (now, known) = of("schedule", adapter.schedule("s1").await)?;
                let Some(known) = known else { return Err("s1 is gone".into()) };
                if known.ran > 1 {
                    // the call that failed had written everything about the tick
                    return Ok(());
                }
                let tick = NewTick { overlap: Overlap::Queue, ..tick_of(&known, now) };
                let ticked = of("tick", adapter.tick(vec![tick]).await)?;
                // one that a failed call has not stored keeps no other one away
                match ticked[..] {
                    [Ticked::Done { skipped: 0, .. }] => Ok(()),
                    _ => Err(format!("{ticked:?}")),
                }
            }
            Self::TickWaiting => {
                let tick = tick_of_waiting(world).await?;
                of("tick", adapter.tick(vec![tick]).await).map(drop)
            }
            Self::CancelRun => {
                // the one before the last, which others wait for and which waits itself
                let known = of("schedule", adapter.schedule("s1").await)?.1;
                let last = known.and_then(|known| known.last_job).ok_or("s1 has not run")?;
                let info = of("job", adapter.job(&last).await)?;
                let Some(Blocked::Behind(front)) = info.and_then(|info| info.blocked) else {
                    // the first try has already closed the ranks
                    return Ok(());
                };
                of("cancel", adapter.cancel(&front, "why").await).map(drop)
            }
            Self::Trigger => of("trigger", adapter.trigger("s1", job("x1"), Overlap::Skip).await).map(drop),
            Self::Pause => of("pause", adapter.pause_schedule("s1", "why").await).map(drop),
            Self::RemoveSchedule => of("remove", adapter.remove_schedule("s1").await).map(drop),
            other => Err(format!("{other:?} is not about schedules")),
        }
    }
}

#[tokio::test]
async fn a_change_of_a_schedule_that_fails_at_any_write() {
    let changes = [Act::Declare, Act::PutNew, Act::PutOther, Act::PutLater, Act::Resume, Act::Pause];
    run(&changes).await;
    run(&[Act::RemoveSchedule]).await;
}

#[tokio::test]
async fn a_tick_that_fails_at_any_write() {
    run(&[Act::HandOut, Act::Tick, Act::TickMany, Act::TickWaiting, Act::TickQueued, Act::Trigger]).await;
}

#[tokio::test]
async fn a_cancellation_of_a_run_between_others_that_fails_at_any_write() {
    run(&[Act::CancelRun]).await;
}
