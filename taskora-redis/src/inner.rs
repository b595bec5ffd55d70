//! What the parts of an adapter share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use taskora::AdapterError;
use taskora::adapter::{DeclaredLimit, TaskName};

use crate::answer::{array, bytes};
use crate::arguments::Arguments;
use crate::call::Try;
use crate::connections::{Connections, RuntimeConnections};
use crate::push_connection::PushConnection;
use crate::scripts::{SCRIPTS, Script};
use crate::settings::Settings;

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    connections: Connections,
    push_connection: OnceLock<PushConnection>,
    /// The progress of sweeps, by the number of their tasks and the first task.
    rounds: Mutex<HashMap<(usize, Option<TaskName>), Round>>,
    /// The limits that workers of this process have declared.
    pub(crate) limits: Mutex<KnownLimits>,
    /// Whether jobs of a later version were already logged.
    pub(crate) has_met_newer: AtomicBool,
    /// How often such jobs were handed back.
    pub(crate) put_offs: AtomicU64,
}

/// Limits, and when the namespace was created that has them, as it says.
#[derive(Default)]
pub(crate) struct KnownLimits {
    pub(crate) created: Vec<u8>,
    pub(crate) limits: Vec<DeclaredLimit>,
}

/// The task with which a sweep continues, and whether an earlier task has more to do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    pub(crate) from: usize,
    pub(crate) carry: bool,
}

impl Inner {
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self {
            connections: Connections::new(Arc::clone(&settings)),
            settings,
            push_connection: OnceLock::new(),
            rounds: Mutex::default(),
            limits: Mutex::default(),
            has_met_newer: AtomicBool::new(false),
            put_offs: AtomicU64::new(0),
        }
    }

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
