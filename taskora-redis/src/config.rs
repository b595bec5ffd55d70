//! How to connect to Redis.

mod servers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::ConnectionInfo;
use taskora::AdapterError;

use crate::access::User;
use crate::address::{self, shown};
use crate::damage::Searches;
use crate::follow::Follower;
use crate::process::Process;
use crate::server_warnings::Advice;
use crate::settings::{Reach, Settings};
#[cfg(feature = "rustls")]
use crate::tls::Certificates;

/// How to connect, and how to name things, for [`RedisAdapter::connect`](crate::RedisAdapter::connect), which takes a URL,
/// too, and [`RedisAdapter::lazy`](crate::RedisAdapter::lazy).
///
/// ```
/// use std::time::Duration;
/// use taskora::App;
/// use taskora_redis::{RedisAdapter, RedisConfig};
///
/// # fn example() -> taskora::Result<()> {
/// let config = RedisConfig::new("redis://localhost:6379/2")
///     .namespace("shop")
///     .password("secret")
///     .command_timeout(Duration::from_millis(500));
/// assert!(!format!("{config:?}").contains("secret"));
/// let app = App::new(RedisAdapter::lazy(config)?); // or, connected: `RedisAdapter::connect(config).await?`
/// # let _ = app;
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    /// The servers, or the sentinels that know the server.
    servers: Vec<Result<ConnectionInfo, String>>,
    /// The master's name for the sentinels.
    master: Option<String>,
    namespace: String,
    username: Option<String>,
    password: Option<String>,
    db: Option<i64>,
    #[cfg(feature = "rustls")]
    tls: bool,
    #[cfg(feature = "rustls")]
    certificates: Certificates,
    command_timeout: Duration,
    connect_timeout: Duration,
    test_clock: bool,
}

/// Like [`RedisConfig::new`], for `RedisAdapter::connect("redis://…")`.
impl<S: AsRef<str>> From<S> for RedisConfig {
    fn from(url: S) -> Self {
        Self::new(url)
    }
}

impl RedisConfig {
    /// A server by its URL: `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS (with the feature
    /// `rustls`), or `redis+unix:///path`. A URL that cannot be read is an error when connecting.
    #[must_use]
    pub fn new(url: impl AsRef<str>) -> Self {
        Self::with_servers(vec![address::read(url.as_ref())])
    }

    /// Adds a server of the same Redis, with a URL as in [`RedisConfig::new`]: another node of its cluster, or the server
    /// that takes over when the first fails. The adapter skips servers that cannot be reached, are replicas or have lost
    /// their cluster. A cluster node without the namespace's slot says which node has it. After [`RedisConfig::sentinel`],
    /// this adds a sentinel.
    #[must_use]
    pub fn node(mut self, url: impl AsRef<str>) -> Self {
        self.servers.push(address::read(url.as_ref()));
        self
    }

    /// A server by the `redis` crate's own description of it, for what a URL cannot say.
    #[must_use]
    pub fn from_connection_info(server: ConnectionInfo) -> Self {
        Self::with_servers(vec![Ok(server)])
    }

    /// The master that Redis Sentinel knows by this name. The URLs are those of the sentinels, each with the user, the
    /// password and the TLS (`rediss://`) of the *sentinel*. For the master and its replicas, use
    /// [`username`](Self::username), [`password`](Self::password), [`db`](Self::db) and, for TLS, `tls`.
    ///
    /// Each new connection asks the sentinels in turn where the master is, and checks that the server is a master. After a
    /// failover, the adapter's connections go to the new master.
    ///
    /// ```
    /// use taskora_redis::RedisConfig;
    ///
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let config = RedisConfig::sentinel(sentinels, "mymaster").password("secret");
    /// ```
    #[must_use]
    pub fn sentinel(urls: impl IntoIterator<Item = impl AsRef<str>>, master: impl Into<String>) -> Self {
        let sentinels = urls.into_iter().map(|url| address::read(url.as_ref())).collect();
        Self { master: Some(master.into()), ..Self::with_servers(sentinels) }
    }

