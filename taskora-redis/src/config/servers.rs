//! The servers of a configuration, with their passwords and certificates.

use redis::{ConnectionInfo, IntoConnectionInfo};

use super::RedisConfig;
use crate::address::shown;
use crate::route::Route;
use crate::sentinel::Sentinels;
use crate::settings::Reach;

impl RedisConfig {
    pub(super) fn reach(&self, servers: Vec<ConnectionInfo>) -> Result<Reach, String> {
        let servers = self.equipped(servers)?;
        let Some(master) = &self.master else {
            let servers: Vec<_> = servers.into_iter().map(|server| self.personal(server)).collect();
            let addresses: Vec<_> = servers.iter().map(shown).collect();
            return Ok(Reach { address: addresses.join(", "), route: Route::new(servers), sentinels: None });
        };
        if servers.is_empty() || master.is_empty() {
            return Err("Redis Sentinel needs the URL of at least one sentinel, and the name of the master"
                .to_owned());
        }
        if servers.iter().any(|sentinel| sentinel.redis_settings().db() != 0) {
            return Err(
                "a sentinel has no databases; leave the number out of its URL, and use `.db(..)`".to_owned()
            );
        }
        let pattern = self.personal(self.named_by_sentinels()?);
        let sentinels = Sentinels::new(servers, master.clone(), pattern);
        Ok(Reach { address: sentinels.address(), route: Route::new(Vec::new()), sentinels: Some(sentinels) })
    }

    /// The server, with the user, password and database that override those of the URL.
    fn personal(&self, server: ConnectionInfo) -> ConnectionInfo {
        let mut redis = server.redis_settings().clone();
        if let Some(username) = &self.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.set_password(password);
        }
        if let Some(db) = self.db {
            redis = redis.set_db(db);
        }
        server.set_redis_settings(redis)
    }

    /// The settings for all servers that sentinels name.
    fn named_by_sentinels(&self) -> Result<ConnectionInfo, String> {
        let server = ("localhost", 6379).into_connection_info().map_err(|error| error.to_string())?;
        #[cfg(feature = "rustls")]
        if self.tls {
            let server = server.set_addr(crate::tls::address("localhost", 6379));
            return self.certificates.equip(server);
        }
        Ok(server)
    }

    /// The servers with the certificates that their TLS needs.
    #[cfg(feature = "rustls")]
    fn equipped(&self, servers: Vec<ConnectionInfo>) -> Result<Vec<ConnectionInfo>, String> {
        crate::tls::choose_cryptography();
        if self.tls && self.master.is_none() {
            return Err(
                "`.tls()` is for the servers that sentinels name; write the URL as `rediss://..`".to_owned()
            );
        }
        let uses_tls = self.tls || servers.iter().any(crate::tls::is_used_by);
        if !uses_tls && !self.certificates.is_empty() {
            return Err("certificates are configured, but no server is connected to with TLS; \
                        write the URL as `rediss://..`"
                .to_owned());
        }
        servers.into_iter().map(|server| self.certificates.equip(server)).collect()
    }

    #[cfg(not(feature = "rustls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with TLS it can fail")]
    fn equipped(&self, servers: Vec<ConnectionInfo>) -> Result<Vec<ConnectionInfo>, String> {
        Ok(servers)
    }
}
