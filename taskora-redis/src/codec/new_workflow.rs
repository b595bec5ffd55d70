//! How a new workflow is written: the fields of its hash. `docs/wire-format.md` shows them.

use taskora::adapter::{NewNode, NewWorkflow};
use uuid::Uuid;

use crate::codec::{due_text, millis, pack_node, u48};
use crate::id;

/// What stands for "waits for no join".
pub(crate) const ROOT: u32 = u32::MAX;
/// The most fields in one call.
const MAX_FIELDS: usize = 1_000;
/// The approximate limit of bytes of fields in one call.
const MAX_BYTES: usize = 1 << 20;
/// The most bytes in a slab of nodes that wait for a join.
const MAX_SLAB: usize = 4096;

/// Added to the delay of an entry if a ttl follows; delays are always shorter.
const EXPIRES: u64 = 1 << 40;

/// A field of a workflow's hash, and its value.
pub(crate) type Field = (String, Vec<u8>);

/// A workflow, ready to be sent, and sent again.
pub(crate) struct Plan {
    pub(crate) id: Vec<u8>,
    /// The same for a repeated start.
    pub(crate) nonce: [u8; 16],
    /// Its deadline and its due time, as the start script takes them.
    pub(crate) times: String,
    /// The part of its head after these times.
    pub(crate) head: Vec<u8>,
    pub(crate) nodes: usize,
    pub(crate) output: Vec<u8>,
    /// The nodes without a join; empty if they are among the fields.
    pub(crate) roots: Vec<u8>,
    /// The key that stands for it, in the form that the start script takes; empty if there is none.
    pub(crate) hold: Vec<u8>,
    /// The fields: nodes and joins.
    pub(crate) fields: Vec<Field>,
    /// The approximate size of the fields in bytes.
    bytes: usize,
}

impl Plan {
    /// The error says what cannot be stored, or could never end.
    pub(crate) fn new(workflow: NewWorkflow) -> Result<Self, String> {
        let NewWorkflow { id, nodes, joins, output, ttl, due, meta } = workflow;
        id.validate().map_err(|error| error.to_string())?;
        let (node_count, join_count) = (nodes.len(), joins.len());
        let count = u32::try_from(node_count).ok().filter(|count| *count < ROOT);
        let join_limit = u32::try_from(join_count).ok().filter(|count| *count < ROOT);
        let (Some(count), Some(join_limit)) = (count, join_limit) else {
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
        let mut roots = Line::default();
        let mut lines = vec![Line::default(); join_count];
        for (number, node) in (0u32..).zip(&nodes) {
            let line = match node.after {
                None => &mut roots,
                // this rules out cycles
                Some(after) => lines
                    .get_mut(after as usize)
                    .filter(|_| last_of.get(after as usize).is_some_and(|last| *last < number))
                    .ok_or_else(|| {
                        format!("node {number} waits for a join that does not exist or comes after it")
                    })?,
            };
            line.push(number, node)?;
        }
        let sole: Vec<bool> = joins.iter().map(|members| members.len() == 1).collect();
        let mut fields = Vec::with_capacity(node_count + join_count);
        for ((number, node), joins) in (0u32..).zip(nodes).zip(&joins_of) {
            let next = match joins.as_slice() {
                [join] if sole.get(*join as usize) == Some(&true) => lines.get_mut(*join as usize),
                _ => None,
            };
            let next = next.and_then(Line::take_one).unwrap_or_default();
            let mut about = vec![0; 4];
            about.extend(node.after.unwrap_or(ROOT).to_be_bytes());
            about.push(u8::try_from(next.len()).unwrap_or(0));
            about.extend(u32::try_from(joins.len()).unwrap_or(u32::MAX).to_be_bytes());
            about.extend(joins.iter().flat_map(|join| join.to_be_bytes()));
            about.extend(next);
            about.extend(node.name.as_bytes());
            about.splice(..4, u32::try_from(about.len() - 4).unwrap_or(u32::MAX).to_be_bytes());
            let (record, blob) = pack_node(node)?;
            about.extend(record);
            fields.push((format!("n{number}"), about));
            fields.extend(blob.map(|blob| (format!("b{number}"), blob)));
        }
        for ((number, members), line) in (0u32..).zip(&joins).zip(lines).filter(|(_, line)| !line.is_taken) {
            line.write(&number.to_string(), members.len(), &mut fields);
        }
        let nonce = Uuid::now_v7().into_bytes();
        let mut head = [&count.to_be_bytes(), &join_limit.to_be_bytes(), nonce.as_slice()].concat();
        // no extension
        head.extend([0, 0]);
        if !meta.is_empty() {
            serde_json::to_writer(&mut head, &meta).map_err(|error| error.to_string())?;
        }
        let (ttl, due) = (ttl.map(|ttl| millis(ttl).to_string()), due_text(due));
        let times = match (&ttl, &due) {
            (None, None) => String::new(),
            _ => format!("{} {}", ttl.unwrap_or_default(), due.unwrap_or_default()),
        };
        let mut plan = Self {
            id: id::store_workflow(&id),
            nonce,
            times,
            head,
            nodes: node_count,
            output,
            roots: Vec::new(),
            hold: Vec::new(),
            bytes: fields.iter().map(size).sum(),
            fields,
        };
        if plan.is_small() {
            plan.roots = roots.slabs.concat();
        } else {
            // the call that starts the workflow does not release all of them
            roots.write("r", 0, &mut plan.fields);
            plan.fields.push(("jr".to_owned(), b"-0 0".to_vec()));
        }
        Ok(plan)
    }

    /// Whether it fits into one call.
    pub(crate) fn is_small(&self) -> bool {
        self.fields.len() <= MAX_FIELDS && self.bytes <= MAX_BYTES
    }

    /// About how many bytes its start sends.
    pub(crate) fn size(&self) -> usize {
        self.bytes + self.head.len() + self.output.len() + self.roots.len() + self.hold.len() + 64
    }

    /// The fields of a workflow that is not small, in pieces that each fit into one call.
    pub(crate) fn pieces(&self) -> Vec<&[Field]> {
        let (mut pieces, mut rest) = (Vec::new(), self.fields.as_slice());
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take(MAX_FIELDS).take_while(|field| {
                bytes += size(field);
                bytes <= MAX_BYTES
            });
            let (piece, tail) = rest.split_at(fitting.count().max(1));
            pieces.push(piece);
            rest = tail;
        }
        pieces
    }
}

