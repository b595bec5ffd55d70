#![allow(unused)]

use taskora::prelude::*;

#[task(limit(max = 0))]
async fn none() {}

#[task(limit)]
async fn alone() {}

#[task(limit())]
async fn without_max() {}

#[task(limit = 5)]
async fn number() {}

#[task(limit(max = "5"))]
async fn text() {}

#[task(limit(max = 5, max = 6))]
async fn twice() {}

#[task(limit(most = 5))]
async fn another_word() {}

#[task(singleton, limit(max = 5))]
async fn both() {}

#[task(singleton = true)]
async fn with_a_value() {}

#[task(max_running = 5)]
async fn named_as_elsewhere() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), singleton, limit(max = 1))]
struct Contract {}

#[task(implements = Contract, limit(max = 5))]
async fn implemented() {}

#[task(implements = Contract, singleton)]
async fn implemented_once() {}

async fn use_them(app: &App) {
    let _ = app.queues().limit::<None>().set(5).await;
    let _ = app.queues().pause::<Twice>().reason("provider down").await;
}

fn main() {}
