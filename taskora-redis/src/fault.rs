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
    /// Refused before anything was done, and another server would not: find it, and try there.
    Elsewhere(AdapterError),
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
        // refused before anything was done: it cannot save, has too few replicas, or is not ready yet
        // `ASK` and `TRYAGAIN`: the slot is on its way to another node, and whoever followed it would find half of it
        Some("LOADING" | "BUSY" | "ASK" | "TRYAGAIN" | "MISCONF" | "NOREPLICAS") => {
            Verdict::TryLater(unavailable())
        }
        // the slot is another node's, the cluster is lost, or the master has become a replica
        Some("MOVED" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "UNBLOCKED") => {
            Verdict::Elsewhere(unavailable())
        }
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Verdict::GiveUp(AdapterError::Config(format!(
            "the server at `{address}` refuses access ({message}); check user, password and permissions"
        ))),
        // said in place of an answer to the first command, whichever that is, and then the connection is closed
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

/// Judges an error that came while a connection was opened: what the server itself objects to then passes, unless it
/// refuses access or the database.
pub(crate) fn judge_opening(error: &RedisError, address: &str) -> AdapterError {
    let message = error.to_string();
    match judge(error, address) {
        // the parser's own words are about bytes
        Verdict::Reconnect(_) if error.kind() == redis::ErrorKind::Parse => AdapterError::Unavailable {
            address: address.to_owned(),
            message: "what answers there does not speak Redis's protocol; check host and port, and whether it expects TLS (`rediss://`)".to_owned(),
        },
        // said by the client itself, of an address that it cannot use as it is built
        Verdict::GiveUp(AdapterError::Protocol(_))
            if error.kind() == redis::ErrorKind::InvalidClientConfig =>
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
    Duration::from_millis(longest / 2 + random(longest / 2))
}

/// How long to wait with the first try after a connection was lost, as all others may have lost theirs in the same
/// moment: anything up to `longest`.
pub(crate) fn spread(longest: Duration) -> Duration {
    Duration::from_micros(random(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1)))
}

/// From 0 to `last`.
fn random(last: u64) -> u64 {
    RandomState::new().build_hasher().finish() % (last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
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
