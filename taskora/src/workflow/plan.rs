//! A workflow under construction: the plain graph behind every typed composition.

pub(super) mod finish;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::StepOptions;
use super::error::GraphError;
use super::input::Input;
use super::shape::Shape;
use crate::adapter::TaskName;
use crate::contract::{Task, TaskOptions};
use crate::error::DispatchError;
use crate::json;

/// A part of a graph: it begins where it is told to, and ends in a value.
///
/// Putting parts together renumbers the smaller, later one, so that a composition costs what it has in nodes.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Plan {
    nodes: Vec<PlanNode>,
    links: Vec<Link>,
    /// The nodes that what follows has to wait for. None: there is nothing to wait for but what came before.
    ends: Vec<u32>,
    value: Shape,
    /// How many steps the chain has that this is; none if it is no chain.
    chain: Option<u32>,
    /// Why it cannot be dispatched: told when it is.
    mistake: Option<DispatchError>,
}

#[derive(Debug)]
struct PlanNode {
    /// Where it stands in the composition, innermost place first.
    path: Vec<u32>,
    /// Instead of the task's name.
    name: Option<String>,
    task: TaskName,
    contract: TaskOptions,
    payload: Payload,
    /// The link that it stands behind; none: it begins with the part.
    after: Option<u32>,
    priority: Option<i16>,
    delay: Duration,
    ttl: Option<Duration>,
}

/// The junction of two steps.
#[derive(Debug)]
struct Link {
    /// The nodes to wait for; none: it is where the part begins.
    wait: Vec<u32>,
    /// What they have made.
    value: Shape,
}

/// A node's payload, as far as it is known.
pub(super) enum Payload {
    /// All of it, as JSON.
    Bound(Vec<u8>),
    /// It is the value of what came before.
    Piped,
    /// Its arguments, one by one.
    Arguments(Vec<ArgumentValue>),
    /// A recipe that names its nodes itself.
    Recipe(Input),
}

/// What is known of an argument.
pub(super) enum ArgumentValue {
    /// All of it, as JSON.
    Json(String),
    /// It is the value of what came before.
    Open,
    /// It is what this step of a [`Dag`](super::Dag) returns. Once the step is in that `Dag`, it is a value.
    Node(DagPlace),
    /// It is put together of what nodes return.
    Value(Shape),
}

/// A step of a [`Dag`](super::Dag): the graph, and the step's place in it.
#[derive(Debug, Clone, Copy)]
pub struct DagPlace {
    pub(super) dag: u64,
    pub(super) step: usize,
}

/// What a node is before it has its place.
pub(super) struct NodeSpec {
    pub(super) name: Option<String>,
    pub(super) task: TaskName,
    pub(super) contract: TaskOptions,
    pub(super) payload: Payload,
}

impl Default for Shape {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Plan {
    /// One step of this contract, with what is known of its payload.
    pub(super) fn step<T: Task>(payload: Result<Payload, serde_json::Error>) -> Self {
        let mut plan = Self::default();
        let payload = payload.unwrap_or_else(|error| {
            plan.blame(DispatchError::InvalidPayload {
                task: T::NAME.to_owned(),
                message: error.to_string(),
            });
            Payload::Piped
        });
        plan.push(NodeSpec { name: None, task: T::NAME.into(), contract: T::OPTIONS, payload }, None);
        plan
    }

    #[doc(hidden)]
    pub fn contract<T: Task>(task: &T) -> Self {
        Self::step::<T>(to_json(task).map(Payload::Bound))
    }

    #[doc(hidden)]
    pub fn piped<T: Task>() -> Self {
        Self::step::<T>(Ok(Payload::Piped))
    }

    pub(super) fn mistaken(mistake: GraphError) -> Self {
        Self { mistake: Some(mistake.into()), ..Self::default() }
    }

    /// Remembers the first mistake.
    pub(super) fn blame(&mut self, mistake: impl Into<DispatchError>) {
        self.mistake.get_or_insert(mistake.into());
    }

    /// Adds a node, which then is the part's end.
    pub(super) fn push(&mut self, spec: NodeSpec, after: Option<u32>) -> u32 {
        let node = self.len();
        let NodeSpec { name, task, contract, payload } = spec;
        self.nodes.push(PlanNode {
            path: Vec::new(),
            name,
            task,
            contract,
            payload,
            after,
            priority: None,
            delay: Duration::ZERO,
            ttl: None,
        });
        self.end_in(vec![node], Shape::Node(node));
        node
    }

    /// Adds a junction.
    pub(super) fn link(&mut self, wait: Vec<u32>, value: Shape) -> u32 {
        self.links.push(Link { wait, value });
        number(self.links.len() - 1)
    }

    pub(super) fn end_in(&mut self, ends: Vec<u32>, value: Shape) {
        (self.ends, self.value) = (ends, value);
    }

    fn len(&self) -> u32 {
        number(self.nodes.len())
    }