fn size((_, value): &Field) -> usize {
    value.len() + 16
}

/// The nodes that wait for a join, ordered by number: entries of consecutive, equal nodes, in slabs, so that a release reads
/// only as much as it releases.
#[derive(Clone, Default)]
struct Line {
    slabs: Vec<Vec<u8>>,
    /// The last node, and the position of its entry in the last slab.
    last: Option<(u32, usize)>,
    /// The entry has moved to the only node that it waits for.
    is_taken: bool,
}

impl Line {
    fn push(&mut self, number: u32, node: &NewNode) -> Result<(), String> {
        let len = u8::try_from(node.task.len()).map_err(|_| "a task's name is too long".to_owned())?;
        let delay = millis(node.delay).min(EXPIRES - 1);
        let ttl = node.ttl.map(|ttl| u48(millis(ttl.max()).max(1)));
        let mut terms = u48(if ttl.is_some() { delay + EXPIRES } else { delay }).to_vec();
        terms.extend(node.priority.to_be_bytes());
        terms.push(len);
        terms.extend(node.task.as_bytes());
        terms.extend(ttl.into_iter().flatten());
        let now = number.to_be_bytes();
        if let (Some((last, at)), Some(slab)) = (self.last, self.slabs.last_mut())
            && last.checked_add(1) == Some(number)
            && slab.get(at + 8..) == Some(&terms)
            && let Some(end) = slab.get_mut(at + 4..at + 8)
        {
            end.copy_from_slice(&now);
            self.last = Some((number, at));
            return Ok(());
        }
        if self.slabs.last().is_none_or(|slab| slab.len() + 8 + terms.len() > MAX_SLAB) {
            self.slabs.push(Vec::new());
        }
        if let Some(slab) = self.slabs.last_mut() {
            self.last = Some((number, slab.len()));
            slab.extend(now);
            slab.extend(now);
            slab.extend(terms);
        }
        Ok(())
    }

