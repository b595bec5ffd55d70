//! Handles of workflows.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::error::WorkflowError;
use super::graph::Graph;
use super::shape::{RecipeError, Shape};
use super::{WorkflowId, WorkflowInfo, WorkflowState};
use crate::adapter::{AdapterError, CancelOutcome, Cause, Ending, WorkflowEnded};
use crate::handle::{ASK, Outcome, no_answer};
use crate::job::JobState;
use crate::json;
use crate::setup::Setup;

/// How many results are fetched at once.
const PAGE: usize = 1_000;

/// A workflow, dispatched here or elsewhere. Cheap to clone.
///
/// ```
/// # use taskora::prelude::*;
/// #[task]
/// async fn double(n: u32) -> u32 {
///     n * 2
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// let app = App::new(MemoryAdapter::new());
/// let worker = Worker::builder(&app).register::<Double>().start().await?;
///
/// let handle = app.dispatch(Double { n: 10 }.then(Double::s())).id("doubled").await?;
/// assert_eq!(handle.result().await?, 40);
///
/// let elsewhere = app.workflow::<u32>("doubled");
/// assert_eq!(elsewhere.state().await?, Some(WorkflowState::Completed));
/// let graph = elsewhere.graph().await?;
/// assert_eq!(graph.nodes[1].name, "1.double");
/// println!("{}", graph.mermaid());
/// worker.shutdown().await?;
/// # Ok(()) }
/// ```
///
/// A step that fails ends the workflow, and the error names it:
///
/// ```
/// # use taskora::prelude::*;
/// # #[task] async fn first() {}
/// #[task]
/// async fn refuse() -> Result<(), String> {
///     Err("not today".into())
/// }
///
/// # #[tokio::main] async fn main() -> taskora::Result<()> {
/// # let app = App::new(MemoryAdapter::new());
/// # let worker = Worker::builder(&app).register_all(tasks![First, Refuse]).start().await?;
/// let handle = app.dispatch(chain((First, Refuse, First))).await?;
/// let error = handle.result().await.unwrap_err();
/// assert_eq!(error.to_string(), "step `1.refuse` (task `refuse`) failed: not today");
/// # worker.shutdown().await?;
/// # Ok(()) }
/// ```
pub struct WorkflowHandle<Out> {
    setup: Setup,
    id: WorkflowId,
    outcome: Outcome<WorkflowId>,
    typed: PhantomData<fn() -> Out>,
}

impl<Out> WorkflowHandle<Out> {
    pub(crate) const fn dispatched(setup: Setup, outcome: Outcome<WorkflowId>, id: WorkflowId) -> Self {
        Self { setup, id, outcome, typed: PhantomData }
    }

    pub(crate) const fn attached(setup: Setup, id: WorkflowId) -> Self {
        Self::dispatched(setup, Outcome::Attached, id)
    }

    /// The workflow's id.
    #[must_use]
    pub const fn id(&self) -> &WorkflowId {
        &self.id
    }

