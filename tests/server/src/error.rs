//! Why there is no server.

use std::fmt;
use std::time::Duration;

use crate::process::BINARY;

/// Why a server could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no `redis-server` on this machine.
    NotInstalled,
    /// Somebody else has the port.
    PortTaken,
    /// It ended instead of starting.
    Ended {
        /// What it said.
        log: String,
    },
    /// It runs and does not answer.
    Silent {
        /// How long was waited.
        waited: Duration,
        /// What it said.
        log: String,
    },
    /// The machine refused a file, a port or a process.
    Machine(std::io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled if std::env::var_os(BINARY).is_some_and(|path| !path.is_empty()) => {
                write!(f, "there is no server at the path that `{BINARY}` names")
            }
            Self::NotInstalled => {
                let install = if cfg!(target_os = "macos") {
                    "brew install redis"
                } else {
                    "apt-get install redis-server"
                };
                write!(f, "redis-server is not installed; run: {install}")
            }
            Self::PortTaken => {
                f.write_str("every port that was tried had been taken by somebody else; try again")
            }
            Self::Ended { log } => write!(f, "redis-server ended instead of starting; it said: {log}"),
            Self::Silent { waited, log } => {
                write!(f, "redis-server did not answer within {waited:?}; it said: {log}")
            }
            Self::Machine(error) => write!(f, "cannot start redis-server: {error}"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Machine(error) => error.source(),
            _ => None,
        }
    }
}
