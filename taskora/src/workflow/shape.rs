//! How a value is assembled from the results of nodes.

use std::fmt;

use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{MAX_NODES, MAX_VALUES};
use crate::json;

/// How a value is assembled from node results: as the result of a node, or as a list of such values.
///
/// Written as JSON: a node is its number, a list is a list, and a run is `{"of":0,"len":10000,"step":1}`, so that
/// the result of a group of 10,000 is described in a few bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// The result of the node with this number.
    Node(u32),
    /// A list; also used for a tuple.
    List(Vec<Self>),
    /// A list of `len` values of one shape, each `step` nodes after the one before.
    Run {
        /// The shape of the first value.
        of: Box<Self>,
        /// How many values there are.
        len: u32,
        /// How far apart they are.
        step: u32,
    },
}

/// Shorter lists are not written as runs.
const SHORTEST_RUN: usize = 4;

/// Why a stored recipe cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// It is not what this version of taskora writes.
    #[error("the recipe of a composed value cannot be read: {0}")]
    Invalid(String),
    /// A later version of taskora wrote it.
    #[error("a later version of taskora wrote the recipe of a composed value: {0}")]
    Newer(String),
    /// A result that it needs is missing.
    #[error("the result of node {0} is not there")]
    Missing(u32),
}

impl Shape {
    /// A list of these values, written as a run if it is one.
    pub(crate) fn list(values: Vec<Self>) -> Self {
        Self::run(&values).unwrap_or(Self::List(values))
    }

    fn run(values: &[Self]) -> Option<Self> {
        let (first, second) = (values.first()?, values.get(1)?);
        let step = second.first_node()?.checked_sub(first.first_node()?)?;
        let len = u32::try_from(values.len()).ok()?;
        let mut moved = first.clone();
        let is_run = values.len() >= SHORTEST_RUN
            && values.iter().all(|value| {
                let same = *value == moved;
                moved.shift(step);
                same
            });
        is_run.then(|| Self::Run { of: Box::new(first.clone()), len, step })
    }

    fn first_node(&self) -> Option<u32> {
        match self {
            Self::Node(node) => Some(*node),
            Self::List(values) => values.iter().find_map(Self::first_node),
            Self::Run { of, .. } => of.first_node(),
        }
    }

