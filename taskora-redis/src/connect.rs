//! Makes connections: finds the server, shakes hands, subscribes.

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
use crate::config::Settings;
use crate::fault::judge_opening;
use crate::probe;
use crate::route::Target;
use crate::server;

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
    pub(crate) const fn spread(&self) -> Duration {
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

/// A connection that is open.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) generation: u64,
    /// Where on the route.
    pub(crate) place: usize,
    pub(crate) target: Arc<Target>,
    /// What Redis calls a blocking connection.
    pub(crate) client_id: Option<i64>,
    pub(crate) connection: MultiplexedConnection,
}

/// One attempt to connect: to the server that is in use, or else to the next one that can be.
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
