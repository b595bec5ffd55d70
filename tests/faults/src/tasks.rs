//! The tasks that the processes run. Each does as its payload says, and tells the ledger.

use std::time::{Duration, Instant};

use taskora::prelude::*;
use taskora::{OnMissed, Overlap, Schedule};

use crate::ledger::{Ledger, Record};
use crate::seed::random;

/// The names of all tasks of the harness.
pub const NAMES: &[&str] = &["work", "follow", "gather", "poison", "stubborn", "serve", "row"];

/// What the names of the schedules of workers begin with.
pub const SCHEDULE: &str = "second-";

/// A schedule that ticks each second, and misses nothing.
///
/// # Panics
/// Never: a second is a period.
pub fn second(number: u32) -> Schedule {
    let schedule =
        Schedule::new(format!("{SCHEDULE}{number}")).every(Duration::from_secs(1)).expect("a period");
    schedule.on_missed(OnMissed::CatchUp).overlap(Overlap::Allow).run(Work { act: Act::default() })
}

/// What a handler does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// How long it takes, in milliseconds.
    #[serde(default)]
    pub millis: u64,
    /// The only process in which it takes this time; in any other it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_in: Option<u32>,
    /// How it ends.
    #[serde(default)]
    pub end: End,
    /// It reports progress and a log line.
    #[serde(default)]
    pub notes: bool,
    /// Bytes that the payload is longer by; above 4 KiB it is stored apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ballast: String,
}

impl Act {
    /// Returns after so many milliseconds.
    #[must_use]
    pub fn returns(millis: u64) -> Self {
        Self { millis, ..Self::default() }
    }

    /// Ends like this, after so many milliseconds.
    #[must_use]
    pub fn ends(millis: u64, end: End) -> Self {
        Self { millis, end, ..Self::default() }
    }
}

/// How a handler ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum End {
    /// With a result.
    #[default]
    Return,
    /// With an error in the attempts before this one.
    FailBefore(u32),
    /// With an error that no retry changes.
    GiveUp,
    /// With the process.
    Abort,
    /// With a result, after having kept its thread busy all the time.
    Block,
}

/// What a handler returns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which run of a handler it was.
    pub nonce: u64,
}

/// What a handler is given by its worker.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Where it writes.
    pub ledger: Ledger,
}

/// A run of a handler: says that it was told to stop if it does not come to its end.
struct Run<'a> {
    ledger: &'a Ledger,
    job: String,
    nonce: u64,
    is_over: bool,
}

impl<'a> Run<'a> {
    fn begin(ctx: &Context, desk: &'a Desk, inputs: Vec<u64>) -> Self {
        let (job, nonce) = (ctx.id().to_string(), random());
        let started = Record::Started { job: job.clone(), attempt: ctx.attempt(), nonce, inputs };
        desk.ledger.write(started);
        Self { ledger: &desk.ledger, job, nonce, is_over: false }
    }

    async fn act(mut self, act: &Act, ctx: &Context) -> Result<Done, TaskError> {
        if act.notes {
            ctx.progress(ctx.attempt());
            ctx.info("at work");
        }
        let is_short = act.only_in.is_some_and(|pid| pid != std::process::id());
        let time = Duration::from_millis(if is_short { 0 } else { act.millis });
        if act.end == End::Block {
            let end = Instant::now() + time;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        } else {
            tokio::time::sleep(time).await;
        }
        match act.end {
            End::Abort => std::process::abort(),
            End::GiveUp => {
                self.is_over = true;
                Err(ctx.give_up("as it was told"))
            }
            End::FailBefore(attempt) if ctx.attempt() < attempt => {
                self.is_over = true;
                Err(ctx.retry_after(Duration::from_millis(20)))
            }
            End::Return | End::FailBefore(_) | End::Block => {
                self.is_over = true;
                self.ledger.write(Record::Effect { job: self.job.clone(), nonce: self.nonce });
                Ok(Done { nonce: self.nonce })
            }
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.ledger.write(Record::Told { job: std::mem::take(&mut self.job), nonce: self.nonce });
        }
    }
}

