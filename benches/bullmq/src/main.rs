//! bullmq-official: one queue and one worker per task.

use std::any::Any;
use std::time::Duration;

use anyhow::Result;
use bullmq::options::RedisConnectionOptions;
use bullmq::worker::CancellationToken;
use bullmq::{BulkJob, Error, Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use harness::{Contender, Email, Kind, Setup};

#[derive(Clone)]
struct BullMq {
    connection: RedisConnectionOptions,
    queue: Queue,
}

impl Contender for BullMq {
    fn refuses(kind: &Kind) -> Option<&'static str> {
        matches!(kind, Kind::Results { .. }).then_some("a dispatcher cannot wait for a job's result")
    }

    async fn connect(url: &str, kind: &Kind) -> Result<Self> {
        let connection = RedisConnectionOptions::new().url(url);
        let mut defaults = JobOptions::default();
        if matches!(kind, Kind::Retry { .. }) {
            defaults.attempts = Some(3);
        }
        let options = QueueOptions {
            connection: connection.clone(),
            default_job_options: defaults,
            ..Default::default()
        };
        Ok(Self { connection, queue: Queue::with_options("emails-0", options).await? })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        self.queue.add("send", email).await?;
        Ok(())
    }

    async fn dispatch_many(&mut self, emails: Vec<Email>) -> Result<()> {
        self.queue.add_bulk(emails.into_iter().map(|email| BulkJob::new("send", email)).collect()).await?;
        Ok(())
    }

    async fn dispatch_later(&mut self, emails: Vec<Email>, delay: Duration) -> Result<()> {
        let jobs = emails.into_iter().map(|email| BulkJob::new("send", email).delay(delay)).collect();
        self.queue.add_bulk(jobs).await?;
        Ok(())
    }

    async fn start_worker(&mut self, setup: Setup) -> Result<Box<dyn Any + Send>> {
        let mut workers = Vec::new();
        for task in 0..setup.tasks {
            let options = WorkerOptions {
                connection: self.connection.clone(),
                concurrency: setup.concurrency,
                ..Default::default()
            };
            workers.push(Worker::with_options(&format!("emails-{task}"), handle, options).await?);
        }
        Ok(Box::new(workers))
    }
}

async fn handle(job: Job, _: CancellationToken) -> Result<serde_json::Value, Error> {
    let email: Email = serde_json::from_value(job.data().clone())?;
    if harness::ran_or_fail(email.n) {
        return Err(Error::ProcessingError("told to fail".into()));
    }
    Ok(serde_json::Value::Null)
}

fn main() -> Result<()> {
    harness::main::<BullMq>()
}
