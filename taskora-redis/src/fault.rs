//! What an error of the connection means, and how long to wait before another try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use redis::RedisError;
use taskora::AdapterError;

use crate::access::{User, is_denied, is_unknown_command, message_of};

/// What to do about an error.
pub(crate) enum Verdict {
    /// The script is not loaded: send its source.
    SendSource,
    /// The connection can no longer be used: try on a new one.
    Reconnect(AdapterError),
    /// Refused before anything was done; another server would accept it: find that server, and try there.
    Elsewhere(AdapterError),
    /// The server is not ready: try again on the same connection.
    TryLater(AdapterError),
    /// Trying again would not help.
    GiveUp(AdapterError),
}

/// Judges an error of the server at `address` for this user.
pub(crate) fn judge(error: &RedisError, address: &str, user: &User) -> Verdict {
    let message = message_of(error);
    let unavailable = || AdapterError::Unavailable { address: address.to_owned(), message: message.clone() };
    if is_unknown(error.code().unwrap_or_default(), error.detail()) {
        return Verdict::SendSource;
    }
    match error.code() {
        Some("OOM") => Verdict::GiveUp(AdapterError::Full { address: address.to_owned(), message }),
        // refused before anything was done: the server cannot save, has too few replicas, or is not ready yet.
        // `ASK` and `TRYAGAIN`: the slot is migrating, and a client that followed it would find only half of its keys
        Some("LOADING" | "BUSY" | "ASK" | "TRYAGAIN" | "MISCONF" | "NOREPLICAS") => {
            Verdict::TryLater(unavailable())
        }
        // the slot belongs to another node, the cluster is down, or the master has become a replica
        Some("MOVED" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "UNBLOCKED") => {
            Verdict::Elsewhere(unavailable())
        }
        Some("NOAUTH" | "WRONGPASS") => Verdict::GiveUp(AdapterError::Config(format!(
            "the server at `{address}` refuses access ({message}); check user and password"
        ))),
        // also for commands inside a script or a function
        _ if is_denied(error) => Verdict::GiveUp(user.is_refused(address, &message)),
        _ if is_unknown_command(error) => Verdict::GiveUp(AdapterError::Config(format!(
            "the server at `{address}` does not know a command that taskora needs ({message}); \
             give it its name back if it was renamed, and use Redis 7.0 or newer"
        ))),
        // the server sends this instead of an answer to the first command, then closes the connection
        _ if message.contains("max number of clients") => Verdict::Reconnect(unavailable()),
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => Verdict::GiveUp(AdapterError::Config(
            format!("the server at `{address}` refuses access ({message}); check user and password"),
        )),
        _ if error.is_io_error() || error.is_unrecoverable_error() || error.is_timeout() => {
            Verdict::Reconnect(unavailable())
        }
        _ => Verdict::GiveUp(AdapterError::Protocol(message)),
    }
}

/// Whether the server does not know the script or the function yet.
pub(crate) fn is_unknown(code: &str, detail: Option<&str>) -> bool {
    code == "NOSCRIPT" || detail.is_some_and(|detail| detail.contains("unction not found"))
}

/// Judges an error from opening a connection. The server's own errors are temporary then, unless it refuses access or the
/// database.
pub(crate) fn judge_opening(error: &RedisError, address: &str, user: &User) -> AdapterError {
    let message = message_of(error);
    match judge(error, address, user) {
        // the parser's own message is about bytes
        Verdict::Reconnect(_) if error.kind() == redis::ErrorKind::Parse => AdapterError::Unavailable {
            address: address.to_owned(),
            message: "what answers there does not speak Redis's protocol; check host and port, and whether it expects TLS (`rediss://`)".to_owned(),
        },
        // from the client itself, for an address that this build cannot use
        Verdict::GiveUp(AdapterError::Protocol(_))
            if matches!(
                error.kind(),
                redis::ErrorKind::InvalidClientConfig | redis::ErrorKind::RESP3NotSupported
            ) =>
        {
            AdapterError::Config(format!("the server at `{address}` cannot be used ({message})"))
        }
        Verdict::GiveUp(AdapterError::Protocol(_)) if message.contains("refused to switch database") => {
            AdapterError::Config(format!(
                "the server at `{address}` refuses the database ({message}); check its number"
            ))
        }
        Verdict::GiveUp(AdapterError::Protocol(_)) if error.code().is_some() => {
            AdapterError::Unavailable { address: address.to_owned(), message }
        }
        Verdict::Reconnect(error)
        | Verdict::Elsewhere(error)
        | Verdict::TryLater(error)
        | Verdict::GiveUp(error) => error,
        Verdict::SendSource => AdapterError::Protocol(message),
    }
}

/// A copy of the error, for all callers whose calls were batched with the failed one.
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

/// How long to wait after this many failures in a row: 10 ms doubling to half a second, half of it random, so that
/// many clients do not come back together.
pub(crate) fn pause(failures: u32) -> Duration {
    let longest = 10u64.saturating_mul(1 << failures.min(6)).min(500);
    Duration::from_millis(longest / 2 + random(longest / 2))
}

/// How long to wait before the first try after a connection was lost, because many others may have been lost at the same
/// time: a random time up to `longest`.
pub(crate) fn spread(longest: Duration) -> Duration {
    Duration::from_micros(random(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1)))
}

