#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", offset = "5m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
