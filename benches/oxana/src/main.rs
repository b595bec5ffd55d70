//! oxana: one queue, its connection pool, `enqueue_list` for many.

use std::any::Any;
use std::time::Duration;

use anyhow::Result;
use harness::{Contender, Email, Kind, Setup};
use oxana::{JobContext, QueueConfig, Storage};
use serde::{Deserialize, Serialize};

/// A worker sleeps between polls, 10 s by default. This is what a latency-minded user would set.
const POLL: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Oxana {
    storage: Storage,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SendEmail<const N: usize>(Email);

impl<const N: usize> oxana::Job for SendEmail<N> {}

struct Handler;

impl oxana::FromContext<()> for Handler {
    fn from_context(_: &()) -> Self {
        Self
    }
}

#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
struct Told;

#[async_trait::async_trait]
impl<const N: usize> oxana::Worker<SendEmail<N>> for Handler {
    type Error = Told;

    async fn process(&self, job: SendEmail<N>, _: &JobContext) -> Result<(), Told> {
        if harness::ran_or_fail(job.0.n) { Err(Told) } else { Ok(()) }
    }

    fn retry_delay(&self, _: &SendEmail<N>, _retries: u32) -> u64 {
        0
    }
}

#[derive(Clone, Copy)]
struct Emails;

impl oxana::Queue for Emails {
    fn to_config() -> QueueConfig {
        QueueConfig::as_static("emails")
    }
}

impl Contender for Oxana {
    fn refuses(kind: &Kind) -> Option<&'static str> {
        match kind {
            Kind::Results { .. } => Some("it stores no results"),
            Kind::Workflow { .. } => Some("it has no workflows"),
            _ => None,
        }
    }

    async fn connect(url: &str, _: &Kind) -> Result<Self> {
        Ok(Self { storage: Storage::from_url(url)? })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        self.storage.enqueue(Emails, SendEmail::<0>(email)).await?;
        Ok(())
    }

    async fn dispatch_many(&mut self, emails: Vec<Email>) -> Result<()> {
        self.storage.enqueue_list(Emails, emails.into_iter().map(SendEmail::<0>)).await?;
        Ok(())
    }

    async fn dispatch_later(&mut self, emails: Vec<Email>, delay: Duration) -> Result<()> {
        for email in emails {
            self.storage.enqueue_in(Emails, SendEmail::<0>(email), delay.as_secs()).await?;
        }
        Ok(())
    }

    async fn start_worker(&mut self, setup: Setup) -> Result<Box<dyn Any + Send>> {
        let runtime = self.storage.runtime(()).dequeue_timeout(POLL);
        let runtime = runtime.queue_with_concurrency::<Emails>(setup.concurrency);
        let runtime = runtime.worker::<Handler, SendEmail<0>>();
        macro_rules! register {
            ($($n:literal)*) => { runtime$(.worker::<Handler, SendEmail<$n>>())* };
        }
        let runtime = if setup.tasks > 1 { harness::fifty!(register) } else { runtime };
        tokio::spawn(runtime.run());
        Ok(Box::new(()))
    }
}

fn main() -> Result<()> {
    harness::main::<Oxana>()
}
