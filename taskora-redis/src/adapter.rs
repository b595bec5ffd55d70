//! The adapter, and the state that its parts share.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use taskora::adapter::{
    Adapter, Admissions, Cancellation, Control, DeclaredLimit, Ended, Inspection, Jobs, Schedules, Signals,
    TaskName, Upkeep, WorkListener, Workflows,
};
use taskora::{AdapterError, JobId};
use tokio::sync::broadcast;

use crate::answer::{array, bytes};
use crate::arguments::Arguments;
use crate::codec::millis;
use crate::config::{RedisConfig, Settings};
use crate::connections::{Connections, RuntimeConnections};
use crate::id;
use crate::link::Try;
use crate::push_connection::PushConnection;
use crate::scripts::{SCRIPTS, Script};
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

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    connections: Connections,
    push_connection: OnceLock<PushConnection>,
    /// The progress of sweeps, by the number of their tasks and the first task.
    rounds: Mutex<HashMap<(usize, Option<TaskName>), Round>>,
    /// The limits that workers of this process have declared.
    pub(crate) limits: Mutex<Vec<DeclaredLimit>>,
    /// Whether jobs of a later version were already logged.
    pub(crate) has_met_newer: AtomicBool,
    /// How often such jobs were handed back.
    pub(crate) put_offs: AtomicU64,
}

/// The task with which a sweep continues, and whether an earlier task has more to do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    pub(crate) from: usize,
    pub(crate) carry: bool,
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
        let settings = Arc::new(config.into().check()?);
        let connections = Connections::new(Arc::clone(&settings));
        let inner = Inner {
            settings,
            connections,
            push_connection: OnceLock::new(),
            rounds: Mutex::default(),
            limits: Mutex::default(),
            has_met_newer: AtomicBool::new(false),
            put_offs: AtomicU64::new(0),
        };
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

impl Inner {
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where a sweep of these tasks continues.
    pub(crate) fn round(&self, tasks: &[TaskName]) -> Round {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.get(&(tasks.len(), tasks.first().cloned())).copied().unwrap_or_default()
    }

    pub(crate) fn end_round(&self, tasks: &[TaskName], round: Round) {
        let key = (tasks.len(), tasks.first().cloned());
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if round.from == 0 && !round.carry {
            rounds.remove(&key)
        } else {
            rounds.insert(key, round)
        };
    }

    /// Gives a sign of life if one is due, in the background.
    pub(crate) fn sign(&self) {
        if !self.settings.process.is_due() {
            return;
        }
        let Ok(connections) = self.connections() else { return };
        let settings = Arc::clone(&self.settings);
        tokio::spawn(async move {
            let about = settings.process.about();
            let signed = connections.commands.script(&SCRIPTS.sign, |call, _| {
                call.put("process", &settings.process.name).put("about", &about);
            });
            if let Err(error) = signed.await {
                tracing::debug!(%error, "a sign of life was not given");
            }
        });
    }

    /// The connections of the caller's runtime.
    pub(crate) fn connections(&self) -> Result<Arc<RuntimeConnections>, AdapterError> {
        self.connections.here()
    }

    /// See [`Link::send`](crate::link::Link::send).
    pub(crate) async fn send(
        &self,
        name: &'static str,
        limit: Duration,
        build: impl Fn(Try) -> Cmd,
    ) -> Result<Value, AdapterError> {
        self.connections()?.commands.send(name, limit, build).await.map(|(_, value)| value)
    }

    /// See [`Link::script`](crate::link::Link::script).
    pub(crate) async fn script(
        &self,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<Value, AdapterError> {
        self.script_carrying(0, script, fill).await
    }

    /// See [`Link::script_carrying`](crate::link::Link::script_carrying).
    pub(crate) async fn script_carrying(
        &self,
        bytes: usize,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<Value, AdapterError> {
        self.connections()?.commands.script_carrying(bytes, script, fill).await.map(|(_, value)| value)
    }

    /// The push connection, opened when it is first needed.
    pub(crate) fn push_connection(&self) -> &PushConnection {
        self.push_connection.get_or_init(|| PushConnection::start(Arc::clone(&self.settings)))
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

    /// Waits for the subscription to cancellations, which must exist before jobs are claimed.
    pub(crate) async fn hear_cancellations(&self) {
        if let Some(pushes) = self.push_connection.get() {
            pushes.subscribed(self.settings.command_timeout).await;
        }
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
}
