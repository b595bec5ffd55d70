//! Where Redis is, and how to speak with it.

use std::fmt;
use std::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo};
use taskora::AdapterError;

use crate::advice::Advice;
use crate::route::Route;

/// How to connect, and what to call things, for [`RedisAdapter::connect`](crate::RedisAdapter::connect), which takes a URL, too, and
/// [`RedisAdapter::lazy`](crate::RedisAdapter::lazy).
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
    servers: Vec<Result<ConnectionInfo, String>>,
    namespace: String,
    password: Option<String>,
    db: Option<i64>,
    command_timeout: Duration,
    connect_timeout: Duration,
    test_clock: bool,
}

/// As [`RedisConfig::new`], for `RedisAdapter::connect("redis://…")`.
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
        Self::with_server(read(url.as_ref()))
    }

    /// One more server of the same Redis, as in [`RedisConfig::new`]: another node of its cluster, or the one that takes
    /// over when the first fails. Those that cannot be reached, are replicas or have lost their cluster are passed over; a
    /// node of a cluster that does not have the namespace's slot says which one does.
    #[must_use]
    pub fn node(mut self, url: impl AsRef<str>) -> Self {
        self.servers.push(read(url.as_ref()));
        self
    }

    /// A server by the `redis` crate's own description of it, for what a URL cannot say.
    #[must_use]
    pub fn from_connection_info(server: ConnectionInfo) -> Self {
        Self::with_server(Ok(server))
    }

    fn with_server(server: Result<ConnectionInfo, String>) -> Self {
        Self {
            servers: vec![server],
            namespace: "taskora".to_owned(),
            password: None,
            db: None,
            command_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            test_clock: false,
        }
    }

    /// What the keys of this application begin with, so that several can share a server; `taskora` by default.
    /// 1 to 100 bytes, without braces and control characters.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The password, instead of one in the URL.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The number of the database, instead of one in the URL; 0 by default.
    #[must_use]
    pub const fn db(mut self, db: i64) -> Self {
        self.db = Some(db);
        self
    }

    /// How long a call may take in all, reconnecting and repeating included, before it fails with
    /// [`AdapterError::Unavailable`]; one second by default, more than zero. A call that carries payloads or results has
    /// a second more for each MiB of them.
    #[must_use]
    pub const fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// How long one attempt to connect may take, until the server has answered the first commands; one second by
    /// default, more than zero. It may be longer than a call: an attempt goes on when the call that began it has failed.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For tests: the scripts add what [`RedisAdapter::shift_clock`](crate::RedisAdapter::shift_clock) has set to
    /// the server's time. Every adapter of the namespace must be built with it.
    #[doc(hidden)]
    #[must_use]
    pub const fn test_clock(mut self) -> Self {
        self.test_clock = true;
        self
    }

    /// The configuration, checked.
    pub(crate) fn check(self) -> Result<Settings, AdapterError> {
        let servers: Vec<_> =
            self.servers.into_iter().collect::<Result<_, _>>().map_err(AdapterError::Config)?;
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
        #[cfg(feature = "rustls")]
        choose_cryptography();
        let mine = |server: ConnectionInfo| {
            let mut redis = server.redis_settings().clone();
            if let Some(password) = &self.password {
                redis = redis.set_password(password);
            }
            if let Some(db) = self.db {
                redis = redis.set_db(db);
            }
            server.set_redis_settings(redis)
        };
        let addresses: Vec<_> = servers.iter().map(|server| server.addr().to_string()).collect();
        Ok(Settings {
            address: addresses.join(", "),
            route: Route::new(servers.into_iter().map(mine).collect()),
            keys: crate::keys::Keys::new(&self.namespace),
            namespace: self.namespace,
            command_timeout: self.command_timeout,
            connect_timeout: self.connect_timeout,
            test_clock: self.test_clock,
            advice: Advice::default(),
        })
    }
}

fn read(url: &str) -> Result<ConnectionInfo, String> {
    // the reason is kept to ourselves: it may quote the URL, and the URL may hold a password
    url.into_connection_info().map_err(|_| {
        let asks_for_tls = ["rediss://", "valkeys://"].iter().any(|scheme| url.trim().starts_with(scheme));
        if asks_for_tls && !cfg!(feature = "rustls") {
            "a URL with `rediss://` asks for TLS, which is not built in; add the feature `rustls` to `taskora-redis`"
        } else {
            "the Redis URL cannot be read; write it as `redis://[user:password@]host[:port][/db]`"
        }
        .to_owned()
    })
}

/// rustls leaves the choice of its cryptography to the program, and panics in the first connection of one that has made
/// none: unless the program has, it is ring.
#[cfg(feature = "rustls")]
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // whoever was faster has chosen as well
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |server: &ConnectionInfo| server.addr().to_string();
        let addresses: Vec<_> = self.servers.iter().map(|server| server.as_ref().map(address)).collect();
        f.debug_struct("RedisConfig")
            .field("address", &addresses)
            .field("namespace", &self.namespace)
            .field("db", &self.db)
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// A configuration that can work, and what is known of the server behind it.
pub(crate) struct Settings {
    /// Where the server is, or all that were configured; never with a password.
    pub(crate) address: String,
    pub(crate) route: Route,
    pub(crate) keys: crate::keys::Keys,
    pub(crate) namespace: String,
    pub(crate) command_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) test_clock: bool,
    pub(crate) advice: Advice,
}

impl Settings {
    /// How long a call may take that carries this many bytes of payloads and results.
    pub(crate) fn limit(&self, bytes: usize) -> Duration {
        self.command_timeout.saturating_add(Duration::from_secs((bytes >> 20) as u64))
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
        assert_eq!(settings.address, "example.org:6380");
        let error = RedisConfig::new("rdis://user:hush@example.org").check().err().expect("a bad URL");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_told_how_to_write_it() {
        let said = |url: &str| RedisConfig::new(url).check().err().map(|error| error.to_string());
        for url in
            ["localhost:6379", "", "http://localhost", "redis://localhost:99999", "redis://localhost/abc"]
        {
            assert!(said(url).is_some_and(|said| said.contains("`redis://[user:password@]host")), "{url}");
        }
        let tls = said("rediss://:hush@localhost");
        if cfg!(feature = "rustls") {
            assert_eq!(tls, None);
        } else {
            assert!(tls.is_some_and(|said| said.contains("feature `rustls`") && !said.contains("hush")));
        }
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
