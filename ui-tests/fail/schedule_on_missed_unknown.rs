#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", on_missed = run_all), schedule(name = "b", every = "1h", on_missed = catch_up(many)))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}
