//! The transitions of a workflow, and reading it.

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{
    CancelOutcome, Cause, Ending, Enqueued, NewWorkflow, NodeRecord, WorkflowEnded, WorkflowRecord, Workflows,
};
use taskora::workflow::{WorkflowId, WorkflowState};
use taskora::{AdapterError, JobState};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, letters, newer, nonsense, number};
use crate::coalescer::Item;
use crate::codec::new_workflow::{Field, Plan, ROOT};
use crate::codec::{
    End, FlowEnd, Head, Life, NEWER, Reader, Record, cancelled, message, read_open, split_node, state_at,
};
use crate::id;
use crate::inner::Inner;
use crate::link::Link;
use crate::scripts::SCRIPTS;

/// The most nodes read in one call.
const PAGE: u32 = 250;
/// The most results read in one call.
const MAX_RESULTS: usize = 250;
/// How long staged parts of a workflow are kept, in milliseconds.
const ASIDE: u32 = 600_000;
/// How often a start is tried if its staged parts are lost.
const TRIES: usize = 3;
/// The least number of nodes that a call of `catch_up` reaches.
const REACH: usize = 100;

impl RedisAdapter {
    /// Starts a workflow, in several calls if it is large; `hold` is the key that stands for it, if there is one.
    pub(crate) async fn start_plan(
        &self,
        workflow: NewWorkflow,
        hold: Vec<u8>,
    ) -> Result<Started, AdapterError> {
        self.inner.sign();
        let mut plan = Plan::new(workflow).map_err(AdapterError::Config)?;
        plan.hold = hold;
        if plan.is_small() {
            let answers = self.inner.connections()?.starts.send(vec![plan]).await?;
            return answers.into_iter().next().ok_or_else(|| nonsense("`start_workflow` answered nothing"));
        }
        for _ in 0..TRIES {
            let staged = self.inner.stage(&plan).await?;
            let answers = start(&self.inner.connections()?.commands, &[&plan], staged).await?;
            match answers.into_iter().next() {
                // the staged parts are lost
                Some((b'L', _)) | None => {}
                Some(started) => {
                    if started.0 == b'1' {
                        self.inner.catch_up(plan.nodes).await;
                    }
                    return Ok(started);
                }
            }
        }
        Err(AdapterError::Unavailable {
            address: self.inner.settings().address.clone(),
            message: "the parts of a large workflow were lost while it was started".to_owned(),
        })
    }
}

#[async_trait]
impl Workflows for RedisAdapter {
    async fn start(&self, workflow: NewWorkflow) -> Result<Enqueued, AdapterError> {
        let (letter, _) = self.start_plan(workflow, Vec::new()).await?;
        Ok(if letter == b'1' { Enqueued::New } else { Enqueued::Duplicate })
    }

    async fn node_results(
        &self,
        id: &WorkflowId,
        nodes: &[u32],
    ) -> Result<Vec<Option<Vec<u8>>>, AdapterError> {
        let key = self.inner.settings().keys.workflow(&id::store_workflow(id));
        let mut results = Vec::with_capacity(nodes.len());
        for page in nodes.chunks(MAX_RESULTS) {
            let fields: Vec<String> = page.iter().map(|node| format!("d{node}")).collect();
            for end in self.inner.fields(&key, &fields).await? {
                let read = |end: Vec<u8>| {
                    End::read(&end).ok_or_else(|| End::unreadable(&end, "the result of a node"))
                };
                let end = end.map(read).transpose()?;
                results.push(end.and_then(|end| match end.ending {
                    Ending::Completed(result) => Some(result),
                    _ => None,
                }));
            }
        }
        Ok(results)
    }

    async fn cancel_workflow(&self, id: &WorkflowId, reason: &str) -> Result<CancelOutcome, AdapterError> {
        let stored = id::store_workflow(id);
        let answer = self.inner.script(&SCRIPTS.cancel_workflow, |call, how| {
            call.put("again", u8::from(how.repeat)).put("id", &stored).put("reason", reason);
        });
        let outcome = cancelled(answer.await?, "the workflow")?;
        if outcome == CancelOutcome::Cancelled {
            self.inner.catch_up(taskora::workflow::MAX_NODES).await;
        }
        Ok(outcome)
    }

    async fn workflow_ended(&self, id: &WorkflowId) -> Result<Option<WorkflowEnded>, AdapterError> {
        let stored = id::store_workflow(id);
        loop {
            if self.inner.push_connection().ended(id::watched(&stored)).await?.is_none() {
                return Ok(None);
            }
            match self.inner.flow_end(id, &stored).await {
                // the store became unreachable between the two calls: go on waiting, as before
                Err(error) if error.is_retryable() => {}
                ended => return ended,
            }
        }
    }

