//! How ids are stored: a UUID v7 as its 16 bytes, any other id as `=` and its text, a workflow's node as `*`, the
//! workflow's stored id, `#` and its number. Stored ids of one kind sort like the ids themselves.
//!
//! taskora generates UUIDs v7, which never occur again. Any other id may be used again once its job was trimmed; scripts
//! recognise it by its `=`.

use taskora::adapter::Lease;
use taskora::workflow::WorkflowId;
use taskora::{JobId, Timestamp};
use uuid::Uuid;

/// The first byte of ids that are not UUIDs v7. A UUID that begins with this byte is stored as text, too.
const TEXT: u8 = b'=';
/// The first byte of the ids of nodes; see also [`TEXT`].
const NODE: u8 = b'*';

/// The stored form of an id.
pub(crate) fn store(id: &JobId) -> Vec<u8> {
    let mut stored = Vec::with_capacity(16);
    write(id, &mut stored);
    stored
}

/// Writes the stored form of an id.
pub(crate) fn write(id: &JobId, to: &mut Vec<u8>) {
    match node_text(id.as_str()) {
        Some((workflow, number)) => {
            to.push(NODE);
            write_text(workflow, to);
            to.push(b'#');
            to.extend(number.as_bytes());
        }
        None => write_text(id.as_str(), to),
    }
}

/// The stored form of a workflow's id.
pub(crate) fn store_workflow(id: &WorkflowId) -> Vec<u8> {
    let mut stored = Vec::with_capacity(16);
    write_text(id.as_str(), &mut stored);
    stored
}

