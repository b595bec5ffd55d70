//! A process as a scenario holds it.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::config::Config;

/// A running process. It dies with this value, and with the process that holds it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    config: Config,
}

impl Process {
    /// Starts the binary `process`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(config: Config) -> io::Result<Self> {
        let argument = serde_json::to_string(&config)?;
        let binary = config.binary.clone().map_or_else(binary, Ok)?;
        let child = Command::new(binary)
            .arg(argument)
            .envs(config.env.iter().map(|(name, value)| (name, value)))
            .env(taskora_redis::failpoint::VARIABLE, &config.failpoints)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, config })
    }

    /// What it does.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Its number, which is in the ledger's lines.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        // fails only for a process that is gone
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Tells it to stop in order (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it where it is (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // fails only for a process that is gone
            let _ = kill_process(pid, signal);
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it has ended, for at most so long.
    pub async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary, which cargo has put beside this one, or one level above the tests.
fn binary() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join("process")).find(|path| path.is_file());
    found.ok_or_else(|| {
        let message = format!("no `process` beside `{}`; build it with `--bins`", own.display());
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
