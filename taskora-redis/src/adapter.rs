//! The adapter itself: what its parts share.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use taskora::adapter::{Cancellation, Ended, Signals, WorkSignal};
use taskora::{AdapterError, JobId};
use tokio::sync::broadcast;

use crate::advice::ServerWarning;
use crate::answer::{array, bytes};
use crate::config::{RedisConfig, Settings};
use crate::id;
use crate::lanes::{Lane, Lanes};
use crate::link::Try;
use crate::record::millis;
use crate::scripts::{SCRIPTS, Script};
use crate::side::Side;
use crate::work::Ear;

/// Keeps jobs in Redis. Clones share their connections.
///
/// It may be used on several tokio runtimes, one after the other or at once: in a static that the tests of a program share, or
/// with a runtime for each thread. Each has a connection for commands of its own; a worker belongs to the runtime that it was started on.
#[derive(Clone)]
pub struct RedisAdapter {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    lanes: Lanes,
    side: OnceLock<Side>,
}

impl RedisAdapter {
    /// Connects to the server at this URL, or as a [`RedisConfig`] says.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a URL that cannot be read, a server that refuses access or is older than Redis
    /// 7.0; [`AdapterError::Unavailable`] if it cannot be reached within a second; [`AdapterError::Incompatible`] if the
    /// namespace was written by a version of taskora that this one cannot share it with.
    pub async fn connect(config: impl Into<RedisConfig>) -> Result<Self, AdapterError> {
        let adapter = Self::lazy(config)?;
        adapter.inner.lane()?.commands.connect().await?;
        Ok(adapter)
    }

    /// Connects with the first call, which then fails as [`RedisAdapter::connect`] would.
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the configuration cannot work.
    pub fn lazy(config: impl Into<RedisConfig>) -> Result<Self, AdapterError> {
        let settings = Arc::new(config.into().check()?);
        let lanes = Lanes::new(Arc::clone(&settings));
        Ok(Self { inner: Arc::new(Inner { settings, lanes, side: OnceLock::new() }) })
    }

    /// What the server's settings would lose, as of the newest connection; empty before the first, and when
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

    /// What belongs to the caller's runtime.
    pub(crate) fn lane(&self) -> Result<Arc<Lane>, AdapterError> {
        self.lanes.here()
    }

    /// See [`Link::send`](crate::link::Link::send).
    pub(crate) async fn send(
        &self,
        name: &'static str,
        limit: Duration,
        build: impl Fn(Try) -> Cmd,
    ) -> Result<Value, AdapterError> {
        self.lane()?.commands.send(name, limit, build).await.map(|(_, value)| value)
    }

    /// See [`Link::script`](crate::link::Link::script).
    pub(crate) async fn script(
        &self,
        script: &Script,
        fill: impl Fn(&mut Cmd, Try),
    ) -> Result<Value, AdapterError> {
        self.script_carrying(0, script, fill).await
    }

    /// See [`Link::script_carrying`](crate::link::Link::script_carrying).
    pub(crate) async fn script_carrying(
        &self,
        bytes: usize,
        script: &Script,
        fill: impl Fn(&mut Cmd, Try),
    ) -> Result<Value, AdapterError> {
        self.lane()?.commands.script_carrying(bytes, script, fill).await.map(|(_, value)| value)
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
        let answer = self
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
