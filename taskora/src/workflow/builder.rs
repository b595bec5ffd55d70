//! Untyped workflows, from names and JSON.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::error::GraphError;
use super::input::Input;
use super::plan::{NodeSpec, Payload, Plan, to_json};
use super::shape::Shape;
use super::step::{Bound, Workflow};
use crate::contract::TaskOptions;
use crate::error::DispatchError;

/// The key of an object that stands for a result, see [`WorkflowBuilder::result_of`].
const RESULT: &str = "$result";

/// A workflow from names and JSON, for callers that only know its steps at run time.
///
/// ```
/// use serde_json::json;
/// use taskora::workflow::WorkflowBuilder;
///
/// # fn main() -> Result<(), taskora::workflow::GraphError> {
/// let flow = WorkflowBuilder::new()
///     .node("user", "create-user", json!({ "name": "Ada" }))
///     .node("mail", "send-welcome", json!({ "to": { "$result": "user" }, "subject": "Hi" }))
///     .node("note", "notify-slack", json!({ "$result": "mail" }))
///     .build()?;
/// # let _ = flow;
/// # Ok(()) }
/// ```
///
/// `{"$result": "name"}` in a payload is replaced by the result of the node with that name, and the node waits for it.
/// Workers check task names and payloads, as with [`App::dispatch_raw`](crate::App::dispatch_raw); contracts' options do not
/// apply.
#[derive(Debug, Default)]
#[must_use]
pub struct WorkflowBuilder {
    nodes: Vec<Node>,
    output: Option<String>,
}

struct Node {
    name: String,
    task: String,
    payload: Option<Value>,
    after: Vec<String>,
}

impl WorkflowBuilder {
    /// A workflow without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The placeholder for a node's result in a payload: `{"$result": name}`.
    #[must_use]
    pub fn result_of(name: impl Into<String>) -> Value {
        serde_json::json!({ RESULT: name.into() })
    }

    /// Adds a node: its name within the workflow, its task, and its payload, which may refer to results.
    pub fn node(
        mut self,
        name: impl Into<String>,
        task: impl Into<String>,
        payload: impl Into<Option<Value>>,
    ) -> Self {
        let (name, task, payload) = (name.into(), task.into(), payload.into());
        self.nodes.push(Node { name, task, payload, after: Vec::new() });
        self
    }

    /// Makes the last added node wait for another node, too, without receiving its result.
    pub fn after(mut self, parent: impl Into<String>) -> Self {
        if let Some(node) = self.nodes.last_mut() {
            node.after.push(parent.into());
        }
        self
    }

    /// Sets the node whose result is the workflow's. By default, it is the one that no other node waits for.
    pub fn output(mut self, name: impl Into<String>) -> Self {
        self.output = Some(name.into());
        self
    }

    /// Builds the workflow. You can dispatch it, or use it as a step of other workflows.
    ///
    /// # Errors
    /// [`GraphError`]: duplicate or unknown names, nodes that wait for each other, a node without a payload, and a result
    /// that could come from several nodes.
    pub fn build(self) -> Result<Workflow<Bound, Value>, GraphError> {
        let graph = Graph::read(&self.nodes)?;
        let order = graph.order(&self.nodes)?;
        let output = self.output_node(&graph)?;
        let mut plan = Plan::default();
        let mut numbers = vec![0; self.nodes.len()];
        for at in order {
            let (Some(node), Some(parents)) = (self.nodes.get(at), graph.parents.get(at)) else { continue };
            let number =
                |name: &str| graph.names.get(name).and_then(|at| numbers.get(*at)).copied().unwrap_or(0);
            let payload = node.payload(number).unwrap_or_else(|error| {
                let (task, message) = (node.task.clone(), error.to_string());
                plan.blame(DispatchError::InvalidPayload { task, message });
                Payload::Piped
            });
            let mut wait: Vec<u32> =
                parents.iter().filter_map(|parent| numbers.get(*parent)).copied().collect();
            wait.sort_unstable();
            let link = (!wait.is_empty()).then(|| plan.link(wait, Shape::default()));
            let (name, task) = (Some(node.name.clone()), node.task.as_str().into());
            let spec =
                NodeSpec { name, task, contract: TaskOptions::new(), payload, limit_key: None, cost: 1 };
            let number = plan.push(spec, link);
            if let Some(slot) = numbers.get_mut(at) {
                *slot = number;
            }
        }
        let result = numbers.get(output).copied().unwrap_or(0);
        plan.end_in(vec![result], Shape::Node(result));
        Ok(Workflow::new(plan))
    }

    fn output_node(&self, graph: &Graph<'_>) -> Result<usize, GraphError> {
        if let Some(name) = &self.output {
            let unknown = || GraphError::UnknownOutput { name: name.clone() };
            return graph.names.get(name.as_str()).copied().ok_or_else(unknown);
        }
        let mut last = (0..self.nodes.len()).filter(|at| graph.children.get(*at).is_some_and(Vec::is_empty));
        match (last.next(), last.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(GraphError::Empty),
            (Some(first), Some(second)) => {
                let nodes = [first, second].into_iter().chain(last).filter_map(|at| self.nodes.get(at));
                Err(GraphError::UnclearOutput { nodes: nodes.map(|node| node.name.clone()).collect() })
            }
        }
    }
}

