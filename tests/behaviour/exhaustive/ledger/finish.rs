//! What is tried in a state that was reached: everything that must not change it, and the way to the end.

use taskora::adapter::{ClaimedJob, Enqueued, JobReport, RenewLease, Renewal, Settled, Settlement};
use taskora::workflow::WorkflowState;
use taskora::{JobState, Retention};

use super::{LEASE, Ledger, TICK, View, look};
use crate::exhaustive::action::{Action, End};
use crate::exhaustive::stage::{NODES, TASK};

/// What tells two states apart.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::exhaustive) struct Fingerprint {
    view: View,
    /// For each node: its valid lease, and whether it is late.
    leases: [Option<bool>; NODES],
    flagged: [bool; NODES],
    /// Whether the time of a delayed node has come.
    due: [bool; NODES],
    /// Ticks until the deadline of the workflow, and of the last node.
    left: [u32; 2],
    /// The order in which claims hand out what waits.
    order: Vec<usize>,
}

impl Ledger<'_> {
    /// Tries what must not change anything, and tells the state by all that can be seen. What waits is claimed with that.
    pub(in crate::exhaustive) async fn finish(&mut self, path: &[Action]) -> (Fingerprint, Vec<ClaimedJob>) {
        self.repeat(path).await;
        self.come_too_late(path).await;
        let mut leases = [None; NODES];
        for held in self.held.iter().filter(|held| held.is_valid) {
            leases[held.node] = Some(held.is_late);
        }
        let (view, flagged, due, left) =
            (self.view, self.flagged, self.due, [self.ticks_left(), self.ticks_to_start()]);
        let call = self.call(2, 1, Vec::new(), NODES);
        let claimed = self.adapter.jobs().exchange(call).await.expect("exchange").jobs;
        let order = claimed.iter().filter_map(|job| Some(job.node.as_ref()?.node as usize)).collect();
        (Fingerprint { view, leases, flagged, due, left, order }, claimed)
    }

    /// Repeated calls answer what the first ones did.
    async fn repeat(&mut self, path: &[Action]) {
        for (call, answer) in self.calls.iter().filter_map(|(_, last)| last.as_ref()) {
            let again = self.adapter.jobs().exchange(call.clone()).await.expect("exchange");
            assert_eq!(again.settled, answer.settled, "{call:?}: {path:?}");
            let leases =
                |jobs: &[ClaimedJob]| -> Vec<_> { jobs.iter().map(|job| job.lease.clone()).collect() };
            assert_eq!(leases(&again.jobs), leases(&answer.jobs), "{call:?}: {path:?}");
        }
        let again = self.adapter.workflows().start(self.shape.workflow()).await.expect("start");
        assert_eq!(again, Enqueued::Duplicate, "{path:?}");
        assert_eq!(look(&self.adapter, &self.flow).await, self.view, "after repeats: {path:?}");
    }

    /// Whoever has lost a lease is refused in every way.
    async fn come_too_late(&mut self, path: &[Action]) {
        let stale: Vec<&ClaimedJob> =
            self.held.iter().filter(|held| !held.is_valid).map(|held| &held.job).collect();
        if stale.is_empty() {
            return;
        }
        let ends = [End::Complete, End::Release];
        let settle: Vec<Settlement> =
            stale.iter().flat_map(|job| ends.map(|end| job.settlement(end.attempt_end()))).collect();
        let count = settle.len();
        let answer =
            self.adapter.jobs().exchange(self.call(0, u64::MAX >> 12, settle, 0)).await.expect("exchange");
        assert_eq!(answer.settled, vec![Settled::Stale; count], "{path:?}");
        let renew = stale.iter().map(|job| RenewLease { lease: job.lease.clone(), length: LEASE }).collect();
        let renewed = self.adapter.jobs().renew(renew).await.expect("renew");
        assert_eq!(renewed, vec![Renewal::Lost; stale.len()], "{path:?}");
        let note = |job: &&ClaimedJob| JobReport {
            lease: job.lease.clone(),
            progress: Some(b"1".to_vec()),
            logs: Vec::new(),
        };
        let noted = self.adapter.jobs().note(stale.iter().map(note).collect()).await.expect("note");
        assert_eq!(noted, vec![false; stale.len()], "{path:?}");
        assert_eq!(look(&self.adapter, &self.flow).await, self.view, "after late calls: {path:?}");
    }

    /// With a worker that does its work, everything comes to its end.
    pub(in crate::exhaustive) async fn drain(&self, mut claimed: Vec<ClaimedJob>, path: &[Action]) {
        for number in 2..12 {
            let settle = claimed.iter().map(|job| job.settlement(End::Complete.attempt_end())).collect();
            let call = self.call(2, number, settle, NODES);
            claimed = self.adapter.jobs().exchange(call).await.expect("exchange").jobs;
            if claimed.is_empty() {
                self.stage.advance(TICK).await;
                self.adapter.jobs().sweep(&[TASK.into()], Retention::default()).await.expect("sweep");
            }
        }
        let view = look(&self.adapter, &self.flow).await;
        let record =
            self.adapter.workflows().workflow(&self.flow, true).await.expect("a workflow").expect("known");
        for (shown, node) in view.nodes.iter().zip(record.nodes) {
            assert_eq!((shown.state, shown.attempts), (node.state, node.attempts), "two views: {path:?}");
        }
        let all_ended = view.nodes.iter().all(|node| node.state.is_some_and(JobState::is_terminal));
        assert!(view.flow != WorkflowState::Running && all_ended, "stuck in {view:?}: {path:?}");
        let ended =
            self.adapter.workflows().workflow_ended(&self.flow).await.expect("an end").expect("known");
        assert_eq!(ended.state, view.flow, "{path:?}");
        let counts = self.adapter.inspection().counts(TASK).await.expect("counts");
        assert_eq!((counts.waiting, counts.delayed, counts.active), (0, 0, 0), "{path:?}");
    }
}