    fn with_servers(servers: Vec<Result<ConnectionInfo, String>>) -> Self {
        Self {
            servers,
            master: None,
            namespace: "taskora".to_owned(),
            username: None,
            password: None,
            db: None,
            #[cfg(feature = "rustls")]
            tls: false,
            #[cfg(feature = "rustls")]
            certificates: Certificates::default(),
            command_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            test_clock: false,
        }
    }

    /// The prefix of this application's keys, so that several applications can share a server; `taskora` by default.
    /// 1 to 100 bytes, without braces and control characters.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The user; overrides the URL's. `docs/redis.md` lists the permissions that it needs.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password; overrides the URL's.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The number of the database; overrides the URL's. 0 by default.
    #[must_use]
    pub const fn db(mut self, db: i64) -> Self {
        self.db = Some(db);
        self
    }

    /// Connects with TLS to the servers that [sentinels](Self::sentinel) name. A server's own URL asks for TLS with
    /// `rediss://`.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub const fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Trusts these root certificates (PEM) instead of the system's, for a server whose certificate comes from a private
    /// certificate authority.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Presents this certificate (PEM, with its chain) and its private key (PEM) to a server that requires client
    /// certificates.
    ///
    /// ```no_run
    /// use taskora_redis::RedisConfig;
    ///
    /// # fn example() -> std::io::Result<()> {
    /// let config = RedisConfig::new("rediss://redis.internal:6380")
    ///     .root_certificates(std::fs::read("ca.pem")?)
    ///     .client_certificate(std::fs::read("client.pem")?, std::fs::read("client.key")?);
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((certificate.into(), key.into()));
        self
    }

    /// How long a call may take in total, including reconnects and repeats, before it fails with
    /// [`AdapterError::Unavailable`]; one second by default, more than zero. A call with payloads or results has another
    /// second for each MiB of them.
    #[must_use]
    pub const fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// How long one attempt to connect may take, until the server has answered the first commands; one second by
    /// default, more than zero. It may be longer than a call's limit: an attempt goes on after the call that began it has
    /// failed.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For tests: the scripts add the offset of [`RedisAdapter::shift_clock`](crate::RedisAdapter::shift_clock) to the
    /// server's time. Every adapter of the namespace must be built with it.
    #[doc(hidden)]
    #[must_use]
    pub const fn test_clock(mut self) -> Self {
        self.test_clock = true;
        self
    }

    /// The configuration, checked.
    pub(crate) fn check(self) -> Result<Settings, AdapterError> {
        let servers: Vec<_> =
            self.servers.iter().cloned().collect::<Result<_, _>>().map_err(AdapterError::Config)?;
        let is_usable = |c: char| !c.is_control() && c != '{' && c != '}';
        if !(1..=100).contains(&self.namespace.len()) || !self.namespace.chars().all(is_usable) {
            return Err(AdapterError::Config(
                "a namespace must have 1 to 100 bytes, without braces and control characters".to_owned(),
            ));
        }
        for (name, timeout) in
            [("command_timeout", self.command_timeout), ("connect_timeout", self.connect_timeout)]
        {
            if timeout.is_zero() {
                return Err(AdapterError::Config(format!(
                    "with a `{name}` of zero nothing can succeed; give it a second or so"
                )));
            }
        }
        let Reach { address, route, sentinels } = self.reach(servers).map_err(AdapterError::Config)?;
        let keys = crate::keys::Keys::new(&self.namespace);
        let username = match &sentinels {
            Some(sentinels) => sentinels.username(),
            None => route
                .target(0)
                .and_then(|target| target.server.redis_settings().username().map(str::to_owned)),
        };
        let db = self.db.or_else(|| route.target(0).map(|target| target.server.redis_settings().db()));
        let place = match db {
            None | Some(0) => u8::from(self.test_clock).to_string(),
            Some(db) => format!("{} {db}", u8::from(self.test_clock)),
        };
        Ok(Settings {
            address,
            route: Arc::new(route),
            sentinels: sentinels.map(Arc::new),
            follower: Follower::default(),
            user: User::new(username, keys.prefix()),
            keys,
            namespace: self.namespace,
            command_timeout: self.command_timeout,
            connect_timeout: self.connect_timeout,
            place,
            advice: Advice::default(),
            functions: AtomicBool::new(true),
            process: Process::new(),
            searches: Searches::default(),
            is_cluster: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.servers.iter().map(|server| server.as_ref().map(shown)).collect();
        f.debug_struct("RedisConfig")
            .field("address", &addresses)
            .field("sentinel", &self.master)
            .field("namespace", &self.namespace)
            .field("db", &self.db)
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_in_no_debug_output_and_no_error() {
        let config = RedisConfig::new("redis://user:hush@example.org:6380/3").password("hush");
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
        let settings = config.check().expect("a valid configuration");
        assert_eq!(settings.address, "example.org:6380/3");
        let error = RedisConfig::new("rdis://user:hush@example.org").check().err().expect("a bad URL");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[cfg(feature = "rustls")]
    #[tokio::test]
    async fn tls_needs_no_choice_of_cryptography_from_the_program() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("rediss://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let error = crate::RedisAdapter::connect(url).await.expect_err("nobody speaks TLS there");
        assert!(matches!(error, AdapterError::Unavailable { .. }), "{error}");
    }

    #[test]
    fn builders_win_over_the_url() {
        let settings =
            RedisConfig::new("redis://:old@localhost/1").password("new").db(2).check().expect("valid");
        let target = settings.route.target(0).expect("a server");
        let redis = target.server.redis_settings();
        assert_eq!((redis.password(), redis.db()), (Some("new"), 2));
    }

    #[test]
    fn sentinels_keep_their_own_user_and_the_master_gets_the_configured_one() {
        let sentinels = ["redis://watch:hush@a:1", "redis://[::1]:2"];
        let config = RedisConfig::sentinel(sentinels, "main").username("app").password("hush").db(3);
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
        let settings = config.check().expect("valid");
        assert_eq!(settings.address, "main/3 (sentinels a:1, [::1]:2)");
        let pattern = settings.sentinels.as_ref().expect("sentinels").pattern().redis_settings().clone();
        assert_eq!((pattern.username(), pattern.password(), pattern.db()), (Some("app"), Some("hush"), 3));
        let said = |config: RedisConfig| config.check().err().expect("an error").to_string();
        assert!(said(RedisConfig::sentinel(["redis://a:1/2"], "main")).contains("no databases"));
        assert!(said(RedisConfig::sentinel([""; 0], "main")).contains("at least one sentinel"));
        assert!(said(RedisConfig::sentinel(["redis://a:1"], "")).contains("name of the master"));
    }

    #[test]
    fn timeouts_of_zero_are_refused_and_bytes_take_time() {
        let config = || RedisConfig::new("redis://localhost");
        for config in [config().command_timeout(Duration::ZERO), config().connect_timeout(Duration::ZERO)] {
            assert!(matches!(config.check().err(), Some(AdapterError::Config(_))));
        }
        let settings = config().check().expect("valid");
        assert_eq!(settings.limit(1 << 19), Duration::from_secs(1));
        assert_eq!(settings.limit(8 << 20), Duration::from_secs(9));
    }

    #[test]
    fn a_namespace_that_would_break_the_hash_tag_is_refused() {
        for namespace in ["", "a}b", "{", "a\nb"] {
            let error = RedisConfig::new("redis://localhost").namespace(namespace).check().err();
            assert!(matches!(error, Some(AdapterError::Config(_))), "{namespace}");
        }
    }
}