/// Which nodes wait for which, by index in the list of nodes.
struct Graph<'n> {
    names: HashMap<&'n str, usize>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
}

impl<'n> Graph<'n> {
    fn read(nodes: &'n [Node]) -> Result<Self, GraphError> {
        let mut names = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            let name = node.name.as_str();
            if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                return Err(GraphError::InvalidName { name: name.to_owned() });
            }
            if names.insert(name, at).is_some() {
                return Err(GraphError::DuplicateName { name: name.to_owned() });
            }
            if node.payload.is_none() {
                return Err(GraphError::MissingInput { node: name.to_owned() });
            }
        }
        let mut children = vec![Vec::new(); nodes.len()];
        let mut parents = Vec::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            // in the order of their indexes, each once
            let mut places = BTreeMap::new();
            for parent in node.parents() {
                let unknown =
                    || GraphError::UnknownParent { node: node.name.clone(), parent: parent.to_owned() };
                let place = *names.get(parent).ok_or_else(unknown)?;
                places.insert(place, ());
            }
            for place in places.keys() {
                if let Some(children) = children.get_mut(*place) {
                    children.push(at);
                }
            }
            parents.push(places.into_keys().collect());
        }
        Ok(Self { names, parents, children })
    }

    /// An order in which every node comes after its parents; otherwise the order in which they were added.
    fn order(&self, nodes: &[Node]) -> Result<Vec<usize>, GraphError> {
        let mut open: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut ready: std::collections::BinaryHeap<_> =
            (0..open.len()).filter(|at| open.get(*at) == Some(&0)).map(std::cmp::Reverse).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some(std::cmp::Reverse(at)) = ready.pop() {
            order.push(at);
            for child in self.children.get(at).into_iter().flatten() {
                if let Some(count) = open.get_mut(*child) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(std::cmp::Reverse(*child));
                    }
                }
            }
        }
        match open.iter().position(|count| *count > 0) {
            None => Ok(order),
            Some(stuck) => Err(GraphError::Cycle { nodes: self.cycle(stuck, &open, nodes) }),
        }
    }

    /// Walks from a node that never became ready to others that did not, until a node repeats.
    fn cycle(&self, stuck: usize, open: &[usize], nodes: &[Node]) -> Vec<String> {
        let is_stuck = |at: &&usize| open.get(**at).is_some_and(|count| *count > 0);
        let mut seen: Vec<usize> = Vec::new();
        let mut at = stuck;
        let circle = loop {
            if let Some(start) = seen.iter().position(|before| *before == at) {
                break seen.split_off(start);
            }
            seen.push(at);
            match self.parents.get(at).and_then(|parents| parents.iter().find(is_stuck)) {
                Some(parent) => at = *parent,
                None => break seen,
            }
        };
        circle.into_iter().filter_map(|at| nodes.get(at)).map(|node| node.name.clone()).collect()
    }
}

impl Node {
    /// The names of all nodes that it waits for.
    fn parents(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.after.iter().map(String::as_str).collect();
        if let Some(payload) = &self.payload {
            references(payload, &mut names);
        }
        names
    }

    fn payload(&self, number: impl Fn(&str) -> u32) -> Result<Payload, serde_json::Error> {
        let value = self.payload.as_ref().unwrap_or(&Value::Null);
        // also for a template: it must not be nested too deep to be read
        let json = to_json(value)?;
        let mut template = Template { text: Vec::new(), holes: Vec::new() };
        template.write(value, &number)?;
        if template.holes.is_empty() {
            return Ok(Payload::Bound(json));
        }
        let text = String::from_utf8_lossy(&template.text).into_owned();
        Input::template(text, template.holes).map(Payload::Recipe)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // no payload
        f.debug_struct("Node").field("name", &self.name).field("task", &self.task).finish_non_exhaustive()
    }
}

/// The name that a value refers to, if it does.
fn reference(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(RESULT)?.as_str()
}

fn references<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match (reference(value), value) {
        (Some(name), _) => names.push(name),
        (None, Value::Array(values)) => values.iter().for_each(|value| references(value, names)),
        (None, Value::Object(fields)) => fields.values().for_each(|value| references(value, names)),
        _ => {}
    }
}

/// JSON text in which references are holes.
struct Template {
    text: Vec<u8>,
    holes: Vec<(usize, Shape)>,
}

impl Template {
    fn write(&mut self, value: &Value, number: &impl Fn(&str) -> u32) -> Result<(), serde_json::Error> {
        match (reference(value), value) {
            (Some(name), _) => {
                self.holes.push((self.text.len(), Shape::Node(number(name))));
                self.text.extend_from_slice(b"null");
            }
            (None, Value::Array(values)) => {
                self.text.push(b'[');
                for (at, value) in values.iter().enumerate() {
                    self.comma(at);
                    self.write(value, number)?;
                }
                self.text.push(b']');
            }
            (None, Value::Object(fields)) => {
                self.text.push(b'{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    self.comma(at);
                    self.text.extend(to_json(key)?);
                    self.text.push(b':');
                    self.write(value, number)?;
                }
                self.text.push(b'}');
            }
            (None, value) => self.text.extend(to_json(value)?),
        }
        Ok(())
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.text.push(b',');
        }
    }
}
