//! Settings of a worker, and its start.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::capacity::{Capacity, Claimable};
use super::engine::{Channels, Engine, Order, Runnable, Settings};
use super::keeper::Keeper;
use super::leases::Leases;
use super::pace::Pace;
use super::registry::{ErasedHandler, HandlerSet, Register, Registry, TaskList};
use super::report::Reports;
use super::sweeper::Sweeper;
use super::tally::Tally;
use super::ticker::Ticker;
use super::{Worker, limits, reporter};
use crate::adapter::{DeclaredLimit, PerKey, SCHEDULES, TaskName};
use crate::app::App;
use crate::context::StopReason;
use crate::error::{Result, WorkerError};
use crate::handler::Handler;
use crate::queues::gated;
use crate::schedules::{DeclaredSchedules, Schedule, is_off};

/// How long a start waits for limits and schedules to be declared. A store that is away does not keep a worker from starting.
const ANSWERS: Duration = Duration::from_secs(1);

/// The shortest lease: a worker must have the time to renew it.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// Settings of a [`Worker`], see [`Worker::builder`]. `S` is the type of its state.
#[must_use = "a worker does nothing until it is started"]
pub struct WorkerBuilder<S> {
    app: App,
    state: S,
    registry: Registry,
    concurrency: usize,
    prefetch: usize,
    lease: Duration,
    sweep: Duration,
    shutdown_grace: Duration,
    cancel_grace: Duration,
    schedules: Vec<Schedule>,
    ticks: bool,
}

impl WorkerBuilder<()> {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            app: app.clone(),
            state: (),
            registry: Registry::default(),
            concurrency: 100,
            prefetch: 0,
            lease: Duration::from_secs(30),
            sweep: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(25),
            cancel_grace: Duration::from_secs(1),
            schedules: Vec::new(),
            ticks: true,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> WorkerBuilder<S> {
    /// The value from which handlers take their [`State`](crate::State). It applies to the handlers that you register after
    /// it.
    pub fn state<T: Clone + Send + Sync + 'static>(self, state: T) -> WorkerBuilder<T> {
        WorkerBuilder {
            app: self.app,
            state,
            registry: self.registry,
            concurrency: self.concurrency,
            prefetch: self.prefetch,
            lease: self.lease,
            sweep: self.sweep,
            shutdown_grace: self.shutdown_grace,
            cancel_grace: self.cancel_grace,
            schedules: self.schedules,
            ticks: self.ticks,
        }
    }

    /// Runs the jobs of this task: the contract that `#[task]` generates, or the `..Handler` that `#[task(implements = ..)]`
    /// generates.
    pub fn register<H: Handler<S>>(mut self) -> Self {
        self.registry.add(ErasedHandler::new::<S, H>(self.state.clone()));
        self
    }

    /// Runs the jobs of several tasks: `.register_all(tasks![SendEmail, Resize])`.
    pub fn register_all<L: HandlerSet<S>>(mut self, _: TaskList<L>) -> Self {
        L::add_to(&mut Register { registry: &mut self.registry, state: &self.state });
        self
    }

    /// Concurrent attempts in this worker, over all its tasks; 100 by default. A task's own `concurrency` applies, too.
    /// [`Worker::set_concurrency`] changes it while the worker runs.
    pub fn concurrency(mut self, attempts: usize) -> Self {
        self.concurrency = attempts;
        self
    }

    /// How many jobs to claim beyond the running ones; 0 by default. A higher value makes short jobs faster at a low
    /// concurrency, but other workers cannot run these jobs while they wait here. A worker with a task that has a `limit` or a
    /// `rate` claims none beyond the running ones.
    pub fn prefetch(mut self, jobs: usize) -> Self {
        self.prefetch = jobs;
        self
    }

    /// How long a job stays with this worker after the last sign of life; 30 seconds by default, at least 100 milliseconds.
    /// Leases are renewed in the background, so this does not limit how long a job may run. It limits how long it takes
    /// until another worker takes over the jobs of a dead one. A task's own `stall(lease = ..)` takes precedence.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often this worker looks for jobs whose worker died; 5 seconds by default. From crash to rescue it takes at most
    /// one lease and one sweep.
    pub fn sweep(mut self, interval: Duration) -> Self {
        self.sweep = interval;
        self
    }

    /// How long running attempts may go on after a shutdown has begun; 25 seconds by default. After that their jobs
    /// are handed back, without having used up an attempt.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// How long an attempt may go on after it was told to stop, before it is dropped; 1 second by default.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// Declares a schedule: it is there for as long as running workers declare it, whichever of them ticks. Replicas and restarts change
    /// nothing: last run, next tick and pause stay. When the code declares another schedule of this name, the worker that has started last
    /// has its way. One that no running worker declares stops after three minutes, and is removed after seven days.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # use taskora::Schedule;
    /// #[task]
    /// async fn clean_up(days: u32) {}
    ///
    /// # async fn example(app: App) -> taskora::Result<()> {
    /// let nightly = Schedule::new("nightly").cron("0 3 * * *")?.tz("Europe/Berlin")?.run(CleanUp { days: 30 });
    /// let worker = Worker::builder(&app).register::<CleanUp>().schedule(nightly).start().await?;
    /// # drop(worker);
    /// # Ok(()) }
    /// ```
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Whether this worker declares its schedules and makes ticks, of whichever schedules; it does, unless the environment variable
    /// `TASKORA_SCHEDULES` is `off`.
    pub fn schedules(mut self, ticks: bool) -> Self {
        self.ticks = ticks;
        self
    }

