#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(manual, tz = "Europe/Berlin", on_missed = catch_up, jitter = "1m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
