//! What a contender brings.

use std::any::Any;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::{Call, Email, Kind, Operator, Rule, Shape, Times};

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Jobs that may run at the same time.
    pub concurrency: usize,
    /// Jobs reserved beyond them.
    pub prefetch: usize,
    /// Registered tasks; the jobs are of the first one, except where the workload says otherwise.
    pub tasks: usize,
    /// All but the first one have limits, and one is paused.
    pub gates: bool,
}

/// One queue library, driven by its own best public API. A clone is what a second caller in the same process would use.
pub trait Contender: Clone + Send + Sync + Sized + 'static {
    /// The most jobs that may wait before the library breaks.
    const MAX_BACKLOG: usize = usize::MAX;

    /// Why this kind of workload cannot be done, if it cannot.
    fn refuses(_kind: &Kind) -> Option<&'static str> {
        None
    }

    /// Connects a process. It is told the workload, for options that belong to the jobs (such as their attempts).
    fn connect(url: &str, kind: &Kind) -> impl Future<Output = Result<Self>> + Send;

    /// Dispatches one job and waits for the acknowledgement.
    fn dispatch(&mut self, email: Email) -> impl Future<Output = Result<()>> + Send;

    /// Dispatches many jobs in one call.
    fn dispatch_many(&mut self, emails: Vec<Email>) -> impl Future<Output = Result<()>> + Send {
        async move {
            for email in emails {
                self.dispatch(email).await?;
            }
            Ok(())
        }
    }

    /// Dispatches many jobs that become due after `delay`.
    fn dispatch_later(&mut self, _: Vec<Email>, _delay: Duration) -> impl Future<Output = Result<()>> + Send {
        async { bail!("delayed jobs are not implemented for this contender") }
    }

    /// Dispatches one job under a rule.
    fn dispatch_by(&mut self, _: Rule, _: Email) -> impl Future<Output = Result<()>> + Send {
        async { bail!("rules are not implemented for this contender") }
    }

    /// Dispatches one job and waits for its result.
    fn dispatch_and_await(&mut self, _: Email) -> impl Future<Output = Result<()>> + Send {
        async { bail!("results are not implemented for this contender") }
    }

    /// Dispatches one workflow, with a step for each of these payloads; each step returns its number. The callback of a
    /// chord is one more.
    fn dispatch_workflow(&mut self, _: Shape, _: Vec<Email>) -> impl Future<Output = Result<()>> + Send {
        async { bail!("workflows are not implemented for this contender") }
    }

    /// Makes ready what [`Contender::call`] meets: jobs of the workload's tasks in turn, whose leases have passed, or that are
    /// due.
    fn prepare(&mut self, _: Call, _: Vec<Email>) -> impl Future<Output = Result<()>> + Send {
        async { bail!("single calls are not implemented for this contender") }
    }

    /// Makes one such call. False once it found nothing to do.
    fn call(&mut self, _: Call) -> impl Future<Output = Result<bool>> + Send {
        async { bail!("single calls are not implemented for this contender") }
    }

    /// Does what an operator does. The caller keeps the returned value until the process ends.
    fn operate(&mut self, _: Operator) -> impl Future<Output = Result<Box<dyn Any + Send>>> + Send {
        async { bail!("this contender has nothing for operators") }
    }

    /// Stores so many schedules, whose handlers call [`lagged`](crate::lagged).
    fn schedule(&mut self, _count: usize, _: Times) -> impl Future<Output = Result<()>> + Send {
        async { bail!("schedules are not implemented for this contender") }
    }

    /// Starts a worker that runs until the process ends; what is returned is kept until then.
    fn start_worker(&mut self, setup: Setup) -> impl Future<Output = Result<Box<dyn Any + Send>>> + Send;
}
