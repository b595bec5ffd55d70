//! What the parts of an adapter share about its server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::access::User;
use crate::damage::Searches;
use crate::follow::Follower;
use crate::keys::Keys;
use crate::process::Process;
use crate::route::Route;
use crate::sentinel::Sentinels;
use crate::server_warnings::Advice;

/// A valid configuration, and what is known about its server.
pub(crate) struct Settings {
    /// The address of the server, or of all configured ones; never with a password.
    pub(crate) address: String,
    pub(crate) route: Arc<Route>,
    /// The sentinels that know where the server is, if they were configured.
    pub(crate) sentinels: Option<Arc<Sentinels>>,
    pub(crate) follower: Follower,
    pub(crate) user: User,
    pub(crate) keys: Keys,
    pub(crate) namespace: String,
    pub(crate) command_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// The first argument of each command: whether there is a test clock, and which database it is.
    pub(crate) place: String,
    pub(crate) advice: Advice,
    /// Whether the server allows functions, as far as is known.
    pub(crate) functions: AtomicBool,
    pub(crate) process: Process,
    pub(crate) searches: Searches,
    /// Whether the server of the newest connection is a cluster node.
    pub(crate) is_cluster: AtomicBool,
}

impl Settings {
    /// Whether the server is a node of a cluster. Known once a connection has been made.
    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster.load(Ordering::Relaxed)
    }

    /// How long a call may take that carries this many bytes of payloads and results.
    pub(crate) fn limit(&self, bytes: usize) -> Duration {
        self.command_timeout.saturating_add(Duration::from_secs((bytes >> 20) as u64))
    }
}

/// The way to the server.
pub(crate) struct Reach {
    /// The address that messages show; never with a password.
    pub(crate) address: String,
    pub(crate) route: Route,
    pub(crate) sentinels: Option<Sentinels>,
}
