//! Moves keys of the wrong type out of the way, because every call that reads one fails.

use std::time::{Duration, Instant};

use redis::Value;
use taskora::AdapterError;

use crate::answer::{bytes, strings};
use crate::arguments::Arguments;
use crate::link::Link;
use crate::scripts::{SCRIPTS, Script};

/// How long the search is not repeated after it has found nothing.
const REST: Duration = Duration::from_secs(10);
/// Keys in one call.
const PAGE: u32 = 500;

/// Call this after a call that began at `begun` has met damage. It looks at all keys of the namespace and moves those with
/// the wrong type aside. Returns whether there were any, so that repeating the call makes sense.
pub(crate) async fn set_aside(link: &Link, begun: Instant) -> Result<bool, AdapterError> {
    let mut last = link.settings().searches.last.lock().await;
    if last.moved.is_some_and(|moved| moved >= begun) {
        return Ok(true);
    }
    if last.sound.is_some_and(|sound| sound.elapsed() < REST) {
        return Ok(false);
    }
    let any = look(link).await?;
    *(if any { &mut last.moved } else { &mut last.sound }) = Some(Instant::now());
    Ok(any)
}

async fn look(link: &Link) -> Result<bool, AdapterError> {
    let settings = link.settings();
    let (mut cursor, mut any) = (b"0".to_vec(), false);
    loop {
        let answer = ask(link, &SCRIPTS.check_keys, |call| {
            call.put("pattern", settings.keys.pattern()).put("cursor", &cursor).put("count", PAGE);
        });
        let mut answer = strings(answer.await?, "the answer to `check_keys`")?.into_iter();
        cursor = answer.next().unwrap_or_else(|| b"0".to_vec());
        while let (Some(key), Some(found), Some(_)) = (answer.next(), answer.next(), answer.next()) {
            let Some((_, expected, _)) = settings.keys.read(&key) else { continue };
            if found == b"none" || expected.as_bytes() == found {
                continue;
            }
            let answer = ask(link, &SCRIPTS.repair, |call| {
                call.put("code", "t")
                    .put("role", "")
                    .put("task", "")
                    .put("entry", &key)
                    .put("more", expected);
            });
            if bytes(answer.await?, "the answer to `repair`")? == b"F" {
                any = true;
                let key = String::from_utf8_lossy(&key).into_owned();
                tracing::error!(
                    key,
                    expected,
                    "a key does not hold what it should; it was moved to `aside:`"
                );
            }
        }
        if cursor == b"0" {
            return Ok(any);
        }
    }
}

/// A call that is not moved itself.
async fn ask(link: &Link, script: &Script, fill: impl Fn(&mut Arguments<'_>)) -> Result<Value, AdapterError> {
    let settings = link.settings();
    let build = |how| settings.call(script, how, |call, _| fill(call));
    link.send(script.name, settings.command_timeout, build).await.map(|(_, value)| value)
}
