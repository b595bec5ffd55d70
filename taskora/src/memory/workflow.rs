//! Workflows: what a node's end means for the other nodes. Released nodes are jobs like all others.

use tokio::sync::oneshot;

use super::flow::{Flow, Work};
use super::line::Line;
use super::record::{Phase, Record};
use super::store::{PAGE, Store, due_at};
use crate::adapter::{
    AdapterError, CancelOutcome, Cause, Ending, Enqueued, Kind, NewNode, NewWorkflow, NodeRecord, NodeRef,
    What, WorkflowEnded, WorkflowRecord,
};
use crate::job::{JobId, JobState, Timestamp, millis};
use crate::policy::{Retention, RetentionLimit};
use crate::workflow::{WorkflowId, WorkflowState};

/// The receiver for a workflow's end, and its deadline.
type Running = (oneshot::Receiver<WorkflowEnded>, Option<u64>);

/// How many more nodes than were just settled one call may trim.
const TRIM_SLACK: usize = 16;

impl Store {
    pub(super) fn start(&mut self, new: NewWorkflow, now: u64) -> Enqueued {
        if self.flows.by_id.contains_key(&new.id) {
            return Enqueued::Duplicate;
        }
        let (id, due) = (new.id.clone(), new.due);
        let flow = Flow::new(new, now);
        let (nodes, deadline, is_empty) = (flow.roots(), flow.deadline, flow.nodes.is_empty());
        let nodes_of_all = u32::try_from(flow.nodes.len()).unwrap_or(u32::MAX);
        self.flows.by_id.insert(id.clone(), flow);
        let workflow = id.clone();
        self.announce_of(None, Kind::WorkflowStarted, || What::WorkflowStarted {
            workflow,
            nodes: nodes_of_all,
        });
        if is_empty {
            self.end_flow(&id, WorkflowState::Completed, None, None, now);
            return Enqueued::New;
        }
        if let Some(deadline) = deadline {
            if self.first_deadline().is_none_or(|first| deadline < first) {
                self.wakes.due_earlier();
            }
            self.flows.deadlines.insert((deadline, id.clone()));
        }
        let since = due_at(due, now).unwrap_or(now);
        self.flows.work.push_back(Work::Release { id, nodes, since });
        self.proceed(now);
        self.wake_released();
        Enqueued::New
    }

    pub(super) fn cancel_flow(&mut self, id: &WorkflowId, reason: &str, now: u64) -> CancelOutcome {
        let Some(flow) = self.flows.by_id.get(id) else { return CancelOutcome::NotFound };
        let outcome = match flow.state {
            WorkflowState::Running => CancelOutcome::Cancelled,
            WorkflowState::Completed => CancelOutcome::AlreadyEnded(JobState::Completed),
            WorkflowState::Failed => CancelOutcome::AlreadyEnded(JobState::Failed),
            WorkflowState::Cancelled => CancelOutcome::AlreadyEnded(JobState::Cancelled),
            WorkflowState::Expired => CancelOutcome::AlreadyEnded(JobState::Expired),
        };
        if outcome == CancelOutcome::Cancelled {
            self.end_flow(id, WorkflowState::Cancelled, None, Some(reason.to_owned()), now);
            self.proceed(now);
            self.wake_released();
        }
        outcome
    }

    /// Every end of a node goes through here.
    pub(super) fn node_ended(&mut self, of: &NodeRef, ending: &Ending, now: u64) {
        let NodeRef { workflow: id, node, .. } = of;
        let Some(flow) = self.flows.by_id.get_mut(id) else { return };
        flow.open -= 1;
        if flow.state.is_terminal() {
            self.note_if_done(id);
            return;
        }
        if !matches!(ending, Ending::Completed(_)) {
            return self.break_flow(id, *node, ending, now);
        }
        let nodes = flow.completed(*node);
        if flow.incomplete == 0 {
            self.end_flow(id, WorkflowState::Completed, None, None, now);
        } else if !nodes.is_empty() {
            self.flows.work.push_back(Work::Release { id: id.clone(), nodes, since: now });
        }
    }

    /// A node that ends without completing ends its workflow.
    pub(super) fn break_flow(&mut self, id: &WorkflowId, node: u32, ending: &Ending, now: u64) {
        let (state, reason) = match ending {
            Ending::Completed(_) => return,
            Ending::Failed(_) | Ending::Stalled(_) => (WorkflowState::Failed, None),
            Ending::Cancelled(reason) => (WorkflowState::Cancelled, Some(reason.clone())),
            Ending::Expired => (WorkflowState::Expired, None),
        };
        let flow = self.flows.by_id.get(id);
        let cause = flow.and_then(|flow| flow.nodes.get(node as usize)).map(|new| Cause {
            node,
            name: new.name.clone(),
            task: new.task.to_string(),
            ending: ending.clone(),
        });
        self.end_flow(id, state, cause, reason, now);
    }

