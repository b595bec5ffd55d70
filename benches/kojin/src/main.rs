//! kojin: one queue, and a pool with a connection for every caller.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::{Contender, Email, Kind, Setup, Shape};
use kojin::{
    Broker, Canvas, KojinBuilder, RedisBroker, RedisConfig, RedisResultBackend, ResultBackend, Signature,
    Task, TaskContext, TaskMessage, TaskResult, chord,
};
use serde::{Deserialize, Serialize};

const POOL: usize = 64;

#[derive(Clone)]
struct Kojin {
    url: String,
    broker: RedisBroker,
    /// Only where results or workflows are wanted: storing them costs.
    results: Option<Arc<RedisResultBackend>>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SendEmail<const N: usize>(Email);

macro_rules! names {
    ($($n:literal)*) => { [$(concat!("send-email-", $n)),*] };
}
const NAMES: [&str; 50] = harness::fifty!(names);

#[async_trait::async_trait]
impl<const N: usize> Task for SendEmail<N> {
    const NAME: &'static str = NAMES[N];
    type Output = u64;

    async fn run(&self, _: &TaskContext) -> TaskResult<u64> {
        harness::ran();
        Ok(self.0.n)
    }
}

fn message(email: Email) -> Result<TaskMessage> {
    Ok(TaskMessage::new(NAMES[0], "default", serde_json::to_value(SendEmail::<0>(email))?))
}

impl Contender for Kojin {
    fn refuses(kind: &Kind) -> Option<&'static str> {
        match kind {
            Kind::Due { .. } => Some("its worker never promotes delayed jobs"),
            Kind::Dispatch { batch: 2.., .. } => Some("it has no bulk dispatch"),
            Kind::Retry { .. } => {
                Some("a retry sleeps a second or more in the worker, which cannot be changed")
            }
            _ => None,
        }
    }

    async fn connect(url: &str, kind: &Kind) -> Result<Self> {
        let config = RedisConfig::new(url).with_pool_size(POOL);
        let results = match kind {
            Kind::Results { .. } | Kind::Workflow { .. } => {
                Some(Arc::new(RedisResultBackend::new(config.clone()).await?))
            }
            _ => None,
        };
        Ok(Self { url: url.into(), broker: RedisBroker::new(config).await?, results })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        Ok(self.broker.enqueue(message(email)?).await?)
    }

    async fn dispatch_and_await(&mut self, email: Email) -> Result<()> {
        let message = message(email)?;
        let id = message.id;
        self.broker.enqueue(message).await?;
        if let Some(results) = &self.results {
            results.wait(&id, Duration::from_secs(30)).await?;
        }
        Ok(())
    }

    async fn dispatch_workflow(&mut self, shape: Shape, emails: Vec<Email>) -> Result<()> {
        let signature = |email| anyhow::Ok(Signature::new(NAMES[0], "default", serde_json::to_value(email)?));
        let callback = signature(Email::new(0, 0))?;
        let steps = emails.into_iter().map(signature).collect::<Result<Vec<_>>>()?;
        let singles = |steps: Vec<_>| steps.into_iter().map(Canvas::Single).collect();
        let canvas = match shape {
            Shape::Plain | Shape::Brief | Shape::Keyed | Shape::Lanes | Shape::ManyLanes => {
                bail!("plain jobs are taskora's own comparison")
            }
            Shape::Chain => Canvas::Chain(singles(steps)),
            Shape::Group => Canvas::Group(singles(steps)),
            Shape::Chord => chord(steps, callback),
        };
        let results = self.results.as_ref().context("workflows are told to `connect`")?;
        canvas.apply(&self.broker, results.as_ref()).await?;
        Ok(())
    }

    async fn start_worker(&mut self, setup: Setup) -> Result<Box<dyn Any + Send>> {
        // a job holds a connection while it is acknowledged, and the fetching one blocks another
        let config = RedisConfig::new(&self.url).with_pool_size(setup.concurrency.min(POOL) + 1);
        let mut builder = KojinBuilder::new(RedisBroker::new(config).await?)
            .concurrency(setup.concurrency)
            .queues(vec!["default".into()])
            .register_task::<SendEmail<0>>();
        if let Some(results) = &self.results {
            builder = builder.result_backend_shared(results.clone());
        }
        macro_rules! register {
            ($($n:literal)*) => { builder$(.register_task::<SendEmail<$n>>())* };
        }
        let builder = if setup.tasks > 1 { harness::fifty!(register) } else { builder };
        let worker = builder.build();
        tokio::spawn(async move { worker.run().await });
        Ok(Box::new(()))
    }
}

fn main() -> Result<()> {
    harness::main::<Kojin>()
}
