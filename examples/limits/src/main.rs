//! What flow control is for, as a table: turns among tenants, a rate for an upstream that answers 429, and one run for many changes.
//!
//! ```text
//! cargo run -p limits                                         jobs in memory
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p limits
//! ```

mod documents;
mod table;
mod tenants;
mod upstream;

use std::error::Error;
use std::process::ExitCode;

use taskora::prelude::*;

use documents::{Index, Reindex};
use tenants::{InLine, InTurns, Starts};
use upstream::{FetchAtOnce, FetchPaced, Upstream};

/// What the handlers count.
#[derive(Clone, Default, FromRef)]
struct Desk {
    starts: Starts,
    upstream: Upstream,
    index: Index,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // Redis if `REDIS_URL` or `REDIS_HOST` says where it is; otherwise memory
    let app = App::new(taskora_redis::from_env_or_memory().await?);
    let desk = Desk::default();
    let worker = Worker::builder(&app)
        .state(desk.clone())
        .register_all(tasks![InLine, InTurns, FetchAtOnce, FetchPaced, Reindex])
        .concurrency(20)
        .start()
        .await?;

    let mut rows = tenants::rows(&app, &desk.starts).await?;
    rows.extend(upstream::rows(&app, &desk.upstream).await?);
    rows.extend(documents::rows(&app, &desk.index).await?);
    worker.shutdown().await?;
    table::print(&rows);
    Ok(())
}
