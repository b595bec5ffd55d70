//! Consistency checks. The whole store is read under one lock, so no job is in transit.

use std::collections::HashSet;

use async_trait::async_trait;

use super::MemoryAdapter;
use super::flow::{Flow, Work};
use super::line::Line;
use super::record::{Phase, Record};
use super::store::Store;
use crate::adapter::{AdapterError, Audit, AuditPage, Ending, Finding, RepairOutcome, Upkeep};
use crate::check::{Part, Place, Violation};
use crate::job::JobId;
use crate::workflow::{WorkflowId, WorkflowState};

#[async_trait]
impl Upkeep for MemoryAdapter {
    fn audit(&self) -> Box<dyn Audit> {
        Box::new(Pass(Some(self.clone())))
    }

    async fn repair(&self, finding: &Finding) -> Result<RepairOutcome, AdapterError> {
        Ok(self.0.lock().repair(&finding.violation, self.0.now()))
    }
}

/// One page: everything, at one moment.
#[derive(Debug)]
struct Pass(Option<MemoryAdapter>);

#[async_trait]
impl Audit for Pass {
    async fn page(&mut self) -> Result<Option<AuditPage>, AdapterError> {
        Ok(self.0.take().map(|adapter| adapter.0.lock().audit()))
    }
}

/// Where a job is, according to its record.
fn place_of(phase: &Phase) -> Place {
    match phase {
        Phase::Between { .. } | Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_) => Place::Waiting,
        Phase::Behind(_) => Place::Behind,
        Phase::Delayed { .. } => Place::Delayed,
        Phase::Active { .. } => Place::Active,
        Phase::Ended { ending, .. } => Place::Ended(ending.state()),
    }
}

/// The counts of a workflow, and what they should be.
struct Counts {
    open: usize,
    incomplete: usize,
    /// For each join.
    left: Vec<usize>,
    /// A node that has ended without completing.
    broken: Option<u32>,
    /// A node that has not ended, and is not active.
    waiting: Option<u32>,
}