    /// Every end of a workflow goes through here. Callers that await it are told at once; its nodes end later.
    pub(super) fn end_flow(
        &mut self,
        id: &WorkflowId,
        state: WorkflowState,
        cause: Option<Cause>,
        reason: Option<String>,
        now: u64,
    ) {
        let Some(flow) = self.flows.by_id.get_mut(id) else { return };
        (flow.state, flow.cause, flow.reason, flow.finished_at) = (state, cause, reason, Some(now));
        if state != WorkflowState::Completed {
            self.keys.give_up(flow.once.take(), id.as_str());
        }
        for waiter in std::mem::take(&mut flow.waiters) {
            if let Some(ended) = flow.ended() {
                // the waiter may have given up
                let _ = waiter.send(ended);
            }
        }
        if let Some(deadline) = flow.deadline {
            self.flows.deadlines.remove(&(deadline, id.clone()));
        }
        if let Some(reason) = flow.reason() {
            self.flows.work.push_back(Work::Cancel { id: id.clone(), from: 0, reason });
        }
        let workflow = id.clone();
        self.announce_of(None, Kind::WorkflowEnded, || What::WorkflowEnded { workflow, state });
        self.note_if_done(id);
    }

    fn note_if_done(&mut self, id: &WorkflowId) {
        if let Some(flow) = self.flows.by_id.get(id).filter(|flow| flow.open == 0) {
            self.flows.done.extend(flow.finished_at.map(|at| (at, id.clone())));
        }
    }

    /// Goes on with deferred work, a page at most. Returns whether some had to be left.
    pub(super) fn proceed(&mut self, now: u64) -> bool {
        for _ in 0..PAGE {
            let Some(mut work) = self.flows.work.pop_front() else { return false };
            if self.step(&mut work, now) {
                self.flows.work.push_front(work);
            }
        }
        !self.flows.work.is_empty()
    }

    /// Does one node of the work. Returns whether there are more.
    fn step(&mut self, work: &mut Work, now: u64) -> bool {
        match work {
            Work::Release { id, nodes, since } => {
                let Some(node) = nodes.pop_front() else { return false };
                self.release(id, node, *since, now) && !nodes.is_empty()
            }
            Work::Cancel { id, from, reason } => {
                let node = JobId::node(id, *from);
                if self.jobs.contains_key(&node) {
                    self.cancel_job(&node, reason, now);
                } else {
                    self.cancel_unreleased(id, *from, reason, now);
                }
                *from += 1;
                self.flows.by_id.get(id).is_some_and(|flow| (*from as usize) < flow.nodes.len())
            }
        }
    }

    /// Makes a node a job; `false` if its workflow has ended in the meantime.
    fn release(&mut self, id: &WorkflowId, node: u32, since: u64, now: u64) -> bool {
        let Some(flow) = self.flows.by_id.get_mut(id).filter(|flow| !flow.state.is_terminal()) else {
            return false;
        };
        let delay = flow.nodes.get(node as usize).map_or(0, |new| millis(new.delay));
        let created_at = flow.created_at;
        let Some((job, of)) = flow.job(id, node) else { return false };
        let due = since.saturating_add(delay);
        let line = if due > now {
            Line::Due(due)
        } else {
            self.flows.released.insert(job.task.clone());
            Line::Released
        };
        let node = job.id.clone();
        let mut record = Record { node: Some(of), ..Record::new(job, created_at) };
        record.start_by(due.max(now));
        self.add(record);
        self.enter_line(&node, line);
        true
    }

    /// Ends a node that was never released.
    fn cancel_unreleased(&mut self, id: &WorkflowId, node: u32, reason: &str, now: u64) {
        let Some(flow) = self.flows.by_id.get_mut(id) else { return };
        let created_at = flow.created_at;
        let Some((job, of)) = flow.job(id, node) else { return };
        let node = job.id.clone();
        self.add(Record { node: Some(of), ..Record::new(job, created_at) });
        self.finish(&node, Ending::Cancelled(reason.to_owned()), None, now);
    }

    pub(super) fn wake_released(&mut self) {
        let released = std::mem::take(&mut self.flows.released);
        self.wake(released);
    }

    /// Cancels a waiting job if it is a node of a workflow that has ended or is past its deadline. Returns whether it is.
    pub(super) fn end_void(&mut self, id: &JobId, now: u64) -> bool {
        let record = self.jobs.get(id);
        let Some(node) = record.and_then(|record| record.node.as_ref()) else { return false };
        let workflow = node.workflow.clone();
        self.end_flow_if_late(&workflow, now);
        let Some(reason) = self.flows.by_id.get(&workflow).and_then(Flow::reason) else { return false };
        self.cancel_job(id, &reason, now);
        true
    }

