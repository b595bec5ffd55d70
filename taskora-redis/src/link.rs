//! A connection that heals itself: the first caller that needs it connects, and all others wait for that attempt.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, PushInfo, RedisError, Value};
use taskora::AdapterError;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::answer::{nonsense, number};
use crate::arguments::Arguments;
use crate::config::Settings;
use crate::fault::{Verdict, is_unknown, judge, judge_opening, pause, spread};
use crate::library;
use crate::probe;
use crate::route::Target;
use crate::scripts::Script;
use crate::server;
use crate::set_aside::{is_damage, set_aside};

/// How often a call is repeated for which a key was moved out of the way.
const MENDS: u32 = 3;

/// What a connection is for.
#[derive(Clone)]
pub(crate) enum Use {
    /// Scripts and reads.
    Commands,
    /// Waiting for work.
    Blocking,
    /// Scripts, and what is published on these channels; pushes come with the generation of their connection.
    Pushes { channels: Vec<String>, to: mpsc::UnboundedSender<(u64, PushInfo)> },
}

impl Use {
    /// Over how much time those come back that are lost together.
    const fn spread(&self) -> Duration {
        match self {
            // its caller waits, and has paused
            Self::Commands => Duration::ZERO,
            // a cancellation that is published meanwhile is learnt when it is back
            Self::Pushes { .. } => Duration::from_millis(100),
            // there is one for each worker
            Self::Blocking => Duration::from_millis(500),
        }
    }
}

/// One connection, made when it is first needed and made again when it is lost.
pub(crate) struct Link {
    settings: Arc<Settings>,
    purpose: Use,
    live: RwLock<Option<Live>>,
    /// The first caller that waits for a connection holds it.
    connecting: Mutex<Connecting>,
    /// Connections in a row that could not be made, or brought no answer.
    failures: AtomicU32,
    generations: AtomicU64,
}

#[derive(Clone)]
struct Live {
    generation: u64,
    /// Where on the route.
    place: usize,
    target: Arc<Target>,
    /// What Redis calls a blocking connection.
    client_id: Option<i64>,
    connection: MultiplexedConnection,
}

#[derive(Default)]
struct Connecting {
    not_before: Option<Instant>,
    /// The attempt under way, in a task of its own: it goes on when the caller that began it gives up.
    attempt: Option<JoinHandle<Result<Live, AdapterError>>>,
}

/// How a command is sent this time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Try {
    /// It may have been carried out already: a first answer was lost.
    pub(crate) repeat: bool,
    pub(crate) with_source: bool,
}

