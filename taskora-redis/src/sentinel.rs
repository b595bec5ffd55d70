//! Redis Sentinel: finding the master.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, RedisError, Value};
use taskora::AdapterError;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::access::{ACL_SENTINEL, User, is_denied, message_of};
use crate::address::{shown, with_db};
use crate::answer::{exactly, nonsense, text};
use crate::fault::judge_opening;
use crate::route::elsewhere;

/// How often the adapter asks a sentinel that it is subscribed to.
const RECHECK: Duration = Duration::from_secs(30);

/// See the [module](self).
pub(crate) struct Sentinels {
    servers: Vec<ConnectionInfo>,
    /// The master's name.
    master: String,
    /// How to connect to the servers that they name; host and port are replaced.
    pattern: ConnectionInfo,
    /// The sentinel to ask first.
    first: AtomicUsize,
}

impl Sentinels {
    pub(crate) const fn new(servers: Vec<ConnectionInfo>, master: String, pattern: ConnectionInfo) -> Self {
        Self { servers, master, pattern, first: AtomicUsize::new(0) }
    }

    /// All of them, as text for messages.
    pub(crate) fn address(&self) -> String {
        let addresses: Vec<_> = self.servers.iter().map(shown).collect();
        let master = with_db(self.master.clone(), self.pattern.redis_settings().db());
        format!("{master} (sentinels {})", addresses.join(", "))
    }

    pub(crate) fn username(&self) -> Option<String> {
        self.pattern.redis_settings().username().map(str::to_owned)
    }

    #[cfg(test)]
    pub(crate) const fn pattern(&self) -> &ConnectionInfo {
        &self.pattern
    }

    /// Asks the sentinels in turn, for at most `limit` in total.
    pub(crate) async fn find(&self, limit: Duration) -> Result<ConnectionInfo, AdapterError> {
        let count = u32::try_from(self.servers.len()).unwrap_or(u32::MAX).max(1);
        let first = self.first.load(Ordering::Relaxed);
        let mut last_error = None;
        for number in 0..self.servers.len() {
            let at = first.wrapping_add(number) % self.servers.len();
            let Some(sentinel) = self.servers.get(at) else { continue };
            match self.ask(sentinel, limit / count).await {
                Ok(server) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(server);
                }
                // an unreachable sentinel may know more than one that refuses
                Err(error) => match &last_error {
                    Some(AdapterError::Unavailable { .. }) if !error.is_retryable() => {}
                    _ => last_error = Some(error),
                },
            }
        }
        Err(last_error.unwrap_or_else(|| nonsense("no sentinel is configured")))
    }

    /// The server that the last sentinel named was unusable: next time, ask another one first.
    pub(crate) fn distrust(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, sentinel: &ConnectionInfo, limit: Duration) -> Result<ConnectionInfo, AdapterError> {
        let address = address_of(sentinel);
        let asked = async {
            let config = AsyncConnectionConfig::new();
            let mut connection = open(sentinel, config, limit).await?;
            self.ask_on(&mut connection, sentinel).await
        };
        timeout(limit, asked).await.unwrap_or_else(|_| {
            Err(AdapterError::Unavailable { address, message: format!("no answer within {limit:?}") })
        })
    }

    async fn ask_on(
        &self,
        connection: &mut MultiplexedConnection,
        sentinel: &ConnectionInfo,
    ) -> Result<ConnectionInfo, AdapterError> {
        let mut cmd = redis::cmd("SENTINEL");
        cmd.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let answer = match crate::call::ask(connection, "sentinel", &cmd).await {
            Ok(Value::ServerError(error)) => return Err(judged(&error.into(), sentinel)),
            Ok(Value::Nil) => {
                let address = address_of(sentinel);
                return Err(AdapterError::Config(format!("{address} knows no master `{}`", self.master)));
            }
            Ok(answer) => answer,
            Err(error) => return Err(judged(&error, sentinel)),
        };
        let [host, port] = exactly(answer, "a sentinel's answer")?;
        self.server_at(&text(host, "the master's host")?, &text(port, "the master's port")?)
    }

    fn server_at(&self, host: &str, port: &str) -> Result<ConnectionInfo, AdapterError> {
        let port = port.parse().map_err(|_| nonsense(format!("a sentinel names the port `{port}`")))?;
        Ok(self.pattern.clone().set_addr(elsewhere(self.pattern.addr(), host, port)))
    }

    /// Listens to one sentinel until it fails, and reports each master that it names.
    pub(crate) async fn listen(
        &self,
        limit: Duration,
        tell: impl Fn(ConnectionInfo),
    ) -> Result<(), AdapterError> {
        let first = self.first.load(Ordering::Relaxed).checked_rem(self.servers.len());
        let sentinel = first.and_then(|at| self.servers.get(at));
        let sentinel = sentinel.ok_or_else(|| nonsense("no sentinel is configured"))?;
        let (to, mut pushed) = mpsc::unbounded_channel::<PushInfo>();
        let redis = sentinel.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let server = sentinel.clone().set_redis_settings(redis);
        let silent = || AdapterError::Unavailable {
            address: address_of(sentinel),
            message: format!("no answer within {limit:?}"),
        };
        let begin = async {
            let config = AsyncConnectionConfig::new().set_push_sender(to);
            let mut connection = open(&server, config, limit).await?;
            connection.subscribe("+switch-master").await.map_err(|error| judged(&error, sentinel))?;
            Ok::<_, AdapterError>(connection)
        };
        let mut connection = timeout(limit, begin).await.map_err(|_| silent())??;
        loop {
            // asking finds earlier announcements, and detects a connection that has fallen silent
            tell(timeout(limit, self.ask_on(&mut connection, sentinel)).await.map_err(|_| silent())??);
            while let Ok(push) = timeout(RECHECK, pushed.recv()).await {
                let Some(push) = push else { return Ok(()) };
                if push.kind == redis::PushKind::Disconnection {
                    return Ok(());
                }
                if let Some(server) = self.switched(push) {
                    tell(server);
                }
            }
        }
    }

    /// The new master, if this announces one: its name, the old host and port, the new host and port.
    fn switched(&self, push: PushInfo) -> Option<ConnectionInfo> {
        if push.kind != redis::PushKind::Message {
            return None;
        }
        let said = text(push.data.into_iter().nth(1)?, "an announcement").ok()?;
        let mut words = said.split(' ');
        if words.next() != Some(self.master.as_str()) {
            return None;
        }
        let (host, port) = (words.nth(2)?, words.next()?);
        self.server_at(host, port).ok()
    }
}

async fn open(
    sentinel: &ConnectionInfo,
    config: AsyncConnectionConfig,
    limit: Duration,
) -> Result<MultiplexedConnection, AdapterError> {
    let config = config.set_connection_timeout(Some(limit)).set_response_timeout(None);
    let client = Client::open(sentinel.clone()).map_err(|error| judged(&error, sentinel))?;
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.map_err(|error| judged(&error, sentinel))
}

fn address_of(sentinel: &ConnectionInfo) -> String {
    format!("the sentinel {}", shown(sentinel))
}

fn judged(error: &RedisError, sentinel: &ConnectionInfo) -> AdapterError {
    let address = address_of(sentinel);
    if is_denied(error) {
        return AdapterError::Config(format!(
            "{address} refuses to say where the master is ({}); its user needs `{ACL_SENTINEL}`",
            message_of(error)
        ));
    }
    judge_opening(error, &address, &User::new(None, ""))
}
