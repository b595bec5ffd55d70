//! The bench's own redis-server, emptied between measurements.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use taskora_test_server::{RedisServer, Reply};

/// How long the first rewrite of an append-only file may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that keeps nothing on disk, and is gone when this process is.
pub fn start() -> Result<RedisServer> {
    // where a file is asked for, it is not to be rewritten in the middle of a measurement
    let settings = ["--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
    Ok(RedisServer::builder().args(settings).start()?)
}

/// Makes the server an empty one, with or without its append-only file.
pub fn clear(server: &RedisServer, aof: bool) -> Result<()> {
    ask(server, &["FLUSHALL", "SYNC"])?;
    ask(server, &["SCRIPT", "FLUSH"])?;
    ask(server, &["FUNCTION", "FLUSH"])?;
    // what a contender that was killed has left
    ask(server, &["CONFIG", "SET", "slowlog-log-slower-than", "-1"])?;
    ask(server, &["CONFIG", "SET", "appendonly", if aof { "yes" } else { "no" }])?;
    // switching it on rewrites the file, which must be over before anything is measured
    let deadline = Instant::now() + PATIENCE;
    while is(server, "aof_rewrite_in_progress")? || is(server, "aof_rewrite_scheduled")? {
        if Instant::now() > deadline {
            bail!("the append-only file is still being rewritten");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub fn version(server: &RedisServer) -> Result<String> {
    server.info("redis_version")?.context("the server does not say its version")
}

fn is(server: &RedisServer, field: &str) -> Result<bool> {
    Ok(server.info(field)?.with_context(|| format!("the server does not report `{field}`"))? == "1")
}

fn ask(server: &RedisServer, command: &[&str]) -> Result<()> {
    match server.command(command)? {
        Reply::Error(error) => bail!("`{}` was answered by `{error}`", command.join(" ")),
        _ => Ok(()),
    }
}
