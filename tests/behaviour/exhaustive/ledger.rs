//! The ledger: what the workers believe and what the rules of leases and workflows demand, beside the store.

mod finish;

use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::{
    Adapter, CallId, Claim, ClaimedJob, Enqueued, Exchange, Exchanged, RenewLease, Renewal, Settled,
    Settlement, TaskClaim,
};
use taskora::workflow::{WorkflowId, WorkflowState};
use taskora::{JobId, JobState, Retention};

use super::action::{Action, End};
use super::stage::{FLOW, NODES, Shape, Stage, TASK};

const LEASE: Duration = Duration::from_secs(10);
/// Longer than a lease, and than any delay.
const TICK: Duration = Duration::from_secs(11);

/// A lease that was handed out, valid or not.
struct Held {
    job: ClaimedJob,
    node: usize,
    worker: usize,
    /// By the rules, whatever the store says.
    is_valid: bool,
    /// Its time has passed.
    is_late: bool,
}

/// What the store shows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shown {
    state: Option<JobState>,
    attempts: u32,
    stalls: u32,
}

/// What the store shows of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct View {
    flow: WorkflowState,
    nodes: [Shown; NODES],
}

pub(super) struct Ledger<'a> {
    stage: &'a Stage,
    shape: Shape,
    adapter: Arc<dyn Adapter>,
    flow: WorkflowId,
    held: Vec<Held>,
    flagged: [bool; NODES],
    due: [bool; NODES],
    completed: [u32; NODES],
    ticks: u32,
    /// From this tick on the last node may not be started.
    start_by: Option<u32>,
    view: View,
    /// Each worker's last call, with its answer.
    calls: [(u64, Option<(Exchange, Exchanged)>); 2],
    turn: usize,
}

impl<'a> Ledger<'a> {
    pub(super) async fn start(stage: &'a Stage, shape: Shape) -> Self {
        let adapter = stage.empty();
        let started = adapter.workflows().start(shape.workflow()).await.expect("start");
        assert_eq!(started, Enqueued::New);
        let flow = WorkflowId::from(FLOW);
        let view = look(&adapter, &flow).await;
        Self {
            stage,
            shape,
            adapter,
            flow,
            held: Vec::new(),
            flagged: [false; NODES],
            due: [false; NODES],
            completed: [0; NODES],
            ticks: 0,
            start_by: None,
            view,
            calls: [(0, None), (0, None)],
            turn: 0,
        }
    }

    fn valid(&self) -> Vec<usize> {
        (0..self.held.len()).filter(|place| self.held[*place].is_valid).collect()
    }

    fn lease_of(&self, node: usize) -> Option<&Held> {
        self.held.iter().find(|held| held.is_valid && held.node == node)
    }

    fn is_over(&self) -> bool {
        self.view.flow != WorkflowState::Running
    }

    fn ticks_left(&self) -> u32 {
        let all = self.shape.ttl.map_or(0, |ttl| ttl.as_secs().div_ceil(TICK.as_secs()));
        if self.is_over() { 0 } else { u32::try_from(all).expect("few ticks").saturating_sub(self.ticks) }
    }

    /// Ticks until the last node may not be started any more.
    fn ticks_to_start(&self) -> u32 {
        self.start_by.filter(|_| !self.is_over()).map_or(0, |tick| tick.saturating_sub(self.ticks))
    }

    fn is_too_late(&self, node: usize) -> bool {
        node == NODES - 1 && self.start_by.is_some_and(|tick| tick <= self.ticks)
    }

    /// Its deadline has passed, and nobody has looked yet.
    fn is_late(&self) -> bool {
        self.shape.ttl.is_some() && !self.is_over() && self.ticks_left() == 0
    }

