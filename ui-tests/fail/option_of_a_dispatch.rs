#![allow(unused)]

use taskora::prelude::*;

#[task(debounce = "5s")]
async fn debounced() {}

#[task(throttle(max = 3, window = "1m"))]
async fn throttled() {}

#[task(deduplicate)]
async fn deduplicated() {}

#[task(unique)]
async fn unique() {}

#[task(id = "x")]
async fn with_id() {}

#[task(at = "03:00")]
async fn later() {}

#[task(dedupe)]
async fn shortened() {}

fn main() {}
