//! Looking at what is in the queues of tasks, for operators. Changes nothing.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use crate::adapter::{AdapterError, GatedTask, LimitKey};
use crate::contract::Collects;
use crate::dispatch::IntoKey;
use crate::job::{JobId, Timestamp};
use crate::json;
use crate::queues::{collect_key, gated};
use crate::setup::Setup;

/// What is in the queues of an app's tasks, see [`App::inspect`](crate::App::inspect).
#[derive(Debug)]
pub struct Inspect<'a> {
    setup: &'a Setup,
}

impl<'a> Inspect<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self { setup }
    }

    /// When awaited, the new items that gather under a key of a task with [`collect`](macro@crate::task); `None` if there are none. An
    /// item either gathers or is handed to a worker, never both. The key of a task that collects without one is `"*"`.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// #[derive(Task, Serialize, Deserialize)]
    /// #[task(output = (), collect(key = |t| t.table, delay = "2s", max_size = 100))]
    /// struct InsertRow { table: String, row: u32 }
    ///
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// # let app = App::new(MemoryAdapter::new());
    /// app.dispatch_many([7, 8].map(|row| InsertRow { table: "orders".into(), row })).await?;
    /// let gathered = app.inspect().collected::<InsertRow>("orders").limit(1).await?.expect("two rows");
    /// assert_eq!((gathered.count, gathered.items[0].1.row), (2, 7));
    /// assert!(gathered.newest < gathered.due);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Config`] if the key is not 1 to 200 bytes long; otherwise if the store cannot be reached.
    pub fn collected<T: Collects>(&self, key: impl IntoKey) -> AskCollected<'a, T> {
        let task = gated(T::NAME, &T::OPTIONS);
        let key = collect_key::<T>(&key);
        AskCollected { setup: self.setup, task, key, limit: AskCollected::<T>::LIMIT, of: PhantomData }
    }
}

/// A question about items that gather, see [`Inspect::collected`].
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct AskCollected<'a, T> {
    setup: &'a Setup,
    task: GatedTask,
    key: Result<LimitKey, AdapterError>,
    limit: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> AskCollected<'_, T> {
    /// How many items are returned without [`limit`](AskCollected::limit).
    pub const LIMIT: usize = 100;

    /// How many items are returned at most; 1,000 is the most.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// The new items that gather under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected<T> {
    /// How many there are.
    pub count: usize,
    /// When the first of them came, by the store's clock.
    pub oldest: Timestamp,
    /// When the last of them came.
    pub newest: Timestamp,
    /// When they go. That may be past, while no worker has claimed them.
    pub due: Timestamp,
    /// The first of them, in the order in which they go. An item that this build cannot read is left out.
    pub items: Vec<(JobId, T)>,
}

impl<'a, T: Collects> IntoFuture for AskCollected<'a, T> {
    type Output = Result<Option<Collected<T>>, AdapterError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { setup, task, key, limit, of: PhantomData } = self;
        Box::pin(async move {
            let gathered = setup.adapter().control().collected(&task, &key?, limit).await?;
            Ok(gathered.map(|gathered| Collected {
                count: gathered.count,
                oldest: gathered.oldest,
                newest: gathered.newest,
                due: gathered.due,
                items: gathered
                    .items
                    .into_iter()
                    .filter_map(|(id, payload)| Some((id, json::read(&payload).ok()?)))
                    .collect(),
            }))
        })
    }
}
