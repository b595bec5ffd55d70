//! Permissions: what the user needs, and the errors when the server refuses something.

use redis::RedisError;
use taskora::AdapterError;

/// The common part of both lines.
macro_rules! commands {
    ($calls:literal) => {
        concat!(
            "+@hash +@list +@set +@sortedset +@stream +@string +@keyspace -@dangerous ",
            $calls,
            " +time +memory|usage +publish +subscribe +client|id +client|unblock +info"
        )
    };
}

/// The commands that the store's user needs, as arguments of `ACL SETUSER`; `docs/redis.md` explains each. A test runs
/// everything with exactly these, and shows that none can be left out.
pub const ACL_COMMANDS: &str = commands!("+fcall +function|load");

/// The same for a user who may not use functions: each command is a script.
pub const ACL_SCRIPT_COMMANDS: &str = commands!("+eval +evalsha");

/// What a user for the sentinels needs.
pub(crate) const ACL_SENTINEL: &str = "&+switch-master +sentinel|get-master-addr-by-name +subscribe";

/// The adapter's user on the server.
pub(crate) struct User {
    name: String,
    prefix: String,
}

impl User {
    pub(crate) fn new(name: Option<String>, prefix: &str) -> Self {
        Self { name: name.unwrap_or_else(|| "default".to_owned()), prefix: prefix.to_owned() }
    }

    /// The error if the server at `address` has refused something that is required.
    pub(crate) fn is_refused(&self, address: &str, message: &str) -> AdapterError {
        let Self { name, prefix } = self;
        AdapterError::Config(format!(
            "the server at `{address}` does not give its user `{name}` all rights that taskora needs ({message}); \
             run `ACL SETUSER {name} ~{prefix}* &{prefix}* {ACL_COMMANDS}`"
        ))
    }
}

/// Whether a user lacks a permission. Scripts and functions report that in different words.
pub(crate) fn is_denied(error: &RedisError) -> bool {
    let message = error.to_string();
    error.code() == Some("NOPERM")
        || ["NOPERM", "ACL failure in script", "The user executing the script can't"]
            .iter()
            .any(|words| message.contains(words))
}

/// Whether a server has no such command: it is renamed, disabled, or newer than the server.
pub(crate) fn is_unknown_command(error: &RedisError) -> bool {
    let message = error.to_string();
    ["unknown command", "Unknown Redis command", "Unknown command called from script"]
        .iter()
        .any(|words| message.contains(words))
}

/// An error's message, without the arguments that servers quote from an unknown command: they may contain passwords.
pub(crate) fn message_of(error: &RedisError) -> String {
    let message = error.to_string();
    match message.split_once(", with args beginning with") {
        Some((message, _)) => message.to_owned(),
        None => message,
    }
}
