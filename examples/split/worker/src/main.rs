//! Runs the jobs of the split example until SIGTERM or ctrl-c, then lets running jobs finish.
//!
//! ```text
//! cargo run -p split-worker
//! ```

mod emails;
mod invoices;

use std::error::Error;
use std::process::ExitCode;

use taskora::{App, FromRef, Worker};
use taskora_redis::{RedisAdapter, RedisConfig};

/// What the handlers share. Each field is a part that a handler may ask for with `State<..>`.
#[derive(Clone, FromRef)]
struct Services {
    mailer: emails::Mailer,
    numbers: invoices::Numbers,
}

#[tokio::main]
async fn main() -> ExitCode {
    match work().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work() -> Result<(), Box<dyn Error>> {
    let config = RedisConfig::new(split_contracts::redis_url()).namespace(split_contracts::NAMESPACE);
    let adapter = RedisAdapter::connect(config).await.map_err(|error| {
        format!("{error}; start one with `redis-server`, or say where it is with `REDIS_URL`")
    })?;

    println!("working; ctrl-c ends it");
    Worker::builder(&App::new(adapter))
        .state(Services { mailer: emails::Mailer::new("noreply@example.com"), numbers: Default::default() })
        .register::<emails::SendEmailHandler>()
        .register::<invoices::WriteInvoiceHandler>()
        .run()
        .await?;
    Ok(())
}