    async fn workflow(&self, id: &WorkflowId, nodes: bool) -> Result<Option<WorkflowRecord>, AdapterError> {
        let stored = id::store_workflow(id);
        let mut from = 0;
        let mut read = Vec::new();
        loop {
            let answer = self.inner.script(&SCRIPTS.workflow, |call, _| {
                call.put("id", &stored).put("from", from).put("count", if nodes { PAGE } else { 0 });
            });
            let mut values = array(answer.await?, "the answer to `workflow`")?.into_iter();
            let mut next = || values.next().map(|value| bytes(value, "a value of a workflow")).transpose();
            let (Some(head), Some(end), Some(open)) = (next()?, next()?, next()?) else { return Ok(None) };
            let head = Head::read(&head)
                .ok_or_else(|| if Head::is_newer(&head) { newer("the workflow") } else { unreadable(id) })?;
            let end =
                if end.is_empty() { None } else { Some(FlowEnd::read(&end).ok_or_else(|| unreadable(id))?) };
            while let Some(node) = next()? {
                let mut values = [const { Vec::new() }; 3];
                for value in &mut values {
                    *value = next()?.ok_or_else(|| unreadable(id))?;
                }
                read.push(read_node(&node, &values).ok_or_else(|| {
                    let [_, end, _] = &values;
                    // any head of this version says the same about the node
                    let head = [1].into_iter().chain([0; 44]).collect::<Vec<u8>>();
                    if Record::is_newer(&node, &head) {
                        newer("the workflow")
                    } else {
                        End::unreadable(end, "a node")
                    }
                })?);
            }
            from += PAGE;
            if nodes && from < head.nodes {
                continue;
            }
            let mut joins = if nodes { vec![Vec::new(); head.joins as usize] } else { Vec::new() };
            for (number, (_, joins_of)) in (0..).zip(&read) {
                for join in joins_of {
                    joins
                        .get_mut(*join as usize)
                        .into_iter()
                        .for_each(|join: &mut Vec<u32>| join.push(number));
                }
            }
            return Ok(Some(WorkflowRecord {
                state: end.as_ref().map_or(WorkflowState::Running, |end| end.state),
                created_at: head.created_at,
                finished_at: end.map(|end| end.finished_at),
                len: head.nodes,
                open: read_open(&open).ok_or_else(|| unreadable(id))?,
                nodes: read.into_iter().map(|(node, _)| node).collect(),
                joins,
                meta: head.meta,
            }));
        }
    }
}

impl Inner {
    /// How a workflow has ended; `None` if it has not, or is gone.
    async fn flow_end(&self, id: &WorkflowId, stored: &[u8]) -> Result<Option<WorkflowEnded>, AdapterError> {
        let key = self.settings().keys.workflow(stored);
        let mut values = self.fields(&key, &["l", "o"]).await?.into_iter().map(Option::unwrap_or_default);
        let (state, output) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
        if state.is_empty() {
            // trimmed in the meantime
            return Ok(None);
        }
        if state.first() == Some(&NEWER) {
            return Err(newer("the workflow"));
        }
        let end = FlowEnd::within(&state).and_then(FlowEnd::read).ok_or_else(|| unreadable(id))?;
        let cause = match end.cause {
            Some(node) => self.cause(&key, node).await?,
            None => None,
        };
        let reason = match (&cause, end.state) {
            (None, WorkflowState::Cancelled) => Some(end.reason),
            (Some(Cause { ending: Ending::Cancelled(reason), .. }), _) => Some(reason.clone()),
            _ => None,
        };
        Ok(Some(WorkflowEnded { state: end.state, output, cause, reason }))
    }

    /// Stages the fields of a workflow that does not fit into one call. Returns how many there are.
    async fn stage(&self, plan: &Plan) -> Result<usize, AdapterError> {
        for piece in plan.pieces() {
            let put = self.script(&SCRIPTS.stage_workflow, |call, _| {
                call.put("nonce", &plan.nonce).put("life", ASIDE);
                for (field, value) in piece {
                    call.list(field).list(value);
                }
            });
            put.await?;
        }
        Ok(plan.fields.len())
    }

