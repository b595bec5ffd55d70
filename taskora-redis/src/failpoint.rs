//! Named points before and after every call to Redis, at which this project's fault tests make a process die, wait, or lose
//! its connection. Only for those tests: never enable the feature `failpoints`.
//!
//! A point is called `<call>.before` or `<call>.after`, see [`names`]. The environment variable [`VARIABLE`], which is read
//! once, or a call of [`set`] says what happens at which point:
//!
//! ```text
//! TASKORA_FAILPOINTS="exchange.after=kill@3;renew.before=pause:500;note.after=cut"
//! ```
//!
//! The number after the `@` is the hit at which it happens, once; 1 by default. With `*` instead of a number, it happens at
//! every hit.

use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::RedisError;

/// The environment variable that is read at the first hit.
pub const VARIABLE: &str = "TASKORA_FAILPOINTS";

/// The calls that are not scripts.
const COMMANDS: &[&str] =
    &["blpop", "unblock", "hmget", "lrange", "ping", "info", "load", "client_id", "subscribe"];

/// The calls that only tools make, neither workers nor producers.
pub const UPKEEP: &[&str] = &[
    "check",
    "check_keys",
    "check_logs",
    "check_tasks",
    "check_workflow",
    "confirm",
    "details",
    "list",
    "list_workflows",
    "overview",
    "raise_level",
    "repair",
];

/// The calls that a process makes once a minute, for a payload that it cannot decode, or on request.
pub const SELDOM: &[&str] = &[
    "discard",
    "gate",
    "history",
    "listen",
    "paused",
    "processes",
    "quiet",
    "release_key",
    "sign",
    "sign_off",
    "withdraw",
    "workers",
];

/// Every call to Redis by its name.
#[must_use]
pub fn calls() -> Vec<&'static str> {
    let scripts = crate::scripts::functions();
    scripts.into_iter().map(|(name, _)| name).chain(COMMANDS.iter().copied()).collect()
}

/// The names of all points.
#[must_use]
pub fn names() -> Vec<String> {
    calls().into_iter().flat_map(|call| [format!("{call}.before"), format!("{call}.after")]).collect()
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process dies at once, without any cleanup.
    Kill,
    /// The call pauses.
    Pause(Duration),
    /// The connection is lost: before the call, it was not sent; after it, its answer was not received.
    Cut,
}

/// A point at which something will happen.
struct Armed {
    point: String,
    action: Action,
    /// The hit at which it happens; `None` for every hit.
    hit: Option<u64>,
}

#[derive(Default)]
struct Points {
    armed: Vec<Armed>,
    hits: HashMap<String, u64>,
}

static POINTS: LazyLock<Mutex<Points>> = LazyLock::new(|| {
    let mut points = Points::default();
    match read(&std::env::var(VARIABLE).unwrap_or_default()) {
        Ok(armed) => points.armed = armed,
        // a test with a misspelt point would pass without testing anything
        Err(error) => {
            tracing::error!(error, "{VARIABLE} cannot be read");
            std::process::abort();
        }
    }
    Mutex::new(points)
});

fn points() -> MutexGuard<'static, Points> {
    POINTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes something happen at a point's n-th hit from now on.
///
/// # Errors
/// If there is no such point.
pub fn set(point: &str, action: Action, hit: u64) -> Result<(), String> {
    known(point)?;
    let mut points = points();
    let hit = points.hits.get(point).copied().unwrap_or(0) + hit;
    points.armed.push(Armed { point: point.to_owned(), action, hit: Some(hit) });
    Ok(())
}

/// How often a point was reached in this process.
#[must_use]
pub fn hits(point: &str) -> u64 {
    points().hits.get(point).copied().unwrap_or(0)
}

/// A call reaches one of its points. An error stands for a lost connection.
pub(crate) async fn reach(call: &str, when: &str) -> Result<(), RedisError> {
    let point = format!("{call}.{when}");
    let actions: Vec<Action> = {
        let mut points = points();
        let hit = points.hits.entry(point.clone()).or_default();
        *hit += 1;
        let hit = *hit;
        let is_now =
            |armed: &&Armed| armed.point == point && armed.hit.is_none_or(|expected| expected == hit);
        points.armed.iter().filter(is_now).map(|armed| armed.action).collect()
    };
    for action in actions {
        match action {
            Action::Kill => std::process::abort(),
            Action::Pause(time) => tokio::time::sleep(time).await,
            Action::Cut => {
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, format!("cut at {point}")).into());
            }
        }
    }
    Ok(())
}

fn known(point: &str) -> Result<(), String> {
    if names().iter().any(|name| name == point) {
        Ok(())
    } else {
        Err(format!("there is no point `{point}`"))
    }
}

fn read(text: &str) -> Result<Vec<Armed>, String> {
    text.split(';').filter(|entry| !entry.is_empty()).map(read_one).collect()
}

fn read_one(entry: &str) -> Result<Armed, String> {
    let odd = || format!("`{entry}` is not `<call>.<before or after>=<kill, cut or pause:ms>[@<hit or *>]`");
    let (point, what) = entry.split_once('=').ok_or_else(odd)?;
    known(point)?;
    let (action, hit) = what.split_once('@').unwrap_or((what, "1"));
    let action = match action.split_once(':') {
        None if action == "kill" => Action::Kill,
        None if action == "cut" => Action::Cut,
        Some(("pause", millis)) => Action::Pause(Duration::from_millis(millis.parse().map_err(|_| odd())?)),
        _ => return Err(odd()),
    };
    let hit = if hit == "*" { None } else { Some(hit.parse().map_err(|_| odd())?) };
    Ok(Armed { point: point.to_owned(), action, hit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read() {
        let armed = read("exchange.after=kill@3;renew.before=pause:500;note.after=cut@*").expect("valid");
        let read: Vec<_> =
            armed.iter().map(|armed| (armed.point.as_str(), armed.action, armed.hit)).collect();
        let pause = Action::Pause(Duration::from_millis(500));
        assert_eq!(
            read,
            [
                ("exchange.after", Action::Kill, Some(3)),
                ("renew.before", pause, Some(1)),
                ("note.after", Action::Cut, None)
            ]
        );
    }

    #[test]
    fn what_is_no_point_is_refused() {
        for text in
            ["exchange=kill", "exchange.after", "nothing.after=kill", "note.after=kill@x", "note.after=run"]
        {
            assert!(super::read(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_point_strikes_once_at_its_hit() {
        // a call that no other test of this crate makes
        set("shift.after", Action::Cut, 2).expect("a point");
        let mut struck = Vec::new();
        for _ in 0..3 {
            struck.push(reach("shift", "after").await.is_err());
        }
        assert_eq!((struck, hits("shift.after")), (vec![false, true, false], 3));
    }
}
