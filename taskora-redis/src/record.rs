//! The packed values of a job: its record, what it has behind it, and its end. `docs/wire-format.md` draws them.

use std::time::{Duration, SystemTime};

use taskora::adapter::{Due, Ended, Ending, NewJob, NewNode};
use taskora::workflow::WorkflowState;
use taskora::{AdapterError, JobInfo, JobState, Timestamp};

use crate::answer::{newer, nonsense};
use crate::id;

const LAYOUT: u8 = 1;
/// The payload is in `blobs`.
const BLOB: u8 = 1;
/// Annotations follow the task's name.
const META: u8 = 2;
/// Dispatched for later: the enqueue script finds the time among its further arguments.
const DELAYED: u8 = 4;
/// Of a node: the payload is a recipe.
const COMPOSED: u8 = 8;
/// An extension follows the task's name, or the annotations.
const EXTENDED: u8 = 16;
/// In the sorted set of its line, whatever its priority.
const RANKED: u8 = 32;
/// May take the place of a job of its id that has ended without completing.
const REPLACES: u8 = 64;
/// What a later version adds changes how a job is to be read.
const KNOWN: u8 = BLOB | META | DELAYED | COMPOSED | EXTENDED | RANKED | REPLACES;
/// The bytes of an end, before the result, the message or the reason.
const END: usize = 21;
/// What scripts answer in the place of something that a later version wrote.
pub(crate) const NEWER: u8 = b'~';
/// What begins a value that is not plain JSON.
const ENVELOPE: u8 = 0xC1;
/// Longer payloads go to `blobs`, so that whatever reads records reads little.
const INLINE: usize = 4096;
/// More than a caller may use.
const MAX_ID: usize = 250;
/// The longest time that is stored, in milliseconds: exact in a double with room to be added to.
const FOREVER: u64 = 1 << 47;

/// A duration in whole milliseconds, rounded up, so that nothing is due early.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(FOREVER)
}

/// A job as the enqueue script takes it.
pub(crate) struct Packed {
    pub(crate) id: Vec<u8>,
    /// The record without its head.
    pub(crate) rest: Vec<u8>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) due: Option<String>,
}

impl Packed {
    /// About how many bytes travel.
    pub(crate) fn size(&self) -> usize {
        self.rest.len() + self.payload.as_ref().map_or(0, Vec::len) + 64
    }
}

/// Packs a new job; `Err` says what cannot be stored.
pub(crate) fn pack(job: NewJob) -> Result<Packed, String> {
    let id = id::store(&job.id);
    if id::is_node(&id) {
        return Err("a job's id cannot end in `#` and a number, which names a node of a workflow".to_owned());
    }
    // one byte holds the length of a stored id
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
    let payload = if is_blob {
        Some(job.payload)
    } else {
        rest.extend(job.payload);
        None
    };
    Ok(Packed { id, rest, payload, due })
}

/// When something becomes ready, as scripts take it; `None`: now.
pub(crate) fn due_text(due: Due) -> Option<String> {
    match due {
        Due::Now => None,
        Due::After(delay) => Some(format!("+{}", millis(delay))),
        Due::At(at) => at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|at| format!("@{}", millis(at))),
    }
}

/// What begins a record, after version and creation time.
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
    record.push(flags);
    record.extend(priority.to_be_bytes());
    record.push(u8::try_from(max_stalls).unwrap_or(u8::MAX));
    record.extend(u16::try_from(max_attempts).unwrap_or(u16::MAX).to_be_bytes());
    record.push(len);
    record.extend(task.as_bytes());
    Ok(())
}

/// The task of a record without its head, if the job is of priority 0, goes in line at once and has its payload inside.
pub(crate) fn plain_task(rest: &[u8]) -> Option<&[u8]> {
    let ([flags, 0, 0, _, _, _, len], name) = rest.split_first_chunk()? else { return None };
    if flags & (BLOB | DELAYED | REPLACES) == 0 { name.get(..usize::from(*len)) } else { None }
}

