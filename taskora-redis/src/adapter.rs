//! The adapter itself: what its parts share.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use taskora::adapter::{Cancellation, Ended, Signals, WorkSignal};
use taskora::{AdapterError, JobId};
use tokio::sync::broadcast;

use crate::advice::ServerWarning;
use crate::answer::{array, bytes};
use crate::config::{RedisConfig, Settings};
use crate::flow::Plan;
use crate::gather::Gather;
use crate::id;
use crate::link::{Link, Use};
use crate::record::{Packed, millis};
use crate::scripts::SCRIPTS;
use crate::side::Side;
use crate::work::Ear;

/// Keeps jobs in Redis. Clones share their connections.
///
/// It belongs to the tokio runtime on which it first connects, and lives as long as that one.
#[derive(Clone)]
pub struct RedisAdapter {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    pub(crate) commands: Arc<Link>,
    pub(crate) enqueues: Arc<Gather<Packed>>,
    pub(crate) starts: Arc<Gather<Plan>>,
    side: OnceLock<Side>,
}

impl RedisAdapter {
    /// Connects to the server at this URL, see [`RedisConfig::new`].
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a URL that cannot be read, a server that refuses access or is older than Redis
    /// 7.0; [`AdapterError::Unavailable`] if it cannot be reached within a second; [`AdapterError::Incompatible`] if the
    /// namespace was written by a version of taskora that this one cannot share it with.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, AdapterError> {
        Self::with(RedisConfig::new(url)).await
    }

    /// Connects as configured.
    ///
    /// # Errors
    /// As [`RedisAdapter::connect`].
    pub async fn with(config: RedisConfig) -> Result<Self, AdapterError> {
        let adapter = Self::lazy(config)?;
        adapter.inner.commands.connect().await?;
        Ok(adapter)
    }

    /// Connects with the first call, which then fails as [`RedisAdapter::connect`] would.
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the configuration cannot work.
    pub fn lazy(config: RedisConfig) -> Result<Self, AdapterError> {
        let settings = Arc::new(config.check()?);
        let commands = Arc::new(Link::new(Arc::clone(&settings), Use::Commands));
        let enqueues = Gather::new(Arc::clone(&commands));
        let starts = Gather::new(Arc::clone(&commands));
        let side = OnceLock::new();
        Ok(Self { inner: Arc::new(Inner { settings, commands, enqueues, starts, side }) })
    }

    /// What the server's settings would lose, as of the newest connection for commands; empty before the first, and when
    /// nothing is wrong.
    #[must_use]
    pub fn warnings(&self) -> Vec<ServerWarning> {
        self.inner.settings.advice.warnings()
    }

    /// For tests: lets the namespace's time pass, see [`RedisConfig::test_clock`].
    ///
    /// # Errors
    /// As any call.
    #[doc(hidden)]
    pub async fn shift_clock(&self, by: Duration) -> Result<(), AdapterError> {
        self.inner
            .commands
            .script(&SCRIPTS.shift, |cmd, _| {
                cmd.arg(millis(by));
            })
            .await
            .map(drop)
    }
}

impl Inner {
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The side connection, made at the first need.
    pub(crate) fn side(&self) -> &Side {
        self.side.get_or_init(|| Side::start(Arc::clone(&self.settings)))
    }

    /// Some fields of a hash.
    pub(crate) async fn fields<F: AsRef<[u8]> + Sync>(
        &self,
        key: &[u8],
        fields: &[F],
    ) -> Result<Vec<Option<Vec<u8>>>, AdapterError> {
        let (_, answer) = self
            .commands
            .send("hmget", self.settings.command_timeout, |_| {
                let mut cmd = redis::cmd("HMGET");
                cmd.arg(key);
                for field in fields {
                    cmd.arg(field.as_ref());
                }
                cmd
            })
            .await?;
        let read = |value| match value {
            redis::Value::Nil => Ok(None),
            value => bytes(value, "a field of a hash").map(Some),
        };
        array(answer, "the fields of a hash")?.into_iter().map(read).collect()
    }

    /// Before jobs are claimed, their cancellations must be heard.
    pub(crate) async fn hear_cancellations(&self) {
        if let Some(side) = self.side.get() {
            side.subscribed(self.settings.command_timeout).await;
        }
    }
}

impl fmt::Debug for RedisAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAdapter")
            .field("address", &self.inner.settings.address)
            .field("namespace", &self.inner.settings.namespace)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Signals for RedisAdapter {
    fn work(&self) -> Box<dyn WorkSignal> {
        Box::new(Ear::new(Arc::clone(&self.inner)))
    }

    fn cancellations(&self) -> broadcast::Receiver<Cancellation> {
        self.inner.side().listen()
    }

    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError> {
        self.inner.side().ended(id::store(id)).await
    }
}
