#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", every = "6m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
