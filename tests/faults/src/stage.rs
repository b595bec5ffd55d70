//! Where a scenario takes place: a Redis server, a ledger, and what starts processes.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::AsyncConnectionConfig;
use taskora::adapter::{
    Inspection, Jobs, Origin, PutSchedule, RemoveOutcome, Schedules, StoredSchedule, TaskName,
};
use taskora::{App, DispatchError, JobHandle, Retention, RetentionLimit};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{Builder, RedisServer};

use crate::check::{self, Finding};
use crate::ledger::{History, Ledger, Record};
use crate::process::{Config, KEEP_ALL, Process, Producer, WorkerPart};
use crate::raw::{self, Snapshot};
use crate::report::Report;
use crate::seed::Random;
use crate::tasks::NAMES;

/// How long anything may take that should happen; nothing that works waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// See the [module](self).
#[derive(Debug)]
pub struct Stage {
    /// The server; a scenario may kill, restart and replace it.
    pub server: RedisServer,
    /// What happened.
    pub ledger: Ledger,
    /// The schedule of faults comes from here.
    pub random: Random,
    name: String,
    seed: u64,
    dir: PathBuf,
    began: Instant,
    faults: BTreeMap<String, u64>,
    processes: AtomicU32,
    /// What was read of the ledger before.
    history: Mutex<History>,
}

impl Stage {
    /// A stage with a server that keeps nothing on disk.
    ///
    /// # Panics
    /// If there can be none: no Redis, no files.
    #[must_use]
    pub fn set(name: &str, seed: u64) -> Self {
        Self::with(name, seed, RedisServer::builder())
    }

