//! The record of a job, and of a workflow's node.

use std::time::SystemTime;

use taskora::adapter::{Collect, Due, LimitKey, NewJob, NewNode, SCHEDULES, TickStamp};
use taskora::{JobInfo, JobState, Timestamp, Ttl};

use super::layout::{LAYOUT, check_schedule_name, read_extension};
use super::reader::{Reader, millis, u48};
use super::workflow::Head;
use crate::id;

/// The payload is in `blobs`.
const BLOB: u8 = 1;
/// Annotations follow the task's name.
const META: u8 = 2;
/// Dispatched for later: the enqueue script finds the time among its further arguments.
const DELAYED: u8 = 4;
/// For a node: the payload is a recipe.
const COMPOSED: u8 = 8;
/// An extension follows the task's name, or the annotations.
const EXTENDED: u8 = 16;
/// In the sorted set of its line, whatever its priority.
const RANKED: u8 = 32;
/// May replace a job with the same id that has ended without completing.
const REPLACES: u8 = 64;
/// All known flags. A flag of a later version changes how the record is read.
const KNOWN: u8 = BLOB | META | DELAYED | COMPOSED | EXTENDED | RANKED | REPLACES;
/// The tag of the expiry rule, which comes first.
const TTL: u8 = 4;
/// The tag of the key by which limits count a job.
const LIMIT_KEY: u8 = 2;
/// The tag of the rule by which a job gathers.
const COLLECT: u8 = 6;
/// The tag of what a job costs, if that is more than one start.
const COST: u8 = 8;
/// The tag of the tick that a job is.
const TICK: u8 = 1;
/// The first byte of a value that is not plain JSON.
const ENVELOPE: u8 = 0xC1;
/// Longer payloads go to `blobs`, so that reading records stays cheap.
const INLINE: usize = 4096;
/// The longest stored id; callers may use less.
const MAX_ID: usize = 250;

/// A job as the enqueue script takes it.
pub(crate) struct Packed {
    pub(crate) id: Vec<u8>,
    /// The record without its head.
    pub(crate) rest: Vec<u8>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) due: Option<String>,
}

impl Packed {
    /// About how many bytes are sent.
    pub(crate) fn size(&self) -> usize {
        self.rest.len() + self.payload.as_ref().map_or(0, Vec::len) + 64
    }
}

/// Packs a new job; `Err` says what cannot be stored.
pub(crate) fn pack(job: NewJob) -> Result<Packed, String> {
    job.check().map_err(|error| error.to_string())?;
    let id = id::store(&job.id);
    if id::is_node(&id) {
        return Err("a job's id cannot end in `#` and a number, which names a node of a workflow".to_owned());
    }
    // the length of a stored id takes one byte
    if job.id.as_str().is_empty() || job.id.as_str().len() > MAX_ID {
        return Err(format!("a job's id must have 1 to {MAX_ID} bytes"));
    }
    let due = due_text(job.due);
    let is_blob = job.payload.len() > INLINE;
    let mut flags = 0;
    for (flag, is_set) in [
        (BLOB, is_blob),
        (META, !job.meta.is_empty()),
        (DELAYED, due.is_some()),
        (
            EXTENDED,
            job.ttl.is_some()
                || job.limit_key.is_some()
                || job.collect.is_some()
                || job.cost > 1
                || job.tick.is_some(),
        ),
        (REPLACES, job.replace_failed),
    ] {
        if is_set {
            flags |= flag;
        }
    }
    let capacity = 8 + job.task.len() + if is_blob { 0 } else { job.payload.len() };
    let mut rest = Vec::with_capacity(capacity);
    push_terms(&mut rest, flags, &job.task, job.priority, (job.max_stalls, job.max_attempts))?;
    if !job.meta.is_empty() {
        let meta = serde_json::to_vec(&job.meta).map_err(|error| error.to_string())?;
        let len = u32::try_from(meta.len()).map_err(|_| "the annotations are too long".to_owned())?;
        rest.extend(len.to_be_bytes());
        rest.extend(meta);
    }
    push_extension(&mut rest, job.ttl, job.limit_key.as_ref(), job.collect, job.cost, job.tick.as_ref())?;
    let payload = if is_blob {
        Some(job.payload)
    } else {
        rest.extend(job.payload);
        None
    };
    Ok(Packed { id, rest, payload, due })
}

/// The due time in the form that scripts take; `None` for now.
pub(crate) fn due_text(due: Due) -> Option<String> {
    match due {
        Due::Now => None,
        Due::After(delay) => Some(format!("+{}", millis(delay))),
        Due::At(at) => at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|at| format!("@{}", millis(at))),
    }
}

/// Writes the start of a record, after version and creation time.
fn push_terms(
    record: &mut Vec<u8>,
    flags: u8,
    task: &str,
    priority: i16,
    (max_stalls, max_attempts): (u32, u32),
) -> Result<(), String> {
    let len = u8::try_from(task.len()).ok().filter(|len| (1..=200).contains(len));
    let Some(len) = len.filter(|_| !task.chars().any(char::is_control)) else {
        return Err("a task's name must have 1 to 200 bytes and no control characters".to_owned());
    };
    if task == SCHEDULES {
        return Err(format!("no task is called `{SCHEDULES}`, which stands for schedules"));
    }
    record.push(flags);
    record.extend(priority.to_be_bytes());
    record.push(u8::try_from(max_stalls).unwrap_or(u8::MAX));
    record.extend(u16::try_from(max_attempts).unwrap_or(u16::MAX).to_be_bytes());
    record.push(len);
    record.extend(task.as_bytes());
    Ok(())
}

