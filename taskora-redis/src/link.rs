//! A connection that heals itself: whoever needs it first connects, everybody else waits for that one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ProtocolVersion, PushInfo, Value};
use taskora::AdapterError;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::answer::number;
use crate::config::Settings;
use crate::fault::{Verdict, judge, pause};
use crate::scripts::Script;
use crate::server;

/// What a connection is for.
pub(crate) enum Use {
    /// Scripts and reads.
    Commands,
    /// Waiting for work.
    Blocking,
    /// Scripts, and what is published on these channels; pushes come with the generation of their connection.
    Pushes { channels: Vec<String>, to: mpsc::UnboundedSender<(u64, PushInfo)> },
}

/// One connection, made when it is first needed and made again when it is lost.
pub(crate) struct Link {
    settings: Arc<Settings>,
    purpose: Use,
    live: RwLock<Option<Live>>,
    /// Held by whoever connects.
    connecting: Mutex<Failures>,
    generations: AtomicU64,
}

#[derive(Clone)]
struct Live {
    generation: u64,
    /// What Redis calls a blocking connection.
    client_id: Option<i64>,
    connection: MultiplexedConnection,
}

#[derive(Default)]
struct Failures {
    count: u32,
    not_before: Option<Instant>,
}

/// How a command is sent this time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Try {
    /// It may have been carried out already: a first answer was lost.
    pub(crate) repeat: bool,
    with_source: bool,
}

impl Link {
    pub(crate) fn new(settings: Arc<Settings>, purpose: Use) -> Self {
        Self {
            settings,
            purpose,
            live: RwLock::new(None),
            connecting: Mutex::new(Failures::default()),
            generations: AtomicU64::new(0),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which connection this is, counted from 1; 0 while there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.read_live().map_or(0, |live| live.generation)
    }

    /// What Redis calls this connection, if it is a blocking one and there is one.
    pub(crate) fn client_id(&self) -> Option<i64> {
        self.read_live()?.client_id
    }

    /// Forgets this connection, if it is still the one in use.
    pub(crate) fn drop_generation(&self, generation: u64) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| live.generation == generation) {
            *live = None;
        }
    }

    fn read_live(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes sure of a connection: one try, after the pause that the failures before demand.
    pub(crate) async fn connect(&self) -> Result<u64, AdapterError> {
        self.get().await.map(|live| live.generation)
    }

    async fn get(&self) -> Result<Live, AdapterError> {
        if let Some(live) = self.read_live() {
            return Ok(live);
        }
        let mut failures = self.connecting.lock().await;
        if let Some(live) = self.read_live() {
            return Ok(live);
        }
        if let Some(not_before) = failures.not_before {
            sleep_until(not_before).await;
        }
        match self.open().await {
            Ok(live) => {
                *failures = Failures::default();
                *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
            Err(error) => {
                failures.not_before = Some(Instant::now() + pause(failures.count));
                failures.count = failures.count.saturating_add(1);
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<Live, AdapterError> {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let settings = &*self.settings;
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(None);
        let mut server = settings.server.clone();
        if let Use::Pushes { to, .. } = &self.purpose {
            let to = to.clone();
            config = config.set_push_sender(move |push| to.send((generation, push)));
            let redis = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            server = server.set_redis_settings(redis);
        }
        let judged = |error| match judge(&error, &settings.address) {
            Verdict::Reconnect(error) | Verdict::TryLater(error) | Verdict::GiveUp(error) => error,
            Verdict::SendSource => AdapterError::Protocol(error.to_string()),
        };
        let opened = async {
            let client = Client::open(server).map_err(judged)?;
            let mut connection =
                client.get_multiplexed_async_connection_with_config(&config).await.map_err(judged)?;
            let mut client_id = None;
            match &self.purpose {
                Use::Commands => server::greet(&mut connection, settings, judged).await?,
                Use::Blocking => {
                    let id = connection.req_packed_command(redis::cmd("CLIENT").arg("ID")).await;
                    client_id = Some(number(&id.map_err(judged)?, "the answer to CLIENT ID")?);
                }
                Use::Pushes { channels, .. } => {
                    server::greet(&mut connection, settings, judged).await?;
                    connection.subscribe(channels.as_slice()).await.map_err(judged)?;
                }
            }
            Ok(Live { generation, client_id, connection })
        };
        // the limit of the first step is the client's own; this one is for a server that accepts and then says nothing
        match timeout(settings.connect_timeout.saturating_mul(2), opened).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable("it accepts connections, but does not answer".to_owned())),
        }
    }

    fn unavailable(&self, message: String) -> AdapterError {
        AdapterError::Unavailable { address: self.settings.address.clone(), message }
    }

    /// Sends what `build` makes, again on a new connection if need be, for at most `limit`. Answers with the generation
    /// of the connection that was used.
    pub(crate) async fn send(
        &self,
        limit: Duration,
        build: impl Fn(Try) -> Cmd,
    ) -> Result<(u64, Value), AdapterError> {
        let mut last_error = None;
        let mut used = 0;
        let attempts = async {
            let mut how = Try::default();
            let mut failures = 0;
            loop {
                let mut live = match self.get().await {
                    Ok(live) => live,
                    Err(error) if error.is_retryable() => {
                        last_error = Some(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                used = live.generation;
                let answer = live.connection.req_packed_command(&build(how)).await;
                let error = match answer {
                    Ok(Value::ServerError(error)) => error.into(),
                    Ok(value) => return Ok((live.generation, value)),
                    Err(error) => error,
                };
                match judge(&error, &self.settings.address) {
                    Verdict::SendSource => {
                        how.with_source = true;
                        continue;
                    }
                    Verdict::Reconnect(error) => {
                        self.drop_generation(live.generation);
                        if matches!(self.purpose, Use::Blocking) {
                            // what it waited for may have come and gone: its owner looks for itself
                            return Err(error);
                        }
                        how.repeat = true;
                        last_error = Some(error);
                    }
                    Verdict::TryLater(error) => last_error = Some(error),
                    Verdict::GiveUp(error) => return Err(error),
                }
                tokio::time::sleep(pause(failures)).await;
                failures += 1;
            }
        };
        if let Ok(result) = timeout(limit, attempts).await {
            return result;
        }
        // silence: a half-open connection would keep it up for ever
        self.drop_generation(used);
        Err(last_error.unwrap_or_else(|| self.unavailable(format!("no answer within {limit:?}"))))
    }

    /// Runs a script within the usual time. `fill` adds the arguments after the first.
    pub(crate) async fn script(
        &self,
        script: &Script,
        fill: impl Fn(&mut Cmd, Try),
    ) -> Result<Value, AdapterError> {
        self.script_on(script, fill).await.map(|(_, value)| value)
    }

    /// Like [`Link::script`], and says which connection was used.
    pub(crate) async fn script_on(
        &self,
        script: &Script,
        fill: impl Fn(&mut Cmd, Try),
    ) -> Result<(u64, Value), AdapterError> {
        self.send(self.settings.command_timeout, |how| {
            let mut cmd = Cmd::new();
            if how.with_source {
                cmd.arg("EVAL").arg(&script.source);
            } else {
                cmd.arg("EVALSHA").arg(&script.sha);
            }
            cmd.arg(1).arg(self.settings.keys.prefix());
            cmd.arg(if self.settings.test_clock { "1" } else { "0" });
            fill(&mut cmd, how);
            cmd
        })
        .await
    }
}
