//! The transitions of a job, each in one place, whatever causes it. Every method is part of one atomic step.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::collects::{BatchLane, Item};
use super::line::{Left, Line, Place};
use super::record::{Phase, Record};
use super::store::Store;
use crate::adapter::{Ending, LimitKey, TaskName};
use crate::job::{JobId, JobState};

impl Store {
    /// Adds a new job, in no index yet.
    pub(super) fn add(&mut self, mut record: Record) {
        record.older_tokens = self.last_token;
        self.jobs.insert(record.new.id.clone(), record);
    }

    /// A job becomes ready, or is delayed.
    pub(super) fn enter_line(&mut self, id: &JobId, line: Line) -> JobState {
        let Some(record) = self.jobs.get(id) else { return JobState::Waiting };
        let (priority, retrying) = (record.new.priority, record.attempts > 0);
        let key = record.new.limit_key.clone();
        let batch = record.new.collect.filter(|_| record.node.is_none()).zip(key.clone());
        let is_returned = record.token > 0;
        let at = match record.phase {
            Phase::Delayed { due, .. } => due.min(self.clock),
            _ => self.clock,
        };
        let lane = key.and_then(|key| Some((key, self.per_key(&record.new.task)?.ordered)));
        let is_debounced = record.held.as_ref().is_some_and(|held| held.key.is_debounced);
        let is_in_front = matches!(line, Line::Front);
        let is_in_line = matches!(line, Line::Back | Line::Front);
        let phase = match (line, lane) {
            (Line::Back | Line::Front, Some((key, is_ordered))) => {
                let place = self.place_in_lane(id, &key, is_ordered, is_in_front);
                Phase::InLane(key, place)
            }
            (Line::Back, None) | (Line::Released, _) => Phase::Waiting(self.place_at_the_end(priority)),
            (Line::Front, None) => Phase::Waiting(self.place_in_front(priority)),
            (Line::Due(due), _) => Phase::Delayed { due, retrying },
            (Line::Behind(front), _) => Phase::Behind(front),
        };
        let phase = match batch {
            Some((rule, key)) if is_in_line => {
                let place =
                    if is_in_front { self.place_in_front(priority) } else { self.place_at_the_end(priority) };
                Phase::Gathering(Item { lane: BatchLane { key, is_returned }, place, at, rule })
            }
            _ => phase,
        };
        if is_debounced && matches!(phase, Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_)) {
            self.free_key(id);
        }
        let state = phase.state();
        self.move_to(id, phase);
        state
    }

    /// Moves the time of a delayed job.
    pub(super) fn delay_anew(&mut self, id: &JobId, due: u64) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        let Phase::Delayed { due: before, retrying } = record.phase else { return };
        let queue = self.queues.entry(record.new.task.clone()).or_default();
        queue.remove(id, &Phase::Delayed { due: before, retrying });
        record.phase = Phase::Delayed { due, retrying };
        queue.insert(id, &record.phase);
        self.wakes.placed(id, queue);
    }

    /// A job in line goes behind the others of its priority, which is another one than before.
    pub(super) fn place_anew(&mut self, id: &JobId) {
        let Some(record) = self.jobs.get(id) else { return };
        let (task, priority) = (record.new.task.clone(), record.new.priority);
        let is_ordered = self.per_key(&task).is_some_and(|per_key| per_key.ordered);
        let is_moved = match record.phase {
            Phase::InLane(..) => !is_ordered,
            ref phase => phase.is_in_line(),
        };
        if !is_moved {
            return;
        }
        let to = self.place_at_the_end(priority);
        let (Some(record), Some(queue)) = (self.jobs.get_mut(id), self.queues.get_mut(&task)) else { return };
        queue.move_in_line(&record.phase, to);
        match &mut record.phase {
            Phase::Waiting(place) | Phase::InLane(_, place) => *place = to,
            Phase::Gathering(item) => item.place = to,
            _ => {}
        }
        self.line_changed(&task, true);
        self.wake_released();
        self.wake([task]);
    }

    /// A worker gets the right to run the job until the deadline.
    pub(super) fn enter_active(&mut self, id: &JobId, deadline: u64, now: u64) {
        let phase = self.jobs.get(id).map(|record| &record.phase);
        let lane = match phase {
            Some(Phase::InLane(key, _)) => Some(key.clone()),
            _ => None,
        };
        self.move_to(id, Phase::Active { deadline, claimed_at: now });
        if let Some(key) = lane {
            self.hold(id, &key);
            self.last += 1;
            let task = self.jobs.get(id).map(|record| &record.new.task);
            if let Some(queue) = task.and_then(|task| self.queues.get_mut(task)) {
                queue.lanes.served(&key, self.last);
            }
        }
    }

    /// Limits by key count the job from now on.
    pub(super) fn hold(&mut self, id: &JobId, key: &LimitKey) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        record.holds = Some(key.clone());
        self.queues.entry(record.new.task.clone()).or_default().lanes.hold(key, id);
    }

    /// A job that has moved holds its key no longer, unless it runs, or waits for its next attempt in an ordered lane.
    fn let_go(&mut self, id: &JobId) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        let task = record.new.task.clone();
        let stays = match record.phase {
            Phase::Active { .. } | Phase::Between { .. } => true,
            Phase::Delayed { .. } => {
                self.gates.get(&task).and_then(|gate| gate.per_key).is_some_and(|per_key| per_key.ordered)
            }
            _ => false,
        };
        if !stays && let Some(key) = record.holds.take() {
            if let Some(queue) = self.queues.get_mut(&task) {
                queue.lanes.let_go(&key, id);
            }
            // another job of this key may run
            self.flows.released.insert(task);
        }
    }

    /// Ends the lease: the job leaves its task's active set. It must enter a line or finish next.
    pub(super) fn leave_active(&mut self, id: &JobId) -> Left {
        let mut left = Left { claimed_at: None, flag: None };
        let Some(record) = self.jobs.get_mut(id) else { return left };
        if let Phase::Active { claimed_at, .. } = record.phase {
            left.claimed_at = Some(claimed_at);
        }
        left.flag = record.flag.take();
        self.move_to(id, Phase::Between { from: Some(JobState::Active) });
        left
    }

    /// Every end of a job goes through here: the job leaves its index, and its waiters and its workflow are told.
    /// `started_at` is when the attempt that ended it was claimed, if an attempt did.
    pub(super) fn finish(
        &mut self,
        id: &JobId,
        ending: Ending,
        started_at: Option<u64>,
        now: u64,
    ) -> JobState {
        let state = ending.state();
        self.announce_end(id, &ending);
        let node = self.jobs.get(id).and_then(|record| record.node.clone());
        if let Some(node) = node {
            self.node_ended(&node, &ending, now);
        }
        let front = self.jobs.get(id).and_then(|record| match &record.phase {
            Phase::Behind(front) => Some(front.clone()),
            _ => None,
        });
        self.move_to(id, Phase::Ended { at: now, started_at, ending });
        match front {
            Some(front) => self.close_ranks(id, &front),
            None => self.pass_key_on(id, now),
        }
        if state != JobState::Completed {
            let once = self.jobs.get_mut(id).and_then(|record| record.once.take());
            self.keys.give_up(once, id.as_str());
        }
        if let Some(record) = self.jobs.get_mut(id) {
            record.watchers = None;
            let waiters = std::mem::take(&mut record.waiters);
            for (waiter, ended) in waiters.into_iter().zip(std::iter::repeat_with(|| record.ended())) {
                // the waiter may have given up
                let _ = ended.map(|ended| waiter.send(ended));
            }
        }
        state
    }

    /// Removes everything about the job: its id can be used again.
    pub(super) fn forget(&mut self, id: &JobId) {
        let Some(record) = self.jobs.remove(id) else { return };
        if let Some(queue) = self.queues.get_mut(&record.new.task) {
            if let Some(key) = &record.holds {
                queue.lanes.let_go(key, id);
            }
            if let Some(key) = record.new.limit_key.as_ref().filter(|_| record.new.collect.is_some()) {
                queue.collects.end(key, id);
            }
            queue.remove(id, &record.phase);
            queue.set_deadline(id, record.deadline, &Phase::Between { from: None });
        }
    }

    /// Moves a deadline: the job stays active.
    pub(super) fn extend(&mut self, id: &JobId, deadline: u64) {
        if let Some(Phase::Active { claimed_at, .. }) = self.jobs.get(id).map(|record| &record.phase) {
            let claimed_at = *claimed_at;
            self.move_to(id, Phase::Active { deadline, claimed_at });
        }
    }

    /// Moves a job from one index to another, together with its record.
    fn move_to(&mut self, id: &JobId, phase: Phase) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        let queue = self.queues.entry(record.new.task.clone()).or_default();
        queue.remove(id, &record.phase);
        queue.set_deadline(id, record.deadline, &phase);
        match (&record.phase, &phase) {
            (Phase::Active { .. }, Phase::Active { .. }) => {}
            (Phase::Active { .. }, _) => {
                if let Some(key) = record.new.limit_key.as_ref().filter(|_| record.new.collect.is_some()) {
                    queue.collects.end(key, id);
                }
            }
            (Phase::Gathering(_), _) | (_, Phase::Gathering(_)) => self.wakes.due_earlier(),
            _ => {}
        }
        // ended nodes are removed with their workflow
        if record.node.is_none() || !matches!(phase, Phase::Ended { .. }) {
            queue.insert(id, &phase);
            self.wakes.placed(id, queue);
        }
        let is_active = matches!(phase, Phase::Active { .. });
        let before = record.enter(phase);
        let (holds, task) = (record.holds.is_some(), &record.new.task);
        // a claim looks at its lines itself
        let (has_left, has_come) = (before.is_in_line() && !is_active, record.phase.is_in_line());
        if has_left || has_come {
            let task = task.clone();
            self.line_changed(&task, has_left);
        }
        if holds {
            self.let_go(id);
        }
    }

    /// The jobs of an ordered lane go in the order in which they came, whatever their priority. The one that has held the key goes
    /// first, also before those that came before the lane was ordered.
    fn place_in_lane(&mut self, id: &JobId, key: &LimitKey, is_ordered: bool, is_front: bool) -> Place {
        let Some(record) = self.jobs.get(id) else { return self.place_at_the_end(0) };
        let priority = record.new.priority;
        if !is_ordered {
            return if is_front { self.place_in_front(priority) } else { self.place_at_the_end(priority) };
        }
        if !is_front && record.holds.is_none() {
            return self.place_at_the_end(0);
        }
        let first = self.queues.get(&record.new.task).and_then(|queue| queue.lanes.first_of(key));
        let Reverse(highest) = first.map_or(Reverse(0), |(priority, _)| priority);
        self.place_in_front(highest.max(0))
    }

    fn place_at_the_end(&mut self, priority: i16) -> Place {
        self.last += 1;
        (Reverse(priority), self.last)
    }

    fn place_in_front(&mut self, priority: i16) -> Place {
        self.first -= 1;
        (Reverse(priority), self.first)
    }

    /// Wakes a worker for each of these tasks, and those that share a gate with them, that has jobs to claim.
    pub(super) fn wake(&mut self, tasks: impl IntoIterator<Item = TaskName>) {
        let lines: BTreeSet<TaskName> =
            tasks.into_iter().flat_map(|task| self.gates.lines_of(&task)).collect();
        for line in lines {
            if self.has_claimable(&line) {
                self.wakes.wake(&line);
            }
        }
    }
}
