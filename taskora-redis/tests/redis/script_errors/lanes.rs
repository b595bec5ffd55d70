//! Limits by key. Whichever write fails, no job is held back for ever, and nothing is left of a key.

use taskora::Ttl;
use taskora::adapter::{
    Admission, Admissions, Admitted, BlockingStates, Control, DeclaredLimit, GatedTask, LimitKey, Otherwise,
    PerKey, Rule,
};

use super::*;

fn keyed(id: &str, key: &str) -> NewJob {
    NewJob { limit_key: LimitKey::new(key), priority: 1_000, ..job(id) }
}

async fn declare(world: &World, per_key: PerKey) -> Outcome {
    let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(per_key));
    of("declare_limits", world.adapter.declare_limits(vec![limit]).await).map(drop)
}

/// A job that replaces an earlier one.
fn replacing(job: NewJob) -> Vec<Admission> {
    let rule = Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise: Otherwise::Replace };
    vec![Admission { job, key: "lanes".into(), rule }]
}

impl Act {
    pub(super) fn is_of_lanes(self) -> bool {
        matches!(
            self,
            Self::LaneEnqueue
                | Self::LaneClaim
                | Self::LaneSettle
                | Self::LaneDue
                | Self::LaneRescue
                | Self::LaneCancel
                | Self::LaneSet
                | Self::LaneTake
                | Self::LaneReplace
                | Self::LaneExpire
                | Self::LaneDeclare
                | Self::LaneCancelHolder
        )
    }

    pub(super) async fn prepare_lanes(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        if self == Self::LaneTake {
            // without a key
            let jobs = vec![NewJob { priority: 1_000, ..job("l1") }, NewJob { priority: 1_000, ..job("l3") }];
            of("enqueue", adapter.enqueue(jobs).await)?;
            let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 2).await)?.jobs;
            world.held.extend(claimed);
        }
        let is_ordered = matches!(self, Self::LaneDue | Self::LaneCancelHolder);
        declare(world, if is_ordered { PerKey::ordered() } else { PerKey::at_most(1) }).await?;
        if self == Self::LaneEnqueue {
            return Ok(());
        }
        let jobs = [("l1", "a"), ("l2", "a"), ("l3", "b"), ("l4", "b"), ("l5", "c")];
        of("enqueue", adapter.enqueue(jobs.map(|(id, key)| keyed(id, key)).to_vec()).await)?;
        if matches!(self, Self::LaneClaim | Self::LaneTake) {
            return Ok(());
        }
        let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 2).await)?.jobs;
        if is_ordered {
            let delay = Duration::from_secs(5);
            let later = |job: &ClaimedJob| job.settlement(AttemptEnd::Retry { error: "again".into(), delay });
            of("settle", world.exchange(&[TASK], claimed.iter().map(later).collect(), 0).await)?;
            if self == Self::LaneDue {
                of("shift", adapter.shift_clock(Duration::from_secs(6)).await)?;
            }
        } else {
            world.held.extend(claimed);
        }
        if self == Self::LaneReplace {
            world.admit(replacing(keyed("l6", "a")), &[Admitted::New]).await?;
        }
        if self == Self::LaneExpire {
            let brief = |id, key| NewJob { ttl: Some(Ttl::new(Duration::from_secs(1))), ..keyed(id, key) };
            of("enqueue", adapter.enqueue(vec![brief("l6", "c"), brief("l7", "d")]).await)?;
            of("shift", adapter.shift_clock(Duration::from_secs(2)).await)?;
        }
        if self == Self::LaneRescue {
            of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?;
        }
        Ok(())
    }

    pub(super) async fn act_on_lanes(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::LaneEnqueue => {
                let jobs = vec![keyed("l1", "a"), keyed("l2", "a"), keyed("l3", "b")];
                of("enqueue", adapter.enqueue(jobs).await).map(drop)
            }
            Self::LaneReplace => of("admit", adapter.admit(replacing(keyed("l7", "c"))).await).map(drop),
            Self::LaneDeclare => declare(world, PerKey::at_most(2)).await,
            Self::LaneCancelHolder => of("cancel", adapter.cancel(&"l1".into(), "why").await).map(drop),
            Self::LaneClaim | Self::LaneExpire => {
                of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 9).await).map(drop)
            }
            Self::LaneDue => of("exchange", world.exchange(&[TASK], Vec::new(), 9).await).map(drop),
            Self::LaneSettle => {
                let of_lanes = world.held.iter().filter(|job| job.limit_key.is_some());
                let settle = of_lanes.enumerate().map(|(at, job)| match at {
                    0 => {
                        let delay = Duration::ZERO;
                        job.settlement(AttemptEnd::Retry { error: "again".into(), delay })
                    }
                    _ => complete(job),
                });
                let settle = settle.collect();
                of("exchange", world.exchange(&[TASK], settle, 9).await).map(drop)
            }
            Self::LaneRescue => world.sweep_once(Retention::default()).await.map(drop),
            Self::LaneCancel => of("cancel", adapter.cancel(&"l2".into(), "why").await).map(drop),
            Self::LaneSet => {
                let key = LimitKey::new("a");
                let set = adapter.set_limit(&GatedTask::new(TASK), key.as_ref(), Some(2)).await;
                of("set_limit", set)
            }
            Self::LaneTake => {
                let key = LimitKey::new("a").expect("not too long");
                let late: Vec<_> =
                    world.held.iter().filter(|job| job.lease.id.as_str().starts_with('l')).collect();
                for job in late {
                    of("take_key", adapter.take_key(&job.lease, &key).await)?;
                }
                Ok(())
            }
            other => Err(format!("{other:?} is not about lanes")),
        }
    }
}

#[tokio::test]
async fn a_lane_that_fails_at_any_write() {
    run(&[Act::LaneEnqueue, Act::LaneClaim, Act::LaneSettle, Act::LaneDue, Act::LaneExpire]).await;
}

#[tokio::test]
async fn a_change_of_a_lane_that_fails_at_any_write() {
    run(&[Act::LaneRescue, Act::LaneCancel, Act::LaneCancelHolder]).await;
    run(&[Act::LaneSet, Act::LaneDeclare, Act::LaneTake, Act::LaneReplace]).await;
}
