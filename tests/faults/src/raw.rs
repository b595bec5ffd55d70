//! What Redis holds, read by hand: a witness that shares no code with the adapter. `docs/wire-format.md` says what is what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};

use crate::tasks::Done;

/// The end of a job, or of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `C`, `F`, `S`, `X` or `E`.
    pub letter: u8,
    /// That of the result, if there is one.
    pub nonce: Option<u64>,
}

impl End {
    fn read(stored: &[u8]) -> Option<Self> {
        let (letter, body) = (*stored.first()?, stored.get(21..)?);
        let nonce = serde_json::from_slice::<Done>(body).ok().map(|done| done.nonce);
        Some(Self { letter, nonce: nonce.filter(|_| letter == b'C') })
    }

    /// The state's name.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        state(self.letter)
    }
}

/// The name of the state that a letter stands for.
#[must_use]
pub const fn state(letter: u8) -> &'static str {
    match letter {
        b'C' => "completed",
        b'F' | b'S' => "failed",
        b'X' => "cancelled",
        b'E' => "expired",
        _ => "unknown",
    }
}

/// A node of a workflow.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// The join that it waits for.
    pub after: Option<u32>,
    /// The joins that it is in.
    pub joins: Vec<u32>,
    /// Its end.
    pub end: Option<End>,
}

/// A workflow.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// The letter of its state, if it has ended.
    pub ended: Option<u8>,
    /// How many nodes have not ended, as it says.
    pub left: i64,
    /// Its nodes by their numbers.
    pub nodes: BTreeMap<u32, Node>,
}

impl Flow {
    /// The nodes that this one waits for, in order.
    #[must_use]
    pub fn parents(&self, node: &Node) -> Vec<u32> {
        let Some(join) = node.after else { return Vec::new() };
        self.nodes.iter().filter(|(_, node)| node.joins.contains(&join)).map(|(number, _)| *number).collect()
    }
}

/// A namespace at one moment; take it when nothing moves.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// All keys without the prefix; what is not UTF-8 in them is replaced.
    pub keys: BTreeSet<String>,
    /// Job by job, the task.
    pub jobs: HashMap<String, String>,
    /// Job by job, when it was stored, in milliseconds of the server's clock.
    pub created: HashMap<String, u64>,
    /// Job by job, the end.
    pub done: HashMap<String, End>,
    /// Whose payloads are stored apart.
    pub blobs: BTreeSet<String>,
    /// Whose progress is stored.
    pub progress: BTreeSet<String>,
    /// Task and state to the ids in that index.
    pub indexes: HashMap<(String, &'static str), Vec<String>>,
    /// The workflows.
    pub flows: HashMap<String, Flow>,
    /// The workflows in the index of those that have ended.
    pub ended_flows: BTreeSet<String>,
    /// Entries of keys that should be empty when nothing is left to do, as text.
    pub left_over: Vec<String>,
}

/// What may be there when nothing is left to do, beside what the indexes hold.
const AT_REST: &[&str] = &[
    "meta", "seq", "front", "tasks", "jobs", "blobs", "done", "past", "progress", "clock", "wfdone",
    "wfgone", "procs", "registry", "workers", "damaged", DECLARED,
];
/// The limits by key that the code of this task declares.
pub const DECLARED: &str = "gate:serve";
/// What may be there of each task, job, worker or workflow.
const AT_REST_OF: &[&str] = &[
    "log:",
    "completed:",
    "failed:",
    "cancelled:",
    "expired:",
    "call:",
    "wf:",
    "noted:",
    "stage:",
    "history:",
    "patterns:",
    // it passes by itself
    "throttle:",
];

/// Reads a namespace.
///
/// # Errors
/// If Redis cannot be reached, or holds something of another type.
pub async fn read(redis: &mut MultiplexedConnection, namespace: &str) -> RedisResult<Snapshot> {
    let prefix = format!("{{{namespace}}}:");
    let mut snapshot = Snapshot::default();
    for key in keys(redis, &prefix).await? {
        let name = key.get(prefix.len()..).unwrap_or_default();
        let text = String::from_utf8_lossy(name).into_owned();
        // what a rate has counted goes by itself
        if text.starts_with("rate:") && redis::cmd("PTTL").arg(&key).query_async::<i64>(redis).await? != -1 {
            continue;
        }
        // jobs with ids of their own are in indexes of their own
        let own = text.strip_prefix("own").unwrap_or(&text);
        if text == "jobs" {
            for (id, record) in hash(redis, &key).await? {
                snapshot.jobs.insert(id_of(&id), task_of(&record));
                snapshot.created.insert(id_of(&id), created_of(&record));
            }
        } else if text == "done" {
            for (id, end) in hash(redis, &key).await? {
                let end = End::read(&end).ok_or_else(|| odd("an end that cannot be read"))?;
                snapshot.done.insert(id_of(&id), end);
            }
        } else if text == "blobs" || text == "progress" {
            let ids = list(redis, "HKEYS", &key, &[]).await?.iter().map(|id| id_of(id)).collect();
            if text == "blobs" { snapshot.blobs = ids } else { snapshot.progress = ids }
        } else if let Some(task) = own.strip_prefix("completed:").map(str::to_owned) {
            let ids = list(redis, "LRANGE", &key, &["0", "-1"]).await?;
            let ids = ids.iter().map(|entry| entry.get(6..).unwrap_or_default());
            // a filler, where a repair took an entry out of the middle
            let ids = ids.filter(|id| id.first() != Some(&b'!')).map(id_of);
            snapshot.indexes.entry((task, "completed")).or_default().extend(ids);
        } else if let Some((task, state)) = ["failed", "cancelled", "expired"]
            .into_iter()
            .find_map(|state| Some((own.strip_prefix(state)?.strip_prefix(':')?.to_owned(), state)))
        {
            let ids = list(redis, "ZRANGE", &key, &["0", "-1"]).await?;
            snapshot.indexes.entry((task, state)).or_default().extend(ids.iter().map(|id| id_of(id)));
        } else if name.starts_with(b"wf:") {
            let flow =
                flow(&hash(redis, &key).await?).ok_or_else(|| odd("a workflow that cannot be read"))?;
            snapshot.flows.insert(id_of(name.get(3..).unwrap_or_default()), flow);
        } else if text == "wfdone" {
            let ids = list(redis, "ZRANGE", &key, &["0", "-1"]).await?;
            snapshot.ended_flows = ids.iter().map(|id| id_of(id)).collect();
        } else if !AT_REST.contains(&text.as_str()) && !AT_REST_OF.iter().any(|kind| text.starts_with(kind)) {
            snapshot.left_over.push(format!("`{text}`: {}", glimpse(redis, &key).await?));
        }
        snapshot.keys.insert(text);
    }
    Ok(snapshot)
}

