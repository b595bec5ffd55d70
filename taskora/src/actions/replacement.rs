//! Replacing a job that has not ended.

use std::fmt;
use std::future::IntoFuture;

use crate::adapter::Acted;
use crate::contract::Task;
use crate::dispatch::{BoxFuture, JobRequest};
use crate::error::{Action, ActionError, JobError};
use crate::handle::{JobHandle, Outcome};
use crate::job::JobId;

/// The annotation of a job that [`JobHandle::replace`] or [`JobHandle::rerun`] has dispatched: the id of the earlier job.
pub const RERUN_OF: &str = "rerun-of";

/// A replacement of a job, see [`JobHandle::replace`]. Nothing happens before you await it.
#[must_use = "a replacement does nothing until it is awaited"]
pub struct Replacement<Out> {
    old: JobHandle<Out>,
    request: JobRequest,
    id: Option<JobId>,
}

impl<Out> Replacement<Out> {
    pub(super) fn new<T: Task>(old: &JobHandle<Out>, task: &T) -> Self {
        Self { old: old.clone(), request: JobRequest::new(old.setup(), task), id: None }
    }

    /// The id of the new job, instead of a generated one. It must not be known.
    pub fn id(mut self, id: impl Into<JobId>) -> Self {
        self.id = Some(id.into());
        self
    }

    async fn send(self) -> Result<JobHandle<Out>, ActionError> {
        let Self { old, request, id } = self;
        let (id, expected) = (id.unwrap_or_else(JobId::new), request.task());
        let Some(info) = old.info().await? else {
            return Err(JobError::NotFound { id: old.id().clone() }.into());
        };
        if !expected.is(&info.task) {
            let expected = expected.name().to_owned();
            return Err(JobError::OtherTask { id: old.id().clone(), task: info.task, expected }.into());
        }
        let mut meta = info.meta;
        meta.retain(|(key, _)| key != RERUN_OF);
        meta.push((RERUN_OF.to_owned(), old.id().to_string()));
        let mut limit_key = None;
        if request.needs_key() {
            let details = old.setup().adapter().inspection().details(old.id()).await;
            limit_key = details.map_err(|source| old.adapter_error(source))?.and_then(|data| data.limit_key);
        }
        let job = request
            .in_place_of(id.clone(), info.task, meta, limit_key)
            .map_err(|source| ActionError::Refused { id: old.id().clone(), source })?;
        let reason = format!("replaced by {id}");
        let acted = old.actions().replace(old.id(), job, &reason).await;
        match acted.map_err(|source| old.adapter_error(source))? {
            Acted::Taken => Err(ActionError::IdTaken { id: old.id().clone(), new: id }),
            acted => {
                Action::Replace.judge(old.id(), acted)?;
                Ok(JobHandle::dispatched(old.setup().clone(), Outcome::Enqueued, id, expected))
            }
        }
    }
}

impl<Out: 'static> IntoFuture for Replacement<Out> {
    type Output = Result<JobHandle<Out>, ActionError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<Out> fmt::Debug for Replacement<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement")
            .field("old", self.old.id())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
