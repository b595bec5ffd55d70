#![allow(unused)]

use taskora::prelude::*;

#[task(rate(max = 0, per = "1m"))]
async fn none() {}

#[task(rate(max = 5, per = "0s"))]
async fn in_no_time() {}

#[task(rate(max = 5, per = "1m", burst = 0))]
async fn never_at_once() {}

#[task(rate)]
async fn alone() {}

#[task(rate())]
async fn without_options() {}

#[task(rate(max = 5))]
async fn without_per() {}

#[task(rate(per = "1m", burst = 5))]
async fn without_max() {}

#[task(rate = "5/s")]
async fn text() {}

#[task(rate(max = 5, per = 60))]
async fn number_of_seconds() {}

#[task(rate(max = "5", per = "1m"))]
async fn max_as_text() {}

#[task(rate(max = 5, per = "366d"))]
async fn for_too_long() {}

#[task(rate(max = 1001, per = "1m"))]
async fn too_large_a_window() {}

#[task(rate(max = 1, per = "1d", burst = 366))]
async fn too_large_a_bucket() {}

#[task(rate(max = 5, max = 6, per = "1m"))]
async fn max_twice() {}

#[task(rate(max = 5, per = "1m"), rate(max = 1, per = "1s"))]
async fn twice() {}

#[task(rate(max = 5, every = "1m"))]
async fn another_word() {}

#[task(rate_limit = 5)]
async fn named_as_elsewhere() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(max = 0, per = "1m"))]
struct Contract {}

#[task(implements = Contract, rate(max = 5, per = "1m"))]
async fn implemented() {}

async fn use_them(app: &App) {
    let _ = app.queues().rate::<None>().set(5, std::time::Duration::from_secs(1)).await;
}

fn main() {}
