//! Rates by key. Whichever write fails, no job is held back for ever.

use taskora::adapter::{Control, DeclaredLimit, GatedTask, LimitKey, PerKey, Rate};

use super::*;

const PER: Duration = Duration::from_millis(100);

async fn declare(world: &mut World, rate: Rate) -> Outcome {
    world.patience = PER;
    let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::fair().rate(Some(rate))));
    of("declare_limits", world.adapter.declare_limits(vec![limit]).await).map(drop)
}

async fn close(world: &World) -> Outcome {
    let held = world.held.iter().find(|job| job.lease.id.as_str() == "l1").expect("it was claimed");
    of("close_key", world.adapter.close_key(&held.lease, PER).await)
}

impl Act {
    pub(super) fn is_of_key_rates(self) -> bool {
        matches!(
            self,
            Self::KeyRateClaim
                | Self::KeyRateOpen
                | Self::KeyRateSet
                | Self::KeyRateDeclare
                | Self::KeyRateTake
                | Self::KeyClose
                | Self::KeyReopen
        )
    }

    pub(super) async fn prepare_key_rates(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        let keyless = |id| NewJob { priority: 1_000, ..job(id) };
        let keyed = |(id, key)| NewJob { limit_key: LimitKey::new(key), ..keyless(id) };
        if self == Self::KeyRateTake {
            of("enqueue", adapter.enqueue(vec![keyless("l1"), keyless("l2")]).await)?;
            let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 2).await)?.jobs;
            world.held.extend(claimed);
        }
        declare(world, Rate::new(1, PER)).await?;
        if self == Self::KeyRateTake {
            return Ok(());
        }
        let jobs = [("l1", "a"), ("l2", "a"), ("l3", "b"), ("l4", "b"), ("l5", "c")];
        of("enqueue", adapter.enqueue(jobs.map(keyed).to_vec()).await)?;
        if self != Self::KeyRateClaim {
            let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 3).await)?.jobs;
            world.held.extend(claimed);
            // this one parks them
            of("claim", world.exchange(&[TASK], Vec::new(), 0).await)?;
        }
        if self == Self::KeyReopen {
            close(world).await?;
        }
        if let Self::KeyRateOpen | Self::KeyReopen = self {
            of("shift", adapter.shift_clock(PER + Duration::from_millis(1)).await)?;
        }
        Ok(())
    }

    pub(super) async fn act_on_key_rates(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::KeyRateClaim | Self::KeyRateOpen | Self::KeyReopen => {
                of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 9).await).map(drop)
            }
            Self::KeyRateSet => {
                let (key, rate) = (LimitKey::new("a"), Rate::new(5, PER).burst(2));
                of("set_rate", adapter.set_rate(&GatedTask::new(TASK), key.as_ref(), Some(rate)).await)
            }
            Self::KeyClose => close(world).await,
            Self::KeyRateDeclare => declare(world, Rate::new(2, PER)).await,
            Self::KeyRateTake => {
                let key = LimitKey::new("a").expect("not too long");
                let late: Vec<_> =
                    world.held.iter().filter(|job| job.lease.id.as_str().starts_with('l')).collect();
                for job in late {
                    of("take_key", adapter.take_key(&job.lease, &key).await)?;
                }
                Ok(())
            }
            other => Err(format!("{other:?} is not about rates by key")),
        }
    }
}

#[tokio::test]
async fn a_rate_by_key_that_fails_at_any_write() {
    run(&[Act::KeyRateClaim, Act::KeyRateOpen, Act::KeyRateSet, Act::KeyRateDeclare, Act::KeyRateTake]).await;
    run(&[Act::KeyClose, Act::KeyReopen]).await;
}