    /// A stage with another server.
    ///
    /// # Panics
    /// As [`Stage::set`].
    #[must_use]
    pub fn with(name: &str, seed: u64, server: Builder) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        println!("{name}: {}={seed}", crate::seed::VARIABLE);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("taskora-faults-{}-{number}", std::process::id()));
        // left behind by an earlier process of this id
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory for the ledger");
        Self {
            server: server.start().expect("a Redis server"),
            ledger: Ledger::open(&dir.join("ledger")).expect("a ledger"),
            random: Random::new(seed),
            name: name.to_owned(),
            seed,
            dir,
            began: Instant::now(),
            faults: BTreeMap::new(),
            processes: AtomicU32::new(0),
            history: Mutex::default(),
        }
    }

    /// What the scenario is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a process of this stage is told, whatever it does.
    #[must_use]
    pub fn config(&self, name: &str) -> Config {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        Config {
            name: format!("{name}{number}"),
            url: self.server.url(),
            namespace: "taskora".to_owned(),
            ledger: self.ledger.path().to_owned(),
            seed: self.seed ^ (u64::from(number) << 48),
            threads: 1,
            test_clock: false,
            failpoints: String::new(),
            eager: false,
            binary: None,
            env: Vec::new(),
            worker: None,
            producer: None,
        }
    }

    /// Starts a process, and does not wait for it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(&self, config: Config) -> Process {
        Process::start(config).expect("a process")
    }

    /// Starts a worker.
    #[must_use]
    pub fn worker(&self, worker: WorkerPart) -> Process {
        self.start(Config { worker: Some(worker), ..self.config("worker") })
    }

    /// Starts a producer.
    #[must_use]
    pub fn producer(&self, producer: Producer) -> Process {
        self.start(Config { producer: Some(producer), ..self.config("producer") })
    }

    /// An adapter of the scenario itself, on the server and not on a proxy.
    ///
    /// # Panics
    /// If the server is not there.
    pub async fn adapter(&self) -> RedisAdapter {
        let config = RedisConfig::new(self.server.url()).command_timeout(Duration::from_secs(10));
        RedisAdapter::connect(config).await.expect("a connection")
    }

    /// An app on [`Stage::adapter`], for dispatching and looking.
    ///
    /// # Panics
    /// As [`Stage::adapter`].
    pub async fn app(&self) -> App {
        App::builder(self.adapter().await).retention(KEEP_ALL).build()
    }

    /// Notes that a dispatch of the scenario itself was acknowledged.
    ///
    /// # Panics
    /// If it was not.
    pub fn dispatched<T>(&self, handle: Result<JobHandle<T>, DispatchError>) -> JobHandle<T> {
        let handle = handle.expect("a dispatch");
        let job = handle.id().to_string();
        self.ledger.write(Record::Accepted { job, workflow: false, duplicate: false });
        handle
    }

    /// Notes that harm was done, for the report and the ledger. Call it before the harm itself.
    pub fn fault(&mut self, kind: &str, victim: u32) {
        *self.faults.entry(kind.to_owned()).or_default() += 1;
        self.ledger.write(Record::Fault { kind: kind.to_owned(), victim });
    }

    /// Kills a process.
    pub fn kill(&mut self, process: &mut Process) {
        self.fault("kill", process.pid());
        process.kill();
    }

    /// What happened so far.
    ///
    /// # Panics
    /// If the ledger cannot be read.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        self.ledger.read(&mut history).expect("a readable ledger");
        history.clone()
    }

    /// Asks again and again until it is so.
    ///
    /// # Panics
    /// If it is still not after [`PATIENCE`].
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut is: impl FnMut() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !is().await {
            assert!(
                Instant::now() < deadline,
                "{} with {}={}: waited {PATIENCE:?} for {what}; the ledger is {}",
                self.name,
                crate::seed::VARIABLE,
                self.seed,
                self.ledger.path().display()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the ledger has as many records as wanted that are like this.
    ///
    /// # Panics
    /// As [`Stage::until`].
    pub async fn until_recorded(&self, count: usize, wanted: impl Fn(&Record) -> bool) {
        let what = format!("{count} records");
        self.until(&what, || std::future::ready(self.history().count(&wanted) >= count)).await;
    }

    /// Tells a process to stop (SIGTERM), once it has begun to listen for that.
    ///
    /// # Panics
    /// As [`Stage::until`].
    pub async fn terminate(&self, process: &Process) {
        let pid = process.pid();
        self.until("a process that is ready", || {
            let history = self.history();
            let is_ready = history.of(pid).any(|line| matches!(line.record, Record::Ready { .. }));
            std::future::ready(is_ready)
        })
        .await;
        process.terminate();
    }

    /// Tells a process to stop, and waits until it has.
    ///
    /// # Panics
    /// As [`Stage::terminate`] and [`Stage::until_ended`].
    pub async fn stop(&self, process: &mut Process) {
        self.terminate(process).await;
        self.until_ended(process).await;
    }

    /// Waits until a process has ended by itself, in order.
    ///
    /// # Panics
    /// If it does not, or ends with an error.
    pub async fn until_ended(&self, process: &mut Process) {
        let status = process.wait(PATIENCE).await;
        let name = &process.config().name;
        assert!(status.is_some_and(|status| status.success()), "`{name}` ended with {status:?}");
    }

    /// Waits until nothing is left to do: every job and workflow has ended.
    ///
    /// # Panics
    /// As [`Stage::until`].
    pub async fn quiet(&self, adapter: &RedisAdapter) {
        self.until("the end of all jobs", || async {
            for task in NAMES {
                match adapter.counts(task).await {
                    Ok(counts) if counts.waiting + counts.delayed + counts.active == 0 => {}
                    _ => return false,
                }
            }
            let open = |flow: &raw::Flow| flow.ended.is_none() || flow.left != 0;
            let snapshot = self.snapshot().await;
            !snapshot.flows.values().any(open) && !snapshot.keys.contains("deferred")
        })
        .await;
    }

    /// What Redis holds.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn snapshot(&self) -> Snapshot {
        let client = redis::Client::open(self.server.url()).expect("a URL");
        // a large namespace on a busy machine takes a while
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut redis = connection.await.expect("a connection");
        raw::read(&mut redis, "taskora").await.expect("a readable namespace")
    }

    /// Ends a scenario: waits until nothing is left to do, which the workers among these processes must see to; stops
    /// them; checks the invariants; trims everything, and checks what is left.
    ///
    /// # Panics
    /// If jobs do not end, or the server is not there.
    pub async fn finish(&self, workers: Vec<Process>) -> Report {
        let adapter = self.adapter().await;
        pause_all(&adapter).await;
        self.quiet(&adapter).await;
        // what was to be said has been said
        tokio::time::sleep(Duration::from_millis(100)).await;
        for worker in &workers {
            self.terminate(worker).await;
        }
        let mut findings = Vec::new();
        for mut worker in workers {
            let status = worker.wait(PATIENCE).await;
            if !status.is_some_and(|status| status.success()) {
                let message =
                    format!("`{}` was told to stop and ended with {status:?}", worker.config().name);
                findings.push(Finding { rule: "demand", job: None, message });
            }
        }
        remove_all(&adapter).await;
        self.check(&adapter, findings).await
    }

    /// The checks of [`Stage::finish`] alone.
    async fn check(&self, adapter: &RedisAdapter, mut findings: Vec<Finding>) -> Report {
        let (history, snapshot) = (self.history(), self.snapshot().await);
        findings.extend(check::at_rest(&history, &snapshot));
        findings.extend(damage(adapter).await);
        trim(adapter).await;
        findings.extend(check::after_retention(&self.snapshot().await));
        findings.extend(damage(adapter).await);
        let nodes: usize = snapshot.flows.values().map(|flow| flow.nodes.len()).sum();
        let report = Report {
            scenario: self.name.clone(),
            seed: self.seed,
            faults: self.faults.clone(),
            jobs: nodes + history.accepted().filter(|(_, workflow)| !workflow).count(),
            workflows: history.accepted().filter(|(_, workflow)| *workflow).count(),
            attempts: history.count(|record| matches!(record, Record::Started { .. })),
            failed_calls: history.count(|record| matches!(record, Record::Failed { .. })),
            recoveries: history.recoveries("kill"),
            took: self.began.elapsed(),
            ledger: self.ledger.path().to_owned(),
            history,
            findings,
        };
        if report.findings.is_empty() {
            // what cannot be removed is in the system's directory for such files
            let _ = std::fs::remove_dir_all(&self.dir);
        }
        report
    }
}

