//! What other queues have as options of the task, and where taskora has it.

use taskora::prelude::*;

#[task(queue = "low", max_retries = 3, unique)]
async fn one(id: u32) {
    let _ = id;
}

#[task(delay = "5s", rate_limit = "10/s")]
async fn two(id: u32) {
    let _ = id;
}

#[task(attempts = 3, backoff = exponential, lease = "30s")]
async fn three(id: u32) {
    let _ = id;
}

fn main() {}
