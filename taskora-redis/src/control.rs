//! Limits, rates and pauses of tasks.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{
    Collected, Control, DeclaredLimit, Gate, GatedTask, KeyTaken, Lease, LimitKey, MAX_LIMITS, NewPause,
    Pause, PerKey, Rate, TaskName, no_limit_of_zero,
};
use taskora::{AdapterError, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, nonsense, number};
use crate::arguments::Arguments;
use crate::call::Try;
use crate::codec::{Reader, millis};
use crate::id;
use crate::processes::LevelError;
use crate::scripts::{SCRIPTS, Script};

/// The level of a namespace that has gates: older processes ignore them.
const GATES: u16 = 2;
/// The level of a namespace that has limits by key.
const LANES: u16 = 3;
/// The level of a namespace that has pauses which end by themselves: older processes would not see their end.
const PAUSES: u16 = 4;

/// How many closed tasks a call looks at that asks which are paused.
const PAGE: usize = 100;

#[async_trait]
impl Control for RedisAdapter {
    async fn declare_limits(&self, limits: Vec<DeclaredLimit>) -> Result<Vec<DeclaredLimit>, AdapterError> {
        limits.iter().try_for_each(DeclaredLimit::check)?;
        let packed: Vec<(Vec<u8>, [String; 3])> = limits
            .iter()
            .map(|limit| {
                let declared = [write_limit(limit.max), write_rate(limit.rate), write_per_key(limit.per_key)];
                (aliases(&limit.task), declared)
            })
            .collect();
        let level = if limits.iter().any(|limit| limit.per_key.is_some()) { LANES } else { GATES };
        let answer = self.change(&SCRIPTS.declare_limits, level, |call, _| {
            call.put("level", level);
            for (limit, (aliases, [max, rate, per_key])) in limits.iter().zip(&packed) {
                call.list(&*limit.task.task).list(aliases).list(max).list(rate).list(per_key);
            }
        });
        let what = "the answer to `declare_limits`";
        let mut before = array(answer.await?, what)?.into_iter();
        let created = bytes(before.next().unwrap_or(Value::Nil), what)?;
        if before.len() != 3 * limits.len() {
            return Err(nonsense(format!("{what} has {} values for {} tasks", before.len(), limits.len())));
        }
        self.remember(created, &limits);
        let before = limits.into_iter().map(|limit| {
            let mut next = || bytes(before.next().unwrap_or(Value::Nil), what);
            let (max, rate, per_key) = (read_limit(&next()?), read_rate(&next()?), read_per_key(&next()?));
            Ok(DeclaredLimit::none(limit.task).max(max).rate(rate).per_key(per_key))
        });
        before.collect()
    }

    async fn set_limit(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        max: Option<u32>,
    ) -> Result<(), AdapterError> {
        no_limit_of_zero(max)?;
        let (level, what) = match key {
            Some(key) => (LANES, format!("k{}", key.as_str())),
            None => (GATES, "o".to_owned()),
        };
        self.set_gate(task, level, &what, &write_limit(max), &NewPause::default()).await.map(drop)
    }

    async fn set_rate(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        rate: Option<Rate>,
    ) -> Result<(), AdapterError> {
        rate.map_or(Ok(()), |rate| rate.check())?;
        let (level, what) = match key {
            Some(key) => (LANES, format!("q{}", key.as_str())),
            None => (GATES, "ro".to_owned()),
        };
        self.set_gate(task, level, &what, &write_rate(rate), &NewPause::default()).await.map(drop)
    }

    async fn pause(
        &self,
        task: &GatedTask,
        key: Option<&LimitKey>,
        pause: NewPause,
    ) -> Result<bool, AdapterError> {
        pause.check()?;
        let (level, what) = of_key("p", key);
        let level = if pause.lasting.is_some() { PAUSES } else { level };
        self.set_gate(task, level, &what, &pause.reason, &pause).await
    }

