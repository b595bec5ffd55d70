#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(name = "nightly", cron = "0 3 * * *"), schedule(name = "nightly", every = "5m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
