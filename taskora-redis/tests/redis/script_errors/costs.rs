//! Jobs that count as several starts. Whichever write fails, a gate or a lane that waits for the next job's cost opens.

use taskora::adapter::{Control, DeclaredLimit, GatedTask, LimitKey, PerKey, Rate};

use super::*;

const PER: Duration = Duration::from_millis(100);

impl Act {
    pub(super) fn is_of_costs(self) -> bool {
        matches!(
            self,
            Self::CostClaim
                | Self::CostSettle
                | Self::CostCancel
                | Self::CostEnqueue
                | Self::CostReplace
                | Self::CostExpire
        )
    }

    /// Beside jobs without a key, two lanes. The next job of the task, and of a lane, costs more than is left.
    pub(super) async fn prepare_costs(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        world.patience = PER;
        let keyed = PerKey::fair().rate(Some(Rate::new(3, PER)));
        let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(keyed));
        let limit = limit.rate(Some(Rate::new(7, PER).burst(7)));
        of("declare_limits", adapter.declare_limits(vec![limit]).await)?;
        let costly =
            |(id, key, priority, cost)| NewJob { priority, cost, limit_key: LimitKey::new(key), ..job(id) };
        let jobs = [("c1", "a", 1_000, 2), ("c2", "b", 999, 1), ("c3", "a", 998, 3), ("c4", "", 997, 6)];
        of("enqueue", adapter.enqueue(jobs.map(costly).to_vec()).await)?;
        if self == Self::CostReplace {
            let urgent = NewJob { priority: 999, cost: 6, ..job("c5") };
            of("admit", adapter.admit(vec![following(urgent, "y")]).await)?;
        }
        if self == Self::CostExpire {
            let ttl = Some(Ttl::new(Duration::from_secs(5)));
            let urgent = NewJob { priority: 999, cost: 6, ttl, ..job("c5") };
            of("enqueue", adapter.enqueue(vec![urgent]).await)?;
        }
        if self != Self::CostClaim {
            let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 2).await)?.jobs;
            world.held.extend(claimed);
            // this one closes the lane and the gate
            of("claim", world.exchange(&[TASK], Vec::new(), 9).await)?;
        }
        if self == Self::CostExpire {
            of("shift", adapter.shift_clock(Duration::from_secs(6)).await)?;
        }
        Ok(())
    }

    pub(super) async fn act_on_costs(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::CostClaim => of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 9).await).map(drop),
            Self::CostSettle => {
                let costly = |job: &&ClaimedJob| job.lease.id.as_str().starts_with('c');
                let settle = world.held.iter().filter(costly).map(|job| {
                    job.settlement(AttemptEnd::Retry { error: "again".into(), delay: Duration::ZERO })
                });
                let settle = settle.collect();
                of("exchange", world.exchange(&[TASK], settle, 9).await).map(drop)
            }
            Self::CostCancel => {
                for id in ["c4", "c3"] {
                    of("cancel", adapter.cancel(&id.into(), "why").await)?;
                }
                Ok(())
            }
            Self::CostEnqueue => {
                let cheap = |(id, key)| NewJob { priority: 1_000, limit_key: LimitKey::new(key), ..job(id) };
                let jobs = [("c6", "a"), ("c7", "")].map(cheap);
                of("enqueue", adapter.enqueue(jobs.to_vec()).await).map(drop)
            }
            Self::CostReplace => {
                let cheap = NewJob { priority: 999, cost: 2, ..job("c8") };
                of("admit", adapter.admit(vec![following(cheap, "y")]).await).map(drop)
            }
            Self::CostExpire => world.sweep_once(Retention::default()).await.map(drop),
            other => Err(format!("{other:?} is not about costs")),
        }
    }
}

#[tokio::test]
async fn what_costs_close_and_a_call_that_fails_at_any_write() {
    run(&[Act::CostClaim, Act::CostSettle, Act::CostCancel]).await;
    run(&[Act::CostEnqueue, Act::CostReplace, Act::CostExpire]).await;
}
