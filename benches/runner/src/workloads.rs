//! What is measured.

use std::time::Duration;

use harness::{Call, Kind, Operator, Process, Rule, Shape};

use crate::contenders::{AGAINST, RAW, TASKORA};

/// The payload of all workloads that do not say otherwise.
const BYTES: usize = 92;

#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    JobsPerSecond,
    Milliseconds,
    LongestScript,
    BytesPerJob,
    CallsPerMinute,
    RedisMicros,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::JobsPerSecond => "jobs/s",
            Self::Milliseconds => "ms (p50)",
            Self::LongestScript => "ms",
            Self::BytesPerJob => "B/job",
            Self::CallsPerMinute => "calls/min",
            Self::RedisMicros => "Redis µs/job",
        }
    }

    pub fn more_is_better(self) -> bool {
        self == Self::JobsPerSecond
    }
}

pub struct Workload {
    pub id: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    kind: Kind,
    pub bytes: usize,
    pub aof: bool,
    /// Where the number of jobs is part of the workload; else it follows from the time.
    pub jobs: Option<usize>,
    only_taskora: bool,
    in_quick: bool,
    /// A variant of the one before: both are measured in the same rounds, and compared.
    pub beside_previous: bool,
}

impl Workload {
    fn rate(id: &'static str, title: &'static str, kind: Kind) -> Self {
        Self {
            id,
            title,
            unit: Unit::JobsPerSecond,
            kind,
            bytes: BYTES,
            aof: false,
            jobs: None,
            only_taskora: false,
            in_quick: true,
            beside_previous: false,
        }
    }

    fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    fn jobs(self, jobs: usize) -> Self {
        Self { jobs: Some(jobs), ..self }
    }

    fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    fn aof(self) -> Self {
        Self { aof: true, ..self }
    }

    fn full_only(self) -> Self {
        Self { in_quick: false, ..self }
    }

    fn beside_previous(self) -> Self {
        Self { beside_previous: true, ..self }
    }

    fn only_taskora(self) -> Self {
        Self { only_taskora: true, ..self }
    }

    pub fn takes(&self, contender: &str) -> bool {
        match contender {
            TASKORA | AGAINST => true,
            RAW => self.has_ceiling(),
            _ => !self.only_taskora,
        }
    }

    /// The kind, smaller in a quick run.
    pub fn kind(&self, size: &Size) -> Kind {
        match self.kind {
            Kind::Process(ref process) => {
                Kind::Process(Process { waiting: size.fixed(process.waiting), ..process.clone() })
            }
            Kind::Workflow { shape, size: steps, callers, concurrency } => {
                Kind::Workflow { shape, size: size.fixed(steps), callers, concurrency }
            }
            ref other => other.clone(),
        }
    }

    /// Whether a first round is needed to find out how many jobs fill the time.
    pub fn calibrates(&self) -> bool {
        self.jobs.is_none()
    }

    /// The jobs of that first round.
    pub fn first_jobs(&self) -> usize {
        1_000
    }

    /// The jobs that take about so many seconds at this rate.
    pub fn jobs_for(&self, rate: f64, seconds: f64) -> usize {
        ((rate * seconds) as usize).clamp(500, 400_000)
    }

    /// Whether the contenders can be measured at the same time, each with a server of its own, because they do next to
    /// nothing.
    pub fn side_by_side(&self) -> bool {
        self.unit == Unit::CallsPerMinute
    }

    /// Whether the raw ceiling belongs beside it.
    pub fn has_ceiling(&self) -> bool {
        matches!(self.kind, Kind::Dispatch { .. }) && !self.aof
    }
}

/// How much is measured.
pub struct Size {
    rounds: usize,
    /// The time of one measurement, about.
    pub seconds: f64,
    quick: bool,
}

impl Size {
    pub const FULL: Self = Self { rounds: 5, seconds: 0.5, quick: false };
    pub const QUICK: Self = Self { rounds: 3, seconds: 0.15, quick: true };

