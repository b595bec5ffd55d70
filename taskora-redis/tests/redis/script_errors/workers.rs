//! A worker that is told to claim nothing, or signs off. If the write fails, nothing has changed.

use taskora::adapter::{Control, Inspection};

use super::*;

impl Act {
    pub(super) fn is_of_workers(self) -> bool {
        matches!(self, Self::WorkerQuiet | Self::WorkerSignOff)
    }

    pub(super) async fn prepare_workers(self, world: &mut World) -> Outcome {
        world.sweep(Retention::default()).await
    }

    pub(super) async fn act_on_workers(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        let answer = match self {
            Self::WorkerQuiet => of("quiet", adapter.quiet("w", true).await).map(drop),
            _ => of("sign off", adapter.sign_off(&world.report()).await),
        };
        let left: Vec<bool> =
            of("workers", adapter.workers().await)?.iter().map(|one| one.is_quiet).collect();
        let expected: &[bool] = match (self, &answer) {
            (Self::WorkerQuiet, Ok(())) => &[true],
            (_, Ok(())) => &[],
            (_, Err(_)) => &[false],
        };
        if left != expected {
            return Err(format!("{self:?}: {answer:?}, and {left:?} is left"));
        }
        answer
    }
}

#[tokio::test]
async fn what_is_said_of_a_worker_or_to_it_that_fails_at_any_write() {
    run(&[Act::WorkerQuiet, Act::WorkerSignOff]).await;
}
