//! A headless worker whose jobs run by themselves. Start it as often as you like: each tick runs once.
//!
//! ```text
//! cargo run -p scheduler                       works until ctrl-c; without Redis, schedules and jobs are in this process
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p scheduler
//! cargo run -p scheduler -- list               the schedules of the running workers
//! cargo run -p scheduler -- trigger export     runs one now, and waits for its result
//! ```

mod tasks;

use std::error::Error;
use std::process::ExitCode;

use taskora::prelude::*;

use tasks::{CleanUp, Export, Folder, Heartbeat, Survey};

#[tokio::main]
async fn main() -> ExitCode {
    // the worker's own lines are `tracing` events: which schedules it has, and when each of them ticks next
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Redis if `REDIS_URL` or `REDIS_HOST` says where it is; otherwise memory, with a warning
    let app = App::new(taskora_redis::from_env_or_memory().await?);
    match arguments[..] {
        [] => work(&app).await,
        ["list"] => list(&app).await,
        ["trigger", name] => trigger(&app, name).await,
        _ => Err("there are `list` and `trigger NAME`; without arguments, it works".into()),
    }
}

/// Works until SIGTERM or ctrl-c. Whatever each process needs, such as the folder, is made before the worker starts, and not by a schedule:
/// any replica may run a schedule's job.
async fn work(app: &App) -> Result<(), Box<dyn Error>> {
    let folder = Folder::open()?;
    tracing::info!("working on {}; ctrl-c ends it", folder.path().display());
    let worker = Worker::builder(app).state(folder).register_all(tasks![Heartbeat, CleanUp, Survey, Export]);
    Ok(worker.run().await?)
}

async fn list(app: &App) -> Result<(), Box<dyn Error>> {
    for schedule in app.schedules().list().await? {
        let next = match schedule.next {
            Some(next) => format!("next {next}"),
            None => "no next tick".to_owned(),
        };
        let (name, times, ran) = (schedule.name, schedule.times.to_string(), schedule.ran);
        println!(
            "{name:<10} {times:<32} {next:<26} ran {ran}, skipped {}, missed {}",
            schedule.skipped, schedule.missed
        );
    }
    Ok(())
}

async fn trigger(app: &App, name: &str) -> Result<(), Box<dyn Error>> {
    let job = app.schedules().trigger(name).await?;
    if let Outcome::Duplicate(id) = job.outcome() {
        eprintln!("its last run, {id}, has not ended; waiting for that one");
    }
    println!("{}", job.result().await?);
    Ok(())
}