/// A node's record, and its payload if that is kept beside it. When it was dispatched is in its workflow's head, and its
/// delay is with the join that it waits for.
pub(crate) fn pack_node(node: NewNode) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let is_blob = node.payload.len() > INLINE;
    let mut flags = 0;
    for (flag, is_set) in [(BLOB, is_blob), (COMPOSED, node.composed)] {
        if is_set {
            flags |= flag;
        }
    }
    let mut record = vec![LAYOUT, 0, 0, 0, 0, 0, 0];
    push_terms(&mut record, flags, &node.task, node.priority, (node.max_stalls, node.max_attempts))?;
    if is_blob {
        return Ok((record, Some(node.payload)));
    }
    record.extend(node.payload);
    Ok((record, None))
}

/// What is said of a node, and its record.
pub(crate) fn split_node(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(bytes);
    let len = reader.u32()?;
    Some((reader.take(usize::try_from(len).ok()?)?, reader.0))
}

/// Whether what is said of a node has an entry of a later version.
fn is_special(about: &[u8]) -> bool {
    about.get(4) == Some(&u8::MAX)
}

/// A job's record, read.
pub(crate) struct Record<'a> {
    pub(crate) created_at: Timestamp,
    pub(crate) priority: i16,
    pub(crate) max_attempts: u32,
    pub(crate) task: &'a str,
    pub(crate) meta: Vec<(String, String)>,
    /// `None`: it is in `blobs`, or in the node's workflow.
    pub(crate) payload: Option<&'a [u8]>,
    /// Of a node: the payload is a recipe.
    pub(crate) composed: bool,
}

impl<'a> Record<'a> {
    /// A record as scripts answer it: of a node what is stored of it, and its workflow's head. Jobs that are no nodes have
    /// no head.
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
        if flags & EXTENDED != 0 {
            read_extension(&mut reader)?;
        }
        let payload = (flags & BLOB == 0).then_some(reader.0);
        if payload.is_some_and(is_envelope) {
            return None;
        }
        let composed = flags & COMPOSED != 0;
        Some(Self { created_at, priority, max_attempts, task, meta, payload, composed })
    }

    /// Whether a later version wrote what is stored of a job, or of its workflow: nothing else is wrong with it.
    pub(crate) fn is_newer(bytes: &[u8], head: &[u8]) -> bool {
        if head.is_empty() {
            return is_newer_record(bytes);
        }
        Head::is_newer(head)
            || split_node(bytes).is_some_and(|(about, record)| is_special(about) || is_newer_record(record))
    }

    /// What is known of the job from its record alone.
    pub(crate) fn info(self, id: taskora::JobId, state: JobState) -> JobInfo {
        let mut info = JobInfo::new(id, self.task, state, self.created_at);
        info.max_attempts = self.max_attempts;
        info.priority = self.priority;
        info.meta = self.meta;
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
        if flags & EXTENDED != 0 && read_extension(&mut reader).is_none() {
            return Some(true);
        }
        Some(flags & BLOB == 0 && is_envelope(reader.0))
    };
    let mut read = read;
    read().unwrap_or(false)
}

/// Whether a payload, a recipe or a result is not plain JSON: neither JSON nor MessagePack begins so.
pub(crate) fn is_envelope(value: &[u8]) -> bool {
    value.first() == Some(&ENVELOPE)
}

/// Steps over an extension: its length (2), then tags (1), lengths (2) and values. Tags that are even must be understood, and
/// there are none yet: `None`.
fn read_extension(reader: &mut Reader<'_>) -> Option<()> {
    let len = u16::from_be_bytes(reader.array()?);
    let mut rest = Reader(reader.take(len.into())?);
    while !rest.0.is_empty() {
        let tag = rest.u8()?;
        let len = u16::from_be_bytes(rest.array()?);
        rest.take(len.into())?;
        if tag.is_multiple_of(2) {
            return None;
        }
    }
    Some(())
}

