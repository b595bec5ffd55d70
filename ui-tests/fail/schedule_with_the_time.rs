#![allow(unused)]

use taskora::prelude::*;

use std::time::SystemTime;

#[task(schedule(every = "5m", with(since = SystemTime::now())))]
async fn send_report(since: SystemTime) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
