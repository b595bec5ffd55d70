//! The bench's own redis-server.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use harness::Server;
use tempfile::TempDir;

/// A server on a free port, without persistence; it ends with this value.
pub struct RedisServer {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl RedisServer {
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args([
                "--appendfsync",
                "everysec",
                "--auto-aof-rewrite-percentage",
                "0",
                "--loglevel",
                "warning",
            ])
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start `redis-server`; install Redis 7.0 or newer")?;
        let mut server = Self { child, port, _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(5);
        while server.ask("PING").is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("redis-server ended at once: {status}");
            }
            if Instant::now() > deadline {
                bail!("redis-server does not answer on port {port}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server's answer to one command.
    pub fn ask(&self, command: &str) -> Result<String> {
        Server::connect(&self.url())?.ask(command)
    }

    /// An empty server, with or without its append-only file.
    pub fn clear(&self, aof: bool) -> Result<()> {
        let mut server = Server::connect(&self.url())?;
        server.ask("FLUSHALL SYNC")?;
        server.ask("SCRIPT FLUSH")?;
        let wanted = if aof { "yes" } else { "no" };
        // switching it on rewrites the file, which must be over before anything is measured
        server.ask(&format!("CONFIG SET appendonly {wanted}"))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.info("persistence", "aof_rewrite_in_progress")?
            + server.info("persistence", "aof_rewrite_scheduled")?
            > 0.0
        {
            if Instant::now() > deadline {
                bail!("the append-only file is still being rewritten");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn version(&self) -> Result<String> {
        let info = self.ask("INFO server")?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.unwrap_or("unknown").to_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // it holds nothing worth saving, and there is nobody left to tell
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