/// What a workflow was started with.
pub(crate) struct Head {
    pub(crate) created_at: Timestamp,
    pub(crate) nodes: u32,
    pub(crate) joins: u32,
    pub(crate) meta: Vec<(String, String)>,
}

impl Head {
    /// Whether a later version wrote this head, or the state of its workflow.
    pub(crate) fn is_newer(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|layout| *layout > LAYOUT)
            || bytes.get(43..).is_some_and(|rest| read_extension(&mut Reader(rest)).is_none())
    }

    /// `None` if these bytes are not a head.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != LAYOUT {
            return None;
        }
        let created_at = Timestamp::from_millis(reader.u48()?);
        let (_deadline, _due) = (reader.u48()?, reader.u48()?);
        let (nodes, joins) = (reader.u32()?, reader.u32()?);
        if nodes.max(joins) as usize > taskora::workflow::MAX_NODES {
            return None;
        }
        let _nonce = reader.take(16)?;
        read_extension(&mut reader)?;
        let meta = if reader.0.is_empty() { Vec::new() } else { serde_json::from_slice(reader.0).ok()? };
        Some(Self { created_at, nodes, joins, meta })
    }
}

/// How a workflow has ended.
pub(crate) struct FlowEnd {
    pub(crate) state: WorkflowState,
    pub(crate) finished_at: Timestamp,
    pub(crate) cause: Option<u32>,
    pub(crate) reason: String,
}

impl FlowEnd {
    /// The end in a workflow's `l`, after the number of its nodes that have not ended; `None` if it runs.
    pub(crate) fn within(bytes: &[u8]) -> Option<&[u8]> {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        bytes.get(space + 1..)
    }

    /// `None` if these bytes are not such an end.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let state = match reader.u8()? {
            b'C' => WorkflowState::Completed,
            b'F' => WorkflowState::Failed,
            b'X' => WorkflowState::Cancelled,
            b'E' => WorkflowState::Expired,
            _ => return None,
        };
        let finished_at = Timestamp::from_millis(reader.u48()?);
        let cause = reader.u32()?.checked_sub(1);
        Some(Self { state, finished_at, cause, reason: text(reader.0) })
    }
}

/// What a job has behind it that left its worker without ending.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    pub(crate) error: Option<String>,
}

impl Life {
    /// Nothing is behind a job without an entry; `None` if these bytes are not one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut reader = Reader(bytes);
        let _token = reader.u64()?;
        let (attempts, stalls) = (reader.u32()?, reader.u32()?);
        let error = (reader.u8()? == 1).then(|| text(reader.0));
        Some(Self { attempts, stalls, error })
    }
}

/// How a job has ended.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Timestamp,
    pub(crate) ending: Ending,
}

impl End {
    /// `None` if these bytes are not an end of this version.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let state = reader.u8()?;
        let (attempts, stalls) = (reader.u32()?, reader.u32()?);
        let started = reader.u48()?;
        let finished_at = Timestamp::from_millis(reader.u48()?);
        let ending = match state {
            b'C' if is_envelope(reader.0) => return None,
            b'C' => Ending::Completed(reader.0.to_vec()),
            b'F' => Ending::Failed(text(reader.0)),
            b'S' => Ending::Stalled(Ending::stalled_message(stalls)),
            b'X' => Ending::Cancelled(text(reader.0)),
            b'E' => Ending::Expired,
            _ => return None,
        };
        let started_at = (started > 0).then(|| Timestamp::from_millis(started));
        Some(Self { attempts, stalls, started_at, finished_at, ending })
    }

    /// The error for an end that cannot be read.
    pub(crate) fn unreadable(bytes: &[u8], what: &str) -> AdapterError {
        let is_newer = bytes.first() == Some(&NEWER)
            || bytes.len() >= END
                && bytes.first().is_some_and(|letter| {
                    letter.is_ascii_uppercase() && (*letter == b'C' || state(*letter).is_none())
                });
        if is_newer { newer(what) } else { nonsense(format!("{what} cannot be read")) }
    }

    pub(crate) fn ended(self, task: String) -> Ended {
        Ended { task, attempts: self.attempts, ending: self.ending }
    }
}

