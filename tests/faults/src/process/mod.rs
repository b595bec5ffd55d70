//! Worker and producer processes: what they are told ([`Config`]), how a scenario holds them ([`Process`]), and what they do
//! (`main`, run by the binary `process`).

mod config;
mod handle;
mod operator;
mod producer;

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

pub use config::{Config, Mix, Producer, WorkerPart};
pub use handle::Process;
pub use producer::{KEYS, THROTTLED};
use taskora::{App, Retention, RetentionLimit, Worker, tasks};
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::task::JoinSet;

use crate::ledger::{Ledger, Record};
use crate::observed::Observed;
use crate::tasks::{Desk, Follow, Gather, Poison, RowsHandler, Serve, Stubborn, Work, second};

/// Everything stays until the scenario has looked at it.
pub const KEEP_ALL: Retention = {
    let all = RetentionLimit::new(Duration::from_secs(24 * 60 * 60), 100_000_000);
    Retention::all(all)
};

/// Runs the process that the one argument describes.
#[must_use]
pub fn main() -> ExitCode {
    let config = match std::env::args().nth(1).as_deref().map(serde_json::from_str::<Config>) {
        Some(Ok(config)) => config,
        other => {
            eprintln!("the one argument must be a configuration as JSON: {other:?}");
            return ExitCode::from(2);
        }
    };
    // whoever started this process holds the other end: when that is gone, so is this one
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let ran = match runtime.worker_threads(config.threads).enable_all().build() {
        Ok(runtime) => runtime.block_on(run(config)),
        Err(error) => Err(error.to_string()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), String> {
    let ledger =
        Ledger::open(&config.ledger).map_err(|error| format!("{}: {error}", config.ledger.display()))?;
    let mut redis = RedisConfig::new(&config.url).namespace(&config.namespace);
    if config.test_clock {
        redis = redis.test_clock();
    }
    let adapter = if config.eager { RedisAdapter::connect(redis).await } else { RedisAdapter::lazy(redis) };
    let adapter = adapter.map_err(|error| {
        ledger.write(Record::Stopped { error: Some(error.to_string()) });
        error.to_string()
    })?;
    let observed = Observed::new(adapter, ledger.clone());
    let per_key = config.worker.as_ref().and_then(WorkerPart::limit_by_key);
    let observed = observed.per_key(per_key);
    let app = App::builder(observed).retention(KEEP_ALL).build();
    let producing = config.producer.clone().map(|producer| {
        let (app, ledger, name) = (app.clone(), ledger.clone(), config.name.clone());
        tokio::spawn(producer::run(app, ledger, name, config.seed, producer))
    });
    if let Some(worker) = &config.worker {
        let build = || {
            let builder = Worker::builder(&app).state(Desk { ledger: ledger.clone() });
            let builder = if worker.other_tasks {
                builder.register_all(tasks![Stubborn])
            } else {
                builder.register_all(tasks![Work, Follow, Gather, Poison, Stubborn, Serve, RowsHandler])
            };
            (0..worker.schedules)
                .fold(builder, |builder, number| builder.schedule(second(number)))
                .schedules(!worker.no_ticks)
                .concurrency(worker.concurrency)
                .prefetch(worker.prefetch)
                .lease(worker.lease)
                .sweep(worker.sweep)
                .shutdown_grace(worker.grace)
                .cancel_grace(worker.cancel_grace)
        };
        let mut others = JoinSet::new();
        (1..worker.count).for_each(|_| drop(others.spawn(build().run())));
        // until SIGTERM, which it hears once it has been polled
        let ready = async { ledger.write(Record::Ready { name: config.name.clone() }) };
        let (mut ended, ()) = tokio::join!(biased; build().run(), ready);
        while let Some(other) = others.join_next().await {
            ended = ended.and(other.map_err(|error| error.to_string())?);
        }
        ledger.write(Record::Stopped { error: ended.as_ref().err().map(ToString::to_string) });
        // a producer beside it does not outlive it
        return ended.map_err(|error| error.to_string());
    }
    if let Some(producing) = producing {
        producing.await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