    async fn resume(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<bool, AdapterError> {
        let (level, what) = of_key("-", key);
        self.set_gate(task, level, &what, "", &NewPause::default()).await
    }

    async fn quiet(&self, worker: &str, is_quiet: bool) -> Result<bool, AdapterError> {
        self.keep_quiet(worker, is_quiet).await
    }

    async fn paused(&self) -> Result<Vec<(TaskName, Pause)>, AdapterError> {
        let what = "the answer to `paused`";
        // a page may have some of an earlier one again
        let (mut all, mut cursor) = (BTreeMap::new(), b"0".to_vec());
        loop {
            let answer = self.inner.script(&SCRIPTS.paused, |call, _| {
                call.put("cursor", &cursor).put("count", PAGE);
            });
            let mut values = array(answer.await?, what)?.into_iter();
            cursor = bytes(values.next().ok_or_else(|| nonsense(format!("{what} is empty")))?, what)?;
            while let Some(task) = values.next() {
                let [p, x] = [(); 2].map(|()| bytes(values.next().unwrap_or(Value::Nil), what));
                let task = TaskName::from(String::from_utf8_lossy(&bytes(task, what)?));
                all.extend(read_pause(&p?, &x?).map(|pause| (task, pause)));
            }
            if cursor == b"0" {
                return Ok(all.into_iter().collect());
            }
        }
    }

    async fn take_key(&self, lease: &Lease, key: &LimitKey) -> Result<KeyTaken, AdapterError> {
        let id = id::store(&lease.id);
        let member = [&*id, format!(":{}", lease.token).as_bytes()].concat();
        let answer = self.inner.script(&SCRIPTS.take_key, |call, _| {
            call.put("task", &*lease.task).put("lease", &member).put("id", &id).put("key", key.as_str());
        });
        let what = "the answer to `take_key`";
        match &*bytes(answer.await?, what)? {
            b"G" => Ok(KeyTaken::Go),
            b"W" => Ok(KeyTaken::Waits),
            b"S" => Ok(KeyTaken::Stale),
            _ => Err(nonsense(format!("{what} is none"))),
        }
    }

    async fn close_key(&self, lease: &Lease, time: Duration) -> Result<(), AdapterError> {
        let id = id::store(&lease.id);
        let member = [&*id, format!(":{}", lease.token).as_bytes()].concat();
        let answer = self.inner.script(&SCRIPTS.close_key, |call, _| {
            let millis = millis(time.min(Rate::LONGEST));
            call.put("task", &*lease.task).put("lease", &member).put("id", &id).put("millis", millis);
        });
        number::<u8>(&answer.await?, "the answer to `close_key`").map(drop)
    }

    async fn collected(
        &self,
        task: &GatedTask,
        key: &LimitKey,
        limit: usize,
    ) -> Result<Option<Collected>, AdapterError> {
        self.gathered(task, key, limit).await
    }

    async fn flush(&self, task: &GatedTask, key: &LimitKey) -> Result<bool, AdapterError> {
        self.flush_key(task, key).await
    }

    async fn gate(&self, task: &GatedTask, key: Option<&LimitKey>) -> Result<Gate, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.gate, |call, _| {
            call.put("task", &*task.task).put("key", key.map_or("", LimitKey::as_str));
        });
        let what = "the answer to `gate`";
        let [declared, set, declared_rate, set_rate, opens, paused, running, per_key, more] =
            exactly(answer.await?, what)?;
        let mut gate = Gate::default();
        gate.declared = read_limit(&bytes(declared, what)?);
        gate.set = read_limit(&bytes(set, what)?);
        gate.declared_rate = read_rate(&bytes(declared_rate, what)?);
        gate.set_rate = read_rate(&bytes(set_rate, what)?);
        gate.opens_at = read_number(&bytes(opens, what)?).map(Timestamp::from_millis);
        gate.running = number(&running, what)?;
        gate.paused = read_pause(&bytes(paused, what)?, &bytes(more, what)?);
        gate.per_key = read_per_key(&bytes(per_key, what)?);
        if key.is_some() {
            gate.declared = gate.per_key.and_then(|per_key| per_key.max);
            gate.declared_rate = gate.per_key.and_then(|per_key| per_key.rate);
        }
        Ok(gate)
    }
}

impl RedisAdapter {
    async fn set_gate(
        &self,
        task: &GatedTask,
        level: u16,
        what: &str,
        value: &str,
        pause: &NewPause,
    ) -> Result<bool, AdapterError> {
        let (aliases, lasting) = (aliases(task), pause.lasting.map_or(0, millis));
        let answer = self.change(&SCRIPTS.set_gate, level, |call, _| {
            call.put("level", level)
                .put("task", &*task.task)
                .put("aliases", &aliases)
                .put("what", what)
                .put("value", value)
                .put("lasting", lasting)
                .put("by", &*pause.by);
        });
        Ok(number::<u8>(&answer.await?, "the answer to `set_gate`")? == 1)
    }

    fn remember(&self, created: Vec<u8>, limits: &[DeclaredLimit]) {
        let mut known = self.inner.limits.lock().unwrap_or_else(PoisonError::into_inner);
        known.created = created;
        known.limits.retain(|known| limits.iter().all(|limit| limit.task.task != known.task.task));
        known.limits.extend(limits.iter().filter(|limit| !limit.is_none()).cloned());
    }

