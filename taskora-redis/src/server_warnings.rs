//! Warnings about a server's settings: read when connecting, logged, and kept as data.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A setting of the server under which accepted jobs can be lost. Each is logged once, as a `tracing` event at level `WARN`
/// with the fields `address` and `warning` ([`ServerWarning::code`]).
/// [`RedisAdapter::warnings`](crate::RedisAdapter::warnings) returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerWarning {
    /// `maxmemory-policy` is not `noeviction`: when its memory is full, the server deletes keys, jobs among them.
    Evicts {
        /// The current policy.
        policy: String,
    },
    /// `appendonly` is `no`: a crash of the server loses all jobs since its last snapshot, if it makes any.
    NoAppendOnlyFile,
    /// The server does not answer `INFO`, so these settings are unknown.
    Unchecked {
        /// Its version, if known; otherwise the adapter assumes that it is new enough.
        version: Option<String>,
        /// The server's error.
        refusal: String,
    },
}

impl ServerWarning {
    /// A short name that does not change, for filters and alerts: `evicts`, `no-append-only-file`, `unchecked`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Evicts { .. } => "evicts",
            Self::NoAppendOnlyFile => "no-append-only-file",
            Self::Unchecked { .. } => "unchecked",
        }
    }
}

/// What can happen, and what to set.
impl fmt::Display for ServerWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts { policy } => write!(
                f,
                "Redis may throw jobs away when its memory is full (`maxmemory-policy {policy}`); set it to `noeviction`"
            ),
            Self::NoAppendOnlyFile => f.write_str(
                "Redis keeps no append-only file, so a crash of the server loses accepted jobs; set `appendonly yes`",
            ),
            Self::Unchecked { version, refusal } => {
                let version = if version.is_some() { "" } else { "its version, " };
                write!(
                    f,
                    "Redis does not answer `INFO` ({refusal}), so {version}`maxmemory-policy` and `appendonly` could not be \
                     checked; allow it with `+info`, or make sure of Redis 7.0 or newer, `maxmemory-policy noeviction` and \
                     `appendonly yes`"
                )
            }
        }
    }
}

/// What is known about the server, as of the newest connection.
#[derive(Default)]
pub(crate) struct Advice {
    warnings: Mutex<Vec<ServerWarning>>,
}

impl Advice {
    pub(crate) fn warnings(&self) -> Vec<ServerWarning> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores the warnings that were found, and logs the new ones.
    pub(crate) fn learn(&self, found: Vec<ServerWarning>, address: &str) {
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in found.iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!(address, warning = warning.code(), "{warning}");
        }
        *known = found;
    }
}

/// The warnings in the answer to `INFO`.
pub(crate) fn read(info: &str) -> Vec<ServerWarning> {
    let mut warnings = Vec::new();
    if let Some(policy) = field(info, "maxmemory_policy").filter(|policy| *policy != "noeviction") {
        warnings.push(ServerWarning::Evicts { policy: policy.to_owned() });
    }
    if field(info, "aof_enabled") == Some("0") {
        warnings.push(ServerWarning::NoAppendOnlyFile);
    }
    warnings
}

/// A field of the answer to `INFO`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_own_warning() {
        let evicts = ServerWarning::Evicts { policy: "allkeys-lru".into() };
        for (info, expected) in [
            ("maxmemory_policy:noeviction\r\naof_enabled:1\r\n", vec![]),
            ("maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", vec![evicts.clone()]),
            ("maxmemory_policy:noeviction\r\naof_enabled:0\r\n", vec![ServerWarning::NoAppendOnlyFile]),
            (
                "aof_enabled:0\r\nmaxmemory_policy:allkeys-lru\r\n",
                vec![evicts, ServerWarning::NoAppendOnlyFile],
            ),
            ("", vec![]),
        ] {
            assert_eq!(read(info), expected, "{info}");
        }
    }
}
