#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = "0 3 * * *", offset = "30s"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