/// Writes the extension, if there is anything in it: when a job expires, the key that limits count it by, how it gathers under that key,
/// what it costs, and which tick it is. The store fills in the deadline; a node's deadline is kept elsewhere.
fn push_extension(
    record: &mut Vec<u8>,
    ttl: Option<Ttl>,
    limit_key: Option<&LimitKey>,
    collect: Option<Collect>,
    cost: u32,
    tick: Option<&TickStamp>,
) -> Result<(), String> {
    let mut extension = Vec::new();
    if let Some(ttl) = ttl {
        extension.extend([TTL, 0, 13, u8::from(ttl.is_discarded())]);
        extension.extend(u48(millis(ttl.max()).max(1)));
        extension.extend([0; 6]);
    }
    if let Some(key) = limit_key {
        extension.push(LIMIT_KEY);
        extension.extend(u16::try_from(key.as_str().len()).unwrap_or_default().to_be_bytes());
        extension.extend(key.as_str().as_bytes());
    }
    if let Some(Collect { delay, max_wait, max_size, serial, .. }) = collect {
        extension.extend([COLLECT, 0, 15]);
        extension.extend(u48(millis(delay)));
        extension.extend(u48(max_wait.map_or(0, millis)));
        extension.extend(u16::try_from(max_size).unwrap_or(u16::MAX).to_be_bytes());
        extension.push(u8::from(serial) | if max_wait.is_some() { 2 } else { 0 });
    }
    if cost > 1 {
        extension.extend([COST, 0, 4]);
        extension.extend(cost.to_be_bytes());
    }
    if let Some(TickStamp { schedule, at }) = tick {
        check_schedule_name(schedule)?;
        let len = u16::try_from(7 + schedule.len()).unwrap_or_default();
        extension.push(TICK);
        extension.extend(len.to_be_bytes());
        extension.push(u8::from(at.is_some()));
        extension.extend(u48(at.unwrap_or_default().as_millis()));
        extension.extend(schedule.as_bytes());
    }
    if !extension.is_empty() {
        record.extend(u16::try_from(extension.len()).unwrap_or_default().to_be_bytes());
        record.extend(extension);
    }
    Ok(())
}

fn read_key(value: &[u8]) -> Option<LimitKey> {
    LimitKey::new(std::str::from_utf8(value).ok()?)
}

fn read_tick(value: &[u8]) -> Option<TickStamp> {
    let mut reader = Reader(value);
    let (is_tick, at) = (reader.u8()? == 1, reader.u48()?);
    let schedule = std::str::from_utf8(reader.0).ok()?.to_owned();
    Some(TickStamp { schedule, at: is_tick.then(|| Timestamp::from_millis(at)) })
}

/// The task of a record without its head, if the job has priority 0, goes in line at once and has its payload inside the
/// record.
pub(crate) fn plain_task(rest: &[u8]) -> Option<&[u8]> {
    let ([flags, 0, 0, _, _, _, len], name) = rest.split_first_chunk()? else { return None };
    if flags & (BLOB | DELAYED | EXTENDED | REPLACES) == 0 { name.get(..usize::from(*len)) } else { None }
}

/// A node's record, and its payload if that is stored separately. The dispatch time is in the workflow's head, and the delay
/// is with the join that the node waits for.
pub(crate) fn pack_node(node: NewNode) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let is_blob = node.payload.len() > INLINE;
    let mut flags = 0;
    for (flag, is_set) in [
        (BLOB, is_blob),
        (COMPOSED, node.composed),
        (EXTENDED, node.ttl.is_some() || node.limit_key.is_some() || node.cost > 1),
    ] {
        if is_set {
            flags |= flag;
        }
    }
    let mut record = vec![LAYOUT, 0, 0, 0, 0, 0, 0];
    push_terms(&mut record, flags, &node.task, node.priority, (node.max_stalls, node.max_attempts))?;
    push_extension(&mut record, node.ttl, node.limit_key.as_ref(), None, node.cost, None)?;
    if is_blob {
        return Ok((record, Some(node.payload)));
    }
    record.extend(node.payload);
    Ok((record, None))
}

/// A node's data before its record, and the record.
pub(crate) fn split_node(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(bytes);
    let len = reader.u32()?;
    Some((reader.take(usize::try_from(len).ok()?)?, reader.0))
}

/// Whether a node's data has an entry of a later version.
fn is_special(about: &[u8]) -> bool {
    about.get(4) == Some(&u8::MAX)
}

