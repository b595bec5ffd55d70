//! apalis-redis: one storage per task, clones of one connection manager.

use std::any::Any;
use std::time::Duration;

use anyhow::{Context, Result};
use apalis::layers::retry::RetryPolicy;
use apalis::prelude::*;
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use futures::StreamExt;
use harness::{Contender, Email, Kind, Process, Setup};
use ulid::Ulid;

/// A worker polls; by default only at its heartbeat, every 30 s. This is what a latency-minded user would set.
const POLL: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Apalis {
    connection: ConnectionManager,
    storage: RedisStorage<Email>,
    retry: bool,
}

impl Apalis {
    fn storage(connection: &ConnectionManager, task: usize, batch: usize) -> RedisStorage<Email> {
        let config = Config::default().queue(format!("emails-{task}")).batch_size(batch);
        RedisStorage::new(connection.clone()).with_config(config)
    }
}

impl Contender for Apalis {
    /// Every job passes through the set of delayed ones, and its promotion unpacks all due ids: from 8,000 the script fails.
    const MAX_BACKLOG: usize = 7_000;

    fn refuses(kind: &Kind) -> Option<&'static str> {
        match kind {
            Kind::Process(Process { waiting: 1.., .. }) | Kind::Due { .. } => {
                Some("its fetch script unpacks all due ids, and fails when 8,000 or more wait")
            }
            Kind::Workflow { .. } => {
                Some("it has no workflows of its own (apalis-workflow is another crate)")
            }
            _ => None,
        }
    }

    async fn connect(url: &str, kind: &Kind) -> Result<Self> {
        let connection = apalis_redis::connect(url).await?;
        let storage = Self::storage(&connection, 0, 10);
        Ok(Self { connection, storage, retry: matches!(kind, Kind::Retry { .. }) })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        Ok(self.storage.push(email).await?)
    }

    async fn dispatch_many(&mut self, emails: Vec<Email>) -> Result<()> {
        Ok(self.storage.push_bulk(emails).await?)
    }

    async fn dispatch_and_await(&mut self, email: Email) -> Result<()> {
        let id = TaskId::from(Ulid::generate());
        self.storage.push_task(TaskBuilder::new(email).task_id(id.clone()).build()).await?;
        let mut results = WaitForCompletion::<()>::wait_for(&mut self.storage, [id]);
        results.next().await.context("no result came")??;
        Ok(())
    }

    async fn start_worker(&mut self, setup: Setup) -> Result<Box<dyn Any + Send>> {
        for task in 0..setup.tasks {
            let storage = Self::storage(&self.connection, task, setup.concurrency + setup.prefetch)
                .poll_with_interval(POLL);
            let worker = WorkerBuilder::new(format!("worker-{task}"))
                .backend(storage)
                .option_layer(
                    self.retry.then(|| apalis::layers::retry::RetryLayer::new(RetryPolicy::retries(3))),
                )
                .concurrency(setup.concurrency)
                .build(handle);
            tokio::spawn(worker.run());
        }
        Ok(Box::new(()))
    }
}

async fn handle(email: Email) -> Result<(), BoxDynError> {
    if harness::ran_or_fail(email.n) { Err("told to fail".into()) } else { Ok(()) }
}

fn main() -> Result<()> {
    harness::main::<Apalis>()
}