    /// A sweep has found that the namespace was created then. If it is another one than that which has the limits of this process,
    /// because the server was emptied, they are declared again.
    pub(crate) async fn restore_limits(&self, created: &[u8]) {
        let limits = {
            let known = self.inner.limits.lock().unwrap_or_else(PoisonError::into_inner);
            if known.created == created { Vec::new() } else { known.limits.clone() }
        };
        for page in limits.chunks(MAX_LIMITS) {
            if let Err(error) = self.declare_limits(page.to_vec()).await {
                // so that the next sweep tries again
                self.inner.limits.lock().unwrap_or_else(PoisonError::into_inner).created.clear();
                tracing::warn!(%error, "the namespace has lost its limits");
                return;
            }
            tracing::warn!("the namespace had lost its limits; they were declared again");
        }
    }

    /// Calls a command that answers nothing if the level of the namespace is too low; then raises it, and calls again.
    async fn change(
        &self,
        script: &Script,
        level: u16,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<Value, AdapterError> {
        match self.inner.script(script, &fill).await? {
            Value::Nil => {}
            answer => return Ok(answer),
        }
        self.raise_level(level, false).await.map_err(|error| match error {
            LevelError::NeedsLevel { .. } => AdapterError::NeedsLevel(error.to_string()),
            LevelError::Adapter(error) => error,
        })?;
        self.inner.script(script, fill).await
    }
}

/// A change of the task or of a key, and the level that it needs.
fn of_key(what: &str, key: Option<&LimitKey>) -> (u16, String) {
    key.map_or((GATES, what.to_owned()), |key| (LANES, format!("{what}{}", key.as_str())))
}

/// Names, each followed by a line feed.
pub(crate) fn aliases(task: &GatedTask) -> Vec<u8> {
    // no job has a task with control characters in its name
    let names = task.aliases.iter().filter(|name: &&TaskName| !name.chars().any(char::is_control));
    names.flat_map(|name| name.bytes().chain(*b"\n")).collect()
}

fn read_number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    // `+5` is a number for `parse`
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a contract says of each key: its limit or `-`, `!` if the key is ordered, and behind a blank its rate; nothing is none.
fn write_per_key(per_key: Option<PerKey>) -> String {
    per_key.map_or_else(String::new, |PerKey { max, ordered, rate, .. }| {
        let mut text = max.map_or_else(|| "-".to_owned(), |max| max.to_string());
        if ordered {
            text.push('!');
        }
        if rate.is_some() {
            text = text + " " + &write_rate(rate);
        }
        text
    })
}

fn read_per_key(stored: &[u8]) -> Option<PerKey> {
    let mut parts = stored.splitn(2, |byte| *byte == b' ');
    let limit = parts.next()?;
    let is_ordered = *limit.last()? == b'!';
    let per_key = read_limit(limit).map_or_else(PerKey::fair, PerKey::at_most);
    let rate = parts.next().and_then(|rate| {
        // the number under which starts are counted
        let end = rate.windows(2).rposition(|two| two == b" n")?;
        read_rate(rate.get(..end)?)
    });
    Some(if is_ordered { PerKey::ordered() } else { per_key }.rate(rate))
}

fn write_limit(max: Option<u32>) -> String {
    max.map_or_else(String::new, |max| max.to_string())
}

/// A limit in digits. What cannot be read is none, as for the scripts.
fn read_limit(digits: &[u8]) -> Option<u32> {
    read_number(digits).filter(|limit| *limit > 0)
}

/// The most starts, the time in milliseconds, and the burst of a bucket.
fn write_rate(rate: Option<Rate>) -> String {
    let Some(rate) = rate else { return String::new() };
    let burst = rate.burst.map_or_else(String::new, |burst| format!(" {burst}"));
    // rounded up, so that nothing starts early
    format!("{} {}{burst}", rate.max, rate.per.as_nanos().div_ceil(1_000_000))
}

/// What cannot be read is none, as for the scripts.
fn read_rate(text: &[u8]) -> Option<Rate> {
    let mut words = text.split(|byte| *byte == b' ');
    let (max, per) = (read_number(words.next()?)?, Duration::from_millis(read_number(words.next()?)?));
    let rate = match words.next() {
        None => Rate::new(max, per),
        Some(burst) => Rate::new(max, per).burst(read_number(burst)?),
    };
    (words.next().is_none() && rate.check().is_ok()).then_some(rate)
}

/// Since when (6), and why; and what more is known: since when (6), until when (6; 0: until it is resumed), and who.
pub(crate) fn read_pause(paused: &[u8], more: &[u8]) -> Option<Pause> {
    let mut reader = Reader(paused);
    let since = reader.u48()?;
    let mut pause = Pause::new(Timestamp::from_millis(since));
    pause.reason = String::from_utf8_lossy(reader.0).into_owned();
    let mut reader = Reader(more);
    if let (Some(of), Some(until)) = (reader.u48(), reader.u48())
        && of == since
    {
        pause.by = String::from_utf8_lossy(reader.0).into_owned();
        pause.until = (until > 0).then(|| Timestamp::from_millis(until));
    }
    Some(pause)
}