/// A job that stands alone, or begins a workflow.
#[task(retry = 5, stall(max = 255))]
pub async fn work(act: Act, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    Run::begin(&ctx, &desk, Vec::new()).act(&act, &ctx).await
}

/// A step that follows one other.
#[task(retry = 5, stall(max = 255))]
pub async fn follow(act: Act, input: Done, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    Run::begin(&ctx, &desk, vec![input.nonce]).act(&act, &ctx).await
}

/// A step that follows many.
#[task(retry = 5, stall(max = 255))]
pub async fn gather(act: Act, inputs: Vec<Done>, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    let inputs = inputs.into_iter().map(|done| done.nonce).collect();
    Run::begin(&ctx, &desk, inputs).act(&act, &ctx).await
}

/// A job that may be rescued from dead workers twice.
#[task(retry = 5, stall(max = 2))]
pub async fn poison(act: Act, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    Run::begin(&ctx, &desk, Vec::new()).act(&act, &ctx).await
}

/// A job of one of few keys. Of each key two run at once, and few start in a time, of those that take longer fewer; who fails asks for a
/// pause of the key.
#[task(
    retry = 5,
    stall(max = 255),
    limit(key = |serve| serve.key, max = 2),
    rate(key, max = 60, per = "1s", burst = 3, cost = |serve| 1 + (serve.act.millis % 3) as u32),
    rate(max = 300, per = "1s")
)]
pub async fn serve(act: Act, key: u64, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    let _ = key;
    let done = Run::begin(&ctx, &desk, Vec::new()).act(&act, &ctx).await;
    done.map_err(TaskError::for_key)
}

/// An item of one of few keys. Those of a key are run together.
#[derive(Debug, Clone, Task, Serialize, Deserialize)]
#[task(
    output = Done,
    retry = 5,
    stall(max = 255),
    collect(key = |row| row.key, delay = "400ms", max_size = 25, max_wait = "900ms", serial)
)]
pub struct Row {
    /// What its batch does, at least.
    pub act: Act,
    /// With which it goes.
    pub key: u64,
}

/// Items of one key, which take as long as the one that takes longest.
#[task(implements = Row, batch)]
pub async fn rows(items: Vec<Row>, ctx: &Context, desk: State<Desk>) -> Done {
    let nonce = random();
    let mut run = Batch { ledger: &desk.ledger, jobs: Vec::new(), nonce };
    for item in ctx.items() {
        let (job, attempt) = (item.id().to_string(), item.attempt());
        run.ledger.write(Record::Started { job: job.clone(), attempt, nonce, inputs: Vec::new() });
        run.jobs.push(job);
    }
    let longest = items.iter().map(|item| item.act.millis).max().unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(longest)).await;
    for (row, item) in items.iter().zip(ctx.items()) {
        match row.act.end {
            End::FailBefore(attempt) if item.attempt() < attempt => item.retry(),
            _ => run.ledger.write(Record::Effect { job: item.id().to_string(), nonce }),
        }
    }
    run.jobs.clear();
    Done { nonce }
}

/// A run of a batch: says of each item that it was told to stop if the batch does not come to its end.
struct Batch<'a> {
    ledger: &'a Ledger,
    jobs: Vec<String>,
    nonce: u64,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            self.ledger.write(Record::Told { job, nonce: self.nonce });
        }
    }
}

/// A job on a thread, which nothing can stop; one at a time in a worker.
#[task(blocking, concurrency = 1, retry = 5, stall(max = 255))]
pub fn stubborn(millis: u64, ctx: Context, desk: State<Desk>) -> Result<Done, TaskError> {
    let mut run = Run::begin(&ctx, &desk, Vec::new());
    std::thread::sleep(Duration::from_millis(millis));
    // somebody else may be running the job by now
    if ctx.is_cancelled() {
        return Err(ctx.give_up("told to stop"));
    }
    run.is_over = true;
    run.ledger.write(Record::Effect { job: run.job.clone(), nonce: run.nonce });
    Ok(Done { nonce: run.nonce })
}
