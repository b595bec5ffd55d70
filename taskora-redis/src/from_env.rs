//! Redis if the environment names one, otherwise memory.

use std::env::{self, VarError};
use std::fmt;
use std::sync::Arc;

use taskora::adapter::{Adapter, Forward};
use taskora::{AdapterError, MemoryAdapter};

use crate::{RedisAdapter, RedisConfig};

/// The adapter that [`from_env_or_memory`] has chosen.
#[derive(Clone)]
pub struct EnvAdapter(Arc<dyn Adapter>);

/// Shows the adapter itself.
impl fmt::Debug for EnvAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Forward for EnvAdapter {
    fn inner(&self) -> &dyn Adapter {
        &*self.0
    }
}

/// Connects to the Redis that the environment names. If it names none, jobs and schedules are kept in memory, and a warning says so:
/// then only this process sees them, and they end with it.
///
/// | variable | |
/// |---|---|
/// | `REDIS_URL` | as [`RedisConfig::new`] takes it |
/// | `REDIS_HOST`, `REDIS_PORT` | the server, if there is no `REDIS_URL`; the port is 6379 by default |
/// | `REDIS_USERNAME`, `REDIS_PASSWORD` | with either of these |
/// | `REDIS_ENABLED` | `false`, `off`, `no` or `0`: memory, whatever the others say |
///
/// An empty variable counts as not set.
///
/// ```
/// use taskora::App;
///
/// # async fn example() -> taskora::Result<()> {
/// let app = App::new(taskora_redis::from_env_or_memory().await?);
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`AdapterError::Config`] for a variable that cannot be read, otherwise as [`RedisAdapter::connect`]: a Redis that is named is never
/// replaced by memory.
pub async fn from_env_or_memory() -> Result<EnvAdapter, AdapterError> {
    match config(read)? {
        Some(config) => Ok(EnvAdapter(Arc::new(RedisAdapter::connect(config).await?))),
        None => {
            tracing::warn!("no Redis configured: jobs and schedules live in this process only");
            Ok(EnvAdapter(Arc::new(MemoryAdapter::new())))
        }
    }
}

fn read(variable: &str) -> Result<Option<String>, AdapterError> {
    match env::var(variable) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(AdapterError::Config(format!("`{variable}` is not UTF-8"))),
    }
}

/// `None`: memory.
fn config(
    read: impl Fn(&str) -> Result<Option<String>, AdapterError>,
) -> Result<Option<RedisConfig>, AdapterError> {
    let is_off = |value: String| ["false", "off", "no", "0"].contains(&value.to_lowercase().as_str());
    if read("REDIS_ENABLED")?.is_some_and(is_off) {
        return Ok(None);
    }
    let url = match (read("REDIS_URL")?, read("REDIS_HOST")?) {
        (Some(url), _) => url,
        (None, Some(host)) => {
            let port = read("REDIS_PORT")?.unwrap_or_else(|| "6379".to_owned());
            let port: u16 = port
                .parse()
                .map_err(|_| AdapterError::Config(format!("`REDIS_PORT` is not a port: `{port}`")))?;
            // an IPv6 address
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
            format!("redis://{host}:{port}")
        }
        (None, None) => return Ok(None),
    };
    let mut config = RedisConfig::new(url);
    if let Some(username) = read("REDIS_USERNAME")? {
        config = config.username(username);
    }
    if let Some(password) = read("REDIS_PASSWORD")? {
        config = config.password(password);
    }
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use taskora::App;
    use taskora_test_server::RedisServer;

    use super::*;

    /// The address that this environment names.
    fn address(variables: &[(&str, &str)]) -> Result<Option<String>, AdapterError> {
        let read = |wanted: &str| {
            let found = variables.iter().find(|(name, value)| *name == wanted && !value.is_empty());
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        let adapter = config(read)?.map(RedisAdapter::lazy).transpose()?;
        Ok(adapter.map(|adapter| adapter.inner.settings().address.to_string()))
    }

    #[test]
    fn the_environment_names_a_server_or_none() {
        let url = ("REDIS_URL", "redis://a:7000");
        let host = ("REDIS_HOST", "b");
        for (variables, expected) in [
            (&[][..], None),
            (&[url], Some("a:7000")),
            (&[host], Some("b:6379")),
            (&[host, ("REDIS_PORT", "7001")], Some("b:7001")),
            (&[("REDIS_HOST", "::1")], Some("[::1]:6379")),
            (&[url, host], Some("a:7000")),
            (&[url, ("REDIS_ENABLED", "true")], Some("a:7000")),
            (&[url, ("REDIS_ENABLED", "False")], None),
            (&[url, ("REDIS_ENABLED", "0")], None),
            (&[("REDIS_PORT", "7001")], None),
        ] {
            assert_eq!(address(variables).expect("an address").as_deref(), expected, "{variables:?}");
        }
        let error = address(&[host, ("REDIS_PORT", "x")]).expect_err("no port");
        assert!(error.to_string().contains("`REDIS_PORT` is not a port: `x`"), "{error}");
        assert!(address(&[("REDIS_URL", "nonsense")]).is_err());
    }

    #[tokio::test]
    async fn a_user_and_a_password_of_the_environment_are_used() {
        let server = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
        server.command(&["ACL", "SETUSER", "ann", "on", ">secret", "~*", "&*", "+@all"]).expect("a user");
        let url = server.url();
        let connect = async |password: &'static str| {
            let read = |wanted: &str| {
                Ok(match wanted {
                    "REDIS_URL" => Some(url.clone()),
                    "REDIS_USERNAME" => Some("ann".to_owned()),
                    "REDIS_PASSWORD" => Some(password.to_owned()),
                    _ => None,
                })
            };
            RedisAdapter::connect(config(read).expect("a configuration").expect("a server")).await
        };
        assert!(connect("secret").await.is_ok());
        assert!(matches!(connect("wrong").await, Err(AdapterError::Config(_))));
    }

    #[tokio::test]
    async fn what_was_chosen_is_an_adapter() {
        for (adapter, is_remote) in [
            (EnvAdapter(Arc::new(MemoryAdapter::new())), false),
            (EnvAdapter(Arc::new(RedisAdapter::lazy("redis://a").expect("an address"))), true),
        ] {
            assert_eq!(adapter.inspection().is_remote(), is_remote);
            let _ = App::new(adapter);
        }
    }
}
