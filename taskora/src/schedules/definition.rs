//! What is stored of a schedule that somebody has written: when, what, and how. The store does not look into it.
//!
//! Layout (1 byte, 1), kind of what it runs (1 byte, 0: a task), length of the head (4 bytes, big-endian), the head as JSON, and the
//! payload as it is. `docs/wire-format.md` lists the fields of the head.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{OnMissed, Overlap, Timetable};
use crate::adapter::{Collect, LimitKey};
use crate::job::millis;
use crate::policy::{OnExpire, Ttl};

const LAYOUT: u8 = 1;
const TASK: u8 = 0;

/// A schedule without its name.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Definition {
    pub(crate) times: Timetable,
    pub(crate) overlap: Overlap,
    pub(crate) on_missed: OnMissed,
    pub(crate) max_late: Option<Duration>,
    pub(crate) jitter: Duration,
    pub(crate) start: Start,
    pub(crate) target: Target,
}

/// Whether it runs when it comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Start {
    /// It does not.
    #[default]
    No,
    /// When it is new or has changed.
    Once,
    /// At the start of each worker that declares it.
    Always,
}

/// The job that it makes.
#[derive(Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) task: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) priority: i16,
    pub(crate) max_attempts: u32,
    pub(crate) max_stalls: u32,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) limit_key: Option<LimitKey>,
    pub(crate) collect: Option<Collect>,
    pub(crate) cost: u32,
    pub(crate) meta: Vec<(String, String)>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // neither payload nor meta
        f.debug_struct("Target").field("task", &self.task).finish_non_exhaustive()
    }
}

/// The stored form of all but the payload. A field that this version does not know was written by a later one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    task: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tz: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    offset: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    overlap: Overlap,
    /// How many of the newest missed ticks run; 0: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catch_up: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_late: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    jitter: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    start: Start,
    #[serde(default, skip_serializing_if = "is_default")]
    priority: i16,
    attempts: u32,
    stalls: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    discard: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collect: Option<Gathers>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    cost: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    meta: Vec<(String, String)>,
}

/// How its jobs gather; times in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gathers {
    size: u32,
    delay: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    serial: bool,
}

impl From<Collect> for Gathers {
    fn from(Collect { delay, max_wait, max_size, serial }: Collect) -> Self {
        Self { size: max_size, delay: millis(delay), wait: max_wait.map(millis), serial }
    }
}

