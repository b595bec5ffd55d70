//! The ceiling: a script that does nothing, called with the payload and an id, by the client that the queues use.

use std::any::Any;

use anyhow::Result;
use harness::{Contender, Email, Kind, Setup};
use redis::Script;
use redis::aio::MultiplexedConnection;

#[derive(Clone)]
struct Raw {
    connection: MultiplexedConnection,
    script: Script,
}

impl Contender for Raw {
    fn refuses(kind: &Kind) -> Option<&'static str> {
        (!matches!(kind, Kind::Dispatch { .. })).then_some("the raw ceiling only dispatches")
    }

    async fn connect(url: &str, _: &Kind) -> Result<Self> {
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        let script = Script::new("return 1");
        script.prepare_invoke().load_async(&mut connection).await?;
        Ok(Self { connection, script })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        let payload = serde_json::to_vec(&email)?;
        redis::cmd("EVALSHA")
            .arg(self.script.get_hash())
            .arg(0)
            .arg(payload)
            .query_async::<()>(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn dispatch_many(&mut self, emails: Vec<Email>) -> Result<()> {
        let mut pipeline = redis::pipe();
        for email in emails {
            let payload = serde_json::to_vec(&email)?;
            pipeline.cmd("EVALSHA").arg(self.script.get_hash()).arg(0).arg(payload).ignore();
        }
        pipeline.query_async::<()>(&mut self.connection).await?;
        Ok(())
    }

    async fn start_worker(&mut self, _: Setup) -> Result<Box<dyn Any + Send>> {
        anyhow::bail!("the raw ceiling has no worker")
    }
}

fn main() -> Result<()> {
    harness::main::<Raw>()
}
