#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", on_missed = catch_up(0)))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