    /// Starts the worker, and runs it until SIGTERM or ctrl-c; then drains it, as [`Worker::shutdown`] does. A second
    /// signal ends the grace at once: the jobs that still run are handed back.
    ///
    /// # Errors
    /// As [`WorkerBuilder::start`] and [`Worker::shutdown`]. It returns as soon as the worker has
    /// [stopped by itself](Worker::stopped).
    pub async fn run(self) -> Result<()> {
        let mut signals = super::signals::Signals::listen()?;
        let worker = self.start().await?;
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "shutting down"),
            () = worker.stopped() => {}
        }
        let orders = worker.orders.clone();
        let mut stopping = std::pin::pin!(worker.shutdown());
        tokio::select! {
            ended = &mut stopping => return ended,
            signal = signals.next() => {
                tracing::info!(signal, "shutting down without waiting any longer");
                let _ = orders.send(Order::Stop(Duration::ZERO));
            }
        }
        stopping.await
    }

    /// Starts the worker, and runs it until the future completes; then drains it, as [`Worker::shutdown`] does. It does not
    /// listen for signals.
    ///
    /// ```
    /// # use taskora::prelude::*;
    /// # #[task] async fn greet() {}
    /// # #[tokio::main] async fn main() -> taskora::Result<()> {
    /// let app = App::new(MemoryAdapter::new());
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// # stop.send(()).unwrap();
    /// Worker::builder(&app).register::<Greet>().run_until(async { stopped.await.unwrap_or(()) }).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WorkerBuilder::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<()> {
        let worker = self.start().await?;
        tokio::select! {
            () = stop => {}
            () = worker.stopped() => {}
        }
        worker.shutdown().await
    }

    /// Starts the worker, and returns its handle. Its limits and schedules are then declared, unless the store does not
    /// answer within a second.
    ///
    /// # Errors
    /// [`WorkerError`], if there is no handler, if two have the same name, if a setting is invalid, or if the machine
    /// refuses a thread; [`WorkerError::Schedule`] if a schedule cannot be. An unreachable store is not an error: the worker waits for it.
    pub async fn start(self) -> Result<Worker> {
        self.check()?;
        let handlers = self.registry.by_name()?;
        let ticks = self.ticks && !is_off("TASKORA_SCHEDULES");
        let mut schedules = Vec::new();
        if ticks {
            schedules = self.registry.schedules().map_err(WorkerError::Schedule)?;
            schedules.extend(self.schedules.iter().cloned());
        }
        let schedules = DeclaredSchedules::new(&self.app, schedules).map_err(WorkerError::Schedule)?;
        let declared = limits_of(&handlers);
        let (runnables, capacity) = self.runnables(handlers);
        let mut names: Vec<TaskName> = runnables.keys().cloned().collect();
        names.sort();
        let said = names.join(", ");
        let adapter = self.app.setup().adapter().clone();

        let leases = Arc::new(Leases::default());
        let heartbeat = Arc::new(Notify::new());
        let (keeping, closed) = watch::channel(());
        let shortest = self.registry.shortest_lease(self.lease);
        Keeper {
            adapter: adapter.clone(),
            cancellations: adapter.signals().cancellations(),
            leases: leases.clone(),
            shortest,
            heartbeat: heartbeat.clone(),
            closed,
        }
        .start()?;

        let (reporter, reports) = mpsc::unbounded_channel();
        tokio::spawn(reporter::run(adapter.clone(), reports));
        let (orders_sender, orders) = mpsc::unbounded_channel();
        let (pace, told) = watch::channel(Pace::new(self.concurrency));
        let (retention, interval) = (self.app.setup().retention(), self.sweep);
        let worker: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
        let mut ticker = ticks.then(|| Ticker::start(&self.app, &worker, schedules));
        let is_limited = !declared.is_empty();
        let mut declaring = tokio::spawn(limits::declare(adapter.clone(), declared, orders_sender.clone()));
        // so that one can trigger a schedule as soon as its worker has started, and jobs dispatched from then on have lanes
        let _ = timeout(ANSWERS, async {
            if let Some(ticker) = &mut ticker {
                ticker.declared().await;
            }
            if is_limited {
                let _ = (&mut declaring).await;
            }
        })
        .await;
        let served = names.clone();
        let tally = self.app.setup().keeps_history().then(Arc::<Tally>::default);
        names.extend(ticks.then(|| TaskName::from(SCHEDULES)));
        let tick_times = ticker.as_ref().map(|ticker| ticker.times.clone());
        let reports = Arc::new(Reports::new(
            worker.clone(),
            &served,
            interval,
            pace.clone(),
            orders_sender.clone(),
            tally.clone(),
        ));
        let sweeper =
            Sweeper { adapter: adapter.clone(), reports: reports.clone(), tasks: names, retention, interval };
        let sweeper = tokio::spawn(sweeper.run(orders_sender.clone(), tick_times));
        let id = worker.clone();
        let engine = Engine::new(
            self.app.clone(),
            Settings { worker, cancel_grace: self.cancel_grace, tally },
            runnables,
            capacity.with_ticks(ticks),
            (leases.clone(), heartbeat),
            Channels { ticker, orders, pace: told, reporter },
        );
        let keep_orders_open = orders_sender.clone();
        let store = engine.store();
        let helpers = Helpers { tasks: [sweeper, declaring], leases, _keeping: keeping };
        let engine = tokio::spawn(async move {
            let ended = engine.run().await;
            helpers.stop();
            if ended.is_ok() && !store.is_away() {
                reports.sign_off(&*store.adapter).await;
            }
            drop((helpers, keep_orders_open));
            ended
        });
        let store = self.app.setup().adapter();
        tracing::info!(%id, tasks = said, concurrency = self.concurrency, ?store, "the worker has started");
        Ok(Worker { engine, orders: orders_sender, pace, grace: self.shutdown_grace, id })
    }

    fn check(&self) -> Result<(), WorkerError> {
        let invalid = |message: String| Err(WorkerError::InvalidSetting(message));
        if self.concurrency == 0 {
            return invalid("`concurrency(0)` would never run a job; use at least 1".to_owned());
        }
        if self.registry.shortest_lease(self.lease) < SHORTEST_LEASE {
            return invalid(format!("a lease below {SHORTEST_LEASE:?} cannot be renewed in time"));
        }
        if self.sweep.is_zero() {
            return invalid("the `sweep` interval must be positive; try 1 s or more".to_owned());
        }
        Ok(())
    }

    /// The handlers by name, and the limits.
    fn runnables(
        &self,
        handlers: HashMap<TaskName, Arc<ErasedHandler>>,
    ) -> (HashMap<TaskName, Arc<Runnable>>, Capacity) {
        let mut limits = Vec::new();
        let mut pools: HashMap<TaskName, usize> = HashMap::new();
        let mut claimable = Vec::with_capacity(handlers.len());
        let mut runnables = HashMap::with_capacity(handlers.len());
        for (task, handler) in handlers {
            let lease = handler.contract.lease().unwrap_or(self.lease);
            // a handler and its aliases share one limit
            let pool = handler.options.concurrency().map(|limit| {
                *pools.entry(handler.name.clone()).or_insert_with(|| {
                    limits.push(limit);
                    limits.len() - 1
                })
            });
            let contract = &handler.contract;
            let is_gated =
                contract.limit().is_some() || contract.key_limit().is_some() || contract.rate().is_some();
            claimable.push(Claimable { task: task.clone(), lease, pool, is_gated });
            runnables.insert(task, Arc::new(Runnable { handler, lease, pool }));
        }
        (runnables, Capacity::new(self.concurrency, self.prefetch, limits, claimable))
    }
}