impl Store {
    fn audit(&self) -> AuditPage {
        let findings = self
            .violations()
            .into_iter()
            .map(|violation| Finding { violation, notes: Some(Vec::new()) })
            .collect();
        let entries: usize = self.queues.values().map(|queue| queue.entries().count()).sum();
        AuditPage {
            newer: 0,
            skipped: 0,
            scanned: self.jobs.len() + self.flows.by_id.len() + entries,
            jobs: self.jobs.values().filter(|record| record.node.is_none()).count(),
            workflows: self.flows.by_id.len(),
            findings,
        }
    }

    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut placed = HashSet::new();
        for (task, queue) in &self.queues {
            for entry in queue.entries() {
                let (task, place, id) = (task.to_string(), entry.index(), entry.id().clone());
                match self.jobs.get(&id) {
                    None => violations.push(Violation::EntryWithoutJob { task, place, id }),
                    Some(record) if *record.new.task == *task && entry.fits(&record.phase) => {
                        placed.insert(id);
                    }
                    Some(_) => violations.push(Violation::MisplacedEntry { task, place, id }),
                }
            }
        }
        for (task, queue) in &self.queues {
            for (deadline, id) in queue.deadlines() {
                let (task, place, id) = (task.to_string(), Place::Deadlines, id.clone());
                match self.jobs.get(&id) {
                    None => violations.push(Violation::EntryWithoutJob { task, place, id }),
                    Some(record) if *record.new.task == *task && record.expires_at() == Some(*deadline) => {}
                    Some(_) => violations.push(Violation::MisplacedEntry { task, place, id }),
                }
            }
        }
        for (id, record) in &self.jobs {
            let queue = self.queues.get(&record.new.task);
            if record.expires_at().is_some_and(|at| !queue.is_some_and(|queue| queue.expires(id, at))) {
                let (task, place) = (record.new.task.to_string(), Place::Deadlines);
                violations.push(Violation::LostJob { task, id: id.clone(), place });
            }
            if let Phase::Behind(front) = &record.phase
                && self.next_of(front) != Some(id)
            {
                // no job will let it into its line
                let (task, place) = (record.new.task.to_string(), Place::Waiting);
                violations.push(Violation::LostJob { task, id: id.clone(), place });
            }
            let has_ended = matches!(record.phase, Phase::Ended { .. });
            // an ended node is in no index
            if !(placed.contains(id) || has_ended && record.node.is_some()) {
                let (task, place) = (record.new.task.to_string(), place_of(&record.phase));
                violations.push(Violation::LostJob { task, id: id.clone(), place });
            }
            if has_ended && record.waiters.iter().any(|waiter| !waiter.is_closed()) {
                violations.push(Violation::Leftover { part: Part::Waiters, id: id.clone() });
            }
            if record.flag.is_some() && !matches!(record.phase, Phase::Active { .. }) {
                violations.push(Violation::Leftover { part: Part::CancelFlag, id: id.clone() });
            }
        }
        for (id, flow) in &self.flows.by_id {
            self.look_at_flow(id, flow, &mut violations);
        }
        for (key, id) in self.keys.stale(&self.jobs) {
            let (task, key) = (key.task.to_string(), key.text.clone());
            violations.push(Violation::StaleKey { task, key, id: id.clone() });
        }
        let indexed = self.flows.deadlines.iter().chain(&self.flows.done);
        for (_, id) in indexed.filter(|(_, id)| !self.flows.by_id.contains_key(id)) {
            violations.push(Violation::WorkflowIndex { workflow: id.clone(), is_known: false });
        }
        violations.extend(self.schedules.violations());
        violations
    }

    fn look_at_flow(&self, id: &WorkflowId, flow: &Flow, violations: &mut Vec<Violation>) {
        // a workflow that is being trimmed loses its nodes one after the other
        let in_done = flow.finished_at.is_some_and(|at| self.flows.done.contains(&(at, id.clone())));
        let counts = self.counts(id, flow);
        let workflow = || id.clone();
        if flow.open != counts.open {
            let (counted, found) = (i64::try_from(flow.open).ok(), small(counts.open));
            violations.push(Violation::OpenNodes { workflow: workflow(), counted, found });
        }
        let is_running = flow.state == WorkflowState::Running;
        let in_deadlines = flow.deadline.is_some_and(|at| self.flows.deadlines.contains(&(at, id.clone())));
        if in_done != (!is_running && flow.open == 0)
            || in_deadlines != (is_running && flow.deadline.is_some())
        {
            violations.push(Violation::WorkflowIndex { workflow: workflow(), is_known: true });
        }
        let pending = self.flows.work.iter().any(|work| work.id() == id);
        if let Some(node) = counts.broken.filter(|_| is_running) {
            violations.push(Violation::StillRunning { workflow: workflow(), node });
        } else if !is_running && flow.state != WorkflowState::Completed && !pending {
            let node = counts.waiting.into_iter();
            violations.extend(node.map(|node| Violation::NotWoundUp { workflow: workflow(), node }));
        } else if is_running && !pending {
            for ((number, join), left) in (0..).zip(&flow.joins).zip(&counts.left) {
                let is_stuck = *left == 0
                    && join.children.iter().any(|node| !self.jobs.contains_key(&JobId::node(id, *node)));
                if join.left != *left || is_stuck {
                    let (counted, found) = (i64::try_from(join.left).ok(), small(*left));
                    violations.push(Violation::JoinCount {
                        workflow: workflow(),
                        join: Some(number),
                        counted,
                        found,
                    });
                }
            }
        }
    }

    fn counts(&self, id: &WorkflowId, flow: &Flow) -> Counts {
        let mut counts =
            Counts { open: 0, incomplete: 0, left: vec![0; flow.joins.len()], broken: None, waiting: None };
        for (node, _) in (0..).zip(&flow.nodes) {
            let phase = self.jobs.get(&JobId::node(id, node)).map(|record| &record.phase);
            let is_completed = matches!(phase, Some(Phase::Ended { ending: Ending::Completed(_), .. }));
            match phase {
                Some(Phase::Ended { .. }) if !is_completed => drop(counts.broken.get_or_insert(node)),
                Some(Phase::Ended { .. }) => {}
                Some(Phase::Active { .. }) => counts.open += 1,
                _ => {
                    counts.open += 1;
                    counts.waiting.get_or_insert(node);
                }
            }
            if !is_completed {
                counts.incomplete += 1;
                for join in flow.joins_of.get(node as usize).into_iter().flatten() {
                    counts.left.get_mut(*join as usize).into_iter().for_each(|left| *left += 1);
                }
            }
        }
        counts
    }

    /// Repairs one violation, if it is still true.
    pub(super) fn repair(&mut self, violation: &Violation, now: u64) -> RepairOutcome {
        if !self.violations().contains(violation) {
            return RepairOutcome::Gone;
        }
        match violation {
            Violation::EntryWithoutJob { task, place, id }
            | Violation::MisplacedEntry { task, place, id } => {
                let record = self.jobs.get(id).filter(|record| *record.new.task == **task);
                if let Some(queue) = self.queues.get_mut(task.as_str()) {
                    queue.expel(*place, id, record);
                }
            }
            Violation::LostJob { id, place: Place::Deadlines, .. } => {
                if let Some(record) = self.jobs.get(id) {
                    let queue = self.queues.entry(record.new.task.clone()).or_default();
                    queue.set_deadline(id, record.deadline, &record.phase);
                }
            }
            Violation::LostJob { id, place, .. } => self.put_back(id, *place),
            Violation::StaleKey { id, .. } => self.keys.forget_owner(id, &self.jobs),
            Violation::Leftover { part: Part::Waiters, id } => self.tell(id),
            Violation::Leftover { id, .. } => {
                if let Some(record) = self.jobs.get_mut(id) {
                    record.flag = None;
                }
            }
            Violation::WorkflowIndex { workflow, .. } => self.index_flow(workflow),
            Violation::ScheduleIndex { schedule, is_known } => {
                self.schedules.repair(schedule, *is_known, now)
            }
            Violation::OpenNodes { workflow, .. } | Violation::JoinCount { workflow, .. } => {
                self.recount(workflow, now);
            }
            Violation::StillRunning { workflow, node } => {
                let ending = match self.jobs.get(&JobId::node(workflow, *node)) {
                    Some(Record { phase: Phase::Ended { ending, .. }, .. }) => ending.clone(),
                    _ => return RepairOutcome::Left,
                };
                self.break_flow(workflow, *node, &ending, now);
            }
            Violation::NotWoundUp { workflow, .. } => {
                if let Some(reason) = self.flows.by_id.get(workflow).and_then(Flow::reason) {
                    self.flows.work.push_back(Work::Cancel { id: workflow.clone(), from: 0, reason });
                }
            }
            _ => return RepairOutcome::Left,
        }
        RepairOutcome::Repaired
    }

    /// Puts a job into the index that its record names, or to the front of its line.
    fn put_back(&mut self, id: &JobId, place: Place) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        let task = record.new.task.clone();
        if matches!(record.phase, Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_)) {
            record.phase = Phase::Between { from: None };
            self.enter_line(id, Line::Front);
        } else if place == Place::Waiting {
            self.enter_line(id, Line::Front);
        } else {
            let queue = self.queues.entry(task.clone()).or_default();
            queue.insert(id, &record.phase);
            self.wakes.placed(id, queue);
        }
        self.wake([task]);
    }

    fn tell(&mut self, id: &JobId) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        for waiter in std::mem::take(&mut record.waiters) {
            if let Some(ended) = record.ended() {
                // the waiter may have given up
                let _ = waiter.send(ended);
            }
        }
    }

    fn index_flow(&mut self, id: &WorkflowId) {
        self.flows.deadlines.retain(|(_, known)| known != id);
        self.flows.done.retain(|(_, known)| known != id);
        let Some(flow) = self.flows.by_id.get(id) else { return };
        if flow.state == WorkflowState::Running {
            self.flows.deadlines.extend(flow.deadline.map(|at| (at, id.clone())));
        } else if flow.open == 0 {
            self.flows.done.extend(flow.finished_at.map(|at| (at, id.clone())));
        }
    }

    /// Corrects a workflow's counts, and goes on with it.
    fn recount(&mut self, id: &WorkflowId, now: u64) {
        let Some(flow) = self.flows.by_id.get(id) else { return };
        let counts = self.counts(id, flow);
        let ready: Vec<u32> = flow
            .joins
            .iter()
            .zip(&counts.left)
            .filter(|(_, left)| **left == 0)
            .flat_map(|(join, _)| join.children.iter().copied())
            .filter(|node| !self.jobs.contains_key(&JobId::node(id, *node)))
            .collect();
        let Some(flow) = self.flows.by_id.get_mut(id) else { return };
        (flow.open, flow.incomplete) = (counts.open, counts.incomplete);
        for (join, left) in flow.joins.iter_mut().zip(counts.left) {
            join.left = left;
        }
        let is_running = flow.state == WorkflowState::Running;
        if is_running && flow.incomplete == 0 {
            self.end_flow(id, WorkflowState::Completed, None, None, now);
        } else if is_running && !ready.is_empty() {
            self.flows.work.push_back(Work::Release { id: id.clone(), nodes: ready.into(), since: now });
        }
        self.index_flow(id);
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