impl Link {
    pub(crate) fn new(settings: Arc<Settings>, purpose: Use) -> Self {
        Self {
            settings,
            purpose,
            live: RwLock::new(None),
            connecting: Mutex::default(),
            failures: AtomicU32::new(0),
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

    /// The connection; one to a server that the others have left is none.
    fn read_live(&self) -> Option<Live> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        live.filter(|live| live.place == self.settings.route.at())
    }

    /// Makes sure of a connection: one try, after the pause that the failures before demand.
    pub(crate) async fn connect(&self) -> Result<u64, AdapterError> {
        self.get().await.map(|live| live.generation)
    }

    async fn get(&self) -> Result<Live, AdapterError> {
        if let Some(live) = self.read_live() {
            return Ok(live);
        }
        let mut connecting = self.connecting.lock().await;
        if let Some(live) = self.read_live() {
            return Ok(live);
        }
        let failures = self.failures.load(Ordering::Relaxed);
        if connecting.attempt.is_none() {
            let is_lost = self.generations.load(Ordering::Relaxed) > 0;
            match connecting.not_before {
                Some(not_before) if failures > 0 && not_before > Instant::now() => {
                    sleep_until(not_before).await
                }
                _ if is_lost => {
                    sleep(spread(self.purpose.spread().min(self.settings.command_timeout / 2))).await
                }
                _ => {}
            }
        }
        let attempt = connecting.attempt.get_or_insert_with(|| {
            let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::spawn(open(Arc::clone(&self.settings), self.purpose.clone(), generation))
        });
        let result = attempt.await;
        connecting.attempt = None;
        // a connection that brings no answer is a failure too: only an answer ends the pauses
        connecting.not_before = Some(Instant::now() + pause(failures));
        self.failures.store(failures.saturating_add(1), Ordering::Relaxed);
        let live = match result {
            Ok(result) => result?,
            Err(_) => return Err(self.unavailable("the runtime was shut down while connecting".to_owned())),
        };
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn unavailable(&self, message: String) -> AdapterError {
        AdapterError::Unavailable { address: self.settings.address.clone(), message }
    }

    /// Sends the call of this name that `build` makes, again on a new connection if need be, for at most `limit`. Answers with the generation
    /// of the connection that was used.
    pub(crate) async fn send(
        &self,
        name: &'static str,
        limit: Duration,
        build: impl Fn(Try) -> Cmd,
    ) -> Result<(u64, Value), AdapterError> {
        let mut last_error = None;
        let mut sent = None;
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
                sent = Some((live.generation, Instant::now()));
                let answer = ask(&mut live.connection, name, &build(how)).await;
                let error = match answer {
                    Ok(Value::ServerError(error)) => error.into(),
                    Ok(value) => {
                        self.has_answered();
                        return Ok((live.generation, value));
                    }
                    Err(error) => error,
                };
                let is_redirect = self.settings.route.follow(&error, live.place);
                match judge(&error, &live.target.address, &self.settings.user) {
                    Verdict::SendSource if self.settings.has_functions() => {
                        match library::load(&mut live.connection, &self.settings, &live.target.address).await
                        {
                            Ok(()) => continue,
                            Err(error) if error.is_retryable() => {
                                self.drop_generation(live.generation);
                                last_error = Some(error);
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    Verdict::SendSource => {
                        how.with_source = true;
                        continue;
                    }
                    Verdict::Reconnect(error) => {
                        self.drop_generation(live.generation);
                        how.repeat = true;
                        last_error = Some(error);
                    }
                    Verdict::Elsewhere(error) => {
                        self.drop_generation(live.generation);
                        if matches!(self.purpose, Use::Blocking) {
                            return Err(error);
                        }
                        last_error = Some(error);
                        if is_redirect && failures == 0 {
                            // a redirect is an answer: retry without backoff
                            self.failures.store(0, Ordering::Relaxed);
                            failures += 1;
                            continue;
                        }
                    }
                    Verdict::TryLater(error) => {
                        // a master that was cut off, and lacks its replicas: sentinels may know another one
                        if self.settings.sentinels.is_some() {
                            self.drop_generation(live.generation);
                        }
                        last_error = Some(error);
                    }
                    Verdict::GiveUp(error) => return Err(error),
                }
                sleep(pause(failures)).await;
                failures += 1;
            }
        };
        if let Ok(result) = timeout(limit, attempts).await {
            return result;
        }
        // silence: a half-open connection would keep it up for ever; one that was only just made has had no time
        if let Some((generation, at)) = sent
            && at.elapsed() >= limit / 2
        {
            self.drop_generation(generation);
        }
        Err(last_error.unwrap_or_else(|| self.unavailable(format!("no answer within {limit:?}"))))
    }

    fn has_answered(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Sends commands together, and once. The answer to one of them may be an error of the server. When this fails, or is
    /// dropped before the answer, the connection is closed, so that the server forgets what it has not begun.
    pub(crate) async fn send_once(
        &self,
        name: &'static str,
        limit: Duration,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, AdapterError> {
        let mut live = self.get().await?;
        let mut closing = Closing { link: self, generation: Some(live.generation) };
        match timeout(limit, ask_all(&mut live.connection, name, commands)).await {
            Ok(Ok(values)) => {
                if !matches!(values.first(), Some(Value::ServerError(_))) {
                    self.has_answered();
                }
                closing.generation = None;
                Ok(values)
            }
            Ok(Err(error)) => Err(self.judged(&error)),
            Err(_) => Err(self.unavailable(format!("no answer within {limit:?}"))),
        }
    }

    /// What an error means to a caller that tries only once.
    fn judged(&self, error: &RedisError) -> AdapterError {
        match judge(error, &self.settings.address, &self.settings.user) {
            Verdict::Reconnect(error)
            | Verdict::Elsewhere(error)
            | Verdict::TryLater(error)
            | Verdict::GiveUp(error) => error,
            Verdict::SendSource => self.unavailable(error.to_string()),
        }
    }

    /// The server has refused what was sent once; a new connection, to where it points if it does, may fare better.
    pub(crate) fn refused(&self, error: &RedisError) -> AdapterError {
        if let Some(live) = self.read_live() {
            self.settings.route.follow(error, live.place);
            self.drop_generation(live.generation);
        }
        self.judged(error)
    }

    /// Runs a script within the usual time. `fill` adds the arguments after the first.
    pub(crate) async fn script(
        &self,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<Value, AdapterError> {
        self.script_on(script, fill).await.map(|(_, value)| value)
    }

    /// Like [`Link::script`], and says which connection was used.
    pub(crate) async fn script_on(
        &self,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<(u64, Value), AdapterError> {
        self.script_carrying(0, script, fill).await
    }

    /// Like [`Link::script_on`], with the time that this many bytes of payloads and results take.
    pub(crate) async fn script_carrying(
        &self,
        bytes: usize,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<(u64, Value), AdapterError> {
        let build = |how| self.settings.call(script, how, &fill);
        let limit = self.settings.limit(bytes);
        let mut begun = std::time::Instant::now();
        let mut answer = self.send(script.name, limit, build).await;
        // what is damaged may be damaged again while it is mended
        for _ in 0..MENDS {
            match &answer {
                Err(error) if is_damage(error) && Box::pin(set_aside(self, begun)).await? => {}
                _ => break,
            }
            begun = std::time::Instant::now();
            answer = self.send(script.name, limit, build).await;
        }
        answer
    }
}

/// Closes the connection, unless it has answered.
struct Closing<'a> {
    link: &'a Link,
    generation: Option<u64>,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if let Some(generation) = self.generation {
            self.link.drop_generation(generation);
        }
    }
}

/// Sends a call once. Every call to Redis goes through here or through [`ask_all`].
pub(crate) async fn ask(
    connection: &mut MultiplexedConnection,
    name: &'static str,
    cmd: &Cmd,
) -> Result<Value, RedisError> {
    // a script that the server does not know yet has not run: it is sent again with its source
    let has_run = |answer: &Value| !matches!(answer, Value::ServerError(error) if is_unknown(error.code(), error.details()));
    named(name, connection.req_packed_command(cmd), has_run).await
}

/// Sends calls together, once.
async fn ask_all(
    connection: &mut MultiplexedConnection,
    name: &'static str,
    commands: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    named(name, connection.req_packed_commands(commands, 0, commands.len()), |_| true).await
}

/// A call between its failpoints.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(unused_variables, reason = "names and ends are for failpoints")
)]
async fn named<T>(
    name: &'static str,
    call: impl Future<Output = Result<T, RedisError>>,
    has_run: impl FnOnce(&T) -> bool,
) -> Result<T, RedisError> {
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(name, "before").await?;
    let answer = call.await;
    #[cfg(feature = "failpoints")]
    if answer.as_ref().map_or(true, has_run) {
        crate::failpoint::reach(name, "after").await?;
    }
    answer
}

/// One attempt to connect: to the server that is in use, or else to the next one that can be.
async fn open(settings: Arc<Settings>, purpose: Use, generation: u64) -> Result<Live, AdapterError> {
    let route = &settings.route;
    let mut tries = route.tries();
    loop {
        tries -= 1;
        let place = match &settings.sentinels {
            Some(sentinels) => {
                settings.follower.ensure(sentinels, route, settings.connect_timeout);
                match sentinels.find(settings.connect_timeout).await {
                    Ok(server) => route.go_to(server),
                    // without sentinels, the last master that they named may still be there
                    Err(error) if error.is_retryable() && route.target(route.at()).is_some() => route.at(),
                    Err(error) => return Err(error),
                }
            }
            None => route.at(),
        };
        match open_at(&settings, &purpose, generation, place).await {
            Err(error) if error.is_retryable() => {
                if let Some(sentinels) = &settings.sentinels {
                    sentinels.distrust();
                }
                route.pass_over(place);
                if tries == 0 || route.at() == place {
                    return Err(error);
                }
            }
            result => return result,
        }
    }
}

/// Connects to this server, for at most the time that the settings give it.
async fn open_at(
    settings: &Arc<Settings>,
    purpose: &Use,
    generation: u64,
    place: usize,
) -> Result<Live, AdapterError> {
    let target = settings.route.target(place).ok_or_else(|| nonsense("a place that is not on the route"))?;
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(None);
    let mut server = target.server.clone();
    if let Use::Pushes { to, .. } = purpose {
        let to = to.clone();
        config = config.set_push_sender(move |push| to.send((generation, push)));
        let redis = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        server = server.set_redis_settings(redis);
    }
    let is_suspect = AtomicBool::new(false);
    let judged = |error: RedisError| {
        settings.route.follow(&error, place);
        let is_garbled = error.is_io_error() || error.kind() == redis::ErrorKind::Parse;
        is_suspect.store(is_garbled && !error.is_connection_refusal(), Ordering::Relaxed);
        judge_opening(&error, &target.address, &settings.user)
    };
    let opened = async {
        let client = Client::open(server).map_err(judged)?;
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(judged)?;
        let mut client_id = None;
        if matches!(purpose, Use::Blocking) {
            let id = ask(&mut connection, "client_id", redis::cmd("CLIENT").arg("ID")).await;
            // without the right to ask, waits are ended in another way
            client_id = number(&id.map_err(judged)?, "the answer to CLIENT ID").ok();
        }
        if settings.sentinels.is_some() {
            server::check_role(&mut connection, &target.address).await.map_err(judged)??;
        }
        server::handshake(&mut connection, settings, judged).await?;
        if let Use::Pushes { channels, .. } = purpose {
            #[cfg(feature = "failpoints")]
            crate::failpoint::reach("subscribe", "before").await.map_err(judged)?;
            connection.subscribe(channels.as_slice()).await.map_err(judged)?;
            #[cfg(feature = "failpoints")]
            crate::failpoint::reach("subscribe", "after").await.map_err(judged)?;
        }
        Ok(Live { generation, place, target: Arc::clone(&target), client_id, connection })
    };
    // the client's own limit is that of its first steps only; this one is also for a server that then says nothing
    let opened = async {
        timeout(settings.connect_timeout, opened).await.unwrap_or_else(|_| {
            Err(AdapterError::Unavailable {
                address: target.address.clone(),
                message: format!("no connection within {:?}", settings.connect_timeout),
            })
        })
    };
    probe::explain(opened, &target, || is_suspect.load(Ordering::Relaxed), settings.connect_timeout / 2).await
}