    /// What the dispatch did.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome<WorkflowId> {
        &self.outcome
    }

    /// The workflow's state; `None` if it is unknown (never dispatched, or trimmed since).
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn state(&self) -> Result<Option<WorkflowState>, AdapterError> {
        Ok(self.info().await?.map(|info| info.state))
    }

    /// What is known about the workflow, without its nodes; `None` if it is unknown.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn info(&self) -> Result<Option<WorkflowInfo>, AdapterError> {
        let record = self.setup.adapter().workflows().workflow(&self.id, false).await?;
        Ok(record.map(|record| WorkflowInfo::new(self.id.clone(), record)))
    }

    /// The workflow's nodes, their states, and what they wait for.
    ///
    /// # Errors
    /// [`WorkflowError::NotFound`] if the workflow is unknown, [`WorkflowError::Adapter`] if the store cannot be reached.
    pub async fn graph(&self) -> Result<Graph, WorkflowError> {
        let record = self.setup.adapter().workflows().workflow(&self.id, true).await;
        let record = record.map_err(|source| self.adapter_error(source))?;
        record
            .map(|record| Graph::of(&self.id, record))
            .ok_or_else(|| WorkflowError::NotFound { id: self.id.clone() })
    }

    /// Cancels the workflow, from any process. When this returns, the workflow has ended: no further step starts, and
    /// running steps are told to stop. A workflow that has already ended stays as it is.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<CancelOutcome, AdapterError> {
        self.setup.adapter().workflows().cancel_workflow(&self.id, &reason.into()).await
    }

    fn adapter_error(&self, source: AdapterError) -> WorkflowError {
        WorkflowError::Adapter { id: self.id.clone(), source }
    }

    fn undecodable(&self, error: impl fmt::Display) -> WorkflowError {
        let expected = std::any::type_name::<Out>();
        WorkflowError::Undecodable { id: self.id.clone(), expected, message: error.to_string() }
    }

    /// Assembles the result from the results of nodes, read in pages.
    async fn compose(&self, output: &[u8]) -> Result<Vec<u8>, WorkflowError> {
        let shape = Shape::parse(output).map_err(|error| match error {
            RecipeError::Newer(_) => self.adapter_error(AdapterError::Incompatible(error.to_string())),
            error => self.undecodable(error),
        })?;
        let mut nodes = shape.nodes();
        nodes.sort_unstable();
        nodes.dedup();
        let mut results = HashMap::with_capacity(nodes.len());
        for page in nodes.chunks(PAGE) {
            let answers = self.setup.adapter().workflows().node_results(&self.id, page).await;
            let answers = answers.map_err(|source| self.adapter_error(source))?;
            results.extend(page.iter().zip(answers).filter_map(|(node, result)| Some((*node, result?))));
        }
        shape.compose(|node| results.get(&node).map(Vec::as_slice)).map_err(|error| match error {
            // trimmed since
            RecipeError::Missing(_) => WorkflowError::NotFound { id: self.id.clone() },
            error => self.undecodable(error),
        })
    }

    fn failure(&self, ended: WorkflowEnded) -> WorkflowError {
        let WorkflowEnded { state, cause, reason, .. } = ended;
        let id = self.id.clone();
        match (state, cause) {
            (WorkflowState::Cancelled, cause) => {
                let own = cause.and_then(|cause| match cause.ending {
                    Ending::Cancelled(reason) => Some(reason),
                    _ => None,
                });
                WorkflowError::Cancelled { id, reason: reason.or(own).unwrap_or_default() }
            }
            (WorkflowState::Expired, _) => WorkflowError::Expired { id },
            (_, Some(Cause { node: _, name, task, ending })) => {
                let message = match ending {
                    Ending::Failed(message) | Ending::Stalled(message) => message,
                    Ending::Cancelled(reason) => format!("cancelled: {reason}"),
                    Ending::Expired => "not started in time".to_owned(),
                    Ending::Completed(_) => "ended the workflow by completing".to_owned(),
                };
                WorkflowError::Failed { id, node: name, task, message }
            }
            (state, None) => {
                let message = format!("the store says that a workflow is {state}, and not why");
                self.adapter_error(AdapterError::Protocol(message))
            }
        }
    }
}

impl<Out: DeserializeOwned> WorkflowHandle<Out> {
    /// Waits until the workflow has ended, however it ends. The end is pushed, not polled. If you drop the future, the
    /// workflow goes on.
    ///
    /// # Errors
    /// [`WorkflowError`], for every end other than completion.
    pub async fn result(&self) -> Result<Out, WorkflowError> {
        let ended = self.setup.adapter().workflows().workflow_ended(&self.id).await;
        match ended.map_err(|source| self.adapter_error(source))? {
            None => Err(WorkflowError::NotFound { id: self.id.clone() }),
            Some(ended) if ended.state == WorkflowState::Completed => {
                let json = self.compose(&ended.output).await?;
                json::read(&json).map_err(|error| self.undecodable(error))
            }
            Some(ended) => Err(self.failure(ended)),
        }
    }

    /// Like [`WorkflowHandle::result`], with a timeout. When it has passed, the handle asks the store for the workflow's
    /// state, which may take another second.
    ///
    /// # Errors
    /// As [`WorkflowHandle::result`]. [`WorkflowError::TimedOut`] if the workflow has not ended by then; the workflow goes on.
    /// [`WorkflowError::Adapter`] if the store could not be asked.
    pub async fn result_within(&self, timeout: Duration) -> Result<Out, WorkflowError> {
        if let Ok(result) = tokio::time::timeout(timeout, self.result()).await {
            return result;
        }
        let ask = async {
            let graph = self.graph().await?;
            if graph.state.is_terminal() {
                return self.result().await; // it has just ended
            }
            let in_state = |state| graph.nodes.iter().filter(|node| node.state == Some(state)).count();
            Err(WorkflowError::TimedOut {
                id: self.id.clone(),
                waited: timeout,
                running: in_state(JobState::Active),
                waiting: in_state(JobState::Waiting),
            })
        };
        tokio::time::timeout(ASK, ask).await.unwrap_or_else(|_| Err(self.adapter_error(no_answer())))
    }
}

impl<Out> Clone for WorkflowHandle<Out> {
    fn clone(&self) -> Self {
        Self::dispatched(self.setup.clone(), self.outcome.clone(), self.id.clone())
    }
}

impl<Out> fmt::Debug for WorkflowHandle<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowHandle")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