/// Pauses all schedules, so that there is an end to their jobs.
async fn pause_all(adapter: &RedisAdapter) {
    for schedule in adapter.list_schedules().await.expect("a list") {
        adapter.pause_schedule(&schedule.name, "the scenario ends").await.expect("a pause");
    }
}

/// Removes all schedules, also those that code declares.
async fn remove_all(adapter: &RedisAdapter) {
    for known in adapter.list_schedules().await.expect("a list") {
        let (name, expected) = (known.name.clone(), Some(known.version()));
        let StoredSchedule { definition, since, .. } = known;
        let ours = PutSchedule {
            name: name.clone(),
            expected,
            definition,
            origin: Origin::Api,
            since,
            next: None,
            resumes: false,
            declares: false,
        };
        assert_eq!(adapter.put_schedules(vec![ours]).await.expect("a put"), [true]);
        assert_eq!(adapter.remove_schedule(&name).await.expect("a removal"), RemoveOutcome::Removed);
    }
}

/// Removes all jobs and workflows that have ended.
async fn trim(adapter: &RedisAdapter) {
    let nothing = RetentionLimit::new(Duration::ZERO, 0);
    let retention = Retention::all(nothing);
    let tasks: Vec<TaskName> = NAMES.iter().map(|name| TaskName::from(*name)).collect();
    while adapter.sweep(&tasks, retention).await.expect("a sweep").more {}
}

/// What the product's own check finds.
async fn damage(adapter: &RedisAdapter) -> Vec<Finding> {
    let report = App::new(adapter.clone()).check().await.expect("a check");
    let found =
        |violation: &taskora::Violation| Finding { rule: "check", job: None, message: violation.to_string() };
    report.violations.iter().map(found).collect()
}