impl From<Gathers> for Collect {
    fn from(Gathers { size, delay, wait, serial }: Gathers) -> Self {
        let max_wait = wait.map(Duration::from_millis);
        Self { max_wait, serial, ..Self::new(size, Duration::from_millis(delay)) }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

impl Definition {
    /// The stored form: always the same for the same schedule.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let target = &self.target;
        let (cron, tz, every, offset) = match &self.times {
            Timetable::Cron { expression, tz } => (Some(expression.clone()), Some(tz.clone()), None, 0),
            Timetable::Every { period, offset } => (None, None, Some(millis(*period)), millis(*offset)),
            Timetable::Manual | Timetable::Unreadable => (None, None, None, 0),
        };
        let head = Head {
            task: target.task.clone(),
            cron,
            tz,
            every,
            offset,
            overlap: self.overlap,
            catch_up: match self.on_missed {
                OnMissed::Skip => None,
                OnMissed::CatchUpNewest(newest) => Some(newest),
                OnMissed::CatchUp => Some(0),
            },
            max_late: self.max_late.map(millis),
            jitter: millis(self.jitter),
            start: self.start,
            priority: target.priority,
            attempts: target.max_attempts,
            stalls: target.max_stalls,
            ttl: target.ttl.map(|ttl| millis(ttl.max())),
            discard: target.ttl.is_some_and(Ttl::is_discarded),
            key: target.limit_key.as_ref().map(ToString::to_string),
            collect: target.collect.map(Gathers::from),
            cost: target.cost,
            meta: target.meta.clone(),
        };
        // texts and numbers alone are always JSON
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut bytes = vec![LAYOUT, TASK];
        bytes.extend(u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(head);
        bytes.extend(&target.payload);
        bytes
    }

    /// From the stored form. The error says what cannot be read.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let [LAYOUT, TASK, length @ .., _, _] = bytes.get(..8).unwrap_or(bytes) else {
            return Err(match bytes {
                [layout, ..] if *layout > LAYOUT => "a later version of taskora wrote it".to_owned(),
                [LAYOUT, kind, ..] if *kind != TASK => "it runs what only a later version can".to_owned(),
                _ => "it is damaged".to_owned(),
            });
        };
        let length = <[u8; 4]>::try_from(length).map(u32::from_be_bytes).unwrap_or(u32::MAX) as usize;
        let (head, payload) = bytes
            .get(6..)
            .and_then(|rest| Some((rest.get(..length)?, rest.get(length..)?)))
            .ok_or("it is cut short")?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| format!("a later version of taskora wrote it, or somebody else: {error}"))?;
        let millis = Duration::from_millis;
        Ok(Self {
            times: match (head.cron, head.tz, head.every) {
                (Some(expression), Some(tz), None) => Timetable::Cron { expression, tz },
                (None, None, Some(period)) => {
                    Timetable::Every { period: millis(period), offset: millis(head.offset) }
                }
                (None, None, None) => Timetable::Manual,
                _ => return Err("it has two kinds of times".to_owned()),
            },
            overlap: head.overlap,
            on_missed: match head.catch_up {
                None => OnMissed::Skip,
                Some(0) => OnMissed::CatchUp,
                Some(newest) => OnMissed::CatchUpNewest(newest),
            },
            max_late: head.max_late.map(millis),
            jitter: millis(head.jitter),
            start: head.start,
            target: Target {
                task: head.task,
                payload: payload.to_vec(),
                priority: head.priority,
                max_attempts: head.attempts,
                max_stalls: head.stalls,
                ttl: head.ttl.map(|max| {
                    let rule = if head.discard { OnExpire::Discard } else { OnExpire::Fail };
                    Ttl::new(millis(max)).on_expire(rule)
                }),
                limit_key: head.key.and_then(LimitKey::new),
                collect: head.collect.map(Collect::from),
                cost: head.cost,
                meta: head.meta,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn plain() -> Definition {
        Definition {
            times: Timetable::Every { period: 5 * MINUTE, offset: Duration::ZERO },
            overlap: Overlap::Skip,
            on_missed: OnMissed::Skip,
            max_late: None,
            jitter: Duration::ZERO,
            start: Start::No,
            target: Target {
                task: "report".into(),
                payload: b"{\"tenant\":7}".to_vec(),
                priority: 0,
                max_attempts: 1,
                max_stalls: 1,
                ttl: None,
                limit_key: None,
                collect: None,
                cost: 1,
                meta: Vec::new(),
            },
        }
    }

    fn full() -> Definition {
        Definition {
            times: Timetable::Cron { expression: "0 6 * * MON".into(), tz: "Europe/Berlin".into() },
            overlap: Overlap::Allow,
            on_missed: OnMissed::CatchUpNewest(3),
            max_late: Some(2 * 60 * MINUTE),
            jitter: MINUTE,
            start: Start::Always,
            target: Target {
                priority: -5,
                max_attempts: 4,
                max_stalls: 2,
                ttl: Some(Ttl::new(MINUTE).on_expire(OnExpire::Discard)),
                limit_key: LimitKey::new("acme"),
                collect: Some(Collect::new(100, MINUTE).max_wait(2 * MINUTE).serial()),
                meta: vec![("key".into(), "välue".into())],
                payload: vec![0xC1, 3, 0, 255],
                ..plain().target
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let manual = Definition { times: Timetable::Manual, on_missed: OnMissed::CatchUp, ..plain() };
        let offset = Timetable::Every { period: MINUTE, offset: Duration::from_millis(1_500) };
        let costly = Definition { target: Target { cost: 7, ..plain().target }, ..plain() };
        for definition in [plain(), full(), manual, costly, Definition { times: offset, ..plain() }] {
            assert_eq!(Definition::decode(&definition.encode()), Ok(definition.clone()));
        }
    }

    /// As `docs/wire-format.md` says.
    #[test]
    fn the_stored_form_is_pinned() {
        let head = r#"{"task":"report","every":300000,"attempts":1,"stalls":1}"#;
        let plain = plain().encode();
        assert_eq!(plain[..6], [1, 0, 0, 0, 0, head.len() as u8]);
        assert_eq!(String::from_utf8_lossy(&plain[6..]), format!("{head}{{\"tenant\":7}}"));
        let head = concat!(
            r#"{"task":"report","cron":"0 6 * * MON","tz":"Europe/Berlin","overlap":"allow","catch_up":3,"#,
            r#""max_late":7200000,"jitter":60000,"start":"always","priority":-5,"attempts":4,"stalls":2,"#,
            r#""ttl":60000,"discard":true,"key":"acme","#,
            r#""collect":{"size":100,"delay":60000,"wait":120000,"serial":true},"meta":[["key","välue"]]}"#,
        );
        let full = full().encode();
        assert_eq!(String::from_utf8_lossy(&full[6..6 + head.len()]), head);
        assert_eq!(full[6 + head.len()..], [0xC1, 3, 0, 255]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let whole = plain().encode();
        for length in 0..whole.len() - 12 {
            assert!(Definition::decode(&whole[..length]).is_err(), "the first {length} bytes");
        }
        let text = |bytes: &[u8]| Definition::decode(bytes).unwrap_err();
        assert_eq!(text(&[2, 0, 0, 0, 0, 0, 0, 0]), "a later version of taskora wrote it");
        assert_eq!(text(&[1, 1, 0, 0, 0, 0, 0, 0]), "it runs what only a later version can");
        assert_eq!(text(b"somebody's"), "a later version of taskora wrote it");
        assert_eq!(text(&[0; 9]), "it is damaged");
        assert_eq!(text(&[1, 0, 0, 0, 9, 9, 9, 9]), "it is cut short");
        let head = br#"{"task":"a","every":1,"attempts":1,"stalls":1,"weekends":false}"#;
        let unknown = [&[1, 0, 0, 0, 0, head.len() as u8], &head[..]].concat();
        assert!(text(&unknown).contains("unknown field `weekends`"));
    }
}
