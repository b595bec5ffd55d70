//! What is compared at the end of a case.

use super::*;

impl Pair<'_> {
    /// At the end: wake-ups, and cancellations that were heard.
    pub(in crate::model) fn finish(mut self) -> Result<(), String> {
        self.advance(STEP)?;
        self.sweep(&TASKS.map(TaskName::from))?;
        for task in TASKS.map(TaskName::from) {
            // whoever is told may find nothing, so only one direction can be compared
            if both!(self, |adapter| adapter.counts(&task)).waiting == self.blocked(&task)?
                || self.is_closed(&task)?
            {
                continue;
            }
            let claim = TaskClaim { task: task.clone(), limit: 1, lease: LEASE };
            let call = Exchange {
                call: CallId { worker: format!("listener of {task}").into(), slot: 0, number: 1 },
                settle: Vec::new(),
                claim: Some(Claim { limit: 1, room: 1, tasks: [claim].into() }),
                retention: self.retention,
            };
            let (here, there, wake_early) = (self.memory.1.work(), self.redis.1.work(), Notify::new());
            let memory = self.memory.0.block_on(here.wait(&call, PATIENCE, &wake_early));
            let redis = self.redis.0.block_on(there.wait(&call, PATIENCE, &wake_early));
            let (memory, redis) = (memory.map_err(|e| e.to_string())?, redis.map_err(|e| e.to_string())?);
            same("claimed by who waits", &claimed(&memory.jobs), &claimed(&redis.jobs))?;
            if redis.jobs.is_empty() {
                return Err(format!("`{task}` has jobs waiting, and who listens gets none"));
            }
        }
        // the last one is ours: afterwards all others have been heard
        let last = NewJob { task: "last".into(), ..job("last") };
        let of = TaskClaim { task: "last".into(), limit: 1, lease: LEASE };
        let call = Exchange {
            call: CallId { worker: "last".into(), slot: 0, number: 1 },
            settle: Vec::new(),
            claim: Some(Claim { limit: 1, room: 1, tasks: [of].into() }),
            retention: Retention::default(),
        };
        both!(self, |adapter| adapter.enqueue(vec![last.clone()]));
        both!(self, |adapter| async { adapter.exchange(call.clone()).await.map(|done| done.jobs.len()) });
        both!(self, |adapter| adapter.cancel(&"last".into(), "why"));
        let [memory, redis] = &mut self.heard;
        let expected: Vec<Cancellation> = std::iter::from_fn(|| memory.try_recv().ok()).collect();
        let heard = self.redis.0.block_on(async {
            let all = async {
                let mut heard = Vec::new();
                while heard.last() != expected.last() {
                    let said = redis.recv().await.expect("not more than are kept");
                    // of the subscription itself
                    heard.extend(Some(said).filter(|said| *said != Cancellation::Missed));
                }
                heard
            };
            timeout(PATIENCE, all).await
        });
        same("cancellations", &expected, &heard.map_err(|_| "a cancellation was not heard")?)?;
        same("no further cancellation", &memory.try_recv(), &Err(TryRecvError::Empty))?;
        self.check()
    }

    /// How many jobs of a task wait for others, or for room for their key, and not for a worker.
    fn blocked(&self, task: &str) -> Result<usize, String> {
        let mut count = 0;
        let flows = self.subjects.flows.iter();
        let nodes = flows.flat_map(|flow| (0..NODES).map(|node| JobId::node(flow, node.into())));
        for id in self.subjects.jobs.iter().cloned().chain(nodes) {
            let info = answered(self.memory.0.block_on(self.memory.1.job(&id)))?;
            count += usize::from(info.is_some_and(|info| {
                let waits = matches!(
                    info.blocked,
                    Some(
                        Blocked::Behind(_)
                            | Blocked::LimitKey(_)
                            | Blocked::Paused
                            | Blocked::Rate
                            | Blocked::Gathering
                    )
                );
                info.task == task && waits
            }));
        }
        Ok(count)
    }

    /// Whether a task is paused, or has reached its limit, or its rate for now.
    fn is_closed(&self, task: &TaskName) -> Result<bool, String> {
        let task = GatedTask::new(task.clone());
        let gate = answered(self.memory.0.block_on(self.memory.1.gate(&task, None)))?;
        let is_full = gate.limit().is_some_and(|limit| gate.running >= limit as usize);
        Ok(gate.paused.is_some() || is_full || gate.opens_at.is_some())
    }

    /// What is stored agrees with itself, whatever was done.
    fn check(&self) -> Result<(), String> {
        let (memory, redis) = (App::new(self.memory.1.clone()), App::new(self.redis.1.clone()));
        for (runtime, app) in [(&self.memory.0, memory), (&self.redis.0, redis)] {
            let report = runtime.block_on(app.check()).map_err(|error| error.to_string())?;
            if !report.is_clean() || report.skipped > 0 {
                return Err(format!("what is stored does not agree: {report}"));
            }
        }
        Ok(())
    }
}
