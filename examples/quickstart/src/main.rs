//! Summarises text files: one typed job per file, and a table of the results.
//!
//! ```text
//! cargo run -p quickstart                          this repository's Markdown files, jobs in memory
//! cargo run -p quickstart -- notes.txt gone.txt    the files you name
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p quickstart
//! ```
//!
//! Exits with 0 if every job completed, 1 if one failed, and 2 if the jobs could not be run at all.

mod files;
mod summary;
mod table;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};

use summary::Summary;
use table::Row;

/// Reads a text file and counts what is in it. A file that cannot be read is tried three times.
#[task(retry(attempts = 3, delay = "100ms"), timeout = "10s")]
async fn summarise(path: PathBuf) -> io::Result<Summary> {
    let text = tokio::fs::read_to_string(path).await?;
    Ok(Summary::of(&text))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the jobs and prints the table; `true` if every job completed.
async fn run() -> Result<bool, Box<dyn Error>> {
    let app = connect().await?;
    let worker = Worker::builder(&app).register::<Summarise>().start().await?;

    let mut rows = Vec::new();
    // in portions, so that no result is trimmed before it is read: a store keeps the newest 1,000
    for files in files::chosen()?.chunks(500) {
        let jobs = files.iter().map(|file| Summarise { path: file.path.clone() });
        let handles = app.dispatch_many(jobs).await?;
        for (file, handle) in files.iter().zip(handles) {
            let result = handle.result().await;
            rows.push(Row::new(&file.name, result, handle.info().await?));
        }
    }
    worker.shutdown().await?;

    table::print(&rows);
    Ok(rows.iter().all(Row::is_completed))
}

/// An app on the Redis that `REDIS_URL` names, or in memory.
async fn connect() -> taskora::Result<App> {
    Ok(match std::env::var("REDIS_URL") {
        Ok(url) => App::new(RedisAdapter::connect(RedisConfig::new(url).namespace("quickstart")).await?),
        Err(_) => App::new(MemoryAdapter::new()),
    })
}
