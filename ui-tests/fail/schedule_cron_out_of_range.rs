#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = "61 * * * *"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
