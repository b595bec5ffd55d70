//! What an error of the connection means, and how long to wait before another try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use redis::RedisError;
use taskora::AdapterError;

/// What to do about an error.
pub(crate) enum Verdict {
    /// The script is not loaded: send its source.
    SendSource,
    /// The connection is of no use any more: try on a new one.
    Reconnect(AdapterError),
    /// The server is busy with itself: try again on the same connection.
    TryLater(AdapterError),
    /// Trying again changes nothing.
    GiveUp(AdapterError),
}

/// Judges an error that a server at `address` gave.
pub(crate) fn judge(error: &RedisError, address: &str) -> Verdict {
    let message = error.to_string();
    let unavailable = || AdapterError::Unavailable { address: address.to_owned(), message: message.clone() };
    match error.code() {
        Some("NOSCRIPT") => Verdict::SendSource,
        Some("OOM") => Verdict::GiveUp(AdapterError::Full { address: address.to_owned(), message }),
        Some("LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN") => {
            Verdict::TryLater(unavailable())
        }
        Some("READONLY") => Verdict::Reconnect(unavailable()),
        Some("MISCONF") => Verdict::GiveUp(unavailable()),
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Verdict::GiveUp(AdapterError::Config(format!(
            "the server at `{address}` refuses access ({message}); check user, password and permissions"
        ))),
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => Verdict::GiveUp(AdapterError::Config(
            format!("the server at `{address}` refuses access ({message}); check user and password"),
        )),
        _ if error.is_io_error() || error.is_unrecoverable_error() || error.is_timeout() => {
            Verdict::Reconnect(unavailable())
        }
        _ => Verdict::GiveUp(AdapterError::Protocol(message)),
    }
}

/// The same error once more, for everybody whose call went with one that failed.
pub(crate) fn again(error: &AdapterError) -> AdapterError {
    match error {
        AdapterError::Unavailable { address, message } => {
            AdapterError::Unavailable { address: address.clone(), message: message.clone() }
        }
        AdapterError::Full { address, message } => {
            AdapterError::Full { address: address.clone(), message: message.clone() }
        }
        AdapterError::Incompatible(message) => AdapterError::Incompatible(message.clone()),
        AdapterError::Config(message) => AdapterError::Config(message.clone()),
        AdapterError::Protocol(message) => AdapterError::Protocol(message.clone()),
        other => AdapterError::Protocol(other.to_string()),
    }
}

/// How long to wait after so many failures in a row: 10 ms doubling to half a second, half of it random, so that
/// many clients do not come back together.
pub(crate) fn pause(failures: u32) -> Duration {
    let longest = 10u64.saturating_mul(1 << failures.min(6)).min(500);
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_half_a_second() {
        assert!(pause(0) <= Duration::from_millis(10));
        for failures in 0..100 {
            let pause = pause(failures);
            assert!(pause >= Duration::from_millis(5) && pause <= Duration::from_millis(500), "{pause:?}");
        }
        assert!(pause(50) >= Duration::from_millis(250));
    }
}
