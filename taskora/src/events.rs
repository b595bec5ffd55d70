//! Listening to what happens.

use std::collections::VecDeque;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::adapter::{Adapter, AdapterError, Event, EventId, EventPage, Kind, Kinds, TaskName};
use crate::contract::Task;
use crate::setup::Setup;

/// How often a listener says that it is there.
const KEEP: Duration = EventPage::HEARD.checked_div(3).expect("not zero");
/// How long a listener waits after an error of the store, at first and at most.
const REST: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// A listener that is about to begin, see [`App::events`](crate::App::events).
#[derive(Debug)]
#[must_use = "nothing is listened to until this is awaited"]
pub struct Listen<'a> {
    setup: &'a Setup,
    kinds: Kinds,
    tasks: Option<Vec<TaskName>>,
    resume: Option<EventId>,
}

impl<'a> Listen<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self { setup, kinds: Kinds::ALL, tasks: None, resume: None }
    }

    /// Only events of this task. Events of workflows belong to no task.
    pub fn of<T: Task>(mut self) -> Self {
        let names = std::iter::once(T::NAME).chain(T::OPTIONS.aliases().iter().copied());
        self.tasks = Some(names.map(TaskName::from).collect());
        self
    }

    /// The same, by the task's name.
    pub fn task(mut self, name: impl AsRef<str>) -> Self {
        self.tasks = Some(vec![name.as_ref().into()]);
        self
    }

    /// Only events of these kinds. The store writes only what somebody listens to, so this also saves work.
    pub fn only(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Goes on after this event, as far as its successors are kept: 10,000 steps of the store, and an hour after the last one. Where some are
    /// missing, you get [`What::Gap`](crate::What::Gap).
    pub const fn resume(mut self, after: EventId) -> Self {
        self.resume = Some(after);
        self
    }
}

/// Resolves when listening has begun: what is dispatched from now on is heard.
impl<'a> IntoFuture for Listen<'a> {
    type Output = Result<Listener, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { setup, kinds, tasks, resume } = self;
            let adapter = Arc::clone(setup.adapter());
            let arrivals = adapter.events().arrivals();
            let begun = adapter.events().listen(kinds, resume).await?;
            let keeper = tokio::spawn(keep(Arc::clone(&adapter), kinds)).abort_handle();
            Ok(Listener {
                adapter,
                kinds,
                tasks,
                cursor: begun.last,
                more: begun.more,
                events: begun.events.into(),
                arrivals,
                keeper,
            })
        })
    }
}

/// Says again and again that somebody listens.
async fn keep(adapter: Arc<dyn Adapter>, kinds: Kinds) {
    loop {
        tokio::time::sleep(KEEP).await;
        if let Err(error) = adapter.events().listen(kinds, None).await {
            tracing::debug!(%error, "a listener cannot say that it is there");
        }
    }
}

/// Hears events, see [`App::events`](crate::App::events). Nobody listens any more once it is dropped, and the store writes events for half a
/// minute longer.
pub struct Listener {
    adapter: Arc<dyn Adapter>,
    kinds: Kinds,
    tasks: Option<Vec<TaskName>>,
    cursor: EventId,
    more: bool,
    events: VecDeque<Event>,
    arrivals: watch::Receiver<u64>,
    keeper: AbortHandle,
}

impl Listener {
    /// The next event; waits until there is one. While the store cannot be reached, this waits and tries again. You may drop the future and
    /// call this again: nothing is lost.
    ///
    /// # Errors
    /// What the store will answer again: it refuses this version, or cannot tell events.
    pub async fn next(&mut self) -> Result<Event, AdapterError> {
        let mut rest = REST[0];
        loop {
            while let Some(event) = self.events.pop_front() {
                if self.wants(&event) {
                    return Ok(event);
                }
            }
            if !self.more {
                let arrival = async {
                    if self.arrivals.changed().await.is_err() {
                        // nobody says so any more
                        std::future::pending::<()>().await;
                    }
                };
                // a message may be lost
                let _ = tokio::time::timeout(KEEP, arrival).await;
                // whoever drops this now asks at once the next time
                self.more = true;
            }
            match self.adapter.events().listen(self.kinds, Some(self.cursor)).await {
                Ok(page) => {
                    rest = REST[0];
                    (self.cursor, self.more) = (page.last, page.more);
                    self.events.extend(page.events);
                }
                Err(error) if error.is_retryable() => {
                    tracing::debug!(%error, "cannot read events");
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(REST[1]);
                    self.more = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let Some(kind) = event.what.kind() else { return true };
        let of_task = |tasks: &Vec<TaskName>| event.task.as_ref().is_some_and(|task| tasks.contains(task));
        self.kinds.contains(kind) && self.tasks.as_ref().is_none_or(of_task)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("kinds", &self.kinds)
            .field("tasks", &self.tasks)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
