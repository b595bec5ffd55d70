#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", max_late = "500ms"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
