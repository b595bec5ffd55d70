//! The signals that end a worker.

use crate::error::WorkerError;

/// SIGTERM (on Unix) and ctrl-c.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on, so that no signal is missed while the worker starts.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, WorkerError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(WorkerError::Start)?,
            interrupt: signal(SignalKind::interrupt()).map_err(WorkerError::Start)?,
        })
    }

    /// Ctrl-c is only received while something waits for it.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, WorkerError> {
        Ok(Self {})
    }

    /// The name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "ctrl-c",
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
            "ctrl-c"
        }
    }
}
