//! A connection that reconnects by itself: the first caller that needs it connects, and all others wait for that attempt.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, Value};
use taskora::AdapterError;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::call::{Try, ask, ask_all};

use crate::connect::{Live, Use, open};
use crate::fault::{Verdict, judge, pause, spread};
use crate::library;
use crate::settings::Settings;

/// One connection, opened when it is first needed, and opened again when it is lost.
pub(crate) struct Link {
    settings: Arc<Settings>,
    purpose: Use,
    live: RwLock<Option<Live>>,
    /// The first caller that waits for a connection holds it.
    connecting: Mutex<Connecting>,
    /// How many connections in a row could not be opened, or brought no answer.
    failures: AtomicU32,
    generations: AtomicU64,
}

#[derive(Default)]
struct Connecting {
    not_before: Option<Instant>,
    /// The attempt in progress, in its own tokio task: it goes on if the caller that began it gives up.
    attempt: Option<JoinHandle<Result<Live, AdapterError>>>,
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

    pub(crate) fn shared_settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    /// Which connection this is, counted from 1; 0 while there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.read_live().map_or(0, |live| live.generation)
    }

    /// This connection's client id on the server, if it is open and a blocking one.
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

    /// The connection, unless it goes to a server that the others have left.
    fn read_live(&self) -> Option<Live> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        live.filter(|live| live.place == self.settings.route.at())
    }

    /// Connects if necessary: one try, after the backoff for the failures so far.
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
        // a connection that brings no answer is a failure, too: only an answer resets the backoff
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

    /// Sends the call of this name that `build` makes, repeating it on a new connection if necessary, for at most `limit`.
    /// Also returns the generation of the connection that was used.
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
                        // a master that was cut off from its replicas: sentinels may know another one
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
        // no answer: a half-open connection would stay silent for ever, so drop it, unless it is too new to have answered
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

    /// Sends commands together, only once. The answer to any of them may be an error of the server. If this fails, or is
    /// dropped before the answer, the connection is closed, so that the server drops commands that it has not begun.
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

    /// What an error means for a caller that tries only once.
    fn judged(&self, error: &RedisError) -> AdapterError {
        match judge(error, &self.settings.address, &self.settings.user) {
            Verdict::Reconnect(error)
            | Verdict::Elsewhere(error)
            | Verdict::TryLater(error)
            | Verdict::GiveUp(error) => error,
            Verdict::SendSource => self.unavailable(error.to_string()),
        }
    }

    /// The server has refused a call that is sent only once. Prepares a new connection, to the server of a redirect if it is
    /// one.
    pub(crate) fn refused(&self, error: &RedisError) -> AdapterError {
        if let Some(live) = self.read_live() {
            self.settings.route.follow(error, live.place);
            self.drop_generation(live.generation);
        }
        self.judged(error)
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
