//! What an operator does while jobs run.

use std::any::Any;

use anyhow::Result;
use harness::Operator;
use taskora::prelude::*;

/// Does it. The caller keeps the returned value during the measurement.
pub async fn run(app: &App, operator: Operator) -> Result<Box<dyn Any + Send>> {
    match operator {
        Operator::Away => {}
        Operator::Paused => drop(app.queues().pause_task("t49").await?),
        Operator::Listens => {
            let mut events = app.events().await?;
            return Ok(Box::new(tokio::spawn(async move { while events.next().await.is_ok() {} })));
        }
    }
    Ok(Box::new(()))
}
