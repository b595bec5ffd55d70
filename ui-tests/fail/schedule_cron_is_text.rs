#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(cron = 5))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
