//! What may become of a workflow: a pure model.

use serde::{Deserialize, Serialize};
use taskora::workflow::GraphNode;
use taskora::{JobState, WorkflowError};

/// What a step does when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deed {
    /// Returns.
    Return,
    /// Returns after so many milliseconds.
    Nap(u64),
    /// Fails so often, and then returns.
    Retry(u32),
    Fail,
    /// Cancels its own job.
    CancelItself,
    /// Cancels the whole workflow.
    CancelAll,
    /// Never returns: the workflow has a deadline.
    Hang,
}

/// A step of the model: what it does, and the steps that it waits for.
pub(super) struct Member {
    pub(super) deed: Deed,
    pub(super) after: Vec<usize>,
}

/// The model: all steps by number, which is also their name, and what else may end it.
#[derive(Default)]
pub(super) struct Model {
    pub(super) steps: Vec<Member>,
    pub(super) is_cancelled: bool,
    pub(super) is_limited: bool,
}

impl Model {
    pub(super) fn step(&mut self, deed: Deed, after: &[usize]) -> (usize, String) {
        self.steps.push(Member { deed, after: after.to_vec() });
        let number = self.steps.len() - 1;
        (number, format!("s{number}"))
    }

    pub(super) fn completes(&self, step: usize) -> bool {
        matches!(self.steps[step].deed, Deed::Return | Deed::Nap(_) | Deed::Retry(_))
    }

    /// The steps that may start: all that they wait for completes.
    pub(super) fn may_start(&self) -> Vec<bool> {
        let mut may: Vec<bool> = Vec::new();
        for step in &self.steps {
            may.push(step.after.iter().all(|parent| may[*parent] && self.completes(*parent)));
        }
        may
    }

    /// The steps that end the workflow before it has completed: one of them does, if there are any.
    pub(super) fn ends_it(&self) -> impl Iterator<Item = usize> {
        let may_start = self.may_start();
        (0..self.steps.len()).filter(move |step| may_start[*step] && !self.completes(*step))
    }

    pub(super) fn check_result(&self, result: &Result<String, WorkflowError>, expected: &str) {
        let is = |says: &str, deed: Deed, text: &str| {
            self.ends_it().any(|step| self.steps[step].deed == deed && says == format!("s{step} {text}"))
        };
        let is_right = match result {
            Ok(result) => self.ends_it().next().is_none() && result == expected,
            Err(WorkflowError::Failed { message, .. }) => is(message, Deed::Fail, "is broken"),
            Err(WorkflowError::Cancelled { reason, .. }) => {
                is(reason, Deed::CancelItself, "gave up")
                    || is(reason, Deed::CancelAll, "stopped it")
                    || self.is_cancelled && reason == "cancelled from outside"
            }
            Err(WorkflowError::Expired { .. }) => self.is_limited,
            Err(_) => false,
        };
        assert!(is_right, "{result:?}, and all together would be {expected}");
    }

    pub(super) fn check_node(
        &self,
        step: usize,
        node: &GraphNode,
        runs: usize,
        nodes: &[GraphNode],
        result: &Result<String, WorkflowError>,
    ) {
        let Member { deed, after } = &self.steps[step];
        let attempts = if let Deed::Retry(times) = deed { *times as usize + 1 } else { 1 };
        let may_start = self.may_start()[step];
        match node.state {
            Some(JobState::Completed) => {
                assert!(may_start && self.completes(step), "s{step} completed");
                let done = |parent: &usize| nodes[*parent].finished_at <= node.started_at;
                assert!(after.iter().all(done), "s{step} started before what it waits for had ended");
                assert_eq!((runs, node.attempts as usize), (attempts, attempts), "s{step}");
            }
            // several may fail in the same moment; the first of them ends the workflow
            Some(JobState::Failed) => {
                let own = format!("s{step} is broken");
                assert!(
                    *deed == Deed::Fail && node.error.as_ref() == Some(&own),
                    "s{step}: {:?}",
                    node.error
                );
                assert!(result.is_err(), "s{step} failed, and the workflow completed");
            }
            Some(JobState::Cancelled) => {
                assert!(result.is_err(), "s{step} was cancelled, and the workflow completed");
                assert!(runs <= attempts && node.error.is_some(), "s{step} ran {runs} times");
            }
            state => panic!("s{step} is {state:?}"),
        }
        if let Err(WorkflowError::Failed { message, .. }) = result
            && *message == format!("s{step} is broken")
        {
            assert_eq!(node.state, Some(JobState::Failed), "s{step} failed the workflow");
        }
        assert!(may_start || runs == 0, "s{step} ran, and may not even start");
    }
}