/// The stored form of a key of one unfinished job.
pub(crate) fn unique_field(task: &str, key: &str) -> Vec<u8> {
    [b"u", task.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The task and the key of a stored key.
pub(crate) fn key_in(field: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(field.get(1..)?);
    let (task, key) = text.split_once('\0')?;
    Some((task.to_owned(), key.to_owned()))
}

/// The id under which callers await a workflow: a node's id without a number.
pub(crate) fn watched(stored: &[u8]) -> Vec<u8> {
    [&[NODE], stored, b"#"].concat()
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    // only the usual spelling survives the round trip
    let is_usual = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_ours =
        |uuid: &Uuid| uuid.get_version_num() == 7 && !matches!(uuid.as_bytes().first(), Some(&(TEXT | NODE)));
    match Uuid::try_parse(text) {
        Ok(uuid) if is_usual && is_ours(&uuid) => {
            to.extend(uuid.as_bytes());
        }
        _ => {
            to.push(TEXT);
            to.extend(text.as_bytes());
        }
    }
}

/// The workflow and the number, if the id is a node's. Each number has only one spelling.
fn node_text(text: &str) -> Option<(&str, &str)> {
    let (workflow, number) = text.rsplit_once('#')?;
    let is_canonical = number.parse::<u32>().is_ok_and(|value| value.to_string() == number);
    is_canonical.then_some((workflow, number))
}

/// Whether a stored id is a node's.
pub(crate) fn is_node(stored: &[u8]) -> bool {
    stored.first() == Some(&NODE)
}

/// A node's workflow, in stored form, and its number.
pub(crate) fn node(stored: &[u8]) -> Option<(&[u8], u32)> {
    let rest = stored.strip_prefix(&[NODE])?;
    let at = rest.iter().rposition(|byte| *byte == b'#')?;
    let (workflow, number) = (rest.get(..at)?, rest.get(at + 1..)?);
    Some((workflow, std::str::from_utf8(number).ok()?.parse().ok()?))
}

/// The id that a stored one stands for; `None` if taskora has not written it.
pub(crate) fn load(stored: &[u8]) -> Option<JobId> {
    if is_node(stored) {
        let (workflow, number) = node(stored)?;
        return Some(JobId::node(&load_workflow(workflow)?, number));
    }
    match stored.strip_prefix(&[TEXT]) {
        Some(text) => std::str::from_utf8(text).ok().map(JobId::from),
        None => Uuid::from_slice(stored).ok().map(JobId::from),
    }
}

/// The workflow that a stored id stands for.
pub(crate) fn load_workflow(stored: &[u8]) -> Option<WorkflowId> {
    match stored.strip_prefix(&[TEXT]) {
        Some(text) => std::str::from_utf8(text).ok().map(WorkflowId::from),
        None => Uuid::from_slice(stored).ok().map(|uuid| WorkflowId::from(uuid.to_string())),
    }
}

/// A lease as a member of its task's active set: the stored id, a colon, the token.
pub(crate) fn member(stored: &[u8], lease: &Lease) -> Vec<u8> {
    [stored, format!(":{}", lease.token).as_bytes()].concat()
}

/// The token of the first claim of a job that was created at this time; `of_generated` is that of one whose id was generated. See `lua/lib/tokens.lua`.
pub(crate) fn first_token(stored: &[u8], created_at: Timestamp, of_generated: u64) -> u64 {
    let is_own = stored.first() == Some(&TEXT);
    if is_own { of_generated.max(created_at.as_millis().saturating_mul(1024) + 1) } else { of_generated }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_come_back_and_sort_as_before() {
        let mut uuids: Vec<Uuid> = (0..2000u128)
            .map(|i| Uuid::from_u128(i.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)))
            .map(|uuid| Uuid::from_u128(uuid.as_u128() & !(0xF << 76) | 0x7 << 76))
            .filter(|uuid| ![TEXT, NODE].contains(&uuid.as_bytes()[0]))
            .collect();
        uuids.push(Uuid::now_v7());
        uuids.sort();
        let stored: Vec<Vec<u8>> = uuids.iter().map(|uuid| store(&JobId::from(*uuid))).collect();
        assert!(stored.is_sorted());
        for (uuid, stored) in uuids.iter().zip(&stored) {
            assert_eq!(stored.len(), 16);
            assert_eq!(load(stored), Some(JobId::from(*uuid)));
        }
    }

    #[test]
    fn other_ids_come_back_letter_by_letter() {
        let odd =
            ["order-4711", "naïve:=", "0191F0B2-0000-7000-8000-000000000000", "=", "-", "15 bytes of text"];
        // as bytes these would look like text, or like a node
        let mistaken = ["3d91f0b2-0000-7000-8000-000000000000", "2a91f0b2-0000-7000-8000-000000000000"];
        // not generated by taskora, so they may be used again
        let foreign = ["3f0e2f7c-9d1b-4a52-8c39-5f1d1f0c7a11", "00000000-0000-0000-0000-000000000000"];
        for text in odd.into_iter().chain(mistaken).chain(foreign) {
            let id = JobId::from(text);
            assert_eq!(store(&id), format!("={text}").into_bytes());
            assert_eq!(load(&store(&id)), Some(id));
        }
    }

    #[test]
    fn nodes_come_back() {
        for workflow in
            ["import", "a#1", "0191f0b2-0000-7000-8000-000000000001", "2a91f0b2-0000-7000-8000-000000000000"]
        {
            let workflow = WorkflowId::from(workflow);
            for number in [0, 7, u32::MAX] {
                let id = JobId::node(&workflow, number);
                let stored = store(&id);
                assert_eq!(node(&stored), Some((store_workflow(&workflow).as_slice(), number)));
                assert_eq!(load(&stored), Some(id));
            }
            assert_eq!(node(&watched(&store_workflow(&workflow))), None);
        }
        for text in ["a#", "a#007", "a#-1", "a#4294967296"] {
            assert_eq!(store(&text.into()), format!("={text}").into_bytes());
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for stored in [&b""[..], b"abc", b"17 bytes of bytes", b"=\xff", b"*=a", b"*abc#1"] {
            assert_eq!(load(stored), None, "{stored:?}");
        }
    }
}