/// A random number from 0 to `last`.
fn random(last: u64) -> u64 {
    RandomState::new().build_hasher().finish() % (last + 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn user() -> User {
        User::new(Some("app".to_owned()), "{ns}:")
    }

    fn judge(error: &RedisError, address: &str) -> Verdict {
        super::judge(error, address, &user())
    }

    fn judge_opening(error: &RedisError, address: &str) -> AdapterError {
        super::judge_opening(error, address, &user())
    }

    pub(crate) fn said(line: &str) -> RedisError {
        match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an answer") {
            redis::Value::ServerError(error) => error.into(),
            other => panic!("{other:?} is no error"),
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        for line in ["MISCONF no disk", "NOREPLICAS too few", "LOADING a file", "BUSY with a script"] {
            assert!(
                matches!(judge(&said(line), "here"), Verdict::TryLater(error) if error.is_retryable()),
                "{line}"
            );
        }
        for line in ["ASK 42 b:7000", "TRYAGAIN some keys are gone"] {
            assert!(matches!(judge(&said(line), "here"), Verdict::TryLater(_)), "{line}");
        }
        for line in ["MOVED 42 b:7000", "CLUSTERDOWN no quorum", "READONLY a replica", "UNBLOCKED demoted"] {
            assert!(
                matches!(judge(&said(line), "here"), Verdict::Elsewhere(error) if error.is_retryable()),
                "{line}"
            );
        }
        assert!(matches!(judge(&said("ERR wrong type"), "here"), Verdict::GiveUp(AdapterError::Protocol(_))));
        for line in ["ERR max number of clients reached", "ERR something new", "LOADING a file"] {
            assert!(judge_opening(&said(line), "here").is_retryable(), "{line}");
        }
        for line in ["NOPERM no", "NOAUTH who", "WRONGPASS no"] {
            assert!(matches!(judge_opening(&said(line), "here"), AdapterError::Config(_)), "{line}");
        }
    }

    /// In the words of Redis 7.0, Redis 8.2 and Valkey 9.1.
    #[test]
    fn a_right_that_is_missing_is_named_with_the_line_that_gives_it() {
        for line in [
            "NOPERM this user has no permissions to run the 'set' command",
            "ERR The user executing the script can't run this command or subcommand script: 71f3, on @user_script:5.",
            "ERR The user executing the script can't access at least one of the keys mentioned in the command \
             arguments script: 6d2b, on @user_function:2.",
            "ERR ACL failure in script: User app has no permissions to run the 'hset' command script: f, on @user_function:2.",
            "ERR ACL failure in script: No permissions to access a key script: on @user_script:2.",
        ] {
            let Verdict::GiveUp(error) = judge(&said(line), "here") else { panic!("{line}") };
            assert!(matches!(error, AdapterError::Config(_)) && !error.is_retryable(), "{line}");
            let expected = format!("`ACL SETUSER app ~{{ns}}:* &{{ns}}:* {}`", crate::access::ACL_COMMANDS);
            assert!(error.to_string().contains(&expected), "{error}");
            assert!(!judge_opening(&said(line), "here").is_retryable(), "{line}");
        }
    }

    #[test]
    fn a_command_without_its_name_is_a_mistake_in_the_configuration() {
        for line in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'me' 'hush' ",
            "ERR unknown command 'EVAL', with args beginning with: 'hush' ",
            "ERR Unknown Redis command called from script script: 0e09, on @user_script:2.",
            "ERR Unknown command called from script script: on @user_script:2.",
        ] {
            let error = judge_opening(&said(line), "here");
            assert!(matches!(error, AdapterError::Config(_)), "{error:?}");
            assert!(error.to_string().contains("renamed") && !error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn who_answers_in_another_protocol_is_said_to() {
        let error = redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").expect_err("no Redis");
        let error = judge_opening(&error, "here:80");
        assert!(
            matches!(&error, AdapterError::Unavailable { address, .. } if address == "here:80"),
            "{error}"
        );
        assert!(error.to_string().contains("does not speak Redis's protocol"), "{error}");
    }

    #[test]
    fn an_address_that_the_client_cannot_use_is_a_mistake_in_the_configuration() {
        let error = RedisError::from((redis::ErrorKind::InvalidClientConfig, "no such feature"));
        let error = judge_opening(&error, "here");
        assert!(matches!(&error, AdapterError::Config(said) if said.contains("no such feature")), "{error}");
    }

    #[test]
    fn pauses_grow_and_stay_below_half_a_second() {
        assert!(pause(0) <= Duration::from_millis(10));
        for failures in 0..100 {
            let pause = pause(failures);
            assert!(pause >= Duration::from_millis(5) && pause <= Duration::from_millis(500), "{pause:?}");
        }
        assert!(pause(50) >= Duration::from_millis(250));
    }

    #[test]
    fn who_comes_back_is_spread_over_all_of_the_time() {
        let longest = Duration::from_millis(50);
        let drawn: Vec<_> = (0..200).map(|_| spread(longest)).collect();
        let (least, most) = (drawn.iter().min().expect("200"), drawn.iter().max().expect("200"));
        assert!(*most <= longest && *most - *least > longest / 2, "{drawn:?}");
        assert_eq!(spread(Duration::ZERO), Duration::ZERO);
    }
}
