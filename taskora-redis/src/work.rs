//! A worker's listener: `BLPOP` on the wake-up keys of its tasks, on its own connection, with the claim right behind it.
//!
//! As soon as a blocking command ends, Redis runs the command after it. So the claim is made at the moment of a wake-up,
//! without another round trip, and every woken worker claims.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::{Cmd, Pipeline, RedisError, Value};
use taskora::AdapterError;
use taskora::adapter::{Claim, Exchange, Exchanged, WorkListener};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::answer::nonsense;
use crate::call::Try;
use crate::connect::Use;
use crate::damage::is_damage;
use crate::exchange::Call;
use crate::fault::{Verdict, judge};
use crate::inner::Inner;
use crate::link::Link;
use crate::scripts::SCRIPTS;
use crate::set_aside::set_aside;

/// How late an answer may be.
const GRACE: Duration = Duration::from_secs(5);

/// See the [module](self).
pub(crate) struct RedisListener {
    inner: Arc<Inner>,
    blocking: Link,
}

impl RedisListener {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let blocking = Link::new(Arc::clone(&inner.settings), Use::Blocking);
        Self { inner, blocking }
    }

    /// Waits, then claims. `None`: the script is not loaded, so the claim was not made.
    async fn listen(
        &self,
        exchange: &Exchange,
        limit: Duration,
        call: &Call<'_>,
    ) -> Result<Option<Value>, AdapterError> {
        let begun = Instant::now();
        connect(&self.blocking).await?;
        let claim = self
            .inner
            .settings()
            .call(&SCRIPTS.exchange, Try::default(), |arguments, _| call.fill(arguments));
        let mut commands = Pipeline::new();
        commands.add_command(self.blpop(exchange, limit)).add_command(claim);
        let mut answers = self.blocking.send_once("blpop", limit + GRACE, &commands).await?;
        let answer = answers.pop().ok_or_else(|| nonsense("a wait for work has no answer"))?;
        if let Some(Value::ServerError(error)) = answers.pop() {
            return self.refused(&error.into(), begun).await;
        }
        match answer {
            Value::ServerError(error) => {
                let error = RedisError::from(error);
                match judge(&error, &self.inner.settings().address, &self.inner.settings().user) {
                    Verdict::SendSource => Ok(None),
                    _ => self.refused(&error, begun).await,
                }
            }
            answer => Ok(Some(answer)),
        }
    }

    /// The server has refused the wait or the claim. If the reason was a key of the wrong type, and that key is now out of
    /// the way, the claim is made in another way.
    async fn refused(&self, error: &RedisError, begun: Instant) -> Result<Option<Value>, AdapterError> {
        let error = self.blocking.refused(error);
        if is_damage(&error) && set_aside(&self.inner.connections()?.commands, begun).await? {
            return Ok(None);
        }
        Err(error)
    }

    /// Blocks until one of the claim's open tasks has a wake-up.
    fn blpop(&self, exchange: &Exchange, limit: Duration) -> Cmd {
        let keys = &self.inner.settings().keys;
        let mut cmd = redis::cmd("BLPOP");
        for task in exchange.claim.iter().flat_map(Claim::open_tasks) {
            cmd.arg(keys.wake(task));
        }
        // for Redis, zero means for ever
        cmd.arg(limit.as_secs_f64().max(0.001));
        cmd
    }

    /// Ends the `BLPOP`, as soon as there is one. Runs until it is dropped. Returns only if the server does not allow it to
    /// end the `BLPOP`; then the wait must be abandoned.
    async fn cut_short(&self) {
        let mut pause = Duration::from_millis(2);
        loop {
            let client = self.blocking.client_id();
            if client.is_none() && self.blocking.generation() != 0 {
                return;
            }
            if let Some(client) = client {
                let build = |_| {
                    let mut cmd = redis::cmd("CLIENT");
                    cmd.arg("UNBLOCK").arg(client);
                    cmd
                };
                // if this fails, the `BLPOP` ends by its own timeout
                let limit = self.inner.settings().command_timeout;
                if let Err(error) = self.inner.send("unblock", limit, build).await {
                    tracing::debug!(%error, "a wait for work could not be ended");
                    if matches!(error, AdapterError::Config(_)) {
                        return;
                    }
                }
            }
            // it may not have begun yet
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

#[async_trait]
impl WorkListener for RedisListener {
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        wake_early: &Notify,
    ) -> Result<Exchanged, AdapterError> {
        self.inner.hear_cancellations().await;
        let call = Call::new(exchange);
        if exchange.claim.iter().flat_map(Claim::open_tasks).next().is_none() {
            let _ = timeout(limit, wake_early.notified()).await;
            return self.inner.exchange(&call).await;
        }
        let mut moves = self.inner.settings().route.moves();
        // in a block, so that an abandoned wait has closed its connection before the call is made in another way
        let answer = {
            let mut answer = std::pin::pin!(self.listen(exchange, limit, &call));
            tokio::select! {
                biased;
                answer = &mut answer => answer?,
                // sentinels have named another server: the old one wakes nobody
                _ = moves.changed() => None,
                () = wake_early.notified() => tokio::select! {
                    biased;
                    answer = &mut answer => answer?,
                    () = self.cut_short() => None,
                },
            }
        };
        match answer {
            Some(answer) => self.inner.read_exchange(&call, answer).await,
            None => self.inner.exchange(&call).await,
        }
    }
}

/// Connects within the usual time limit; only the wait itself may take long.
async fn connect(link: &Link) -> Result<(), AdapterError> {
    let settings = link.settings();
    let mut last_error = None;
    let attempts = async {
        loop {
            match link.connect().await {
                Err(error) if error.is_retryable() => last_error = Some(error),
                other => return other.map(|_| ()),
            }
        }
    };
    match timeout(settings.command_timeout, attempts).await {
        Ok(result) => result,
        Err(_) => Err(last_error.unwrap_or_else(|| AdapterError::Unavailable {
            address: settings.address.clone(),
            message: format!("no connection within {:?}", settings.command_timeout),
        })),
    }
}