    pub fn takes(&self, workload: &Workload) -> bool {
        !self.quick || workload.in_quick
    }

    /// The time that a run may take once everything is built.
    pub fn budget(&self) -> Duration {
        Duration::from_secs(60 * if self.quick { 3 } else { 25 })
    }

    pub fn rounds(&self, workload: &Workload) -> usize {
        match workload.unit {
            // one long look
            Unit::CallsPerMinute => 1,
            // does not depend on the machine's phase
            Unit::BytesPerJob if self.quick => 1,
            _ => self.rounds,
        }
    }

    /// A fixed number of jobs.
    pub fn fixed(&self, jobs: usize) -> usize {
        if self.quick && jobs >= 10_000 { jobs / 5 } else { jobs }
    }

    /// After so many seconds a measurement ends with what it has.
    pub fn limit(&self, workload: &Workload) -> f64 {
        match (workload.unit, self.quick) {
            (Unit::CallsPerMinute, false) => 60.0,
            (Unit::LongestScript, _) => 20.0,
            (Unit::CallsPerMinute, true) => 10.0,
            (Unit::Milliseconds, false) => 3.0,
            (Unit::Milliseconds, true) => 1.0,
            (_, false) => 6.0,
            (_, true) => 2.0,
        }
    }
}

fn dispatch(callers: usize, batch: usize) -> Kind {
    Kind::Dispatch { callers, batch }
}

/// A worker of one task empties its queue.
fn process(concurrency: usize) -> Process {
    Process { concurrency, tasks: 1, ..Process::default() }
}

fn workflow(shape: Shape, size: usize) -> Kind {
    let callers = match shape {
        Shape::Plain | Shape::Brief | Shape::Keyed | Shape::Lanes | Shape::ManyLanes | Shape::Chain => 64,
        Shape::Group => 2,
        Shape::Chord => 1,
    };
    Kind::Workflow { shape, size, callers, concurrency: 100 }
}

