//! Which server an adapter's connections go to: the configured addresses, and those that servers point to.
//!
//! All keys of a namespace share one slot, so one server at a time has all of it, even on a cluster. All connections of an
//! adapter follow one route: if one of them learns that the namespace is elsewhere, the others go there, too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::{ConnectionAddr, ConnectionInfo, RedisError};
use tokio::sync::watch;

use crate::address::shown;

/// A server, and its name in messages.
pub(crate) struct Target {
    pub(crate) server: ConnectionInfo,
    /// Never with a password.
    pub(crate) address: String,
}

/// See the [module](self).
pub(crate) struct Route {
    /// The configured servers, then those that servers pointed to.
    targets: RwLock<Vec<Arc<Target>>>,
    /// How many were configured; 0 if sentinels name the server.
    configured: usize,
    /// The index of the one in use.
    at: AtomicUsize,
    /// Counts how often sentinels have named another server.
    moves: watch::Sender<u64>,
}

impl Route {
    /// A route that begins at the first of these servers.
    pub(crate) fn new(servers: Vec<ConnectionInfo>) -> Self {
        let target = |server: ConnectionInfo| Arc::new(Target { address: shown(&server), server });
        let targets: Vec<_> = servers.into_iter().map(target).collect();
        Self {
            configured: targets.len(),
            targets: RwLock::new(targets),
            at: AtomicUsize::new(0),
            moves: watch::Sender::new(0),
        }
    }

    /// The index of the server in use.
    pub(crate) fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// How many servers to try before a backoff: the configured ones, and those that they point to.
    pub(crate) const fn tries(&self) -> usize {
        2 * self.configured + 1
    }

    pub(crate) fn target(&self, place: usize) -> Option<Arc<Target>> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    /// Skips an unusable server: goes on to the next configured one, unless another connection has already moved on.
    pub(crate) fn pass_over(&self, place: usize) {
        if self.configured == 0 {
            return;
        }
        let next = if place < self.configured { (place + 1) % self.configured } else { 0 };
        let _ = self.at.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Follows the error of the server at `place` if it is a redirect. Returns whether it is.
    pub(crate) fn follow(&self, error: &RedisError, place: usize) -> bool {
        if error.code() != Some("MOVED") {
            return false;
        }
        let Some((host, port)) = error.redirect_node().and_then(|(node, _)| split(node)) else {
            return false;
        };
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let Some(from) = targets.get(place) else { return false };
        let server = from.server.clone().set_addr(elsewhere(from.server.addr(), host, port));
        let to = place_of(&mut targets, server);
        // if another connection has already moved, its target is at least as new
        let _ = self.at.compare_exchange(place, to, Ordering::Relaxed, Ordering::Relaxed);
        to != place
    }

    /// Goes to this server, which sentinels have named, and returns its index.
    pub(crate) fn go_to(&self, server: ConnectionInfo) -> usize {
        let to = place_of(&mut self.targets.write().unwrap_or_else(PoisonError::into_inner), server);
        if self.at.swap(to, Ordering::Relaxed) != to {
            self.moves.send_modify(|moves| *moves += 1);
        }
        to
    }

    /// Notified of each move of [`Route::go_to`].
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }
}

/// The index of a server, which is added if it is new.
fn place_of(targets: &mut Vec<Arc<Target>>, server: ConnectionInfo) -> usize {
    let address = shown(&server);
    targets.iter().position(|known| known.address == address).unwrap_or_else(|| {
        targets.push(Arc::new(Target { server, address }));
        targets.len() - 1
    })
}

/// The host may be in brackets, or missing; then it is the server that was asked.
fn split(node: &str) -> Option<(&str, u16)> {
    let (host, port) = node.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

/// The same kind of address, with the same TLS settings.
pub(crate) fn elsewhere(from: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    let host = match from {
        ConnectionAddr::Tcp(own, _) | ConnectionAddr::TcpTls { host: own, .. } if host.is_empty() => own,
        _ => host,
    };
    match from {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;
    use crate::fault::tests::said;

    fn route(urls: &[&str]) -> Route {
        Route::new(urls.iter().map(|url| (*url).into_connection_info().expect("a URL")).collect())
    }

    fn moved(to: &str) -> RedisError {
        said(&format!("MOVED 42 {to}"))
    }

    #[test]
    fn a_redirect_keeps_user_password_and_database() {
        let route = route(&["redis://me:secret@a:7000"]);
        assert!(route.follow(&moved("b:7001"), 0));
        let target = route.target(route.at()).expect("a target");
        assert_eq!(target.address, "b:7001");
        let redis = target.server.redis_settings();
        assert_eq!((redis.username(), redis.password()), (Some("me"), Some("secret")));
    }

    #[test]
    fn a_host_that_is_not_named_is_the_same_one() {
        let route = route(&["redis://a:7000"]);
        assert!(route.follow(&moved(":7001"), 0));
        assert_eq!(route.target(route.at()).expect("a target").address, "a:7001");
        assert!(!route.follow(&moved(":7001"), 1), "it points to itself");
    }

    #[test]
    fn what_is_late_changes_nothing() {
        let route = route(&["redis://a:7000", "redis://b:7000", "redis://c:7000"]);
        route.pass_over(0);
        assert_eq!(route.at(), 1);
        route.pass_over(0);
        assert_eq!(route.at(), 1, "it is in use no more");
        route.follow(&moved("d:7000"), 0);
        assert_eq!(route.at(), 1);
        route.follow(&moved("c:7000"), 1);
        assert_eq!(route.at(), 2, "a known one is not added again");
        route.pass_over(2);
        assert_eq!(route.at(), 0);
    }

    #[test]
    fn whom_sentinels_name_is_gone_to_and_known_again() {
        let (route, server) = (route(&[]), |url: &str| url.into_connection_info().expect("a URL"));
        assert_eq!((route.go_to(server("redis://a:1")), route.go_to(server("redis://[::1]:1"))), (0, 1));
        assert_eq!(route.target(1).expect("a target").address, "[::1]:1");
        route.pass_over(1);
        assert_eq!((route.at(), route.go_to(server("redis://a:1")), route.at()), (1, 0, 0));
    }

    #[test]
    fn alone_there_is_nowhere_to_go() {
        let route = route(&["redis://a:7000"]);
        route.pass_over(0);
        assert_eq!(route.at(), 0);
        route.follow(&moved("b:7000"), 0);
        route.pass_over(1);
        assert_eq!(route.at(), 0, "back to what was configured");
    }
}
