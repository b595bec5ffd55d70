#![allow(unused)]

use taskora::prelude::*;

#[task(
    schedule(name = "a", cron = "@every 5m"),
    schedule(name = "b", cron = "0 3 * *"),
    schedule(name = "c", cron = "0 0 3 * * ? 2030")
)]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
