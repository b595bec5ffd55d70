//! A worker's ear: `BLPOP` on the wake-up keys of its tasks, on a connection of its own, with the claim right behind it.
//!
//! Redis runs what follows a blocking command as soon as that ends. So the claim is made the moment a wake-up comes, without
//! another round trip, and nobody is woken who does not claim.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Pipeline, RedisError, Value};
use taskora::AdapterError;
use taskora::adapter::{Claim, Exchange, Exchanged, WorkSignal};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::adapter::Inner;
use crate::answer::nonsense;
use crate::exchange::Call;
use crate::fault::{Verdict, judge};
use crate::link::{Link, Try, Use};
use crate::scripts::SCRIPTS;

/// How late an answer may be.
const GRACE: Duration = Duration::from_secs(5);

/// See the [module](self).
pub(crate) struct Ear {
    inner: Arc<Inner>,
    blocking: Link,
}

impl Ear {
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
        connect(&self.blocking).await?;
        let mut claim = self.blocking.call_of(&SCRIPTS.exchange, Try::default());
        call.fill(&mut claim);
        let mut commands = Pipeline::new();
        commands.add_command(self.blpop(exchange, limit)).add_command(claim);
        let mut answers = self.blocking.send_once("blpop", limit + GRACE, &commands).await?;
        let answer = answers.pop().ok_or_else(|| nonsense("a wait for work has no answer"))?;
        if let Some(Value::ServerError(error)) = answers.pop() {
            return Err(self.blocking.refused(&error.into()));
        }
        match answer {
            Value::ServerError(error) => {
                let error = RedisError::from(error);
                match judge(&error, &self.inner.settings().address) {
                    Verdict::SendSource => Ok(None),
                    _ => Err(self.blocking.refused(&error)),
                }
            }
            answer => Ok(Some(answer)),
        }
    }

    /// Blocks until one of the claim's open tasks has a wake-up.
    fn blpop(&self, exchange: &Exchange, limit: Duration) -> Cmd {
        let keys = &self.inner.settings().keys;
        let mut cmd = redis::cmd("BLPOP");
        for task in exchange.claim.iter().flat_map(Claim::open_tasks) {
            cmd.arg(keys.wake(task));
        }
        // Redis takes zero as for ever
        cmd.arg(limit.as_secs_f64().max(0.001));
        cmd
    }

    /// Ends the `BLPOP`, as soon as there is one. Runs until it is dropped.
    async fn cut_short(&self) {
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(client) = self.blocking.client_id() {
                let build = |_| {
                    let mut cmd = redis::cmd("CLIENT");
                    cmd.arg("UNBLOCK").arg(client);
                    cmd
                };
                // if this fails, the `BLPOP` ends by its own timeout
                let limit = self.inner.settings().command_timeout;
                if let Err(error) = self.inner.send("unblock", limit, build).await {
                    tracing::debug!(%error, "a wait for work could not be ended");
                }
            }
            // it may not have begun yet
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

#[async_trait]
impl WorkSignal for Ear {
    async fn wait(
        &self,
        exchange: &Exchange,
        limit: Duration,
        hurry: &Notify,
    ) -> Result<Exchanged, AdapterError> {
        self.inner.hear_cancellations().await;
        let call = Call::new(exchange);
        if exchange.claim.iter().flat_map(Claim::open_tasks).next().is_none() {
            let _ = timeout(limit, hurry.notified()).await;
            return self.inner.exchange(&call).await;
        }
        let mut answer = std::pin::pin!(self.listen(exchange, limit, &call));
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer?,
            () = hurry.notified() => tokio::select! {
                biased;
                answer = &mut answer => answer?,
                () = self.cut_short() => None,
            },
        };
        match answer {
            Some(answer) => self.inner.read_exchange(&call, answer).await,
            None => self.inner.exchange(&call).await,
        }
    }
}

/// Connects within the usual time; only the wait itself may take long.
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
