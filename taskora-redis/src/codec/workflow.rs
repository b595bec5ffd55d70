//! The stored data of a workflow as a whole.

use taskora::Timestamp;
use taskora::workflow::WorkflowState;

use super::layout::{LAYOUT, read_extension};
use super::reader::{Reader, text};

/// What a workflow was started with.
pub(crate) struct Head {
    pub(crate) created_at: Timestamp,
    pub(crate) nodes: u32,
    pub(crate) joins: u32,
    pub(crate) meta: Vec<(String, String)>,
}

/// How many nodes have not ended, in digits.
pub(crate) fn read_open(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

impl Head {
    /// Whether a later version wrote this head, or the state of its workflow.
    pub(crate) fn is_newer(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|layout| *layout > LAYOUT)
            || bytes.get(43..).is_some_and(|rest| read_extension(&mut Reader(rest), |_, _| false).is_none())
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
        read_extension(&mut reader, |_, _| false)?;
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
    /// The end in a workflow's `l`, after the number of nodes that have not ended; `None` while it runs.
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