    /// What may happen next. Steps that must not change anything are tried by [`Ledger::finish`] instead.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::Claim, Action::Sweep];
        let is_delayed = |node: usize| {
            matches!(self.view.nodes[node].state, Some(JobState::Delayed | JobState::Retrying))
                && !self.due[node]
        };
        let valid = self.valid();
        if self.ticks_left() > 0
            || self.ticks_to_start() > 0
            || valid.iter().any(|place| !self.held[*place].is_late)
            || (0..NODES).any(is_delayed)
        {
            actions.push(Action::Tick);
        }
        for lease in valid.iter().copied() {
            // as the worker's own contract: two attempts in all
            let may_retry = self.held[lease].job.attempt < 2;
            for end in End::ALL.into_iter().filter(|end| may_retry || !end.is_retry()) {
                actions.push(Action::Settle { lease, end, claim: false });
                if matches!(end, End::Complete | End::Fail | End::Release) {
                    actions.push(Action::Settle { lease, end, claim: true });
                }
            }
            actions.push(Action::Renew { lease });
        }
        if let [first, second] = valid[..] {
            for end in [End::Complete, End::Fail, End::Release] {
                actions.push(Action::SettleBoth { first, second, end });
                actions.push(Action::SettleBoth { first: second, second: first, end });
            }
        }
        for node in 0..NODES {
            let state = self.view.nodes[node].state;
            if state.is_some_and(|state| !state.is_terminal()) && !self.flagged[node] {
                actions.push(Action::CancelNode { node });
            }
        }
        if !self.is_over() {
            actions.push(Action::CancelWorkflow);
        }
        actions
    }

    pub(super) async fn apply(&mut self, action: &Action, path: &[Action]) {
        let before = self.view;
        match *action {
            Action::Claim => {
                let worker = self.turn;
                self.turn = 1 - self.turn;
                self.exchange(worker, Vec::new(), true, path).await;
            }
            Action::Settle { lease, end, claim } => {
                let worker = self.held[lease].worker;
                // the same once more in the same call: it must be refused
                let settle = vec![(lease, end), (lease, End::Complete)];
                self.exchange(worker, settle, claim, path).await;
            }
            Action::SettleBoth { first, second, end } => {
                let worker = self.held[first].worker;
                self.exchange(worker, vec![(first, end), (second, End::Complete)], true, path).await;
            }
            Action::Renew { lease } => {
                let held = &mut self.held[lease];
                held.is_late = false;
                let renew = RenewLease { lease: held.job.lease.clone(), length: LEASE };
                let expected = if self.flagged[held.node] { Renewal::Cancelled } else { Renewal::Extended };
                let renewed = self.adapter.jobs().renew(vec![renew]).await.expect("renew");
                assert_eq!(renewed, [expected], "{path:?}");
            }
            Action::Tick => {
                self.stage.advance(TICK).await;
                self.ticks += 1;
                self.due = [true; NODES];
                self.held.iter_mut().for_each(|held| held.is_late = true);
            }
            Action::Sweep => self.sweep(path).await,
            Action::CancelNode { node } => {
                let id = JobId::node(&self.flow, u32::try_from(node).expect("few nodes"));
                self.adapter.jobs().cancel(&id, "why").await.expect("cancel");
                self.flagged[node] = self.lease_of(node).is_some();
            }
            Action::CancelWorkflow => {
                self.adapter.workflows().cancel_workflow(&self.flow, "enough").await.expect("cancel");
            }
        }
        self.view = look(&self.adapter, &self.flow).await;
        self.note_changes(before, path);
        self.check(path);
    }

    /// One call. What becomes of its settlements and whether its claim is right is known beforehand.
    async fn exchange(&mut self, worker: usize, settle: Vec<(usize, End)>, claim: bool, path: &[Action]) {
        let was_late = self.is_late();
        let mut expected = Vec::new();
        for (place, end) in &settle {
            let is_too_late = self.is_too_late(self.held[*place].node);
            let held = &mut self.held[*place];
            let node = held.node;
            expected.push(match (std::mem::take(&mut held.is_valid), self.flagged[node], end) {
                (false, ..) => Settled::Stale,
                (true, true, _) => Settled::Now(JobState::Cancelled),
                (true, false, End::Complete) => {
                    self.completed[node] += 1;
                    Settled::Now(JobState::Completed)
                }
                (true, false, End::Fail) => Settled::Now(JobState::Failed),
                (true, false, End::Retry | End::RetryNow) if is_too_late => Settled::Now(JobState::Failed),
                (true, false, End::Retry) => Settled::Now(JobState::Retrying),
                (true, false, End::RetryNow | End::Cancel | End::Release) => Settled::Now(JobState::Waiting),
            });
            self.flagged[node] = false;
        }
        let settle =
            settle.iter().map(|(place, end)| self.held[*place].job.settlement(end.attempt_end())).collect();
        self.calls[worker].0 += 1;
        let call = self.call(worker, self.calls[worker].0, settle, usize::from(claim));
        let answer = self.adapter.jobs().exchange(call.clone()).await.expect("exchange");
        assert_eq!(answer.settled, expected, "{path:?}");
        for job in &answer.jobs {
            assert!(claim && !was_late, "nothing is handed out: {path:?}");
            let node = job.node.as_ref().expect("a node").node as usize;
            // I3
            assert!(self.lease_of(node).is_none(), "two leases on node {node}: {path:?}");
            assert!(self.parents_completed(node), "node {node} runs too early: {path:?}");
            assert_eq!(self.completed[node], 0, "node {node} runs again: {path:?}");
            assert!(!self.is_too_late(node), "node {node} is started too late: {path:?}");
            let newest = self.held.iter().filter(|held| held.node == node).map(|held| held.job.lease.token);
            assert!(newest.max().is_none_or(|token| token < job.lease.token), "{path:?}");
            self.held.push(Held { job: job.clone(), node, worker, is_valid: true, is_late: false });
        }
        self.calls[worker].1 = Some((call, answer));
    }

    fn call(&self, worker: usize, number: u64, settle: Vec<Settlement>, limit: usize) -> Exchange {
        let of = TaskClaim { task: TASK.into(), limit, lease: LEASE };
        Exchange {
            call: CallId { worker: ["a", "b", "c"][worker].into(), slot: 0, number },
            settle,
            claim: (limit > 0).then(|| Claim { limit, room: limit, tasks: [of].into() }),
            retention: Retention::default(),
        }
    }

    fn parents_completed(&self, node: usize) -> bool {
        self.shape.after[node].iter().all(|parent| self.completed[*parent as usize] == 1)
    }

    async fn sweep(&mut self, path: &[Action]) {
        let was_late = self.is_late();
        let swept = self.adapter.jobs().sweep(&[TASK.into()], Retention::default()).await.expect("sweep");
        assert!(!swept.more, "{path:?}");
        let late = self.held.iter_mut().filter(|held| held.is_valid && held.is_late);
        let mut taken = 0;
        for held in late {
            held.is_valid = false;
            self.flagged[held.node] = false;
            taken += 1;
        }
        assert!(swept.rescued + swept.stalled <= taken, "{swept:?}: {path:?}");
        let state = look(&self.adapter, &self.flow).await.flow;
        assert!(!was_late || state == WorkflowState::Expired, "{state:?} after its deadline: {path:?}");
    }

    /// Learns from what is shown: which nodes rest anew, and which ones the end of the workflow has flagged.
    fn note_changes(&mut self, before: View, path: &[Action]) {
        for node in 0..NODES {
            let (was, is) = (before.nodes[node].state, self.view.nodes[node].state);
            let rests = |state| matches!(state, Some(JobState::Delayed | JobState::Retrying));
            if rests(is) && was != is {
                self.due[node] = false;
            }
            if let (Some(was), Some(is)) = (was, is) {
                // within one call a job may wait, and be claimed or ended in the same
                let legal = was == is
                    || was.may_become(is)
                    || was.may_become(JobState::Waiting)
                        && matches!(is, JobState::Active | JobState::Cancelled | JobState::Expired);
                assert!(legal, "node {node} went from {was} to {is}: {path:?}");
            }
            if let (None, Some(JobState::Delayed | JobState::Waiting), Some(ttl)) =
                (was, is, self.shape.last_ttl)
                && node == NODES - 1
            {
                let ticks = (self.shape.delay + ttl).as_secs().div_ceil(TICK.as_secs());
                self.start_by = Some(self.ticks + u32::try_from(ticks).expect("few ticks"));
            }
            if self.is_over() && self.lease_of(node).is_some() {
                self.flagged[node] = true;
            }
        }
        let ended = before.flow != WorkflowState::Running;
        assert!(!ended || before.flow == self.view.flow, "it ended twice: {path:?}");
    }

    /// The invariants.
    fn check(&self, path: &[Action]) {
        let view = self.view;
        for (node, shown) in view.nodes.iter().enumerate() {
            // I2
            let completions = u32::from(shown.state == Some(JobState::Completed));
            assert_eq!(self.completed[node], completions, "completions of node {node}: {path:?}");
            let leases = self.held.iter().filter(|held| held.is_valid && held.node == node).count();
            let is_active = shown.state == Some(JobState::Active);
            assert_eq!(leases, usize::from(is_active), "leases on node {node}, {view:?}: {path:?}");
            let has_begun = shown.state.is_some_and(|state| state != JobState::Cancelled);
            assert!(!has_begun || self.parents_completed(node), "node {node}, {view:?}: {path:?}");
            // I4
            if self.is_over() {
                let is_ended = shown.state.is_some_and(JobState::is_terminal);
                assert!(is_ended || is_active && self.flagged[node], "{view:?}: {path:?}");
            } else {
                assert!(
                    matches!(shown.state, None | Some(JobState::Completed))
                        || !shown.state.is_some_and(JobState::is_terminal),
                    "{view:?}: {path:?}"
                );
            }
        }
        let all_completed = self.completed == [1; NODES];
        assert_eq!(view.flow == WorkflowState::Completed, all_completed, "{view:?}: {path:?}");
    }
}

/// What the store shows.
async fn look(adapter: &Arc<dyn Adapter>, flow: &WorkflowId) -> View {
    let record = adapter.workflows().workflow(flow, false).await.expect("a workflow").expect("known");
    let mut nodes = [Shown { state: None, attempts: 0, stalls: 0 }; NODES];
    for (number, shown) in (0..).zip(&mut nodes) {
        if let Some(info) = adapter.inspection().job(&JobId::node(flow, number)).await.expect("a job") {
            *shown = Shown { state: Some(info.state), attempts: info.attempts, stalls: info.stalls };
        }
    }
    View { flow: record.state, nodes }
}
