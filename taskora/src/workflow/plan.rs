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

/// A part of a graph: it begins at any given link, and ends in a value.
///
/// Joining two parts renumbers only the smaller, later one, so that the cost of a composition is proportional to its nodes.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Plan {
    nodes: Vec<PlanNode>,
    links: Vec<Link>,
    /// The nodes for which the next part has to wait. If empty, it only waits for what came before this part.
    ends: Vec<u32>,
    value: Shape,
    /// If this is a chain, its number of steps.
    chain: Option<u32>,
    /// Why it cannot be dispatched; reported at the dispatch.
    mistake: Option<DispatchError>,
}

#[derive(Debug)]
struct PlanNode {
    /// Its position in the composition, innermost first.
    path: Vec<u32>,
    /// A name to use instead of the task's name.
    name: Option<String>,
    task: TaskName,
    contract: TaskOptions,
    payload: Payload,
    /// The link before it; `None` if it begins with the part.
    after: Option<u32>,
    priority: Option<i16>,
    delay: Duration,
    ttl: Option<Duration>,
    /// What limits by key count it by, if its arguments are known.
    limit_key: Option<String>,
    /// How many starts it counts as, if its arguments are known.
    cost: u32,
}

/// A link between two steps.
#[derive(Debug)]
struct Link {
    /// The nodes to wait for; empty if this is where the part begins.
    wait: Vec<u32>,
    /// The shape of their results.
    value: Shape,
}

/// A node's payload, as far as it is known.
pub(super) enum Payload {
    /// All of it, as JSON.
    Bound(Vec<u8>),
    /// The value of what came before.
    Piped,
    /// Its arguments, one by one.
    Arguments(Vec<ArgumentValue>),
    /// A recipe that names its nodes itself.
    Recipe(Input),
}

/// What is known about an argument.
pub(super) enum ArgumentValue {
    /// All of it, as JSON.
    Json(String),
    /// The value of what came before.
    Open,
    /// The output of this step of a [`Dag`](super::Dag). Once the step is in that `Dag`, it becomes a value.
    Node(DagPlace),
    /// Assembled from the outputs of nodes.
    Value(Shape),
}

/// A step of a [`Dag`](super::Dag): the graph, and the step's index in it.
#[derive(Debug, Clone, Copy)]
pub struct DagPlace {
    pub(super) dag: u64,
    pub(super) step: usize,
}

/// A node before it has its place.
pub(super) struct NodeSpec {
    pub(super) name: Option<String>,
    pub(super) task: TaskName,
    pub(super) contract: TaskOptions,
    pub(super) payload: Payload,
    pub(super) limit_key: Option<String>,
    pub(super) cost: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Plan {
    /// One step of this contract, with what is known about its payload.
    pub(super) fn step<T: Task>(payload: Result<Payload, serde_json::Error>) -> Self {
        Self::step_at::<T>(payload, None, 1)
    }

    fn step_at<T: Task>(
        payload: Result<Payload, serde_json::Error>,
        limit_key: Option<String>,
        cost: u32,
    ) -> Self {
        let mut plan = Self::default();
        let payload = payload.unwrap_or_else(|error| {
            plan.blame(DispatchError::InvalidPayload {
                task: T::NAME.to_owned(),
                message: error.to_string(),
            });
            Payload::Piped
        });
        let (task, contract) = (T::NAME.into(), T::OPTIONS);
        plan.push(NodeSpec { name: None, task, contract, payload, limit_key, cost }, None);
        plan
    }

    #[doc(hidden)]
    pub fn contract<T: Task>(task: &T) -> Self {
        Self::step_at::<T>(to_json(task).map(Payload::Bound), task.limit_key(), task.cost())
    }

    #[doc(hidden)]
    pub fn piped<T: Task>() -> Self {
        Self::step::<T>(Ok(Payload::Piped))
    }

    pub(super) fn mistaken(mistake: GraphError) -> Self {
        Self { mistake: Some(mistake.into()), ..Self::default() }
    }

    /// Records a mistake; keeps the first one.
    pub(super) fn blame(&mut self, mistake: impl Into<DispatchError>) {
        self.mistake.get_or_insert(mistake.into());
    }

    /// Adds a node, which becomes the part's end.
    pub(super) fn push(&mut self, spec: NodeSpec, after: Option<u32>) -> u32 {
        let node = self.len();
        let NodeSpec { name, task, contract, payload, limit_key, cost } = spec;
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
            limit_key,
            cost,
        });
        self.end_in(vec![node], Shape::Node(node));
        node
    }

    /// Adds a link.
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

    /// Appends `next`. Joined chains are one chain, however they were composed.
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

    /// The members side by side; the value is the list of their values.
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

    /// Makes the value the list of all nodes' results, whatever their order of execution.
    pub(super) fn collect(mut self) -> Self {
        self.value = Shape::list((0..self.len()).map(Shape::Node).collect());
        self
    }

    /// Puts the part at this position of a larger one.
    pub(super) fn descend(&mut self, place: u32) {
        self.nodes.iter_mut().for_each(|node| node.path.push(place));
    }

    /// Adds another part behind this link. Returns its ends.
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

    /// Like [`Plan::adopt`]. Arguments that are steps of a [`Dag`](super::Dag) become the values of these steps, and the
    /// nodes wait for them.
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
            // members of a group with the same input share a link
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

    /// Sets options for all of its steps: a priority and a ttl for those without one, an additional delay for those it
    /// begins with.
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

/// A count as a node's number. A count that is too large is refused when the plan is finished.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
