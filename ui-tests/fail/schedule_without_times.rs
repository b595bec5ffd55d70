#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(tz = "Europe/Berlin"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
