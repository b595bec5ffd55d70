//! Workflows, from their composition to their end.

mod cancelled;
mod composed;
mod ends;
mod handles;
mod model;
mod property;

use std::time::Duration;

use taskora::{WorkerBuilder, prelude::*};

use crate::support::{PATIENCE, Probe, quick};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
async fn double(n: i64) -> i64 {
    n * 2
}

#[task]
async fn show(n: i64, prefix: String) -> String {
    format!("{prefix}{n}")
}

#[task]
async fn sum(numbers: Vec<i64>) -> i64 {
    numbers.iter().sum()
}

#[task]
async fn list(numbers: Vec<i64>) -> Vec<i64> {
    numbers
}

#[task]
async fn held(name: String, probe: State<Probe>) -> String {
    let _running = probe.enter();
    probe.saw(&name);
    probe.gate().await;
    name
}

#[task]
async fn fails(why: String) -> Result<i64, String> {
    Err(why)
}

#[task(retry(attempts = 3, delay = "10ms", backoff = fixed))]
async fn third_time(probe: State<Probe>, ctx: Context) -> Result<i64, String> {
    probe.saw("third time");
    if ctx.attempt() < 3 { Err("not yet".into()) } else { Ok(3) }
}

#[task(stall(max = 0))]
async fn fragile() -> i64 {
    1
}

/// A contract that other crates would share, implemented here.
mod shared {
    use taskora::prelude::*;

    #[derive(Task, Serialize, Deserialize)]
    #[task(name = "scale", output = i64)]
    pub(crate) struct Scale {
        pub(crate) n: i64,
        pub(crate) by: i64,
    }
}
use shared::Scale;

#[task(implements = Scale)]
async fn scale(n: i64, by: i64) -> i64 {
    n * by
}

fn one(a: i64) -> Add {
    Add { a, b: 1 }
}

fn named(name: &str) -> Held {
    Held { name: name.to_owned() }
}

/// A worker for all tasks of this module.
async fn worker(app: &App, probe: &Probe) -> Worker {
    with_all(quick(app), probe).start().await.unwrap()
}

fn with_all(builder: WorkerBuilder<()>, probe: &Probe) -> WorkerBuilder<Probe> {
    builder
        .state(probe.clone())
        .register_all(tasks![Add, Double, Show, Sum, List, Held, Fails, ThirdTime, Fragile, ScaleHandler])
        .cancel_grace(Duration::from_millis(100))
}

/// How a workflow ends, which it should do soon.
async fn outcome<Out: serde::de::DeserializeOwned>(
    handle: &WorkflowHandle<Out>,
) -> Result<Out, WorkflowError> {
    handle.result_within(PATIENCE).await
}

/// The states of all nodes; `None` for those that wait for others.
async fn states<Out>(handle: &WorkflowHandle<Out>) -> Vec<Option<JobState>> {
    let graph = handle.graph().await.unwrap();
    graph.nodes.into_iter().map(|node| node.state).collect()
}
