#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = "0 3 * * *"), schedule(every = "5m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
