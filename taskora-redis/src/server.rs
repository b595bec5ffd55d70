//! The handshake: is the server new enough, is it set up for a queue, and which version wrote the namespace.

use std::sync::atomic::Ordering;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use taskora::AdapterError;

use crate::access::{is_denied, is_unknown_command, message_of};
use crate::answer::{exactly, nonsense, number, text};
use crate::call::Try;
use crate::fault::is_unknown;
use crate::library::{self, refuses_functions};
use crate::process::check_level;
use crate::scripts::SCRIPTS;
use crate::server_warnings::{self, ServerWarning, field};
use crate::settings::Settings;

/// The version of the wire format that this crate writes: keys, packed values and scripts. `docs/wire-format.md` says
/// when it changes.
pub const WIRE_VERSION: u32 = 1;
/// The oldest version that this crate can share a namespace with.
pub const MIN_WIRE_VERSION: u32 = 1;

/// The oldest Redis whose scripts can do what taskora's need.
const OLDEST_REDIS: u32 = 7;

/// Checks the server, and signs the namespace or reads its signature. Cheap enough for every connection, so that a server
/// that came back empty is signed again.
pub(crate) async fn handshake(
    connection: &mut MultiplexedConnection,
    settings: &Settings,
    judged: impl Fn(RedisError) -> AdapterError + Copy,
) -> Result<(), AdapterError> {
    let about = About::learn(connection, judged).await?;
    if let Some(version) = &about.version {
        check_version(version)?;
    }
    settings.is_cluster.store(about.is_cluster, Ordering::Relaxed);
    settings.advice.learn(about.warnings, &settings.address);

    let server = about.history.unwrap_or_default();
    let answer = shake_hands(connection, settings, &server, judged).await?;
    let [version, min, writer, level, raised_by] = exactly(answer, "the namespace's signature")?;
    let signature = Signature {
        version: text(version, "the wire version")?,
        min: text(min, "the oldest wire version")?,
        writer: text(writer, "the writer")?,
    };
    signature.check(&settings.namespace)?;
    check_level(number(&level, "the level")?, &text(raised_by, "who raised the level")?)
}

/// Calls the handshake, after loading the library if the server does not have it. If the server refuses functions, each
/// command is a script from then on.
async fn shake_hands(
    connection: &mut MultiplexedConnection,
    settings: &Settings,
    server: &str,
    judged: impl Fn(RedisError) -> AdapterError,
) -> Result<Value, AdapterError> {
    let about = settings.process.about();
    let script = &SCRIPTS.handshake;
    let mut has_loaded = false;
    loop {
        let how = Try { with_source: true, ..Try::default() };
        let cmd = settings.call(script, how, |call, _| {
            call.put("version", WIRE_VERSION).put("min", MIN_WIRE_VERSION);
            call.put("writer", concat!("taskora ", env!("CARGO_PKG_VERSION"))).put("server", server);
            call.put("process", &settings.process.name).put("about", &about);
        });
        let error = match crate::call::ask(connection, script.name, &cmd).await.map_err(&judged)? {
            Value::ServerError(error) => error,
            answer => return Ok(answer),
        };
        if settings.has_functions() && !has_loaded && is_unknown(error.code(), error.details()) {
            library::load(connection, settings, &settings.address).await?;
            has_loaded = true;
        } else if settings.has_functions() && refuses_functions(error.code(), error.details()) {
            settings.give_up_functions(error.details().unwrap_or_default());
        } else {
            return Err(judged(error.into()));
        }
    }
}

/// Asks the server that sentinels have named whether it is a master. Without the permission to ask, the sentinels are
/// trusted.
pub(crate) async fn check_role(
    connection: &mut MultiplexedConnection,
    address: &str,
) -> Result<Result<(), AdapterError>, RedisError> {
    let role = match crate::call::ask(connection, "role", &redis::cmd("ROLE")).await? {
        Value::Array(values) => values.into_iter().next().and_then(|role| text(role, "a role").ok()),
        _ => None,
    };
    Ok(match role.as_deref() {
        None | Some("master") => Ok(()),
        Some(role) => Err(AdapterError::Unavailable {
            address: address.to_owned(),
            message: format!("the sentinels name it as the master, and it says that it is a {role}"),
        }),
    })
}

