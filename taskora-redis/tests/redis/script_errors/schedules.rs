//! Commands about schedules. Whichever write fails, each schedule goes on, and no tick runs twice.

use taskora::Overlap;
use taskora::adapter::{PutSchedule, Schedules};

use super::*;
use crate::garbage::world::{later, run as run_of, schedule, tick_of};

impl Act {
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
                let mut ticks = Vec::new();
                for name in ["s1", "s2"] {
                    let (now, known) = of("schedule", adapter.schedule(name).await)?;
                    let Some(known) = known else { return Err(format!("{name} is gone")) };
                    let mut tick = tick_of(&known, now);
                    tick.jobs.push(NewJob { priority: 3, ..run_of(name, now) });
                    let due = Due::After(Duration::from_secs(5));
                    tick.jobs.push(NewJob {
                        due,
                        payload: vec![b'7'; 5_000],
                        ..run_of(name, later(now, PERIOD))
                    });
                    ticks.push(tick);
                }
                of("tick", adapter.tick(ticks).await).map(drop)
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
    run(&[Act::HandOut, Act::Tick, Act::TickMany, Act::Trigger]).await;
}
