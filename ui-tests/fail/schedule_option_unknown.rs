#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(corn = "0 3 * * *", timezone = "Europe/Berlin"), cron = "0 3 * * *")]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
