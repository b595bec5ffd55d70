//! Opens connections: finds the server, does the handshake, subscribes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, RedisError};
use taskora::AdapterError;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::answer::{nonsense, number};
use crate::call::ask;
use crate::fault::judge_opening;
use crate::probe;
use crate::route::Target;
use crate::server;
use crate::settings::Settings;

/// What a connection is for.
#[derive(Clone)]
pub(crate) enum Use {
    /// Scripts and reads.
    Commands,
    /// Waiting for work.
    Blocking,
    /// Scripts, and messages on these channels; each push carries the generation of its connection.
    Pushes { channels: Vec<String>, to: mpsc::UnboundedSender<(u64, PushInfo)> },
}

impl Use {
    /// The time over which connections that were lost together spread their reconnects.
    pub(crate) const fn spread(&self) -> Duration {
        match self {
            // its caller waits, and has already backed off
            Self::Commands => Duration::ZERO,
            // cancellations that are published meanwhile are learnt after the reconnect
            Self::Pushes { .. } => Duration::from_millis(100),
            // there is one per worker
            Self::Blocking => Duration::from_millis(500),
        }
    }
}

/// An open connection.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) generation: u64,
    /// Its index on the route.
    pub(crate) place: usize,
    pub(crate) target: Arc<Target>,
    /// The client id of a blocking connection.
    pub(crate) client_id: Option<i64>,
    pub(crate) connection: MultiplexedConnection,
}

/// One attempt to connect: to the server in use, or otherwise to the next usable one.
pub(crate) async fn open(
    settings: Arc<Settings>,
    purpose: Use,
    generation: u64,
) -> Result<Live, AdapterError> {
    let route = &settings.route;
    let mut tries = route.tries();
    loop {
        tries -= 1;
        let place = match &settings.sentinels {
            Some(sentinels) => {
                settings.follower.ensure(sentinels, route, settings.connect_timeout);
                match sentinels.find(settings.connect_timeout).await {
                    Ok(server) => route.go_to(server),
                    // if no sentinel can be reached, the last known master may still be there
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

/// Connects to this server, within the time limit of the settings.
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
            // without this permission, waits are ended in another way
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
    // the client's own limit covers only its first steps; this one also covers a server that then falls silent
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
