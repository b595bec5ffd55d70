//! The adapter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use taskora::adapter::{
    Actions, Adapter, Admissions, Cancellation, Control, Ended, Events, Inspection, JobNews, Jobs, Schedules,
    Signals, Upkeep, WorkListener, Workflows,
};
use taskora::{AdapterError, JobId};
use tokio::sync::{broadcast, watch};

use crate::codec::millis;
use crate::config::RedisConfig;
use crate::id;
use crate::inner::Inner;
use crate::scripts::SCRIPTS;
use crate::server_warnings::ServerWarning;
use crate::work::RedisListener;

/// Keeps jobs in Redis. Clones share their connections.
///
/// You may use it on several tokio runtimes, one after the other or at once: for example in a static that tests share, or
/// with a runtime per thread. Each runtime has its own connection for commands. A worker belongs to the runtime on which it
/// was started.
#[derive(Clone)]
pub struct RedisAdapter {
    pub(crate) inner: Arc<Inner>,
}

impl RedisAdapter {
    /// Connects to the server at this URL, or as a [`RedisConfig`] says.
    ///
    /// # Errors
    /// [`AdapterError::Config`] for a URL that cannot be read, or a server that refuses access or is older than Redis 7.0;
    /// [`AdapterError::Unavailable`] if it cannot be reached within a second; [`AdapterError::Incompatible`] if an
    /// incompatible version of taskora has written the namespace.
    pub async fn connect(config: impl Into<RedisConfig>) -> Result<Self, AdapterError> {
        let adapter = Self::lazy(config)?;
        adapter.inner.connections()?.commands.connect().await?;
        Ok(adapter)
    }

    /// Connects with the first call, which then fails as [`RedisAdapter::connect`] would.
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the configuration is invalid.
    pub fn lazy(config: impl Into<RedisConfig>) -> Result<Self, AdapterError> {
        let inner = Inner::new(config.into().check()?);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Warnings about the server's settings, as of the newest connection; empty before the first one, and if nothing is
    /// wrong.
    #[must_use]
    pub fn warnings(&self) -> Vec<ServerWarning> {
        self.inner.settings.advice.warnings()
    }

    /// For tests: advances the namespace's time, see [`RedisConfig::test_clock`].
    ///
    /// # Errors
    /// As any call.
    #[doc(hidden)]
    pub async fn shift_clock(&self, by: Duration) -> Result<(), AdapterError> {
        self.inner
            .script(&SCRIPTS.shift, |call, _| {
                call.put("by", millis(by));
            })
            .await
            .map(drop)
    }
}

impl fmt::Debug for RedisAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAdapter")
            .field("address", &self.inner.settings.address)
            .field("namespace", &self.inner.settings.namespace)
            .field("cluster", &self.inner.settings.is_cluster())
            .finish_non_exhaustive()
    }
}

impl Adapter for RedisAdapter {
    fn jobs(&self) -> &dyn Jobs {
        self
    }

    fn admissions(&self) -> &dyn Admissions {
        self
    }

    fn signals(&self) -> &dyn Signals {
        self
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    fn workflows(&self) -> &dyn Workflows {
        self
    }

    fn schedules(&self) -> &dyn Schedules {
        self
    }

    fn upkeep(&self) -> &dyn Upkeep {
        self
    }

    fn control(&self) -> &dyn Control {
        self
    }

    fn events(&self) -> &dyn Events {
        self
    }

    fn actions(&self) -> &dyn Actions {
        self
    }
}

#[async_trait]
impl Signals for RedisAdapter {
    fn work(&self) -> Box<dyn WorkListener> {
        Box::new(RedisListener::new(Arc::clone(&self.inner)))
    }

    fn cancellations(&self) -> broadcast::Receiver<Cancellation> {
        self.inner.push_connection().listen()
    }

    async fn ended(&self, id: &JobId) -> Result<Option<Ended>, AdapterError> {
        self.inner.push_connection().ended(id::store(id)).await
    }

    fn watch(&self, id: &JobId) -> watch::Receiver<Option<JobNews>> {
        self.inner.push_connection().watch(id::store(id))
    }
}