    /// The earliest deadline of the running workflows.
    pub(super) fn first_deadline(&self) -> Option<u64> {
        self.flows.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends the workflow if it is past its deadline. Returns whether it was.
    fn end_flow_if_late(&mut self, id: &WorkflowId, now: u64) -> bool {
        let is_late =
            |flow: &Flow| !flow.state.is_terminal() && flow.deadline.is_some_and(|deadline| deadline <= now);
        let is_late = self.flows.by_id.get(id).is_some_and(is_late);
        if is_late {
            self.end_flow(id, WorkflowState::Expired, None, None, now);
        }
        is_late
    }

    /// Expires workflows past their deadline, and goes on with their nodes.
    pub(super) fn end_late_flows(&mut self, now: u64) {
        if self.first_deadline().is_some_and(|deadline| deadline <= now) {
            self.expire_flows(now);
            self.proceed(now);
            self.wake_released();
        }
    }

    /// Expires workflows past their deadline, a page at most. Returns whether some had to be left.
    pub(super) fn expire_flows(&mut self, now: u64) -> bool {
        let is_late = |first: Option<&(u64, WorkflowId)>| first.is_some_and(|(deadline, _)| *deadline <= now);
        for _ in 0..PAGE {
            if !is_late(self.flows.deadlines.first()) {
                return false;
            }
            if let Some((_, id)) = self.flows.deadlines.pop_first() {
                self.end_flow(&id, WorkflowState::Expired, None, None, now);
            }
        }
        is_late(self.flows.deadlines.first())
    }

    /// Removes the oldest finished workflows above the number to keep, with a few more nodes than were just settled.
    pub(super) fn trim_flows_by_count(&mut self, settled: usize, retention: Retention) {
        if settled > 0 {
            self.trim_flows(retention.workflows, 0, 2 * settled + TRIM_SLACK);
        }
    }

    /// Removes the oldest workflows that ended before `old`, or that are above the number to keep, with all their nodes: at
    /// most `at_most` workflows and nodes. Returns how many it removed.
    pub(super) fn trim_flows(&mut self, keep: RetentionLimit, old: u64, at_most: usize) -> usize {
        let mut trimmed = 0;
        while trimmed < at_most {
            let count = self.flows.done.len();
            let Some((at, id)) = self.flows.done.first().filter(|(at, _)| *at < old || count > keep.count)
            else {
                break;
            };
            let (at, id) = (*at, id.clone());
            // removes nodes one by one, the last first, and the workflow itself when none is left
            let last = self.flows.by_id.get_mut(&id).and_then(|flow| {
                flow.nodes.pop()?;
                u32::try_from(flow.nodes.len()).ok()
            });
            match last {
                Some(node) => self.forget(&JobId::node(&id, node)),
                None => {
                    self.flows.by_id.remove(&id);
                    // a later workflow with the same id is a different one
                    self.flows.work.retain(|work| *work.id() != id);
                    self.flows.done.remove(&(at, id));
                }
            }
            trimmed += 1;
        }
        trimmed
    }

    /// How the workflow has ended (also if its deadline has just passed), or, while it has not, the receiver for its end,
    /// and its deadline. `None` if it is unknown.
    pub(super) fn await_flow(&mut self, id: &WorkflowId, now: u64) -> Option<Result<WorkflowEnded, Running>> {
        if self.end_flow_if_late(id, now) {
            self.proceed(now);
            self.wake_released();
        }
        let flow = self.flows.by_id.get_mut(id)?;
        if let Some(ended) = flow.ended() {
            return Some(Ok(ended));
        }
        let (tell, told) = oneshot::channel();
        flow.waiters.retain(|waiter| !waiter.is_closed());
        flow.waiters.push(tell);
        Some(Err((told, flow.deadline)))
    }

    pub(super) fn node_results(&self, id: &WorkflowId, nodes: &[u32]) -> Vec<Option<Vec<u8>>> {
        let result = |node: &u32| match &self.jobs.get(&JobId::node(id, *node))?.phase {
            Phase::Ended { ending: Ending::Completed(result), .. } => Some(result.clone()),
            _ => None,
        };
        nodes.iter().map(result).collect()
    }

    pub(super) fn flow(
        &self,
        id: &WorkflowId,
        with_nodes: bool,
    ) -> Result<Option<WorkflowRecord>, AdapterError> {
        let Some(flow) = self.flows.by_id.get(id) else { return Ok(None) };
        let (mut nodes, mut joins) = (Vec::new(), Vec::new());
        if with_nodes {
            nodes = (0..)
                .zip(&flow.nodes)
                .map(|(node, new)| self.node(id, node, new))
                .collect::<Result<_, _>>()?;
            joins = flow.joins.iter().map(|join| join.nodes.clone()).collect();
        }
        Ok(Some(WorkflowRecord {
            state: flow.state,
            created_at: Timestamp::from_millis(flow.created_at),
            finished_at: flow.finished_at.map(Timestamp::from_millis),
            len: u32::try_from(flow.nodes.len()).unwrap_or(u32::MAX),
            open: u32::try_from(flow.open).unwrap_or(u32::MAX),
            nodes,
            joins,
            meta: flow.meta.clone(),
        }))
    }

    fn node(&self, id: &WorkflowId, node: u32, new: &NewNode) -> Result<NodeRecord, AdapterError> {
        let id = JobId::node(id, node);
        let info = self.jobs.get(&id).map(|record| record.info(&id)).transpose()?;
        let mut node = NodeRecord::new(&new.name, new.task.to_string(), new.after);
        if let Some(info) = info {
            node.state = Some(info.state);
            (node.attempts, node.stalls) = (info.attempts, info.stalls);
            (node.started_at, node.finished_at) = (info.started_at, info.finished_at);
            node.error = info.error;
        }
        Ok(node)
    }
}
