//! The workloads. The load runs in spawned tasks, as it would in a service: the future given to `block_on` runs off the
//! runtime's worker threads, and would make every contender look slower than it is.

mod ticks;
mod workflows;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU8;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::contender::{Contender, Setup};
use crate::handled::{self, Watch};
use crate::meter::{Reading, Server};
use crate::order::RUNS;
use crate::{Call, Email, Kind, Operator, Order, Process, Sample, Times};

/// The delay of the jobs of a `Due` workload; some libraries know whole seconds only.
const LATER: Duration = Duration::from_secs(1);

/// The delay of jobs that are not to run at all.
const NEVER: Duration = Duration::from_secs(3600);

pub(crate) fn drive<C: Contender>(runtime: &Runtime, order: &Order) -> Result<Sample> {
    let mut bench = Bench::<C> { runtime, order, server: Server::connect(&order.url)?, kept: Vec::new() };
    match order.kind {
        Kind::Dispatch { callers, batch } => bench.dispatch(callers, batch),
        Kind::Process(Process {
            concurrency,
            prefetch,
            tasks,
            waiting,
            delayed,
            schedules,
            gates,
            operator,
        }) => {
            if schedules > 0 {
                bench.schedule(schedules, Times::Daily)?;
            }
            let jobs = bench.jobs().min(C::MAX_BACKLOG);
            let dispatcher = bench.connect()?;
            bench.fill(&dispatcher, delayed, Some(NEVER))?;
            bench.fill(&dispatcher, jobs + waiting, None)?;
            if operator != Operator::Away {
                bench.operate(operator)?;
            }
            let moments = watch([warm_up(jobs), jobs], 0);
            bench.start_worker(Setup { concurrency, prefetch, tasks, gates })?;
            bench.drain(&moments, jobs)
        }
        Kind::Batches { concurrency } => {
            let jobs = bench.jobs();
            bench.fill(&bench.connect()?, jobs, None)?;
            let moments = watch([warm_up(jobs), jobs], 0);
            bench.start_worker(Setup { concurrency, prefetch: 0, tasks: 1, gates: false })?;
            bench.drain(&moments, jobs)
        }
        Kind::Ruled { rule, callers } => {
            bench.calls(callers, 1, move |mut contender, mut emails| async move {
                let email = emails.pop().context("a batch of one")?;
                contender.dispatch_by(rule, email).await?;
                Ok(contender)
            })
        }
        Kind::Retry { concurrency } => bench.retry(concurrency),
        Kind::Due { concurrency, tasks } => bench.due(concurrency, tasks),
        Kind::Results { callers, concurrency } => {
            bench.start_worker(Setup { concurrency, prefetch: 0, tasks: 1, gates: false })?;
            bench.calls(callers, 1, |mut contender, mut emails| async move {
                let email = emails.pop().context("a batch of one")?;
                contender.dispatch_and_await(email).await?;
                Ok(contender)
            })
        }
        Kind::Workflow { shape, size, callers, concurrency } => {
            bench.workflows(shape, size, callers, concurrency)
        }
        Kind::Latency => bench.latency(),
        Kind::Memory { .. } => bench.memory(),
        Kind::Idle { tasks, schedules, gates } => bench.idle(tasks, schedules, gates),
        Kind::Ticks { schedules, at_once } => bench.ticks(schedules, at_once),
        Kind::Longest { call, .. } => bench.longest(call),
    }
}

/// Has the handlers report when so many jobs have run: those of the warm-up, and all.
fn watch(marks: [usize; 2], failing: usize) -> Receiver<Instant> {
    let (moments, receiver) = channel();
    let marks = marks.map(|mark| mark as u64).into();
    handled::watch(Watch { marks, moments, runs: (0..failing).map(|_| AtomicU8::new(0)).collect() });
    receiver
}

/// A tenth of the jobs.
fn warm_up(jobs: usize) -> usize {
    (jobs / 10).max(1)
}

struct Bench<'a, C> {
    runtime: &'a Runtime,
    order: &'a Order,
    server: Server,
    /// Contenders that must outlive the measurement.
    kept: Vec<(C, Box<dyn std::any::Any + Send>)>,
}

