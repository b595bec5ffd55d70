//! What operators do with single jobs. Whichever write fails, a job has ended or waits, and is never in two places.

use taskora::adapter::{Actions, Inspection, LimitKey, Revival};

use super::*;

impl Act {
    pub(super) fn is_of_operators(self) -> bool {
        matches!(
            self,
            Self::OperatorRevive
                | Self::OperatorPromote
                | Self::OperatorWithdraw
                | Self::OperatorDelete
                | Self::OperatorReplace
                | Self::OperatorReprioritise
        )
    }

    pub(super) async fn prepare_operators(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        let ttl = Some(Ttl::new(Duration::from_secs(36_000)));
        of("enqueue", adapter.enqueue(vec![NewJob { ttl, ..job("r1") }, NewJob { ttl, ..job("r2") }]).await)?;
        // its tombstone stays in the line
        of("cancel", adapter.cancel(&"r1".into(), "why").await).map(drop)
    }

    pub(super) async fn act_on_operators(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::OperatorRevive => {
                let mut jobs = Vec::new();
                for (id, seconds) in [("failed", 1), ("cancelled", 0), ("r1", 0)] {
                    let info = of("job", adapter.job(&id.into()).await)?;
                    let Some(ended_at) = info.and_then(|info| info.finished_at) else { continue };
                    jobs.push(Revival { id: id.into(), ended_at, delay: Duration::from_secs(seconds) });
                }
                of("revive", adapter.revive(jobs).await).map(drop)
            }
            Self::OperatorPromote => of("promote", adapter.promote(&"delayed".into()).await).map(drop),
            Self::OperatorWithdraw => {
                let ids = [MADE[2], "urgent", "delayed", "r2", "chord#1"].map(Into::into);
                of("withdraw", adapter.withdraw(&ids, "why").await).map(drop)
            }
            Self::OperatorDelete => {
                let ids = [MADE[2], "urgent", "delayed", "failed", "r1", "r2"].map(Into::into);
                of("delete", adapter.delete(&ids, "gone").await).map(drop)
            }
            Self::OperatorReprioritise => {
                for (id, priority) in [("r2", 9), ("urgent", 0), ("delayed", -3), ("n3", 4), ("i3", 4)] {
                    of("reprioritise", adapter.reprioritise(&id.into(), priority).await)?;
                }
                Ok(())
            }
            Self::OperatorReplace => {
                for (id, new) in [("delayed", "new1"), ("urgent", "new2"), ("r2", "new3")] {
                    let new =
                        NewJob { limit_key: LimitKey::new("key"), payload: vec![b'7'; 5000], ..job(new) };
                    of("replace", adapter.replace(&id.into(), new, "replaced").await)?;
                }
                Ok(())
            }
            other => Err(format!("{other:?} is none of an operator's")),
        }
    }
}

#[tokio::test]
async fn a_revival_or_a_promotion_that_fails_at_any_write() {
    run(&[Act::OperatorRevive, Act::OperatorPromote]).await;
}

#[tokio::test]
async fn a_replacement_that_fails_at_any_write() {
    run(&[Act::OperatorReplace, Act::OperatorReplaceOwner, Act::OperatorReplaceFollower]).await;
}

#[tokio::test]
async fn a_priority_that_fails_at_any_write() {
    run(&[Act::OperatorReprioritise]).await;
}

#[tokio::test]
async fn a_withdrawal_or_a_deletion_that_fails_at_any_write() {
    run(&[Act::OperatorWithdraw, Act::OperatorDelete]).await;
}
