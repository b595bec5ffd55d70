//! The stores that every behaviour is tried on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use taskora::adapter::Adapter;
use taskora::{App, AppBuilder, MemoryAdapter};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::RedisServer;

use super::{Ghost, Switch};

/// One server for all tests of this process; it ends with the process.
static SERVER: LazyLock<RedisServer> =
    LazyLock::new(|| RedisServer::start().unwrap_or_else(|e| panic!("{e}")));

/// An empty store of a test's own.
pub(crate) enum Store {
    /// In memory; with the clock of the test, which is paused.
    Memory(MemoryAdapter),
    /// A namespace on a real server.
    Redis(Box<RedisConfig>),
}

impl Store {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryAdapter::new())
    }

    pub(crate) async fn redis() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self::Redis(Box::new(patient(SERVER.url()).namespace(namespace).test_clock()))
    }

    /// An app on this store. On Redis each one has connections of its own, as another process would.
    pub(crate) async fn app(&self) -> App {
        self.builder().await.build()
    }

    /// The same, for apps with settings.
    pub(crate) async fn builder(&self) -> AppBuilder {
        match self {
            Self::Memory(memory) => App::builder(memory.clone()),
            Self::Redis(config) => App::builder(connect(config).await),
        }
    }

    /// An app whose calls to the store can be held up.
    pub(crate) async fn switched(&self) -> (App, Switch) {
        let switch = Switch::new(self.adapter().await);
        (App::new(switch.clone()), switch)
    }

    /// A worker that is never heard of again once it has claimed.
    pub(crate) async fn ghost(&self) -> Ghost {
        Ghost::new(self.adapter().await)
    }

    /// The store itself.
    pub(crate) async fn adapter(&self) -> Arc<dyn Adapter> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Redis(config) => Arc::new(connect(config).await),
        }
    }

    /// Lets this much time pass for the store.
    pub(crate) async fn pass(&self, time: Duration) {
        match self {
            Self::Memory(_) => tokio::time::sleep(time).await,
            Self::Redis(config) => connect(config).await.shift_clock(time).await.unwrap(),
        }
    }

    /// How long something may take that takes at most `time`. Exactly that in virtual time; on Redis time is real, and a busy
    /// machine may need several times as long.
    pub(crate) fn at_most(&self, time: Duration) -> Duration {
        if matches!(self, Self::Memory(_)) { time } else { 4 * time }
    }

    /// For a test whose handlers take real time: from now on it passes in memory, too.
    pub(crate) fn real_time(&self) {
        if matches!(self, Self::Memory(_)) {
            tokio::time::resume();
        }
    }
}

/// How long an answer may take: some machines stand still for many seconds.
const ANSWER: Duration = Duration::from_secs(60);

/// A configuration for tests that are not about timeouts: a busy machine may need its time.
pub(crate) fn patient(url: impl Into<String>) -> RedisConfig {
    RedisConfig::new(url.into()).connect_timeout(ANSWER).command_timeout(ANSWER)
}

async fn connect(config: &RedisConfig) -> RedisAdapter {
    RedisAdapter::connect(config.clone()).await.unwrap_or_else(|error| panic!("{error}"))
}
