#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(name = "", every = "5m"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
