//! Five hundred tasks with jobs, and single calls on them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Call, Email};
use serde::{Deserialize, Serialize};
use taskora::__private::{Handler, HandlerOptions, Ran, ReadArguments, Scope, Task, WorkerState};
use taskora::adapter::{
    CallId, Claim, Due, Exchange, Jobs, NewJob, TaskClaim, TaskName, WorkerEntry, WorkerReport,
};
use taskora::{App, Cursor, JobId, JobState, Retention, WorkerBuilder};
use taskora_redis::RedisAdapter;

use crate::{SendEmail, contract};

/// The task of this number: [`SendEmail`] under another name. Written by hand, as the macro makes one task at a time.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Numbered<const N: usize>(SendEmail);

impl<const N: usize> Numbered<N> {
    const DIGITS: [u8; 4] = [b't', b'0' + (N / 100) as u8, b'0' + (N / 10 % 10) as u8, b'0' + (N % 10) as u8];
}

impl<const N: usize> Task for Numbered<N> {
    type Output = ();
    const NAME: &'static str = match std::str::from_utf8(&Self::DIGITS) {
        Ok(name) => name,
        Err(_) => panic!("digits are text"),
    };
    type Arguments = <SendEmail as Task>::Arguments;

    fn from_arguments(arguments: Self::Arguments) -> Self {
        Self(SendEmail::from_arguments(arguments))
    }

    fn read_arguments<R: ReadArguments>(arguments: R) -> std::result::Result<Self, R::Error> {
        SendEmail::read_arguments(arguments).map(Self)
    }
}

impl<const N: usize, S: WorkerState> Handler<S> for Numbered<N> {
    type Task = Self;
    const OPTIONS: HandlerOptions = HandlerOptions::new(file!());

    async fn run(task: Self, scope: Scope<S>) -> Ran<Self> {
        <SendEmail as Handler<S>>::run(task.0, scope).await
    }
}

/// How many there are.
const TASKS: usize = 500;

macro_rules! register_fifty {
    ($builder:ident $($fifty:literal)*) => { $(
        let $builder = register_fifty!(@ $builder $fifty; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
            26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49);
    )* };
    (@ $builder:ident $fifty:literal; $($n:literal)*) => {
        $builder$(.register::<Numbered<{ 50 * $fifty + $n }>>())*
    };
}

pub(crate) fn register(builder: WorkerBuilder<()>) -> WorkerBuilder<()> {
    register_fifty!(builder 0 1 2 3 4 5 6 7 8 9);
    builder
}

/// The name of the task of this number.
fn name(n: usize) -> TaskName {
    format!("t{:03}", n % TASKS).into()
}

/// Dispatches jobs of the tasks in turn.
pub(crate) async fn dispatch(adapter: &RedisAdapter, emails: Vec<Email>, due: Due) -> Result<()> {
    let jobs = emails.into_iter().map(|email| {
        let name = name((email.n - Email::FIRST) as usize);
        let payload = serde_json::to_vec(&contract(email))?;
        Ok(NewJob { due, ..NewJob::new(JobId::new(), name, payload) })
    });
    for jobs in jobs.collect::<Result<Vec<_>>>()?.chunks(500) {
        adapter.enqueue(jobs.to_vec()).await?;
    }
    Ok(())
}

/// Calls the store as a worker with all of these tasks does.
#[derive(Clone)]
pub(crate) struct Caller {
    adapter: RedisAdapter,
    tasks: Arc<[TaskName]>,
    number: u64,
    /// Where a list goes on.
    cursor: Option<Cursor>,
}

impl Caller {
    pub(crate) fn new(adapter: RedisAdapter) -> Self {
        Self { adapter, tasks: (0..TASKS).map(name).collect(), number: 0, cursor: None }
    }

    fn app(&self) -> App {
        App::new(self.adapter.clone())
    }

    pub(crate) async fn prepare(&mut self, call: Call, emails: Vec<Email>) -> Result<()> {
        let moment = Duration::from_millis(50);
        match call {
            Call::Claim => {
                dispatch(&self.adapter, emails, Due::After(moment)).await?;
            }
            Call::Overview => dispatch(&self.adapter, emails, Due::Now).await?,
            Call::Page | Call::Search => {
                for emails in emails.chunks(500) {
                    self.app().dispatch_many(emails.iter().cloned().map(contract)).await?;
                }
            }
            Call::Sweep => {
                dispatch(&self.adapter, emails, Due::Now).await?;
                while self.claim(500, moment).await? {}
            }
        }
        tokio::time::sleep(2 * moment).await;
        Ok(())
    }

    pub(crate) async fn call(&mut self, call: Call) -> Result<bool> {
        match call {
            Call::Claim => self.claim(100, Duration::from_secs(3600)).await,
            Call::Overview => {
                let overview = self.app().inspect().overview().await?;
                ensure!(overview.tasks.len() == TASKS, "the overview has {} tasks", overview.tasks.len());
                Ok(false)
            }
            Call::Page => {
                let page = self
                    .app()
                    .inspect()
                    .list(SendEmail::NAME, JobState::Waiting)
                    .after(self.cursor.take())
                    .await?;
                ensure!(page.jobs.len() == 50, "a page has {} jobs", page.jobs.len());
                (self.cursor, self.number) = (page.next, self.number + 1);
                Ok(self.number < 100)
            }
            Call::Search => {
                let app = self.app();
                let ask = app.inspect().list(SendEmail::NAME, JobState::Waiting).payload_contains("nowhere");
                let page = ask.after(self.cursor.take()).await?;
                ensure!(page.jobs.is_empty(), "a search for nothing has found something");
                self.cursor = page.next;
                Ok(self.cursor.is_some())
            }
            Call::Sweep => {
                let mut report = WorkerReport::new(WorkerEntry::new("bench"));
                report.history = true;
                Ok(self.adapter.sweep_for(&report, &self.tasks, Retention::default()).await?.more)
            }
        }
    }

    /// False if nothing was there to claim.
    async fn claim(&mut self, limit: usize, lease: Duration) -> Result<bool> {
        self.number += 1;
        let tasks = self.tasks.iter().map(|task| TaskClaim { task: task.clone(), limit, lease });
        let exchange = Exchange {
            call: CallId { worker: "bench".into(), slot: 0, number: self.number },
            settle: Vec::new(),
            claim: Some(Claim { limit, room: limit, tasks: tasks.collect() }),
            retention: Retention::default(),
        };
        let answer = self.adapter.exchange(exchange).await?;
        Ok(answer.more || !answer.jobs.is_empty())
    }
}