    /// Does the work beyond a page. If this fails, the workers do the rest.
    async fn catch_up(&self, nodes: usize) {
        for _ in 0..=nodes / REACH {
            let answer = self.script(&SCRIPTS.catch_up, |_, _| ()).await;
            match answer.and_then(|more| number::<u8>(&more, "the answer to `catch_up`")) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return tracing::debug!(%error, "the rest is left to the workers"),
            }
        }
    }

    async fn cause(&self, key: &[u8], node: u32) -> Result<Option<Cause>, AdapterError> {
        let fields = ["n", "d"].map(|field| format!("{field}{node}"));
        let mut values = self.fields(key, &fields).await?.into_iter();
        let mut next = || values.next().flatten();
        let (Some(stored), Some(end)) = (next(), next()) else { return Ok(None) };
        let read = || {
            let (about, record) = split_node(&stored)?;
            let (_, _, name) = read_about(about)?;
            let (record, end) = (Record::read(record)?, End::read(&end)?);
            Some(Cause { node, name, task: record.task.to_owned(), ending: end.ending })
        };
        read().map(Some).ok_or_else(|| nonsense("the node that ended a workflow cannot be read"))
    }
}

/// Small workflows start together.
impl Item for Plan {
    type Answer = Started;

    fn count(&self) -> usize {
        self.nodes
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    async fn send(link: &Link, plans: &[&Self]) -> Result<Vec<Started>, AdapterError> {
        start(link, plans, 0).await
    }
}

/// `1` started, `0` duplicate, `L` the staged parts are lost, `O` its key stands for another workflow, `K` for one with
/// another payload; and the stored id of that workflow.
pub(crate) type Started = (u8, Option<Vec<u8>>);

/// Starts workflows, or one whose fields are all staged.
async fn start(link: &Link, plans: &[&Plan], staged: usize) -> Result<Vec<Started>, AdapterError> {
    let size = if staged == 0 { plans.iter().map(|plan| plan.size()).sum() } else { 0 };
    let answer = link.script_carrying(size, &SCRIPTS.start_workflow, |call, how| {
        call.put("again", u8::from(how.repeat)).put("count", plans.len());
        for plan in plans {
            call.list(&plan.id).list(&plan.times).list(&plan.head).list(plan.nodes);
            call.list(&plan.output).list(&plan.roots).list(&plan.hold).list(staged);
            let fields: &[Field] = if staged == 0 { &plan.fields } else { &[] };
            call.list(fields.len());
            for (field, value) in fields {
                call.list(field).list(value);
            }
        }
    });
    let what = "the answer to `start_workflow`";
    // letters, then the workflows that keys stand for
    let (answers, mut holders) = match answer.await?.1 {
        Value::Array(values) => {
            let mut values = values.into_iter();
            let first = values.next().ok_or_else(|| nonsense("`start_workflow` answered nothing"))?;
            (first, values.map(|id| bytes(id, what)).collect::<Result<Vec<_>, _>>()?.into_iter())
        }
        letters => (letters, Vec::new().into_iter()),
    };
    let read = |letter| (letter, matches!(letter, b'O' | b'K').then(|| holders.next()).flatten());
    Ok(letters(answers, plans.len(), what)?.into_iter().map(read).collect())
}

fn unreadable(id: &WorkflowId) -> AdapterError {
    nonsense(format!("the workflow `{id}` cannot be read"))
}

/// The join that a node waits for, the joins that it is in, and its name.
fn read_about(bytes: &[u8]) -> Option<(Option<u32>, Vec<u32>, String)> {
    let mut reader = Reader(bytes);
    let after = Some(reader.u32()?).filter(|after| *after != ROOT);
    let next = reader.u8()?;
    let count = reader.u32()?;
    let joins = (0..count).map(|_| reader.u32()).collect::<Option<_>>()?;
    reader.take(next.into())?;
    Some((after, joins, String::from_utf8(reader.0.to_vec()).ok()?))
}

/// A node, and the joins that it is in.
fn read_node(node: &[u8], [life, end, place]: &[Vec<u8>; 3]) -> Option<(NodeRecord, Vec<u32>)> {
    let (about, record) = split_node(node)?;
    let (after, joins, name) = read_about(about)?;
    let task = Record::read(record)?.task.to_owned();
    let mut node = NodeRecord::new(name, task, after);
    if !end.is_empty() {
        let end = End::read(end)?;
        node.state = Some(end.ending.state());
        node.attempts = end.attempts;
        node.stalls = end.stalls;
        node.started_at = end.started_at;
        node.finished_at = Some(end.finished_at);
        node.error = message(end.ending);
    } else if !place.is_empty() {
        let life = Life::read(life)?;
        let state = state_at(place, life.attempts);
        node.state = Some(state);
        node.attempts = life.attempts + u32::from(state == JobState::Active);
        node.stalls = life.stalls;
        node.error = life.error;
    }
    Some((node, joins))
}