    /// Shifts the number of every node.
    pub(crate) fn shift(&mut self, by: u32) {
        match self {
            Self::Node(node) => *node = node.saturating_add(by),
            Self::List(values) => values.iter_mut().for_each(|value| value.shift(by)),
            Self::Run { of, .. } => of.shift(by),
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`], also for a shape with more nodes than a workflow may have.
    pub fn parse(json: &[u8]) -> Result<Self, RecipeError> {
        let shape: Self = json::read(json).map_err(|error| {
            let read = serde_json::from_slice(json);
            let is_newer = json.first() == Some(&ENVELOPE) || read.is_ok_and(|value| is_newer(&value));
            let message = error.to_string();
            if is_newer { RecipeError::Newer(message) } else { RecipeError::Invalid(message) }
        })?;
        shape.check().map(|()| shape)
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // numbers, lists and objects of numbers cannot fail to serialize
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), RecipeError> {
        match self.extent() {
            // a list of all nodes has one value more than there are nodes
            Some((values, last)) if values <= MAX_VALUES as u64 && last <= u64::from(u32::MAX) => Ok(()),
            _ => Err(RecipeError::Invalid(format!("it has more than {MAX_VALUES} values"))),
        }
    }

    /// How many values and lists it has, and its highest node; `None` on overflow.
    fn extent(&self) -> Option<(u64, u64)> {
        match self {
            Self::Node(node) => Some((1, u64::from(*node))),
            Self::List(values) => values.iter().try_fold((1u64, 0), |(count, last), value| {
                let (more, highest) = value.extent()?;
                Some((count.checked_add(more)?, last.max(highest)))
            }),
            Self::Run { of, len, step } => {
                let (count, last) = of.extent()?;
                let far = u64::from(*step).checked_mul(u64::from(len.saturating_sub(1)))?;
                Some((count.checked_mul(u64::from(*len))?.checked_add(1)?, last.checked_add(far)?))
            }
        }
    }

    /// The numbers of its nodes, in the order of their results in the value.
    #[must_use]
    pub fn nodes(&self) -> Vec<u32> {
        let mut nodes = Vec::new();
        self.each(0, &mut |token| {
            if let Token::Node(node) = token {
                nodes.push(node);
            }
        });
        nodes
    }

    /// Assembles the value: JSON from JSON, without parsing any of it.
    ///
    /// # Errors
    /// [`RecipeError::Missing`] for the first node without a result.
    pub fn compose<'r>(
        &self,
        mut result: impl FnMut(u32) -> Option<&'r [u8]>,
    ) -> Result<Vec<u8>, RecipeError> {
        let mut json = Vec::new();
        self.compose_into(&mut json, &mut result)?;
        Ok(json)
    }

    pub(super) fn compose_into<'r>(
        &self,
        json: &mut Vec<u8>,
        result: &mut impl FnMut(u32) -> Option<&'r [u8]>,
    ) -> Result<(), RecipeError> {
        let mut missing = None;
        self.each(0, &mut |token| match token {
            Token::Node(node) => match result(node) {
                Some(text) => json.extend_from_slice(text),
                None => missing = missing.or(Some(node)),
            },
            Token::Open => json.push(b'['),
            Token::Comma => json.push(b','),
            Token::Close => json.push(b']'),
        });
        missing.map_or(Ok(()), |node| Err(RecipeError::Missing(node)))
    }

    fn each(&self, by: u32, visit: &mut impl FnMut(Token)) {
        match self {
            Self::Node(node) => visit(Token::Node(node.saturating_add(by))),
            Self::List(values) => each_of(values.iter().map(|value| (value, by)), visit),
            Self::Run { of, len, step } => {
                let values = (0..*len).map(|at| (&**of, by.saturating_add(at.saturating_mul(*step))));
                each_of(values, visit);
            }
        }
    }
}

fn each_of<'s>(values: impl Iterator<Item = (&'s Shape, u32)>, visit: &mut impl FnMut(Token)) {
    visit(Token::Open);
    for (at, (value, by)) in values.enumerate() {
        if at > 0 {
            visit(Token::Comma);
        }
        value.each(by, visit);
    }
    visit(Token::Close);
}

enum Token {
    Node(u32),
    Open,
    Comma,
    Close,
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Node(node) => serializer.serialize_u32(*node),
            Self::List(values) => values.serialize(serializer),
            Self::Run { of, len, step } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("of", of)?;
                map.serialize_entry("len", len)?;
                map.serialize_entry("step", step)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

/// The first byte of a stored value that is not plain JSON.
pub(super) const ENVELOPE: u8 = 0xC1;

/// Whether this is a shape with a field of a later version, which this version does not understand.
pub(super) fn is_newer(shape: &Value) -> bool {
    match shape {
        Value::Array(shapes) => shapes.iter().any(is_newer),
        Value::Object(fields) => {
            fields.keys().any(|name| !["of", "len", "step"].contains(&name.as_str()))
                || fields.get("of").is_some_and(is_newer)
        }
        _ => false,
    }
}

struct ShapeVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    of: Box<Shape>,
    len: u32,
    step: u32,
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node's number, a list, or a run")
    }

    fn visit_u64<E: de::Error>(self, node: u64) -> Result<Shape, E> {
        u32::try_from(node).map(Shape::Node).map_err(|_| E::custom("a node's number is too large"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            if values.len() >= MAX_NODES {
                return Err(A::Error::custom("a list is too long"));
            }
            values.push(value);
        }
        Ok(Shape::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shape, A::Error> {
        let Run { of, len, step } = Run::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Shape::Run { of, len, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shape: &Shape) -> String {
        String::from_utf8(shape.to_json()).unwrap()
    }

    fn composed(shape: &Shape) -> String {
        let results: Vec<String> = (0..100).map(|node| format!("\"r{node}\"")).collect();
        let json = shape.compose(|node| Some(results[node as usize].as_bytes())).unwrap();
        String::from_utf8(json).unwrap()
    }

    fn nodes(numbers: impl IntoIterator<Item = u32>) -> Vec<Shape> {
        numbers.into_iter().map(Shape::Node).collect()
    }

    #[test]
    fn a_value_of_every_shape_is_composed_in_order() {
        assert_eq!(composed(&Shape::Node(3)), r#""r3""#);
        assert_eq!(composed(&Shape::list(nodes([2, 0]))), r#"["r2","r0"]"#);
        assert_eq!(composed(&Shape::list(Vec::new())), "[]");
        assert_eq!(composed(&Shape::list(nodes(1..6))), r#"["r1","r2","r3","r4","r5"]"#);
        let pairs = (0..4).map(|at| Shape::list(nodes([2 * at, 2 * at + 1]))).collect();
        let pairs = Shape::list(pairs);
        assert_eq!(text(&pairs), r#"{"of":[0,1],"len":4,"step":2}"#);
        assert_eq!(composed(&pairs), r#"[["r0","r1"],["r2","r3"],["r4","r5"],["r6","r7"]]"#);
        assert_eq!(pairs.nodes(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn ten_thousand_nodes_are_a_few_bytes() {
        assert_eq!(text(&Shape::list(nodes(7..10_007))), r#"{"of":7,"len":10000,"step":1}"#);
        assert_eq!(
            text(&Shape::list(nodes((0..10_000).map(|at| 3 * at + 2)))),
            r#"{"of":2,"len":10000,"step":3}"#
        );
        let rows: Vec<_> = (0..100).map(|row| Shape::list(nodes(row * 50..row * 50 + 50))).collect();
        let rows = Shape::list(rows);
        assert_eq!(text(&rows), r#"{"of":{"of":0,"len":50,"step":1},"len":100,"step":50}"#);
        assert_eq!(rows.nodes(), (0..5_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_largest_group_has_a_result() {
        let all = Shape::Run { of: Box::new(Shape::Node(0)), len: MAX_NODES as u32, step: 1 };
        assert_eq!(Shape::parse(&all.to_json()), Ok(all));
        let more = Shape::Run { of: Box::new(Shape::Node(0)), len: 2 * MAX_NODES as u32, step: 1 };
        assert!(Shape::parse(&more.to_json()).is_err());
    }

    #[test]
    fn what_is_no_run_stays_a_list() {
        for list in [vec![0, 1, 2, 4, 5], vec![4, 3, 2, 1, 0], vec![0, 1, 2], vec![1, 1, 1, 2]] {
            let shape = Shape::list(nodes(list.clone()));
            assert_eq!((text(&shape), shape.nodes()), (serde_json::to_string(&list).unwrap(), list));
        }
        let empty = Shape::list(vec![Shape::list(Vec::new()); 5]);
        assert_eq!(text(&empty), "[[],[],[],[],[]]");
    }

    #[test]
    fn shapes_move_as_a_whole() {
        let mut shape = Shape::List(vec![Shape::Node(1), Shape::list(nodes(0..9)), Shape::List(nodes([5]))]);
        shape.shift(10);
        assert_eq!(text(&shape), r#"[11,{"of":10,"len":9,"step":1},[15]]"#);
    }

    #[test]
    fn a_missing_result_is_named() {
        let shape = Shape::list(nodes([1, 2, 3]));
        let composed = shape.compose(|node| (node == 1).then_some(b"1" as &[u8]));
        assert_eq!(composed, Err(RecipeError::Missing(2)));
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for json in ["3", "[]", "[1,[2,3]]", r#"{"of":[0,1],"len":4,"step":2}"#] {
            assert_eq!(text(&Shape::parse(json.as_bytes()).unwrap()), json);
        }
        for json in [
            "",
            "-1",
            "1.5",
            "null",
            "\"1\"",
            "4294967296",
            "[1",
            "[1]]",
            "{}",
            r#"{"of":0,"len":2}"#,
            r#"{"of":0,"len":4294967295,"step":1}"#,
            r#"{"of":{"of":0,"len":4000000000,"step":1},"len":4000000000,"step":4000000000}"#,
            r#"{"of":4294967295,"len":2,"step":1}"#,
            r#"{"of":[],"len":2000000,"step":0}"#,
        ] {
            assert!(matches!(Shape::parse(json.as_bytes()), Err(RecipeError::Invalid(_))), "{json}");
        }
        let deep = "[".repeat(100_000);
        assert!(Shape::parse(deep.as_bytes()).is_err());
    }
}
