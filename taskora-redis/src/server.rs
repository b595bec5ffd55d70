//! The first words with a server: is it new enough, is it set up for a queue, and whose is the namespace.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use taskora::AdapterError;

use crate::advice::field;
use crate::answer::{exactly, nonsense, text};
use crate::config::Settings;
use crate::scripts::SCRIPTS;

/// The version of the wire format that this crate writes: keys, packed values and scripts. `docs/wire-format.md` says
/// when it changes.
pub const WIRE_VERSION: u32 = 1;
/// The oldest version that this crate can share a namespace with.
pub const MIN_WIRE_VERSION: u32 = 1;

/// The oldest Redis whose scripts can do what ours need.
const OLDEST_REDIS: u32 = 7;

/// Checks the server and signs the namespace, or reads its signature. Cheap enough for every connection, so that a
/// server that came back empty is signed again.
pub(crate) async fn greet(
    connection: &mut MultiplexedConnection,
    settings: &Settings,
    judged: impl Fn(RedisError) -> AdapterError + Copy,
) -> Result<(), AdapterError> {
    let mut ask = async |name, cmd: &Cmd| match crate::link::ask(connection, name, cmd).await {
        Ok(Value::ServerError(error)) => Err(judged(error.into())),
        Ok(value) => Ok(value),
        Err(error) => Err(judged(error)),
    };
    let mut cmd = redis::cmd("INFO");
    cmd.arg("server").arg("memory").arg("persistence");
    let info = match ask("info", &cmd).await? {
        Value::VerbatimString { text, .. } => text,
        other => text(other, "the answer to INFO")?,
    };
    check_version(&info)?;
    settings.advice.learn(&info, &settings.address);

    let mut cmd = redis::cmd("EVAL");
    cmd.arg(&SCRIPTS.handshake.source).arg(1).arg(settings.keys.prefix());
    cmd.arg("0").arg(WIRE_VERSION).arg(MIN_WIRE_VERSION).arg(concat!("taskora ", env!("CARGO_PKG_VERSION")));
    let [version, min, writer] = exactly(ask("handshake", &cmd).await?, "the namespace's signature")?;
    let signature = Signature {
        version: text(version, "the wire version")?,
        min: text(min, "the oldest wire version")?,
        writer: text(writer, "the writer")?,
    };
    signature.check(&settings.namespace)
}

fn check_version(info: &str) -> Result<(), AdapterError> {
    let version = field(info, "redis_version").ok_or_else(|| nonsense("INFO names no `redis_version`"))?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_REDIS => Ok(()),
        Some(_) => Err(AdapterError::Config(format!(
            "the server is Redis {version}, which is too old; use Redis {OLDEST_REDIS}.0 or newer"
        ))),
        None => Err(nonsense(format!("INFO names an odd `redis_version`: {version}"))),
    }
}

/// How a namespace is signed.
struct Signature {
    version: String,
    min: String,
    writer: String,
}

impl Signature {
    /// Each side names the oldest version it can live with; both must be content.
    fn check(&self, namespace: &str) -> Result<(), AdapterError> {
        let ours = format!(
            "this process writes wire version {WIRE_VERSION} and accepts {MIN_WIRE_VERSION} or newer"
        );
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number >= 1);
        let (Some(version), Some(min)) = (number(&self.version), number(&self.min)) else {
            return Err(AdapterError::Incompatible(format!(
                "the namespace `{namespace}` has no readable signature (version `{}`, oldest `{}`); {ours}; \
                 use another namespace, or remove what is in this one",
                self.version, self.min
            )));
        };
        let theirs = format!(
            "the namespace `{namespace}` was written by `{}` with wire version {version} and accepts {min} or newer",
            self.writer
        );
        if min > version {
            return Err(AdapterError::Incompatible(format!("{theirs}, which makes no sense; {ours}")));
        }
        if version < MIN_WIRE_VERSION {
            return Err(AdapterError::Incompatible(format!(
                "{theirs}; {ours}; upgrade the namespace, or use another one"
            )));
        }
        if WIRE_VERSION < min {
            return Err(AdapterError::Incompatible(format!("{theirs}; {ours}; use a newer taskora-redis")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, min: &str) -> Result<(), String> {
        let signature = Signature { version: version.into(), min: min.into(), writer: "taskora 9".into() };
        signature.check("ns").map_err(|error| error.to_string())
    }

    #[test]
    fn s268_our_own_signature_is_fine_and_so_is_a_newer_one_that_accepts_us() {
        assert_eq!(check(&WIRE_VERSION.to_string(), &MIN_WIRE_VERSION.to_string()), Ok(()));
        assert_eq!(check("99", "1"), Ok(()));
    }

    #[test]
    fn s270_one_that_dropped_us_is_refused_with_both_sides() {
        let error = check("99", "99").expect_err("it accepts 99 only");
        assert!(error.contains("wire version 99") && error.contains("wire version 1"), "{error}");
    }

    #[test]
    fn s271_garbage_is_refused() {
        for (version, min) in [("0", "0"), ("1", "2"), ("x", "1"), ("1.5", "1"), ("", "")] {
            assert!(check(version, min).is_err(), "{version} {min}");
        }
    }

    #[test]
    fn an_old_server_is_named() {
        assert!(check_version("redis_version:7.0.15\r\n").is_ok());
        let error = check_version("redis_version:6.2.1\r\n").expect_err("too old").to_string();
        assert!(error.contains("6.2.1"), "{error}");
    }
}
