#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = "0 3 * * *", tz = "Europe/Berln"), schedule(name = "other", cron = "0 3 * * *", tz = "CEST"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
