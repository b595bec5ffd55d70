#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", with(days = 7)))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