    /// Takes the entry, if it is for a single node.
    fn take_one(&mut self) -> Option<Vec<u8>> {
        let [slab] = self.slabs.as_slice() else { return None };
        let is_one = self.last.is_some_and(|(last, at)| at == 0 && slab.starts_with(&last.to_be_bytes()));
        if !is_one {
            return None;
        }
        self.is_taken = true;
        self.slabs.pop()
    }

    /// Writes its fields. The first one begins with the number of nodes that the join waits for, and the number of slabs.
    fn write(self, join: &str, members: usize, fields: &mut Vec<Field>) {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes();
        let mut first = [number(members), number(self.slabs.len())].concat();
        let mut slabs = self.slabs.into_iter();
        first.extend(slabs.next().unwrap_or_default());
        fields.push((format!("c{join}"), first));
        fields.extend((1..).zip(slabs).map(|(at, slab)| (format!("c{join}.{at}"), slab)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use taskora::adapter::NewNode;

    fn node(after: Option<u32>) -> NewNode {
        NewNode { after, ..NewNode::new("n", "t", "{}") }
    }

    fn flow(nodes: Vec<NewNode>, joins: Vec<Vec<u32>>) -> NewWorkflow {
        NewWorkflow::new("w", nodes, joins, "0")
    }

    /// First and last node of each entry.
    fn entries(slab: &[u8]) -> Vec<(u32, u32)> {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        slab.chunks(18).map(|entry| (number(&entry[..4]), number(&entry[4..8]))).collect()
    }

    fn line(nodes: impl IntoIterator<Item = (u32, NewNode)>) -> Line {
        let mut line = Line::default();
        nodes.into_iter().for_each(|(number, node)| line.push(number, &node).expect("a short name"));
        line
    }

    #[test]
    fn neighbours_are_one_entry_if_they_are_alike() {
        let alike = line([1, 2, 3, 7, 9, 10].map(|number| (number, node(None))));
        assert_eq!(
            alike.slabs.iter().map(|slab| entries(slab)).collect::<Vec<_>>(),
            [[(1, 3), (7, 7), (9, 10)]]
        );
        let late = NewNode { delay: Duration::from_millis(1), ..node(None) };
        let first = NewNode { priority: 1, ..node(None) };
        let other = NewNode { task: "u".into(), ..node(None) };
        let mixed = line((0..).zip([node(None), late.clone(), late, first, other, node(None)]));
        assert_eq!(entries(&mixed.slabs[0]), [(0, 0), (1, 2), (3, 3), (4, 4), (5, 5)]);
    }

    #[test]
    fn scattered_nodes_are_many_slabs() {
        let scattered = line((0..1_000).map(|number| (2 * number, node(None))));
        assert!(scattered.slabs.iter().all(|slab| slab.len() <= MAX_SLAB));
        let all: Vec<_> = scattered.slabs.iter().flat_map(|slab| entries(slab)).collect();
        assert_eq!(all, (0..1_000).map(|number| (2 * number, 2 * number)).collect::<Vec<_>>());
        let mut fields = Vec::new();
        let slabs = scattered.slabs.len();
        scattered.write("7", 3, &mut fields);
        assert_eq!(fields.len(), slabs);
        assert_eq!((fields[0].0.as_str(), fields[1].0.as_str()), ("c7", "c7.1"));
        assert_eq!(fields[0].1[..8], [0, 0, 0, 3, 0, 0, 0, slabs as u8]);
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
        assert!(!plan.is_small() && plan.roots.is_empty());
        assert_eq!(plan.pieces().iter().map(|piece| piece.len()).sum::<usize>(), 10_002, "and its roots");
        assert!(plan.pieces().iter().all(|piece| piece.len() <= MAX_FIELDS));
        let large = NewNode { payload: vec![b' '; 2 << 20], ..node(None) };
        let plan = Plan::new(flow(vec![large], Vec::new())).expect("valid");
        assert!(!plan.is_small());
        assert_eq!(plan.pieces().len(), 3, "its payload goes by itself");
    }
}