    /// `next` follows. Chains are one chain, however they are put together.
    pub(super) fn then(mut self, mut next: Self) -> Self {
        let before = self.chain.unwrap_or_else(|| {
            self.descend(0);
            1
        });
        let more = match next.chain {
            Some(steps) => {
                next.nodes.iter_mut().filter_map(|node| node.path.last_mut()).for_each(|at| *at += before);
                steps
            }
            None => {
                next.descend(before);
                1
            }
        };
        let (wait, value) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.value));
        let link = self.link(wait, value);
        (self.ends, self.value) = self.adopt(next, Some(link));
        self.chain = Some(before + more);
        self
    }

    /// A chain of one.
    pub(super) fn alone(mut self) -> Self {
        if self.chain.is_none() {
            self.descend(0);
            self.chain = Some(1);
        }
        self
    }

    /// The members side by side; the value is the list of theirs.
    pub(super) fn group(members: impl IntoIterator<Item = Self>) -> Self {
        let mut group = Self::default();
        let (mut ends, mut values) = (Vec::new(), Vec::new());
        for (at, mut member) in members.into_iter().enumerate() {
            member.descend(number(at));
            let (end, value) = group.adopt(member, None);
            ends.extend(end);
            values.push(value);
        }
        group.end_in(ends, Shape::list(values));
        group
    }

    /// The value is the list of all nodes' results, however they follow each other.
    pub(super) fn collect(mut self) -> Self {
        self.value = Shape::list((0..self.len()).map(Shape::Node).collect());
        self
    }

    /// The part is at this place of a larger one.
    pub(super) fn descend(&mut self, place: u32) {
        self.nodes.iter_mut().for_each(|node| node.path.push(place));
    }

    /// Takes in another part, behind this link; says what it ends in.
    pub(super) fn adopt(&mut self, part: Self, link: Option<u32>) -> (Vec<u32>, Shape) {
        let nodes = self.len();
        let links = number(self.links.len());
        let start = link.and_then(|link| self.links.get(link as usize)).map(|link| link.wait.clone());
        let start = start.unwrap_or_default();
        let moved = |mut list: Vec<u32>| {
            if list.is_empty() {
                return start.clone();
            }
            list.iter_mut().for_each(|node| *node += nodes);
            list
        };
        let shifted = |mut shape: Shape| {
            shape.shift(nodes);
            shape
        };
        self.links.extend(
            part.links
                .into_iter()
                .map(|Link { wait, value }| Link { wait: moved(wait), value: shifted(value) }),
        );
        self.nodes.extend(part.nodes.into_iter().map(|mut node| {
            node.after = node.after.map(|after| after + links).or(link);
            node.payload.shift(nodes);
            node
        }));
        if let Some(mistake) = part.mistake {
            self.blame(mistake);
        }
        (moved(part.ends), shifted(part.value))
    }

    /// As [`Plan::adopt`]; arguments that are steps of a [`Dag`](super::Dag) become what these make, and their nodes wait for
    /// it.
    pub(super) fn adopt_in_dag(
        &mut self,
        part: Self,
        link: Option<u32>,
        ends_of: impl Fn(DagPlace) -> Option<(Vec<u32>, Shape)>,
    ) -> (Vec<u32>, Shape) {
        let from = self.nodes.len();
        let ends = self.adopt(part, link);
        self.bind(from, ends_of);
        ends
    }

    fn bind(&mut self, from: usize, ends_of: impl Fn(DagPlace) -> Option<(Vec<u32>, Shape)>) {
        let mut links = BTreeMap::new();
        for node in self.nodes.iter_mut().skip(from) {
            let Payload::Arguments(arguments) = &mut node.payload else { continue };
            let mut wait = Vec::new();
            for argument in arguments {
                let ArgumentValue::Node(place) = argument else { continue };
                let Some((ends, value)) = ends_of(*place) else {
                    self.mistake.get_or_insert(GraphError::ForeignNode.into());
                    return;
                };
                wait.extend(ends);
                *argument = ArgumentValue::Value(value);
            }
            if wait.is_empty() {
                continue;
            }
            wait.sort_unstable();
            wait.dedup();
            // members of a group that take the same share a link
            let link = links.entry((node.after, wait)).or_insert_with_key(|(after, wait)| {
                let before = after.and_then(|link| self.links.get(link as usize));
                let value = before.map(|link| link.value.clone()).unwrap_or_default();
                let mut wait = wait.clone();
                wait.extend(before.iter().flat_map(|link| &link.wait));
                wait.sort_unstable();
                wait.dedup();
                self.links.push(Link { wait, value });
                number(self.links.len() - 1)
            });
            node.after = Some(*link);
        }
    }

    /// Options for all of its steps: a priority and a ttl for those that have none, a further delay for those it begins with.
    pub(super) fn with(mut self, options: StepOptions) -> Self {
        let links = &self.links;
        for node in &mut self.nodes {
            node.priority = node.priority.or(options.priority);
            node.ttl = node.ttl.or(options.ttl);
            let begins =
                node.after.and_then(|link| links.get(link as usize)).is_none_or(|link| link.wait.is_empty());
            if begins {
                node.delay = node.delay.saturating_add(options.delay);
            }
        }
        self
    }
}

impl Payload {
    /// Shifts the number of every node.
    fn shift(&mut self, by: u32) {
        match self {
            Self::Recipe(input) => input.shift(by),
            Self::Arguments(arguments) => arguments.iter_mut().for_each(|argument| {
                if let ArgumentValue::Value(value) = argument {
                    value.shift(by);
                }
            }),
            Self::Bound(_) | Self::Piped => {}
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // payloads are not shown
        f.write_str(match self {
            Self::Bound(_) => "Bound",
            Self::Piped => "Piped",
            Self::Arguments(_) => "Arguments",
            Self::Recipe(_) => "Recipe",
        })
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    json::write(value)
}

/// A count as a node's number; what is beyond counting is refused when the plan is finished.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