impl<C: Contender> Bench<'_, C> {
    fn jobs(&self) -> usize {
        self.order.jobs.max(20)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.order.limit)
    }

    /// Runs a future on the runtime's worker threads.
    fn spawned<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.runtime.block_on(async { tokio::spawn(future).await })?
    }

    fn connect(&self) -> Result<C> {
        let (url, kind) = (self.order.url.clone(), self.order.kind.clone());
        self.spawned(async move { C::connect(&url, &kind).await })
    }

    /// A worker never shares a connection with the dispatcher, as it would not in another process.
    fn start_worker(&mut self, setup: Setup) -> Result<()> {
        let mut contender = self.connect()?;
        let kept = self.spawned(async move {
            let worker = contender.start_worker(setup).await?;
            Ok((contender, worker))
        })?;
        self.kept.push(kept);
        Ok(())
    }

    /// The operator has a connection of its own, as in another process.
    fn operate(&mut self, operator: Operator) -> Result<()> {
        let mut contender = self.connect()?;
        let kept = self.spawned(async move {
            let kept = contender.operate(operator).await?;
            Ok((contender, kept))
        })?;
        self.kept.push(kept);
        Ok(())
    }

    /// Puts jobs into the queue by the contender's fastest way, unmeasured.
    fn fill(&self, contender: &C, jobs: usize, delay: Option<Duration>) -> Result<()> {
        let bytes = self.order.bytes;
        let calls = (0..16).map(|caller| {
            let mut contender = contender.clone();
            self.runtime.spawn(async move {
                let mut next = caller * 500;
                while next < jobs {
                    let batch = next..(next + 500).min(jobs);
                    let emails = batch.map(|n| Email::new(n as u64, bytes)).collect();
                    match delay {
                        None => contender.dispatch_many(emails).await?,
                        Some(delay) => contender.dispatch_later(emails, delay).await?,
                    }
                    next += 16 * 500;
                }
                anyhow::Ok(())
            })
        });
        self.all(calls)
    }

    /// Starts all of these, and waits until they are done.
    fn all(&self, calls: impl Iterator<Item = JoinHandle<Result<()>>>) -> Result<()> {
        let calls: Vec<_> = calls.collect();
        self.runtime.block_on(async {
            for call in calls {
                call.await??;
            }
            Ok(())
        })
    }

    fn dispatch(&mut self, callers: usize, batch: usize) -> Result<Sample> {
        self.calls(callers, batch, move |mut contender, mut emails| async move {
            match emails.pop() {
                Some(email) if batch == 1 => contender.dispatch(email).await?,
                last => {
                    emails.extend(last);
                    contender.dispatch_many(emails).await?;
                }
            }
            Ok(contender)
        })
    }

    /// Makes calls from so many callers, a tenth of them unmeasured.
    fn calls<F, R>(&mut self, callers: usize, batch: usize, call: F) -> Result<Sample>
    where
        F: Fn(C, Vec<Email>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<C>> + Send,
    {
        let bytes = self.order.bytes;
        let deadline = Instant::now() + self.limit();
        let contender = self.connect()?;
        let round = |jobs: usize| {
            let each = jobs.div_ceil(callers * batch);
            let tasks: Vec<_> = (0..callers)
                .map(|caller| {
                    let (mut contender, call) = (contender.clone(), call.clone());
                    self.runtime.spawn(async move {
                        let mut done = 0;
                        for n in 0..each {
                            let first = (caller * each + n) * batch;
                            let emails =
                                (first..first + batch).map(|n| Email::new(n as u64, bytes)).collect();
                            contender = call(contender, emails).await?;
                            done += batch;
                            if Instant::now() > deadline {
                                break;
                            }
                        }
                        anyhow::Ok(done)
                    })
                })
                .collect();
            self.runtime.block_on(async {
                let mut done = 0;
                for task in tasks {
                    done += task.await??;
                }
                anyhow::Ok(done)
            })
        };
        round(warm_up(self.jobs()))?;
        let start = Reading::take(&mut self.server)?;
        let done = round(self.jobs())?;
        let elapsed = start.at.elapsed();
        let end = Reading::take(&mut self.server)?;
        Ok(rate(done as f64, elapsed, &start, &end))
    }

    /// Waits until a worker has run so often. The clock starts after the warm-up.
    fn drain(&mut self, moments: &Receiver<Instant>, runs: usize) -> Result<Sample> {
        let deadline = Instant::now() + self.limit();
        let started = Reading::take(&mut self.server)?;
        let (start, first) = match moments.recv_timeout(left(deadline)) {
            Ok(at) => (Reading::take(&mut self.server)?, Some(at)),
            Err(_) => (started, None),
        };
        let last = moments.recv_timeout(left(deadline)).ok();
        let end = Reading::take(&mut self.server)?;
        let mut sample = match (first, last) {
            (Some(first), Some(last)) => {
                let mut sample = rate((end.count - start.count) as f64, last - first, &start, &end);
                sample.value = (runs - warm_up(runs)) as f64 / (last - first).as_secs_f64();
                sample
            }
            _ => rate((end.count - start.count) as f64, end.at - start.at, &start, &end),
        };
        if last.is_none() {
            sample.more.insert("left at the limit".into(), (runs as u64).saturating_sub(end.count) as f64);
        }
        Ok(sample)
    }

    /// Runs are counted and jobs are told. Failed ones may go to the end of the queue, and then no job succeeds before
    /// all have failed twice: counting what succeeds would leave most of the work out.
    fn retry(&mut self, concurrency: usize) -> Result<Sample> {
        let jobs = self.jobs().min(C::MAX_BACKLOG);
        self.fill(&self.connect()?, jobs, None)?;
        let moments = watch([warm_up(jobs * RUNS), jobs * RUNS], jobs);
        self.start_worker(Setup { concurrency, prefetch: 0, tasks: 1, gates: false })?;
        let runs = self.drain(&moments, jobs * RUNS)?;
        let per_job = |figure: f64| figure * RUNS as f64;
        Ok(Sample {
            value: runs.value / RUNS as f64,
            redis_us: runs.redis_us.map(per_job),
            client_us: runs.client_us.map(per_job),
            ..runs
        })
    }

    fn due(&mut self, concurrency: usize, tasks: usize) -> Result<Sample> {
        let jobs = self.jobs().min(C::MAX_BACKLOG);
        self.fill(&self.connect()?, jobs, Some(LATER))?;
        std::thread::sleep(LATER);
        let moments = watch([warm_up(jobs), jobs], 0);
        self.start_worker(Setup { concurrency, prefetch: 0, tasks, gates: false })?;
        self.drain(&moments, jobs)
    }

    /// Makes calls until one finds nothing to do. The server's own log tells how long each script took.
    fn longest(&mut self, call: Call) -> Result<Sample> {
        let mut contender = self.connect()?;
        let emails = (0..self.jobs()).map(|n| Email::new(n as u64, self.order.bytes)).collect();
        let mut contender = self.spawned(async move {
            contender.prepare(call, emails).await?;
            Ok(contender)
        })?;
        let deadline = Instant::now() + self.limit();
        self.server.log_scripts()?;
        let start = Reading::take(&mut self.server)?;
        let (mut calls, mut more) = (0.0, true);
        while more && Instant::now() < deadline {
            (contender, more) = self.spawned(async move {
                let more = contender.call(call).await?;
                Ok((contender, more))
            })?;
            calls += 1.0;
        }
        let end = Reading::take(&mut self.server)?;
        let mut taken = self.server.logged_scripts()?;
        taken.sort_by(f64::total_cmp);
        let at = |from_last: usize| taken.iter().rev().nth(from_last).map(|us| us / 1e3);
        // the longest one may be long because the machine was busy; a script that is long is so more than once
        let further = [
            ("third longest", at(2)),
            ("calls", Some(calls)),
            ("scripts", Some(taken.len() as f64)),
            ("ms in scripts per call", Some(taken.iter().sum::<f64>() / 1e3 / calls)),
            ("redis CPU ms in all", Some((end.redis_us - start.redis_us) / 1e3)),
            ("left at the limit", more.then_some(1.0)),
        ];
        Ok(Sample {
            value: at(0).context("no script was run")?,
            more: further.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            ..Sample::default()
        })
    }

    fn latency(&mut self) -> Result<Sample> {
        let (sender, moments) = channel();
        handled::watch(Watch { marks: Vec::new(), moments: sender, runs: Vec::new() });
        let mut dispatcher = self.connect()?;
        self.start_worker(Setup { concurrency: 10, prefetch: 0, tasks: 1, gates: false })?;
        let mut deadline = None;
        let mut taken = Vec::new();
        // the first ten jobs warm up what is lazy; the pause lets the worker fall asleep
        for n in 0..self.jobs() + 10 {
            if n == 10 {
                deadline = Some(Instant::now() + self.limit());
            }
            std::thread::sleep(Duration::from_millis(4 + (n as u64 * 7) % 11));
            let email = Email::new(n as u64, self.order.bytes);
            let (start, back) = self.spawned(async move {
                let start = Instant::now();
                dispatcher.dispatch(email).await?;
                Ok((start, dispatcher))
            })?;
            dispatcher = back;
            // a wait that is given up is a lower bound, and worth telling
            let ran = moments.recv_timeout(self.limit()).unwrap_or_else(|_| Instant::now());
            if n >= 10 {
                taken.push((ran - start).as_secs_f64() * 1e3);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                break;
            }
        }
        taken.sort_by(f64::total_cmp);
        let at = |part: f64| taken.get(((taken.len() as f64 * part) as usize).min(taken.len() - 1)).copied();
        let more = [("p95", at(0.95)), ("p99", at(0.99)), ("samples", Some(taken.len() as f64))];
        Ok(Sample {
            value: at(0.5).context("no sample was taken")?,
            more: more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            ..Sample::default()
        })
    }

    fn memory(&mut self) -> Result<Sample> {
        let dispatcher = self.connect()?;
        // some jobs first, so that scripts and connections are not counted
        self.fill(&dispatcher, 16 * 500, None)?;
        let before = self.server.info("memory", "used_memory")?;
        let jobs = self.jobs();
        self.fill(&dispatcher, jobs, None)?;
        let after = self.server.info("memory", "used_memory")?;
        Ok(Sample { value: (after - before) / jobs as f64, ..Sample::default() })
    }

    fn idle(&mut self, tasks: usize, schedules: usize, gates: bool) -> Result<Sample> {
        if schedules > 0 {
            self.schedule(schedules, Times::Daily)?;
        }
        let connections = self.server.info("clients", "connected_clients")?;
        self.start_worker(Setup { concurrency: 10, prefetch: 0, tasks, gates })?;
        // what a start does is not what idling costs
        std::thread::sleep(Duration::from_secs(1));
        let commands = self.server.info("stats", "total_commands_processed")?;
        let calls = self.server.info("stats", "total_reads_processed")?;
        let start = Reading::take(&mut self.server)?;
        std::thread::sleep(self.limit());
        let end = Reading::take(&mut self.server)?;
        // without what this connection sent since: four commands, and three calls
        let calls = self.server.info("stats", "total_reads_processed")? - calls - 3.0;
        let commands = self.server.info("stats", "total_commands_processed")? - commands - 4.0;
        let minutes = (end.at - start.at).as_secs_f64() / 60.0;
        let opened = self.server.info("clients", "connected_clients")? - connections;
        let more = [
            ("connections", opened),
            ("commands with those in scripts", commands.max(0.0) / minutes),
            ("client CPU ms per minute", (end.client_us - start.client_us) / 1e3 / minutes),
            ("redis CPU ms per minute", (end.redis_us - start.redis_us) / 1e3 / minutes),
        ];
        Ok(Sample {
            value: calls.max(0.0) / minutes,
            more: more.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Sample::default()
        })
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn rate(jobs: f64, elapsed: Duration, start: &Reading, end: &Reading) -> Sample {
    Sample {
        value: jobs / elapsed.as_secs_f64(),
        redis_us: Some((end.redis_us - start.redis_us) / jobs.max(1.0)),
        client_us: Some((end.client_us - start.client_us) / jobs.max(1.0)),
        more: BTreeMap::new(),
        refused: None,
    }
}
