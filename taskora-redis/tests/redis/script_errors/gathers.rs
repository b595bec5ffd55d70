//! Items that gather. Whichever write fails, none is held back for ever, and nothing is left of a key.

use taskora::adapter::{
    Admission, Admissions, BlockingStates, Collect, Control, GatedTask, LimitKey, Otherwise,
};

use super::*;
use crate::garbage::world::{DELAY, item};

/// An item that replaces an earlier one.
fn replacing(job: NewJob) -> Vec<Admission> {
    let rule = Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise: Otherwise::Replace };
    vec![Admission { job, key: "gathers".into(), rule }]
}

fn three() -> Collect {
    Collect::new(3, DELAY).serial()
}

impl Act {
    pub(super) fn is_of_gathers(self) -> bool {
        matches!(
            self,
            Self::GatherEnqueue
                | Self::GatherClaim
                | Self::GatherOpen
                | Self::GatherSettle
                | Self::GatherDue
                | Self::GatherRescue
                | Self::GatherCancel
                | Self::GatherReplace
                | Self::GatherExpire
                | Self::GatherFlush
        )
    }

    pub(super) async fn prepare_gathers(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        if self == Self::GatherEnqueue {
            return Ok(());
        }
        let collect = if matches!(self, Self::GatherOpen | Self::GatherCancel | Self::GatherFlush) {
            Collect::new(9, DELAY).max_wait(DELAY * 2)
        } else {
            three()
        };
        let jobs = [("g1", "a"), ("g2", "a"), ("g3", "a"), ("g4", "a"), ("g5", "b")];
        let jobs = jobs.map(|(id, key)| item(id, key, collect));
        match self {
            Self::GatherExpire => {
                let ttl = Some(Ttl::new(Duration::from_secs(1)));
                of("enqueue", adapter.enqueue(jobs.map(|job| NewJob { ttl, ..job }).to_vec()).await)?;
                of("enqueue", adapter.enqueue(vec![item("g6", "a", three())]).await)?;
                return of("shift", adapter.shift_clock(DELAY * 2).await);
            }
            Self::GatherReplace => {
                of("admit", adapter.admit(replacing(jobs[0].clone())).await)?;
                of("enqueue", adapter.enqueue(jobs[1..].to_vec()).await)?;
            }
            _ => drop(of("enqueue", adapter.enqueue(jobs.to_vec()).await)?),
        }
        if matches!(self, Self::GatherSettle | Self::GatherDue | Self::GatherRescue) {
            world.held = of("claim", world.exchange(&[TASK], Vec::new(), 1).await)?.jobs;
        }
        if self == Self::GatherDue {
            let delay = Duration::from_secs(5);
            let later = |job: &ClaimedJob| job.settlement(AttemptEnd::Retry { error: "again".into(), delay });
            let settle = world.held.drain(..).map(|job| later(&job)).collect();
            of("settle", world.exchange(&[TASK], settle, 0).await)?;
            let late = NewJob { due: Due::After(delay), ..item("g7", "b", three()) };
            of("enqueue", adapter.enqueue(vec![late]).await)?;
        }
        match self {
            Self::GatherOpen | Self::GatherDue => of("shift", adapter.shift_clock(DELAY * 2).await),
            Self::GatherRescue => of("shift", adapter.shift_clock(Duration::from_secs(61)).await),
            _ => Ok(()),
        }
    }

    pub(super) async fn act_on_gathers(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::GatherEnqueue => {
                let jobs = ["g1", "g2", "g3", "g4"].map(|id| item(id, "a", three()));
                of("enqueue", adapter.enqueue(jobs.to_vec()).await).map(drop)
            }
            Self::GatherClaim | Self::GatherOpen | Self::GatherDue | Self::GatherExpire => {
                of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 9).await).map(drop)
            }
            Self::GatherSettle => {
                let again = |delay| AttemptEnd::Retry { error: "again".into(), delay };
                let ends = [again(Duration::ZERO), again(DELAY), AttemptEnd::Complete(b"1".to_vec())];
                let settle = world.held.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
                of("exchange", world.exchange(&[TASK], settle, 9).await).map(drop)
            }
            Self::GatherRescue => world.sweep_once(Retention::default()).await.map(drop),
            Self::GatherCancel => of("cancel", adapter.cancel(&"g2".into(), "why").await).map(drop),
            Self::GatherReplace => {
                of("admit", adapter.admit(replacing(item("g8", "c", three()))).await).map(drop)
            }
            Self::GatherFlush => {
                let key = LimitKey::new("a").expect("not too long");
                of("flush", adapter.flush(&GatedTask::new(TASK), &key).await).map(drop)
            }
            other => Err(format!("{other:?} is not about what gathers")),
        }
    }
}

#[tokio::test]
async fn items_that_fail_at_any_write() {
    run(&[Act::GatherEnqueue, Act::GatherClaim, Act::GatherOpen, Act::GatherSettle, Act::GatherDue]).await;
}

#[tokio::test]
async fn a_change_of_items_that_fails_at_any_write() {
    run(&[Act::GatherRescue, Act::GatherCancel, Act::GatherReplace, Act::GatherExpire, Act::GatherFlush])
        .await;
}
