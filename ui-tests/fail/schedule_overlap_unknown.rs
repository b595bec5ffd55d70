#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", overlap = cancel))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