fn odd(what: &'static str) -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, what).into()
}

/// The id that a stored one stands for.
#[must_use]
pub fn id_of(stored: &[u8]) -> String {
    let node = || {
        let rest = stored.strip_prefix(b"*")?;
        let at = rest.iter().rposition(|byte| *byte == b'#')?;
        let number = String::from_utf8_lossy(rest.get(at + 1..)?).into_owned();
        Some(format!("{}#{number}", id_of(rest.get(..at)?)))
    };
    if let Some(text) = stored.strip_prefix(b"=") {
        return String::from_utf8_lossy(text).into_owned();
    }
    if let Some(node) = node() {
        return node;
    }
    let hex: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
    if hex.len() != 32 {
        return format!("unreadable id {hex}");
    }
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn task_of(record: &[u8]) -> String {
    let length = record.get(13).copied().unwrap_or(0).into();
    String::from_utf8_lossy(record.get(14..).and_then(|rest| rest.get(..length)).unwrap_or_default())
        .into_owned()
}

fn created_of(record: &[u8]) -> u64 {
    record.iter().skip(1).take(6).fold(0, |time, byte| time << 8 | u64::from(*byte))
}

fn flow(fields: &[(Vec<u8>, Vec<u8>)]) -> Option<Flow> {
    let mut flow = Flow::default();
    let u32_at = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    for (field, value) in fields {
        let (kind, number) = (field.first()?, std::str::from_utf8(field.get(1..)?).ok()?);
        match (kind, number.parse::<u32>()) {
            (b'l', _) if number.is_empty() => {
                let mut parts = value.splitn(2, |byte| *byte == b' ');
                flow.left = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
                flow.ended = parts.next().and_then(|end| end.first().copied());
            }
            (b'n', Ok(number)) => {
                let node = flow.nodes.entry(number).or_default();
                node.after = Some(u32_at(value, 4)?).filter(|join| *join != u32::MAX);
                let joins = u32_at(value, 9)? as usize;
                node.joins = (0..joins).map(|place| u32_at(value, 13 + 4 * place)).collect::<Option<_>>()?;
            }
            (b'd', Ok(number)) => flow.nodes.entry(number).or_default().end = Some(End::read(value)?),
            _ => {}
        }
    }
    Some(flow)
}

async fn keys(redis: &mut MultiplexedConnection, prefix: &str) -> RedisResult<BTreeSet<Vec<u8>>> {
    let (mut found, mut cursor) = (BTreeSet::new(), 0_u64);
    loop {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(1000);
        let (next, page): (u64, Vec<Vec<u8>>) = cmd.query_async(redis).await?;
        found.extend(page);
        cursor = next;
        if cursor == 0 {
            return Ok(found);
        }
    }
}

async fn hash(redis: &mut MultiplexedConnection, key: &[u8]) -> RedisResult<Vec<(Vec<u8>, Vec<u8>)>> {
    redis::cmd("HGETALL").arg(key).query_async(redis).await
}

async fn list(
    redis: &mut MultiplexedConnection,
    command: &str,
    key: &[u8],
    arguments: &[&str],
) -> RedisResult<Vec<Vec<u8>>> {
    redis::cmd(command).arg(key).arg(arguments).query_async(redis).await
}

/// Some of what is in a key, for a message.
async fn glimpse(redis: &mut MultiplexedConnection, key: &[u8]) -> RedisResult<String> {
    let kind: String = redis::cmd("TYPE").arg(key).query_async(redis).await?;
    let value: Value = match kind.as_str() {
        "hash" => redis::cmd("HGETALL").arg(key).query_async(redis).await?,
        "list" => redis::cmd("LRANGE").arg(key).arg(0).arg(4).query_async(redis).await?,
        "set" => redis::cmd("SMEMBERS").arg(key).query_async(redis).await?,
        "zset" => redis::cmd("ZRANGE").arg(key).arg(0).arg(4).arg("WITHSCORES").query_async(redis).await?,
        "string" => redis::cmd("GET").arg(key).query_async(redis).await?,
        _ => Value::Nil,
    };
    let text = format!("{value:?}");
    Ok(text.chars().take(300).collect())
}
