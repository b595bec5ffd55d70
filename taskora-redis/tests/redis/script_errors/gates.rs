//! Limits, and what happens under them. Whichever write fails, no job is held back for ever.

use taskora::adapter::{Control, DeclaredLimit, GatedTask, NewPause, Rate};

use super::*;

/// How long a pause lasts.
const PAUSE: Duration = Duration::from_millis(100);

async fn pause(world: &mut World, time: Duration) -> Outcome {
    world.patience = time;
    let pause = NewPause::from("why").by("ada").lasting(time);
    of("pause", world.adapter.pause(&GatedTask::new(TASK), None, pause).await).map(drop)
}

impl Act {
    pub(super) fn is_of_gates(self) -> bool {
        matches!(
            self,
            Self::GateSettle
                | Self::GateClaim
                | Self::GateRescue
                | Self::GateSet
                | Self::GateDeclare
                | Self::RateClaim
                | Self::RateOpen
                | Self::RateSet
                | Self::PauseSet
                | Self::PauseLonger
                | Self::PauseOver
        )
    }

    pub(super) async fn prepare_gates(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        let task = GatedTask::new(TASK);
        if let Self::RateClaim | Self::RateOpen | Self::RateSet = self {
            let rate = Rate::new(3, Duration::from_millis(100));
            world.patience = rate.per;
            of("set_rate", adapter.set_rate(&task, None, Some(rate)).await)?;
            if self != Self::RateClaim {
                of("exchange", world.exchange(&[TASK], Vec::new(), 9).await)?;
            }
            if self == Self::RateOpen {
                of("shift", adapter.shift_clock(Duration::from_millis(101)).await)?;
            }
            return Ok(());
        }
        match self {
            Self::PauseSet => return Ok(()),
            Self::PauseLonger => return pause(world, PAUSE).await,
            Self::PauseOver => {
                pause(world, PAUSE).await?;
                return of("shift", adapter.shift_clock(PAUSE + Duration::from_millis(1)).await);
            }
            _ => {}
        }
        let max = if self == Self::GateClaim { 6 } else { 2 };
        of("set_limit", adapter.set_limit(&GatedTask::new(TASK), None, Some(max)).await)?;
        if self == Self::GateDeclare {
            // it becomes an alias, and brings its limit along
            of("set_limit", adapter.set_limit(&GatedTask::new(OTHER), None, Some(3)).await)?;
        }
        if self == Self::GateRescue {
            of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?;
        }
        Ok(())
    }

    pub(super) async fn act_on_gates(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::GateSettle => {
                let jobs = world.owners.iter().chain(&world.held).filter(|job| &*job.lease.task == TASK);
                let settle = jobs.map(complete).collect();
                of("exchange", world.exchange(&[TASK], settle, 9).await).map(drop)
            }
            Self::PauseSet => pause(world, PAUSE).await,
            Self::PauseLonger => pause(world, 2 * PAUSE).await,
            Self::GateClaim | Self::RateClaim | Self::RateOpen | Self::PauseOver => {
                of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 9).await).map(drop)
            }
            Self::RateSet => {
                let rate = Rate::new(5, Duration::from_millis(100)).burst(2);
                of("set_rate", adapter.set_rate(&GatedTask::new(TASK), None, Some(rate)).await).map(drop)
            }
            Self::GateSet => {
                of("set_limit", adapter.set_limit(&GatedTask::new(TASK), None, Some(5)).await).map(drop)
            }
            Self::GateDeclare => {
                let task = GatedTask { aliases: vec![OTHER.into()], ..GatedTask::new(TASK) };
                let limits = vec![DeclaredLimit::none(task).max(Some(2))];
                of("declare_limits", adapter.declare_limits(limits).await).map(drop)
            }
            Self::GateRescue => world.sweep_once(Retention::default()).await.map(drop),
            other => Err(format!("{other:?} is not about gates")),
        }
    }
}

#[tokio::test]
async fn a_gate_that_fails_at_any_write() {
    run(&[Act::GateSettle, Act::GateClaim, Act::GateRescue, Act::GateSet, Act::GateDeclare]).await;
}

#[tokio::test]
async fn a_rate_that_fails_at_any_write() {
    run(&[Act::RateClaim, Act::RateOpen, Act::RateSet]).await;
}

#[tokio::test]
async fn a_pause_that_ends_by_itself_fails_at_any_write() {
    run(&[Act::PauseSet, Act::PauseLonger, Act::PauseOver]).await;
}