/// What the contracts of all tasks say about their limits, aliases left out.
fn limits_of(handlers: &HashMap<TaskName, Arc<ErasedHandler>>) -> Vec<DeclaredLimit> {
    let own = handlers.iter().filter(|(name, handler)| **name == handler.name);
    let mut limits: Vec<DeclaredLimit> = own
        .map(|(name, handler)| {
            let contract = &handler.contract;
            DeclaredLimit::none(gated(name, contract))
                .max(contract.limit())
                .per_key(contract.key_limit().map(|limit| PerKey::from(limit).rate(contract.key_rate())))
                .rate(contract.rate())
        })
        .collect();
    limits.sort_by(|a, b| a.task.task.cmp(&b.task.task));
    limits
}

/// The helpers that end with the engine, even if it panics.
struct Helpers {
    tasks: [JoinHandle<()>; 2],
    leases: Arc<Leases>,
    /// The keeper ends with it.
    _keeping: watch::Sender<()>,
}

impl Helpers {
    fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.stop();
        // nobody renews the leases of attempts that still run
        self.leases.stop_all(StopReason::LeaseLost);
        tracing::info!("the worker has stopped");
    }
}

impl<S> fmt::Debug for WorkerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("concurrency", &self.concurrency)
            .field("prefetch", &self.prefetch)
            .field("lease", &self.lease)
            .field("sweep", &self.sweep)
            .field("shutdown_grace", &self.shutdown_grace)
            .field("cancel_grace", &self.cancel_grace)
            .finish_non_exhaustive()
    }
}
