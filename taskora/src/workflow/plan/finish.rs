//! Finishing a plan: the graph that a store takes.

use super::{ArgumentValue, Link, Payload, Plan, PlanNode, number};
use crate::adapter::NewNode;
use crate::dispatch::{
    check_priority, check_size, check_task_name, check_ttl, checked_cost, checked_limit_key, ttl_of,
};
use crate::error::DispatchError;
use crate::setup::Setup;
use crate::workflow::error::GraphError;
use crate::workflow::input::{Input, Part};
use crate::workflow::shape::Shape;
use crate::workflow::{MAX_NODES, MAX_REFERENCES};

/// Nodes deeper in a composition are named by their number instead of their path.
const DEEPEST_PATH: usize = 12;

impl Plan {
    /// The finished graph that a store takes. Refuses what cannot be stored.
    pub(in crate::workflow) fn finish(self, setup: &Setup) -> Result<BuiltGraph, DispatchError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.nodes.len() > MAX_NODES {
            return Err(GraphError::TooLarge { len: self.nodes.len() }.into());
        }
        self.value.check().map_err(|_| GraphError::TooManyValues { what: "the result".to_owned() })?;
        let mut joins = Joins::of(self.links);
        let mut references = 0;
        let nodes = self
            .nodes
            .into_iter()
            .enumerate()
            .map(|(at, node)| node.finish(at, &mut joins, &mut references, setup))
            .collect::<Result<_, _>>()?;
        Ok(BuiltGraph { nodes, joins: joins.used, output: self.value.to_json() })
    }
}

/// A finished graph, see [`NewWorkflow`](crate::adapter::NewWorkflow).
#[derive(Debug)]
pub(in crate::workflow) struct BuiltGraph {
    pub(in crate::workflow) nodes: Vec<NewNode>,
    pub(in crate::workflow) joins: Vec<Vec<u32>>,
    pub(in crate::workflow) output: Vec<u8>,
}

/// The links before nodes, as joins.
struct Joins {
    links: Vec<(Link, Option<u32>)>,
    used: Vec<Vec<u32>>,
}

impl Joins {
    fn of(links: Vec<Link>) -> Self {
        Self { links: links.into_iter().map(|link| (link, None)).collect(), used: Vec::new() }
    }

    /// The join of a link (`None` where a workflow begins), and its value.
    fn join(&mut self, link: Option<u32>) -> (Option<u32>, Shape) {
        let Some((link, join)) = link.and_then(|link| self.links.get_mut(link as usize)) else {
            return (None, Shape::default());
        };
        if join.is_none() && !link.wait.is_empty() {
            *join = Some(number(self.used.len()));
            self.used.push(std::mem::take(&mut link.wait));
        }
        (*join, link.value.clone())
    }
}

impl PlanNode {
    /// Adds to `references` the number of bytes that describe which results the node uses.
    fn finish(
        self,
        at: usize,
        joins: &mut Joins,
        references: &mut usize,
        setup: &Setup,
    ) -> Result<NewNode, DispatchError> {
        let name = self.full_name(at);
        let (after, value) = joins.join(self.after);
        let task = &self.task;
        check_task_name(task)?;
        let priority = self.priority.unwrap_or_else(|| self.contract.priority());
        check_priority(priority)?;
        check_ttl(self.ttl)?;
        let recipe = match self.payload {
            Payload::Bound(json) => Err(json),
            Payload::Piped => Ok(Input::whole(value)),
            Payload::Arguments(arguments) => Ok(Input::arguments(parts(arguments, &value)?)),
            Payload::Recipe(input) => Ok(Ok(input)),
        };
        let (payload, composed) = match recipe {
            Err(json) => (json, false),
            Ok(Ok(input)) => {
                let what = || format!("the input of `{name}`");
                input.check().map_err(|_| GraphError::TooManyValues { what: what() })?;
                let json = input.to_json();
                *references += input.references(&json);
                if *references > MAX_REFERENCES {
                    return Err(GraphError::TooManyReferences.into());
                }
                (json, true)
            }
            Ok(Err(error)) => {
                let (task, message) = (task.to_string(), error.to_string());
                return Err(DispatchError::InvalidPayload { task, message });
            }
        };
        check_size(setup, task, payload.len())?;
        Ok(NewNode {
            name,
            payload,
            composed,
            after,
            priority,
            delay: self.delay,
            max_attempts: self.contract.retry().max_attempts(),
            max_stalls: self.contract.max_stalls(),
            ttl: ttl_of(&self.contract, self.ttl),
            limit_key: checked_limit_key(&self.task, self.limit_key)?,
            cost: checked_cost(&self.task, &self.contract, self.cost)?,
            task: self.task,
        })
    }

    /// Its position and its task, as in `1.0.resize`.
    fn full_name(&self, number: usize) -> String {
        use std::fmt::Write as _;

        let mut name = String::new();
        if self.path.len() > DEEPEST_PATH {
            let _ = write!(name, "#{number}.");
        } else {
            for place in self.path.iter().rev() {
                let _ = write!(name, "{place}.");
            }
        }
        name.push_str(self.name.as_deref().unwrap_or(&self.task));
        name
    }
}

/// Arguments as parts of a recipe; the open one is `value`.
fn parts(arguments: Vec<ArgumentValue>, value: &Shape) -> Result<Vec<Part>, GraphError> {
    let part = |argument| match argument {
        ArgumentValue::Json(json) => Ok(Part::Json(json)),
        ArgumentValue::Open => Ok(Part::Value(value.clone())),
        ArgumentValue::Value(value) => Ok(Part::Value(value)),
        ArgumentValue::Node(_) => Err(GraphError::ForeignNode),
    };
    arguments.into_iter().map(part).collect()
}
