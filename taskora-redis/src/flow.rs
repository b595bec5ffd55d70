//! How a new workflow is written: the fields of its hash. `docs/wire-format.md` draws them.

use taskora::adapter::NewWorkflow;

use crate::record::{due_text, millis, pack_node};

/// What stands for "waits for no join".
pub(crate) const ROOT: u32 = u32::MAX;
/// Fields in one call.
const MAX_FIELDS: usize = 1_000;
/// About how many bytes of fields go in one call.
const MAX_BYTES: usize = 1 << 20;

type Field = (String, Vec<u8>);

/// A workflow, ready to be sent as often as need be.
pub(crate) struct Plan {
    pub(crate) ttl: Option<u64>,
    pub(crate) due: Option<String>,
    pub(crate) nodes: usize,
    pub(crate) joins: usize,
    pub(crate) meta: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) roots: Vec<u8>,
    /// What has a field of its own: nodes and joins.
    pub(crate) fields: Vec<Field>,
}

impl Plan {
    /// `Err` says what cannot be stored, or could never end.
    pub(crate) fn new(workflow: NewWorkflow) -> Result<Self, String> {
        let NewWorkflow { id, nodes, joins, output, ttl, due, meta } = workflow;
        id.validate().map_err(|error| error.to_string())?;
        let (node_count, join_count) = (nodes.len(), joins.len());
        let count = u32::try_from(node_count).ok().filter(|count| *count < ROOT);
        let join_limit = u32::try_from(join_count).ok().filter(|count| *count < ROOT);
        let (Some(count), Some(_)) = (count, join_limit) else {
            return Err("a workflow has too many nodes".to_owned());
        };
        let mut joins_of: Vec<Vec<u32>> = vec![Vec::new(); node_count];
        let mut last_of = Vec::with_capacity(join_count);
        for (number, members) in (0u32..).zip(&joins) {
            let Some(last) = members.iter().max().filter(|last| **last < count) else {
                return Err(format!("join {number} is empty, or contains a node that does not exist"));
            };
            last_of.push(*last);
            for member in members {
                joins_of.get_mut(*member as usize).into_iter().for_each(|joins| joins.push(number));
            }
        }
        let mut roots = Ranges::default();
        let mut children = vec![Ranges::default(); join_count];
        let mut fields = Vec::with_capacity(2 * (node_count + join_count));
        for ((number, node), joins) in (0u32..).zip(nodes).zip(joins_of) {
            match node.after {
                None => roots.push(number),
                Some(after) => {
                    // so that there is no circle
                    if last_of.get(after as usize).is_none_or(|last| *last >= number) {
                        return Err(format!(
                            "node {number} waits for a join that does not exist or comes after it"
                        ));
                    }
                    children.get_mut(after as usize).into_iter().for_each(|children| children.push(number));
                }
            }
            let mut about = node.after.unwrap_or(ROOT).to_be_bytes().to_vec();
            about.extend(u32::try_from(joins.len()).unwrap_or(u32::MAX).to_be_bytes());
            about.extend(joins.iter().flat_map(|join| join.to_be_bytes()));
            about.extend(node.name.as_bytes());
            let (record, blob) = pack_node(node)?;
            fields.push((format!("n{number}"), about));
            fields.push((format!("p{number}"), record));
            fields.extend(blob.map(|blob| (format!("b{number}"), blob)));
        }
        for ((number, members), children) in (0u32..).zip(&joins).zip(children) {
            fields.push((format!("j{number}"), members.len().to_string().into_bytes()));
            if !children.bytes.is_empty() {
                fields.push((format!("c{number}"), children.bytes));
            }
        }
        let meta = if meta.is_empty() {
            Vec::new()
        } else {
            serde_json::to_vec(&meta).map_err(|error| error.to_string())?
        };
        Ok(Self {
            ttl: ttl.map(millis),
            due: due_text(due),
            nodes: node_count,
            joins: join_count,
            meta,
            output,
            roots: roots.bytes,
            fields,
        })
    }

    /// The fields in pieces that each go in one call; one piece if all of them do.
    pub(crate) fn pieces(&self) -> Vec<&[Field]> {
        let (mut pieces, mut rest) = (Vec::new(), self.fields.as_slice());
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take(MAX_FIELDS).take_while(|(_, value)| {
                bytes += value.len() + 16;
                bytes <= MAX_BYTES
            });
            let (piece, tail) = rest.split_at(fitting.count().max(1));
            pieces.push(piece);
            rest = tail;
        }
        pieces
    }
}

/// Growing numbers, as first and last of each run of them, 4 bytes each.
#[derive(Clone, Default)]
struct Ranges {
    bytes: Vec<u8>,
    last: Option<u32>,
}

impl Ranges {
    fn push(&mut self, number: u32) {
        if self.last.is_some_and(|last| last.checked_add(1) == Some(number)) {
            self.bytes.truncate(self.bytes.len().saturating_sub(4));
        } else {
            self.bytes.extend(number.to_be_bytes());
        }
        self.bytes.extend(number.to_be_bytes());
        self.last = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use taskora::adapter::{Due, NewNode};

    fn node(after: Option<u32>) -> NewNode {
        NewNode {
            name: "n".to_owned(),
            task: "t".into(),
            payload: b"{}".to_vec(),
            composed: false,
            after,
            priority: 0,
            delay: Duration::ZERO,
            max_attempts: 1,
            max_stalls: 1,
        }
    }

    fn flow(nodes: Vec<NewNode>, joins: Vec<Vec<u32>>) -> NewWorkflow {
        let (output, meta) = (b"0".to_vec(), Vec::new());
        NewWorkflow { id: "w".into(), nodes, joins, output, ttl: None, due: Due::Now, meta }
    }

    #[test]
    fn neighbours_are_one_range() {
        let mut ranges = Ranges::default();
        [1, 2, 3, 7, 9, 10].into_iter().for_each(|number| ranges.push(number));
        let expected = [1u32, 3, 7, 7, 9, 10].map(u32::to_be_bytes).concat();
        assert_eq!(ranges.bytes, expected);
    }

    #[test]
    fn what_could_never_end_is_refused() {
        for (nodes, joins) in [
            (vec![node(Some(0))], vec![vec![0]]),
            (vec![node(None), node(Some(0))], vec![vec![1]]),
            (vec![node(None), node(Some(0))], vec![vec![]]),
            (vec![node(None), node(Some(0))], vec![vec![7]]),
            (vec![node(Some(3))], vec![]),
        ] {
            assert!(Plan::new(flow(nodes, joins)).is_err());
        }
    }

    #[test]
    fn a_large_workflow_goes_in_several_pieces() {
        let plan = Plan::new(flow(vec![node(None); 10_000], Vec::new())).expect("a valid workflow");
        assert_eq!(plan.roots, [0u32, 9_999].map(u32::to_be_bytes).concat());
        assert_eq!(plan.pieces().iter().map(|piece| piece.len()).sum::<usize>(), 20_000);
        assert!(plan.pieces().iter().all(|piece| piece.len() <= MAX_FIELDS));
        let large = NewNode { payload: vec![b' '; 2 << 20], ..node(None) };
        assert_eq!(Plan::new(flow(vec![large], Vec::new())).expect("valid").pieces().len(), 2);
    }
}
