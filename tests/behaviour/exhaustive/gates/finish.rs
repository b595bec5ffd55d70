//! From each state: a worker that sleeps, and the end.

use std::time::Duration;

use tokio::sync::Notify;

use super::{Of, Step, TICK, World};
use crate::exhaustive::action::End;
use crate::exhaustive::stage::Stage;

impl World<'_> {
    /// A worker that sleeps is woken if there is something to claim, and only then.
    async fn sleep(&mut self, path: &[Step]) {
        let (claimable, waiting) = self.claimable().await;
        let waits = claimable > 0;
        let is_virtual = matches!(self.stage, Stage::Memory);
        if !waits && !is_virtual {
            return;
        }
        let (call, limit) = (self.call(Vec::new(), 1), Duration::from_secs(3));
        let (listener, started) = (self.adapter.signals().work(), tokio::time::Instant::now());
        let answer = listener.wait(&call, limit, &Notify::new()).await.expect("wait");
        if waits {
            assert!(answer.jobs.len() == 1 && started.elapsed() < limit, "nobody is woken: {path:?}");
        } else if self.paused[0] || waiting > 0 && self.per_key.is_none() {
            // with keys, a wake-up may be left of a job that another call has claimed
            assert!(answer.jobs.is_empty() && started.elapsed() >= limit, "a closed task wakes: {path:?}");
        }
        self.take(answer.jobs, path).await;
    }

    /// From here everything comes to its end, and the gate is free.
    pub(super) async fn drain(&mut self, path: &[Step]) {
        self.sleep(path).await;
        for of in [Of::Task, Of::Key] {
            if self.paused[of as usize] {
                self.apply(Step::Resume(of), path).await;
            }
        }
        for _ in 0..8 {
            self.stage.advance(TICK).await;
            self.apply(Step::Sweep, path).await;
            self.held.clear();
            self.apply(Step::Claim, path).await;
            let settle = std::mem::take(&mut self.held);
            let settle = settle.iter().map(|(job, _)| job.settlement(End::Complete.attempt_end())).collect();
            self.exchange(settle, false, path).await;
        }
        let jobs = self.jobs().await;
        assert!(jobs.iter().all(|job| job.state.is_terminal()), "{jobs:?}: {path:?}");
        let gate = self.adapter.control().gate(&self.task, None).await.expect("gate");
        assert_eq!(gate.running, 0, "{path:?}");
    }
}