/// The state that a letter of the scripts stands for.
pub(crate) const fn state(letter: u8) -> Option<JobState> {
    Some(match letter {
        b'C' => JobState::Completed,
        b'F' | b'S' => JobState::Failed,
        b'X' => JobState::Cancelled,
        b'E' => JobState::Expired,
        b'R' => JobState::Retrying,
        b'W' => JobState::Waiting,
        b'D' => JobState::Delayed,
        _ => return None,
    })
}

/// The state of an unfinished job in this place, after this many attempts.
pub(crate) fn state_at(place: &[u8], attempts: u32) -> JobState {
    match place {
        b"active" => JobState::Active,
        b"delayed" if attempts == 0 => JobState::Delayed,
        b"delayed" => JobState::Retrying,
        _ => JobState::Waiting,
    }
}

/// The last error's message, or the reason of the cancellation.
pub(crate) fn message(ending: Ending) -> Option<String> {
    match ending {
        Ending::Failed(message) | Ending::Stalled(message) | Ending::Cancelled(message) => Some(message),
        Ending::Completed(_) | Ending::Expired => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads big-endian numbers; `None` where the bytes are too short.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u48(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(2..)?.copy_from_slice(self.take(6)?);
        Some(u64::from_be_bytes(bytes))
    }
}

/// The last six bytes of a number: how times are stored.
pub(crate) fn u48(number: u64) -> [u8; 6] {
    let [_, _, rest @ ..] = number.to_be_bytes();
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(payload: Vec<u8>) -> NewJob {
        NewJob {
            priority: -7,
            max_attempts: 3,
            meta: vec![("k".into(), "v".into())],
            ..NewJob::new("a", "send-email", payload)
        }
    }

    fn stored(packed: &Packed) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(u48(1_700_000_000_000));
        bytes.extend(&packed.rest);
        bytes
    }

    #[test]
    fn a_record_comes_back() {
        let packed = pack(job(b"{}".to_vec())).expect("a valid job");
        let bytes = stored(&packed);
        let record = Record::read(&bytes).expect("a record");
        assert_eq!(record.created_at.as_millis(), 1_700_000_000_000);
        assert_eq!((record.priority, record.max_attempts, record.task), (-7, 3, "send-email"));
        assert_eq!(record.meta, [("k".to_owned(), "v".to_owned())]);
        assert_eq!(record.payload, Some(&b"{}"[..]));
    }

    #[test]
    fn a_record_costs_14_bytes_beside_task_and_payload() {
        let mut job = job(vec![b'x'; 92]);
        job.meta.clear();
        let packed = pack(job).expect("a valid job");
        assert_eq!(stored(&packed).len(), 14 + 10 + 92);
    }

    #[test]
    fn a_large_payload_is_kept_beside_the_record() {
        let packed = pack(job(vec![b'x'; INLINE + 1])).expect("a valid job");
        assert_eq!(packed.payload.as_ref().map(Vec::len), Some(INLINE + 1));
        assert!(Record::read(&stored(&packed)).expect("a record").payload.is_none());
    }

    #[test]
    fn cut_off_bytes_are_no_record_and_no_panic() {
        let bytes = stored(&pack(job(b"{}".to_vec())).expect("a valid job"));
        for len in 0..bytes.len() - 2 {
            assert!(Record::read(&bytes[..len]).is_none(), "{len}");
        }
        for len in 0..21 {
            assert!(End::read(&b"C01234567890123456789"[..len]).is_none());
        }
        assert!(Life::read(b"short").is_none());
    }

    #[test]
    fn names_that_cannot_be_stored_are_refused() {
        for name in ["", "a\nb", &"x".repeat(201)] {
            assert!(pack(NewJob { task: name.into(), ..job(Vec::new()) }).is_err(), "{name}");
        }
    }
}
