//! An app's adapter and settings, as everything that belongs to the app shares them.

use std::fmt;
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::policy::Retention;

/// Cheap to clone.
#[derive(Clone)]
pub struct Setup(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) max_payload: usize,
    pub(crate) retention: Retention,
    pub(crate) timezone: Option<String>,
    pub(crate) log_schedules: bool,
    pub(crate) history: bool,
}

impl Setup {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    pub(crate) fn adapter(&self) -> &Arc<dyn Adapter> {
        &self.0.adapter
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.0.max_payload
    }

    pub(crate) fn retention(&self) -> Retention {
        self.0.retention
    }

    /// The time zone of cron expressions without one.
    pub(crate) fn timezone(&self) -> String {
        let given = self.0.timezone.clone();
        let of_process = || std::env::var("TASKORA_TIMEZONE").ok().filter(|name| !name.is_empty());
        given.or_else(of_process).unwrap_or_else(|| "UTC".to_owned())
    }

    /// Whether its workers report what the history of tasks is made of.
    pub(crate) fn keeps_history(&self) -> bool {
        self.0.history
    }

    pub(crate) fn logs_schedules(&self) -> bool {
        self.0.log_schedules
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("adapter", &self.0.adapter).finish_non_exhaustive()
    }
}