/// All workloads, in the order of the table.
pub fn all() -> Vec<Workload> {
    let rate = Workload::rate;
    let empty = |id, title, process| Workload::rate(id, title, Kind::Process(process));
    let prefetch = |prefetch| Process { prefetch, ..process(1) };
    vec![
        rate("dispatch-serial", "dispatch, one caller", dispatch(1, 1)),
        rate("dispatch-64", "dispatch, 64 callers", dispatch(64, 1)),
        rate("bulk-50", "dispatch, 50 a call, two callers", dispatch(2, 50)),
        rate("bulk-500", "dispatch, 500 a call, two callers", dispatch(2, 500)),
        empty("process-1", "process, concurrency 1", process(1)),
        empty(
            "process-1-delayed",
            "process, concurrency 1, one job delayed",
            Process { delayed: 1, ..process(1) },
        )
        .only_taskora()
        .beside_previous(),
        empty(
            "process-1-schedule",
            "process, concurrency 1, one schedule",
            Process { schedules: 1, ..process(1) },
        )
        .only_taskora()
        .beside_previous(),
        rate("process-1-batches", "items in batches of 100, concurrency 1", Kind::Batches { concurrency: 1 })
            .only_taskora()
            .beside_previous(),
        empty("process-1-prefetch-8", "process, concurrency 1, prefetch 8 where there is one", prefetch(8))
            .full_only(),
        empty(
            "process-1-prefetch-32",
            "process, concurrency 1, prefetch 32 where there is one",
            prefetch(32),
        ),
        empty("process-100", "process, concurrency 100", process(100)),
        empty(
            "process-100-delayed",
            "process, concurrency 100, one job delayed",
            Process { delayed: 1, ..process(100) },
        )
        .only_taskora()
        .beside_previous(),
        empty(
            "process-100-schedule",
            "process, concurrency 100, one schedule",
            Process { schedules: 1, ..process(100) },
        )
        .only_taskora()
        .beside_previous(),
        rate("process-100-batches", "items, in batches of 100", Kind::Batches { concurrency: 100 })
            .only_taskora()
            .beside_previous(),
        empty(
            "process-100-listener",
            "process, concurrency 100, somebody listens to all events",
            Process { operator: Operator::Listens, ..process(100) },
        )
        .only_taskora()
        .beside_previous(),
        rate("latency", "idle worker: dispatch to start", Kind::Latency).unit(Unit::Milliseconds).jobs(150),
        rate("memory", "memory of a waiting job", Kind::Memory { keys: 0 })
            .unit(Unit::BytesPerJob)
            .jobs(100_000),
        of_keys("memory-100-keys", "memory of a waiting job, 100 keys", 100),
        of_keys("memory-own-key", "memory of a waiting job with a key of its own", usize::MAX),
        rate("idle", "idle worker with 50 tasks", Kind::Idle { tasks: 50, schedules: 0, gates: false })
            .unit(Unit::CallsPerMinute)
            .jobs(1),
        rate(
            "idle-schedules",
            "idle worker with 20 daily schedules",
            Kind::Idle { tasks: 1, schedules: 20, gates: false },
        )
        .unit(Unit::CallsPerMinute)
        .jobs(1)
        .only_taskora(),
        rate(
            "idle-gates",
            "idle worker with 50 tasks with limits and 20 daily schedules",
            Kind::Idle { tasks: 50, schedules: 20, gates: true },
        )
        .unit(Unit::CallsPerMinute)
        .jobs(1)
        .only_taskora(),
        rate("ticks", "tick of a schedule to start", Kind::Ticks { schedules: 1, at_once: false })
            .unit(Unit::Milliseconds)
            .jobs(1)
            .only_taskora(),
        rate(
            "ticks-10000",
            "10,000 schedules at one second: the last one starts",
            Kind::Ticks { schedules: 10_000, at_once: true },
        )
        .unit(Unit::LongestScript)
        .jobs(1)
        .only_taskora()
        .full_only(),
        rate(
            "results",
            "dispatch and await the result, 64 callers",
            Kind::Results { callers: 64, concurrency: 100 },
        ),
        rate("retry", "each job fails twice, concurrency 100", Kind::Retry { concurrency: 100 }),
        rate("due", "100k delayed jobs due at once", Kind::Due { concurrency: 100, tasks: 1 })
            .jobs(100_000)
            .full_only(),
        rate(
            "due-500",
            "100k delayed jobs of 500 tasks due at once",
            Kind::Due { concurrency: 100, tasks: 500 },
        )
        .jobs(100_000)
        .only_taskora()
        .full_only()
        .beside_previous(),
        rate("dispatch-64-1k", "dispatch, 64 callers, 1 KB payload", dispatch(64, 1)).bytes(1024).full_only(),
        empty("process-100-1k", "process, concurrency 100, 1 KB payload", process(100))
            .bytes(1024)
            .full_only(),
        rate("aof-dispatch-serial", "dispatch, one caller, AOF everysec", dispatch(1, 1)).aof().full_only(),
        rate("aof-dispatch-64", "dispatch, 64 callers, AOF everysec", dispatch(64, 1)).aof().full_only(),
        empty("aof-process-100", "process, concurrency 100, AOF everysec", process(100)).aof().full_only(),
        rate("chain-3", "workflows: chains of 3", workflow(Shape::Chain, 3)),
        rate("group-1000", "workflows: groups of 1,000", workflow(Shape::Group, 1_000)).full_only(),
        rate("chord-10000", "workflows: chords of 10,000", workflow(Shape::Chord, 10_000)).full_only(),
        step("cost-plain", "cost of a plain job, dispatched and run", Shape::Plain, 1),
        step("cost-ttl", "cost of a job with a ttl", Shape::Brief, 1).beside_previous(),
        step("cost-key", "cost of a job with a key of its own", Shape::Keyed, 1).beside_previous(),
        step("cost-lanes", "cost of a job of one of 100 keys that limits count", Shape::Lanes, 1)
            .beside_previous(),
        step("cost-many-lanes", "cost of a job of one of 10,000 keys", Shape::ManyLanes, 1).beside_previous(),
        step("cost-chain", "cost of a step of a chain of 3", Shape::Chain, 3).beside_previous(),
        step("cost-group", "cost of a step of a group of 1,000", Shape::Group, 1_000).beside_previous(),
        step("cost-chord", "cost of a step of a chord of 10,000", Shape::Chord, 10_000).beside_previous(),
        ruled("cost-dispatch", "cost of a dispatch", Rule::None),
        ruled("cost-throttled", "cost of a dispatch that a throttle rejects", Rule::Throttled)
            .beside_previous(),
        rate(
            "debounce",
            "debounce on one key, 64 callers",
            Kind::Ruled { rule: Rule::Debounced, callers: 64 },
        )
        .only_taskora(),
        of_taskora("tasks-gates-0", "process, concurrency 100", 1, 0).full_only(),
        empty(
            "tasks-gates-49",
            "process, concurrency 100, beside 49 tasks with limits",
            Process { tasks: 50, gates: true, ..process(100) },
        )
        .only_taskora()
        .full_only()
        .beside_previous(),
        empty(
            "tasks-gates-49-1",
            "process, concurrency 1, beside 49 tasks with limits",
            Process { tasks: 50, gates: true, ..process(1) },
        )
        .only_taskora()
        .full_only(),
        of_taskora("waiting-10k", "process, concurrency 100, 10k more waiting", 1, 10_000).full_only(),
        of_taskora("waiting-1m", "process, concurrency 100, 1M more waiting", 1, 1_000_000)
            .full_only()
            .beside_previous(),
        of_taskora("tasks-1", "process, concurrency 100, 1 task registered", 1, 0),
        of_taskora("tasks-50", "process, concurrency 100, 50 tasks registered", 50, 0).beside_previous(),
        empty(
            "tasks-50-paused",
            "process, concurrency 100, 50 tasks registered, one of them paused",
            Process { tasks: 50, operator: Operator::Paused, ..process(100) },
        )
        .only_taskora()
        .beside_previous(),
        longest("sweep-500", "sweep of 500 tasks with 50k lapsed leases: longest script", Call::Sweep),
        longest("claim-500", "claim from 500 tasks with 50k jobs due at once: longest script", Call::Claim),
        longest("overview-500", "overview of 500 tasks: longest script", Call::Overview),
        longest("page-1m", "page of 50 of 1M waiting jobs: longest script", Call::Page).jobs(1_000_000),
        longest("search-100k", "search of 100k waiting jobs: longest script", Call::Search).jobs(100_000),
    ]
}

fn step(id: &'static str, title: &'static str, shape: Shape, size: usize) -> Workload {
    Workload::rate(id, title, workflow(shape, size)).unit(Unit::RedisMicros).only_taskora()
}

fn ruled(id: &'static str, title: &'static str, rule: Rule) -> Workload {
    Workload::rate(id, title, Kind::Ruled { rule, callers: 64 }).unit(Unit::RedisMicros).only_taskora()
}

fn of_keys(id: &'static str, title: &'static str, keys: usize) -> Workload {
    Workload::rate(id, title, Kind::Memory { keys })
        .unit(Unit::BytesPerJob)
        .jobs(100_000)
        .only_taskora()
        .full_only()
}

fn of_taskora(id: &'static str, title: &'static str, tasks: usize, waiting: usize) -> Workload {
    Workload::rate(id, title, Kind::Process(Process { tasks, waiting, ..process(100) })).only_taskora()
}

fn longest(id: &'static str, title: &'static str, call: Call) -> Workload {
    Workload::rate(id, title, Kind::Longest { call, tasks: 500 })
        .unit(Unit::LongestScript)
        .jobs(50_000)
        .only_taskora()
        .full_only()
}
