#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", run_on_start = once))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
