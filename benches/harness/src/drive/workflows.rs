//! Workflows: dispatched and run at the same time, from the first call to the last step.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{Bench, left, rate, watch};
use crate::contender::{Contender, Setup};
use crate::meter::Reading;
use crate::{Email, Sample, Shape};

/// Workflows that are dispatched together.
#[derive(Clone, Copy)]
struct Load {
    shape: Shape,
    size: usize,
    count: usize,
}

impl Load {
    /// The handlers that run: the callback of a chord too.
    fn runs(self) -> usize {
        self.count * (self.size + usize::from(self.shape == Shape::Chord))
    }

    /// About a tenth, not measured: of the workflows, or of the steps where there are few workflows.
    fn warm_up(self) -> Self {
        if self.count < 10 {
            Self { count: 1, size: self.size.div_ceil(10), ..self }
        } else {
            Self { count: self.count / 10, ..self }
        }
    }
}

impl<C: Contender> Bench<'_, C> {
    pub(super) fn workflows(
        &mut self,
        shape: Shape,
        size: usize,
        callers: usize,
        concurrency: usize,
    ) -> Result<Sample> {
        let load = Load { shape, size, count: (self.jobs() / size).max(1) };
        let warm = load.warm_up();
        let moments = watch([warm.runs(), warm.runs() + load.runs()], 0);
        self.start_worker(Setup { concurrency, prefetch: 0, tasks: 1, gates: false })?;
        let dispatcher = self.connect()?;
        let deadline = Instant::now() + self.limit();
        self.dispatch_workflows(&dispatcher, warm, callers, deadline)?;
        moments.recv_timeout(left(deadline)).context("the warm-up did not end")?;

        let deadline = Instant::now() + self.limit();
        let start = Reading::take(&mut self.server)?;
        self.dispatch_workflows(&dispatcher, load, callers, deadline)?;
        let last = moments.recv_timeout(left(deadline)).ok();
        let end = Reading::take(&mut self.server)?;
        let done = end.count - start.count;
        let mut sample = rate(done as f64, last.unwrap_or(end.at) - start.at, &start, &end);
        if last.is_none() {
            let missing = (load.runs() as u64).saturating_sub(done);
            sample.more.insert("left at the limit".into(), missing as f64);
        }
        Ok(sample)
    }

    fn dispatch_workflows(
        &self,
        dispatcher: &C,
        load: Load,
        callers: usize,
        deadline: Instant,
    ) -> Result<()> {
        let bytes = self.order.bytes;
        let calls = (0..callers).map(|caller| {
            let mut dispatcher = dispatcher.clone();
            self.runtime.spawn(async move {
                for workflow in (caller..load.count).step_by(callers) {
                    if Instant::now() > deadline {
                        break;
                    }
                    let first = workflow * load.size;
                    let emails = (first..first + load.size).map(|n| Email::new(n as u64, bytes)).collect();
                    dispatcher.dispatch_workflow(load.shape, emails).await?;
                }
                anyhow::Ok(())
            })
        });
        self.all(calls)
    }
}