/// A decoded record of a job.
pub(crate) struct Record<'a> {
    pub(crate) created_at: Timestamp,
    /// It was dispatched with a delay.
    pub(crate) is_delayed: bool,
    pub(crate) priority: i16,
    pub(crate) max_attempts: u32,
    pub(crate) task: &'a str,
    pub(crate) meta: Vec<(String, String)>,
    /// `None` if it is in `blobs`, or in the node's workflow.
    pub(crate) payload: Option<&'a [u8]>,
    /// Of a node: the payload is a recipe.
    pub(crate) composed: bool,
    /// When it expires if it has not started; not for a node.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) limit_key: Option<LimitKey>,
    pub(crate) cost: u32,
    pub(crate) tick: Option<TickStamp>,
}

impl<'a> Record<'a> {
    /// Reads a record as scripts return it: for a node, its field and its workflow's head. Other jobs have no head.
    pub(crate) fn read_of(bytes: &'a [u8], head: &[u8]) -> Option<Self> {
        if head.is_empty() {
            return Self::read(bytes);
        }
        let head = Head::read(head)?;
        let (_, record) = split_node(bytes).filter(|(about, _)| !is_special(about))?;
        Some(Self { created_at: head.created_at, meta: head.meta, ..Self::read(record)? })
    }

    /// `None` if these bytes are not a record.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != LAYOUT {
            return None;
        }
        let created_at = Timestamp::from_millis(reader.u48()?);
        let flags = reader.u8()?;
        if flags & !KNOWN != 0 {
            return None;
        }
        let priority = i16::from_be_bytes(reader.array()?);
        let _max_stalls = reader.u8()?;
        let max_attempts = u32::from(u16::from_be_bytes(reader.array()?));
        let task_len = reader.u8()?;
        let task = std::str::from_utf8(reader.take(task_len.into())?).ok()?;
        let meta = if flags & META == 0 {
            Vec::new()
        } else {
            let len = reader.u32()?;
            serde_json::from_slice(reader.take(usize::try_from(len).ok()?)?).ok()?
        };
        let (mut expires_at, mut limit_key, mut cost, mut tick) = (None, None, 1, None);
        if flags & EXTENDED != 0 {
            read_extension(&mut reader, |tag, value| {
                if tag == TTL {
                    expires_at = value.get(7..).and_then(|at| Reader(at).u48()).filter(|at| *at > 0);
                } else if tag == LIMIT_KEY {
                    limit_key = read_key(value);
                } else if tag == COST {
                    cost = Reader(value).u32().map_or(1, |cost| cost.max(1));
                } else if tag == TICK {
                    tick = read_tick(value);
                }
                is_known(tag, value)
            })?;
        }
        let payload = (flags & BLOB == 0).then_some(reader.0);
        if payload.is_some_and(is_envelope) {
            return None;
        }
        let composed = flags & COMPOSED != 0;
        let expires_at = expires_at.map(Timestamp::from_millis);
        Some(Self {
            created_at,
            is_delayed: flags & DELAYED != 0,
            priority,
            max_attempts,
            task,
            meta,
            payload,
            composed,
            expires_at,
            limit_key,
            cost,
            tick,
        })
    }

    /// Whether a later version wrote the data of a job or of its workflow, and nothing else is wrong with it.
    pub(crate) fn is_newer(bytes: &[u8], head: &[u8]) -> bool {
        if head.is_empty() {
            return is_newer_record(bytes);
        }
        Head::is_newer(head)
            || split_node(bytes).is_some_and(|(about, record)| is_special(about) || is_newer_record(record))
    }

    /// What is known about the job from its record alone.
    pub(crate) fn info(self, id: taskora::JobId, state: JobState) -> JobInfo {
        let mut info = JobInfo::new(id, self.task, state, self.created_at);
        info.max_attempts = self.max_attempts;
        info.priority = self.priority;
        info.cost = self.cost;
        info.meta = self.meta;
        if !state.is_terminal() {
            info.expires_at = self.expires_at;
        }
        info
    }
}

fn is_newer_record(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    let read = || {
        let layout = reader.u8()?;
        if layout != LAYOUT {
            return Some(layout > LAYOUT);
        }
        let (_created, flags, _terms) = (reader.u48()?, reader.u8()?, reader.take(5)?);
        let name = reader.u8()?;
        reader.take(name.into())?;
        if flags & !KNOWN != 0 {
            return Some(true);
        }
        if flags & META != 0 {
            let len = reader.u32()?;
            reader.take(usize::try_from(len).ok()?)?;
        }
        if flags & EXTENDED != 0 && read_extension(&mut reader, is_known).is_none() {
            return Some(true);
        }
        Some(flags & BLOB == 0 && is_envelope(reader.0))
    };
    let mut read = read;
    read().unwrap_or(false)
}

/// Whether a payload, a recipe or a result is not plain JSON. Neither JSON nor MessagePack begins with this byte.
pub(crate) fn is_envelope(value: &[u8]) -> bool {
    value.first() == Some(&ENVELOPE)
}

fn is_known(tag: u8, value: &[u8]) -> bool {
    tag == TTL && value.len() == 13
        || tag == LIMIT_KEY && read_key(value).is_some()
        || tag == COLLECT && value.len() == 15
        || tag == COST && value.len() == 4
}

#[cfg(test)]
mod tests;
