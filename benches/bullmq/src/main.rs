//! bullmq-official: one queue and one worker per task.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bullmq::options::RedisConnectionOptions;
use bullmq::worker::CancellationToken;
use bullmq::{
    BulkJob, Error, FlowJob, FlowProducer, FlowProducerOptions, Job, JobOptions, Queue, QueueOptions, Worker,
    WorkerOptions,
};
use harness::{Contender, Email, Kind, Setup, Shape};

const QUEUE: &str = "emails-0";
/// A job that takes the outputs of those that it waited for.
const AFTER: &str = "after";
/// The parent that makes jobs a group; it is no step.
const GROUP: &str = "group";

#[derive(Clone)]
struct BullMq {
    connection: RedisConnectionOptions,
    queue: Queue,
    flows: Arc<FlowProducer>,
}

impl Contender for BullMq {
    fn refuses(kind: &Kind) -> Option<&'static str> {
        matches!(kind, Kind::Results { .. }).then_some("it has no call that waits for a job's result")
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
        let flows = FlowProducerOptions::new().connection(connection.clone());
        Ok(Self {
            connection,
            queue: Queue::with_options(QUEUE, options).await?,
            flows: Arc::new(FlowProducer::with_options(flows).await?),
        })
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

    async fn dispatch_workflow(&mut self, shape: Shape, emails: Vec<Email>) -> Result<()> {
        let mut emails = emails.into_iter();
        let sends = |emails: std::vec::IntoIter<Email>| {
            emails.map(|email| FlowJob::new("send", QUEUE, email)).collect::<Result<Vec<_>, _>>()
        };
        let flow = match shape {
            Shape::Plain | Shape::Brief | Shape::Keyed | Shape::Lanes | Shape::ManyLanes => {
                bail!("plain jobs are taskora's own comparison")
            }
            // what comes first is the innermost child
            Shape::Chain => {
                let mut chain = sends(emails.by_ref().take(1).collect::<Vec<_>>().into_iter())?;
                for email in emails {
                    chain = vec![FlowJob::new(AFTER, QUEUE, email)?.children(chain)];
                }
                self.flows.add_bulk(chain).await?;
                return Ok(());
            }
            Shape::Group => FlowJob::new(GROUP, QUEUE, serde_json::Value::Null)?.children(sends(emails)?),
            Shape::Chord => FlowJob::new(AFTER, QUEUE, Email::new(0, 0))?.children(sends(emails)?),
        };
        self.flows.add(flow).await?;
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
    match job.name() {
        GROUP => return Ok(serde_json::Value::Null),
        AFTER => drop(job.get_children_values().await?),
        _ => {}
    }
    let email: Email = serde_json::from_value(job.data().clone())?;
    if harness::ran_or_fail(email.n) {
        return Err(Error::ProcessingError("told to fail".into()));
    }
    Ok(email.n.into())
}

fn main() -> Result<()> {
    harness::main::<BullMq>()
}