/// What a server says about itself.
struct About {
    version: Option<String>,
    is_cluster: bool,
    warnings: Vec<ServerWarning>,
    /// The server's replication id, which identifies the history of its data.
    history: Option<String>,
}

impl About {
    /// `INFO` returns everything. Hardened and managed servers refuse or rename it; then `HELLO`, which every user may send,
    /// returns the version and the mode.
    async fn learn(
        connection: &mut MultiplexedConnection,
        judged: impl Fn(RedisError) -> AdapterError + Copy,
    ) -> Result<Self, AdapterError> {
        let mut cmd = redis::cmd("INFO");
        cmd.arg("server").arg("memory").arg("persistence").arg("replication");
        let refusal = match crate::call::ask(connection, "info", &cmd).await.map_err(judged)? {
            Value::ServerError(error) => {
                let error = RedisError::from(error);
                if !is_denied(&error) && !is_unknown_command(&error) {
                    return Err(judged(error));
                }
                message_of(&error)
            }
            answer => {
                let info = match answer {
                    Value::VerbatimString { text, .. } => text,
                    other => text(other, "the answer to INFO")?,
                };
                if let Some(about) = Self::from_info(&info) {
                    return Ok(about);
                }
                "it names no `redis_version`".to_owned()
            }
        };
        let hello = crate::call::ask(connection, "hello", &redis::cmd("HELLO")).await.map_err(judged)?;
        let fields = fields_of(hello);
        let find = |name: &str| {
            let mut fields = fields.iter();
            fields.find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let version = find("version");
        Ok(Self {
            is_cluster: find("mode").as_deref() == Some("cluster"),
            history: None,
            warnings: vec![ServerWarning::Unchecked { version: version.clone(), refusal }],
            version,
        })
    }

    fn from_info(info: &str) -> Option<Self> {
        Some(Self {
            version: Some(field(info, "redis_version")?.to_owned()),
            is_cluster: field(info, "redis_mode").or_else(|| field(info, "server_mode")) == Some("cluster"),
            warnings: server_warnings::read(info),
            history: field(info, "master_replid").map(str::to_owned),
        })
    }
}

/// The strings of a map, which a connection without RESP3 gets as an array.
fn fields_of(answer: Value) -> Vec<(String, String)> {
    let pairs = match answer {
        Value::Map(pairs) => pairs,
        Value::Array(values) => {
            let mut values = values.into_iter();
            std::iter::from_fn(|| Some((values.next()?, values.next()?))).collect()
        }
        _ => Vec::new(),
    };
    let texts = |(name, value)| Some((text(name, "a name").ok()?, text(value, "a value").ok()?));
    pairs.into_iter().filter_map(texts).collect()
}

fn check_version(version: &str) -> Result<(), AdapterError> {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_REDIS => Ok(()),
        Some(_) => Err(AdapterError::Config(format!(
            "the server is Redis {version}, which is too old; use Redis {OLDEST_REDIS}.0 or newer"
        ))),
        None => Err(nonsense(format!("the server names an odd version: {version}"))),
    }
}

/// The signature of a namespace.
struct Signature {
    version: String,
    min: String,
    writer: String,
}

impl Signature {
    /// Each side names the oldest version that it accepts; both must agree.
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
    fn a_node_of_a_cluster_says_so_in_its_info_and_in_its_greeting() {
        let is_cluster = |info: &str| About::from_info(info).map(|about| about.is_cluster);
        assert_eq!(is_cluster("redis_version:7.0.15\r\nredis_mode:cluster\r\n"), Some(true));
        assert_eq!(is_cluster("redis_version:7.0.15\r\nredis_mode:standalone\r\n"), Some(false));
        assert_eq!(is_cluster("# Server\r\n"), None, "it says nothing");
        let text = |text: &str| Value::BulkString(text.into());
        let fields =
            [text("proto"), Value::Int(2), text("mode"), text("cluster"), text("version"), text("9.1.2")];
        let expected = [("mode", "cluster"), ("version", "9.1.2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(fields_of(Value::Array(fields.to_vec())), expected);
    }

    #[test]
    fn an_old_server_is_named() {
        assert!(check_version("7.0.15").is_ok());
        let error = check_version("6.2.1").expect_err("too old").to_string();
        assert!(error.contains("6.2.1"), "{error}");
    }
}
