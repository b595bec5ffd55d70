#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = "0 0 30 2 *"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
