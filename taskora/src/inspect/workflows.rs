//! Lists of workflows.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::list::TIME;
use super::{AskJobs, InvalidCursor};
use crate::adapter::{AdapterError, JobQuery, Place, WorkflowQuery};
use crate::setup::Setup;
use crate::workflow::{WorkflowInfo, WorkflowState};

/// A page of workflows that is asked for, see [`Inspect::workflows`](super::Inspect::workflows).
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct AskWorkflows<'a> {
    setup: &'a Setup,
    state: WorkflowState,
    limit: usize,
    after: Option<WorkflowCursor>,
}

/// A page of workflows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkflowPage {
    /// The workflows, see [`Inspect::workflows`](super::Inspect::workflows) for their order.
    pub workflows: Vec<WorkflowInfo>,
    /// Pass it to [`AskWorkflows::after`] for the next page; `None` if this page is the last one.
    pub next: Option<WorkflowCursor>,
}

/// Where a [page of workflows](WorkflowPage) ends. It stays valid however long you keep it. It is shown as text without blanks, and is read
/// from the same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkflowCursor {
    state: WorkflowState,
    place: Place,
}

/// Why a list of workflows was not returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowListError {
    /// The cursor is one of another list. The store was not asked.
    #[error(
        "this cursor is for {} workflows, not for {state} ones; use it with the state of its page, or begin without a cursor",
        .cursor.state()
    )]
    OtherList {
        /// The cursor.
        cursor: Box<WorkflowCursor>,
        /// The state that was asked for.
        state: WorkflowState,
    },
    /// The limit is 0 or too high. The store was not asked.
    #[error("a page cannot have {limit} workflows; ask for 1 to {}", JobQuery::MAX_LIMIT)]
    Limit {
        /// The limit that was asked for.
        limit: usize,
    },
    /// The store could not do it.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl WorkflowCursor {
    /// The state of the workflows.
    #[must_use]
    pub const fn state(&self) -> WorkflowState {
        self.state
    }
}

impl fmt::Display for WorkflowCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.state, self.place)
    }
}

impl FromStr for WorkflowCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (state, place) = text.split_once('/').ok_or(InvalidCursor)?;
        let state = state.parse().map_err(|_| InvalidCursor)?;
        Ok(Self { state, place: place.parse().map_err(|_| InvalidCursor)? })
    }
}

impl TryFrom<String> for WorkflowCursor {
    type Error = InvalidCursor;

    fn try_from(text: String) -> Result<Self, InvalidCursor> {
        text.parse()
    }
}

impl From<WorkflowCursor> for String {
    fn from(cursor: WorkflowCursor) -> Self {
        cursor.to_string()
    }
}

impl<'a> AskWorkflows<'a> {
    pub(super) const fn new(setup: &'a Setup, state: WorkflowState) -> Self {
        Self { setup, state, limit: AskJobs::LIMIT, after: None }
    }

    /// How many workflows the page has at most, 1 to 500; 50 by default. A page may have fewer, and others follow: it also ends after five
    /// seconds, and after 100,000 entries.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Continues behind a page: pass its [`next`](WorkflowPage::next).
    pub fn after(mut self, cursor: impl Into<Option<WorkflowCursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    fn check(self) -> Result<(&'a Setup, WorkflowQuery), WorkflowListError> {
        let Self { setup, state, limit, after } = self;
        if !(1..=JobQuery::MAX_LIMIT).contains(&limit) {
            return Err(WorkflowListError::Limit { limit });
        }
        match after {
            Some(cursor) if cursor.state != state => {
                Err(WorkflowListError::OtherList { cursor: Box::new(cursor), state })
            }
            cursor => {
                let after = cursor.map(|cursor| cursor.place);
                Ok((setup, WorkflowQuery { after, limit, ..WorkflowQuery::new(state) }))
            }
        }
    }

    async fn ask(self) -> Result<WorkflowPage, WorkflowListError> {
        let (setup, mut query) = self.check()?;
        let (limit, state, started) = (query.limit, query.state, Instant::now());
        let (mut workflows, mut scanned) = (Vec::new(), 0);
        loop {
            query.limit = limit.saturating_sub(workflows.len());
            let listed = setup.adapter().inspection().list_workflows(&query).await?;
            workflows.extend(listed.workflows);
            scanned += listed.scanned;
            query.after = listed.next;
            let is_full = workflows.len() >= limit || scanned >= AskJobs::BUDGET;
            if is_full || query.after.is_none() || started.elapsed() >= TIME {
                let next = query.after.map(|place| WorkflowCursor { state, place });
                return Ok(WorkflowPage { workflows, next });
            }
        }
    }
}

impl<'a> IntoFuture for AskWorkflows<'a> {
    type Output = Result<WorkflowPage, WorkflowListError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{NewNode, NewWorkflow};
    use crate::{App, MemoryAdapter};

    async fn app_with(workflows: usize) -> App {
        let app = App::new(MemoryAdapter::new());
        for number in 0..workflows {
            let nodes = vec![NewNode::new("1 work", "work", "{}")];
            let new = NewWorkflow::new(format!("{number:04}").as_str(), nodes, Vec::new(), "[0]");
            app.inspect().setup.adapter().workflows().start(new).await.unwrap();
        }
        app
    }

    #[tokio::test]
    async fn wrong_questions_say_what_is_allowed() {
        let app = app_with(2).await;
        let page = app.inspect().workflows(WorkflowState::Running).limit(1).await.unwrap();
        let cursor = page.next.expect("another one");
        let read: WorkflowCursor = cursor.to_string().parse().unwrap();
        assert_eq!((read.clone(), read.state()), (cursor, WorkflowState::Running));
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<WorkflowCursor>(&json).unwrap(), read);
        let error = app.inspect().workflows(WorkflowState::Failed).after(read).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "this cursor is for running workflows, not for failed ones; use it with the state of its page, or begin \
             without a cursor"
        );
        for limit in [0, 501] {
            let error = app.inspect().workflows(WorkflowState::Running).limit(limit).await.unwrap_err();
            assert_eq!(error.to_string(), format!("a page cannot have {limit} workflows; ask for 1 to 500"));
        }
        for text in ["", "running", "asleep/0_1_", "running/0_x_"] {
            assert_eq!(text.parse::<WorkflowCursor>(), Err(InvalidCursor), "{text}");
        }
    }

    #[tokio::test]
    async fn pages_have_each_workflow_once() {
        let app = app_with(7).await;
        let (mut ids, mut next) = (Vec::new(), None);
        loop {
            let page = app.inspect().workflows(WorkflowState::Running).limit(3).after(next).await.unwrap();
            assert!(page.workflows.len() <= 3);
            ids.extend(page.workflows.into_iter().map(|flow| flow.id.to_string()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let all: Vec<String> = (0..7).map(|number| format!("{number:04}")).collect();
        assert_eq!(ids, all);
    }
}
