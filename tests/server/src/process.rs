//! The process of a server, and the one that ends it if nobody else does.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::ServerError;

/// Ends the server and removes its files when its own input ends, which is when the process that started it does.
const WATCH: &str = r#"trap "" INT TERM HUP; cat >/dev/null; kill -9 "$1" 2>/dev/null; rm -rf "$2""#;

/// The variable that names another server than the `redis-server` of the machine.
pub(crate) const BINARY: &str = "TASKORA_REDIS_SERVER";

/// The server that every test starts, also as a node of a cluster and as a sentinel.
fn binary() -> OsString {
    std::env::var_os(BINARY).filter(|path| !path.is_empty()).unwrap_or_else(|| "redis-server".into())
}

#[derive(Debug)]
pub(crate) struct Process {
    server: Child,
    watcher: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a server in this directory.
    pub(crate) fn start<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Result<Self, ServerError> {
        let log = dir.join("log");
        let output = File::create(&log).map_err(ServerError::Machine)?;
        let errors = output.try_clone().map_err(ServerError::Machine)?;
        let mut command = Command::new(binary());
        // a group of its own: ctrl-c at the tests is theirs, and the server ends with them
        command.args(args).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let mut server = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => ServerError::NotInstalled,
            _ => ServerError::Machine(error),
        })?;
        match watcher(&server, dir) {
            Ok(watcher) => Ok(Self { server, watcher, log }),
            Err(error) => {
                end(&mut server);
                Err(ServerError::Machine(error))
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// An error if the server has ended.
    pub(crate) fn check(&mut self) -> Result<(), ServerError> {
        if self.server.try_wait().map_err(ServerError::Machine)?.is_none() {
            return Ok(());
        }
        let log = self.log();
        Err(if log.contains("Address already in use") {
            ServerError::PortTaken
        } else {
            ServerError::Ended { log }
        })
    }

    /// What the server has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log)
            .unwrap_or_else(|error| format!("nothing that can be read: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // the watcher first: afterwards the server's number may be somebody else's
        end(&mut self.watcher);
        end(&mut self.server);
    }
}

fn watcher(server: &Child, dir: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCH, "sh", &server.id().to_string()])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn end(child: &mut Child) {
    // both fail only for a process that has ended already
    let _ = child.kill();
    let _ = child.wait();
}
