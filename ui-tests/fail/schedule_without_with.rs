#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m"))]
async fn send_report(to: String, subject: String) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
